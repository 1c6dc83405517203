package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/logging"
)

// Table is safe for concurrent use.
type Table struct {
	client *dynamodb.Client
	name   string
	now    func() time.Time
	ahead  *atomic.Int64
	sent   *sent

	usageKept time.Duration
}

// Options say where the table is.
type Options struct {
	Name string
	// Endpoint is another endpoint than the region's own; empty: that one.
	Endpoint string
	// Local is for an engine on this machine, which takes any region and any
	// credentials: none are looked for.
	Local bool
	// AppID is who asks, in each request's User-Agent; it may be empty.
	AppID string
	// Now is the clock that is compared with the table's; nil: none is, and
	// [Table.Now] must not be used.
	Now func() time.Time
	// UsageKept is how long what was used on a day is remembered; zero: 400 days.
	UsageKept time.Duration
	// Transport carries the requests; nil: the SDK's own.
	Transport http.RoundTripper
}

// A check must not take longer than a caller will wait: three seconds. One lost
// packet costs an attempt, not the request, and three attempts with two pauses
// take 2.6 s at most, a little more than a gate waits for all that it asks. An
// answer takes under 10 ms as a rule and 100 ms at the worst of days, so that
// 800 ms cut off what is lost, not what is slow.
const (
	attempts       = 3
	attemptTimeout = 800 * time.Millisecond
	maxBackoff     = 100 * time.Millisecond
)

// defaultUsageKept is as long as a meter with the marks of its last days lives.
const defaultUsageKept = 400 * 24 * time.Hour

// Open returns the table without speaking to it.
func Open(ctx context.Context, o Options) (*Table, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)),
		config.WithAppID(o.AppID),
		config.WithLogger(logging.Nop{}), // what matters comes back as an error
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(s *retry.StandardOptions) {
				s.MaxAttempts, s.MaxBackoff = attempts, maxBackoff
				// The SDK's quota of retries is refilled by successes, and takes a failed
				// condition for none: at a contended meter it would run dry, and the next
				// lost packet would be a lost request.
				s.RateLimiter = ratelimit.None
			})
		}),
	}
	if o.Local {
		load = append(load, config.WithRegion("us-east-1"),
			config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("configure DynamoDB: %w", err)
	}
	t := &Table{usageKept: cmp.Or(o.UsageKept, defaultUsageKept), name: o.Name, now: o.Now, ahead: new(atomic.Int64), sent: new(sent)}
	t.client = dynamodb.NewFromConfig(c, func(d *dynamodb.Options) {
		if o.Endpoint != "" {
			d.BaseEndpoint = aws.String(o.Endpoint)
		}
		if o.Transport != nil {
			d.HTTPClient = &http.Client{Transport: o.Transport, Timeout: attemptTimeout}
		}
		if o.Now != nil {
			d.HTTPClient = dated{d.HTTPClient, o.Now, t.ahead}
		}
		d.HTTPClient = counted{d.HTTPClient, t.sent}
		// DynamoDB Local's checksums of its own error answers are wrong.
		d.DisableValidateResponseChecksum = o.Local
	})
	return t, nil
}

// Ping reports whether the table answers.
func (t *Table) Ping(ctx context.Context) error {
	_, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, Key: primaryKey("health", "health"), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("ping the table: %w", err)
	}
	return nil
}

// item is DynamoDB's form of one.
type item = map[string]types.AttributeValue

func primaryKey(pk, sk string) item { return item{"pk": text(pk), "sk": text(sk)} }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
