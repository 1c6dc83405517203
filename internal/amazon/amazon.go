// Package amazon is how a function reaches the services of AWS: one configuration
// of the SDK for all of them, which is patient with a lost packet and with
// nothing else, and which is ready soon after the process has started.
package amazon

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"
)

// A check must not take longer than a caller will wait: three seconds. One lost
// packet costs an attempt, not the request, and three attempts with two pauses
// take 2.6 s at most, a little more than a gate waits for all that it asks. An
// answer takes under 10 ms as a rule and 100 ms at the worst of days, so that
// 800 ms cut off what is lost, not what is slow.
const (
	attempts       = 3
	AttemptTimeout = 800 * time.Millisecond
	maxBackoff     = 100 * time.Millisecond
)

// Lambda is the configuration of a function: by the variables that Lambda sets,
// and those of the SDK's that an operator may, which are AWS_CA_BUNDLE,
// AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE>, AWS_USE_FIPS_ENDPOINT and
// AWS_USE_DUALSTACK_ENDPOINT. The SDK's own loader knows of ten other places to
// look in, none of which a function has, and links all that they could lead to:
// a tenth of a cold start and a fifth of a bootstrap.
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

// Local is for an engine on this machine, which takes any region and any
// credentials.
func Local() aws.Config {
	c := Patient(aws.Config{})
	c.Region, c.Credentials = "us-east-1", credentials.NewStaticCredentialsProvider("local", "local", "")
	return c
}

// Patient makes the attempts of a configuration short and repeats them.
func Patient(c aws.Config) aws.Config {
	client, ok := c.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	c.HTTPClient = client.WithTimeout(AttemptTimeout)
	c.Logger = logging.Nop{} // what matters comes back as an error
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts, s.MaxBackoff = attempts, maxBackoff
			// The SDK's quota of retries is refilled by successes, and takes a failed
			// condition for none: at a contended meter it would run dry, and the next
			// lost packet would be a lost request.
			s.RateLimiter = ratelimit.None
		})
	}
	return c
}
