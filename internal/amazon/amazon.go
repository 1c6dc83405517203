// Package amazon configures the AWS SDK: call [Lambda] in a function, and [Local] for an engine on
// this machine. One configuration is for all services. It repeats a request whose packet was lost,
// but does not wait for a slow service. It is ready soon after the process has started.
package amazon

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A check must not take longer than a caller will wait, which is three seconds. Three attempts with
// two pauses take at most 2.6 s, a little more than a gate waits for all its requests. A lost
// packet therefore costs an attempt, and not the request.
const (
	attempts   = 3
	maxBackoff = 100 * time.Millisecond
	// AttemptTimeout is how long one attempt may take. A response usually takes under 10 ms, and
	// 100 ms at the worst times, so this ends requests that were lost, and not those that are slow.
	AttemptTimeout = 800 * time.Millisecond
)

// Lambda returns the configuration of a function, from the variables that Lambda sets and these
// variables of the SDK, which an operator may set: AWS_CA_BUNDLE, AWS_ENDPOINT_URL,
// AWS_ENDPOINT_URL_<SERVICE>, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT. An error names
// the variable that is wrong.
//
// The SDK's own loader looks in ten other places, which a function does not have. The code for them
// would take a tenth of a cold start and a fifth of a bootstrap.
func Lambda(variables map[string]string) (aws.Config, error) {
	s, err := newSources(variables)
	if err != nil {
		return aws.Config{}, err
	}
	trusted, err := trust(variables["AWS_CA_BUNDLE"])
	if err != nil {
		return aws.Config{}, err
	}
	c := Patient(aws.Config{HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(trusted)})
	c.Region = variables["AWS_REGION"]
	c.Credentials = credentials.NewStaticCredentialsProvider(
		variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], variables["AWS_SESSION_TOKEN"])
	c.ConfigSources = []any{s}
	if all := variables["AWS_ENDPOINT_URL"]; all != "" {
		c.BaseEndpoint = &all
	}
	return c, nil
}

// Local returns the configuration for an engine on this machine, which accepts any region and any
// credentials.
func Local() aws.Config {
	c := Patient(aws.Config{})
	c.Region, c.Credentials = "us-east-1", credentials.NewStaticCredentialsProvider("local", "local", "")
	return c
}

// Patient returns c with short attempts, which are repeated. It sets the timeout, the retryer and
// the logger.
func Patient(c aws.Config) aws.Config {
	client, ok := c.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	c.HTTPClient = client.WithTimeout(AttemptTimeout)
	c.Logger = logging.Nop{} // the SDK returns everything important as an error
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts, s.MaxBackoff = attempts, maxBackoff
			s.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(asksToWait)}, s.Retryables...)
			// The SDK has a quota of retries, which successes refill. It does not count a failed
			// condition as a success. At a contended meter the quota would run out, and then a lost
			// packet would fail its request.
			s.RateLimiter = ratelimit.None
		})
	}
	return c
}

// idle is how many connections to a service stay open for the next request.
const idle = 256

// Concurrent returns c for a process that sends many requests at a time. The SDK keeps only ten
// connections to a service, and would open and close one for each request beyond.
func Concurrent(c aws.Config) aws.Config {
	client, ok := c.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	c.HTTPClient = client.WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = idle, idle
	})
	return c
}

// asksToWait says that a request is not repeated if the service asks for a longer wait than a request
// has. The SDK would wait for up to five seconds, and Lambda could use the instance for no other
// request meanwhile.
func asksToWait(err error) aws.Ternary {
	r, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || r.Response == nil {
		return aws.UnknownTernary
	}
	ms, err := strconv.ParseInt(r.Response.Header.Get("X-Amz-Retry-After"), 10, 64)
	if err == nil && ms > maxBackoff.Milliseconds() {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}
