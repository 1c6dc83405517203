package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/amazon"
)

// Table is the table. It is safe for concurrent use.
type Table struct {
	client *dynamodb.Client
	name   string
	now    func() time.Time
	off    *atomic.Int64
	sent   *sent
	proven *atomic.Int64 // when a write for Health succeeded, in nanoseconds

	usageRetention time.Duration
}

// Options say where the table is.
type Options struct {
	Name string
	AWS  aws.Config
	// Endpoint is the URL of DynamoDB. If empty, it is the region's own.
	Endpoint string
	// Local says that the engine runs on this machine.
	Local bool
	// Now is the clock that is compared with the table's time. If nil, [Table.Now] and
	// [Table.Health] must not be called.
	Now func() time.Time
	// UsageRetention is how long daily usage is stored. If zero, it is 400 days.
	UsageRetention time.Duration
	// Transport sends the requests. If nil, it is the SDK's own.
	Transport http.RoundTripper
	// AttemptTimeout bounds one attempt through Transport. If zero, it is [amazon.AttemptTimeout].
	AttemptTimeout time.Duration
}

// defaultUsageRetention is as long as an unused meter with the marks of its last days is stored.
const defaultUsageRetention = 400 * 24 * time.Hour

// Open returns the table. It sends no request.
func Open(o Options) *Table {
	t := &Table{
		name: o.Name, now: o.Now, off: new(atomic.Int64), sent: new(sent), proven: new(atomic.Int64),
		usageRetention: cmp.Or(o.UsageRetention, defaultUsageRetention),
	}
	t.client = dynamodb.NewFromConfig(o.AWS, func(d *dynamodb.Options) {
		if o.Endpoint != "" {
			d.BaseEndpoint = aws.String(o.Endpoint)
		}
		if o.Transport != nil {
			timeout := cmp.Or(o.AttemptTimeout, amazon.AttemptTimeout)
			d.HTTPClient = &http.Client{Transport: o.Transport, Timeout: timeout}
		}
		if o.Now != nil {
			d.HTTPClient = dated{d.HTTPClient, o.Now, t.off}
		}
		d.HTTPClient = counted{d.HTTPClient, t.sent}
		// DynamoDB Local's checksums of its own error answers are wrong.
		d.DisableValidateResponseChecksum = o.Local
	})
	return t
}

// healthSort is the sort key of the item that Health writes.
const healthSort = "health"

// Ping reports whether the table answers.
func (t *Table) Ping(ctx context.Context) error {
	_, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, Key: primaryKey(healthSort, healthSort), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("ping the table: %w", err)
	}
	return nil
}

// provenFor is the time for which a successful write proves that the table takes writes, unless one
// fails meanwhile.
const provenFor = 30 * time.Second

// Health reports whether the table answers and takes writes. An engine with a full disk, for
// example, still answers. It writes one item of its own, at most once in 30 seconds while no write
// of this Table fails. It needs [Options.Now].
func (t *Table) Health(ctx context.Context) error {
	if err := t.Ping(ctx); err != nil {
		return err
	}
	now := t.now().Round(0)
	age := now.Sub(time.Unix(0, t.proven.Load()))
	if 0 <= age && age < provenFor && !t.sent.refused.Load() {
		return nil
	}
	t.sent.refused.Store(false) // a write that fails from here on is another's
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: primaryKey(healthSort, healthSort),
		UpdateExpression:          aws.String("SET #ttl = :ttl"),
		ExpressionAttributeNames:  map[string]string{"#ttl": "ttl"},
		ExpressionAttributeValues: item{":ttl": number(now.Add(time.Hour).Unix())},
	})
	if err != nil {
		t.sent.refused.Store(true)
		return fmt.Errorf("write to the table: %w", err)
	}
	t.proven.Store(now.UnixNano())
	return nil
}

// item is an item as DynamoDB's API has it.
type item = map[string]types.AttributeValue

func primaryKey(pk, sk string) item { return item{"pk": text(pk), "sk": text(sk)} }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
