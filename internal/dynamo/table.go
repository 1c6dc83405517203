package dynamo

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Table is safe for concurrent use.
type Table struct {
	client *dynamodb.Client
	name   string
}

// Options say where the table is.
type Options struct {
	Name string
	// Endpoint is another endpoint than the region's own; empty: that one.
	Endpoint string
	// Local is for an engine on this machine, which takes any region and any
	// credentials: none are looked for.
	Local bool
	// HTTP carries the requests; nil: the SDK's own client with short timeouts.
	HTTP aws.HTTPClient
}

// A check must not take longer than a caller will wait. One lost packet costs an
// attempt, not the request.
const (
	attempts       = 3
	attemptTimeout = 800 * time.Millisecond
	maxBackoff     = 100 * time.Millisecond
)

// Open returns the table without speaking to it.
func Open(ctx context.Context, o Options) (*Table, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(s *retry.StandardOptions) {
				s.MaxAttempts, s.MaxBackoff = attempts, maxBackoff
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
	client := dynamodb.NewFromConfig(c, func(d *dynamodb.Options) {
		if o.Endpoint != "" {
			d.BaseEndpoint = aws.String(o.Endpoint)
		}
		if o.HTTP != nil {
			d.HTTPClient = o.HTTP
		}
		// DynamoDB Local's checksums of its own error answers are wrong.
		d.DisableValidateResponseChecksum = o.Local
	})
	return &Table{client: client, name: o.Name}, nil
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
