package dynamo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// ErrNotEmpty reports that a table already has items of its own.
var ErrNotEmpty = errors.New("the table is not empty")

// Dump passes each item of the table to write, in no order. An item is JSON as DynamoDB's API has it.
// Dump is no snapshot: an item that changes meanwhile may be passed as it was or as it is. The item
// of [Table.Health] is left out. An error of write ends Dump, which returns it.
func (t *Table) Dump(ctx context.Context, write func(item []byte) error) error {
	return t.scanAll(ctx, func(items []item) error {
		for _, i := range items {
			text, err := attributevalue.MarshalMapJSON(i)
			if err != nil {
				return fmt.Errorf("dump the table: %w", err)
			}
			if err := write(text); err != nil {
				return err
			}
		}
		return nil
	})
}

// putsAtOnce is how many batches [Table.Load] writes at the same time.
const putsAtOnce = 25

// Load writes items as [Table.Dump] has passed them. items must yield the same each time. Load returns
// [ErrNotEmpty] and writes nothing if the table has an item that is not one of them. If it fails later,
// some items are written and others are not. Load may then be called again, and writes the others.
func (t *Table) Load(ctx context.Context, items iter.Seq2[[]byte, error]) error {
	there, err := t.loaded(ctx, items)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(putsAtOnce)
	err = eachBatch(items, there, func(puts []types.WriteRequest) error {
		group.Go(func() error { return t.put(ctx, puts) })
		return ctx.Err()
	})
	// An error of a batch is the cause if the loop has ended with the error of ctx.
	return cmp.Or(group.Wait(), err)
}

// loaded returns the hashes of the items that the table has. It returns [ErrNotEmpty] if one of them
// is not in items.
func (t *Table) loaded(ctx context.Context, items iter.Seq2[[]byte, error]) (map[itemHash]bool, error) {
	there := make(map[itemHash]bool)
	err := t.scanAll(ctx, func(found []item) error {
		for _, i := range found {
			there[hashOf(i)] = false
		}
		return nil
	})
	if err != nil || len(there) == 0 {
		return nil, err
	}
	for i, err := range decoded(items) {
		if err != nil {
			return nil, err
		}
		if _, found := there[hashOf(i)]; found {
			there[hashOf(i)] = true
		}
	}
	for _, expected := range there {
		if !expected {
			return nil, ErrNotEmpty
		}
	}
	return there, nil
}

// eachBatch passes the items that are not there to write, as many at a time as DynamoDB takes.
func eachBatch(items iter.Seq2[[]byte, error], there map[itemHash]bool, write func([]types.WriteRequest) error) error {
	const most = 25
	var puts []types.WriteRequest
	for i, err := range decoded(items) {
		if err != nil {
			return err
		}
		if there[hashOf(i)] {
			continue
		}
		if puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: i}}); len(puts) == most {
			if err := write(puts); err != nil {
				return err
			}
			puts = nil
		}
	}
	return write(puts)
}

// itemHash identifies an item with all its attributes.
type itemHash [sha256.Size]byte

func hashOf(i item) itemHash { return sha256.Sum256(appendMap(nil, i)) }

func decoded(items iter.Seq2[[]byte, error]) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for text, err := range items {
			var i item
			if err == nil {
				if i, err = attributevalue.UnmarshalMapJSON(text); err != nil {
					err = fmt.Errorf("load an item: %w", err)
				}
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

// scanAll passes each page of the table to visit. It leaves out the item of [Table.Health].
func (t *Table) scanAll(ctx context.Context, visit func([]item) error) error {
	in := &dynamodb.ScanInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), FilterExpression: aws.String("#pk <> :health"),
		Limit:                     aws.Int32(200), // a page must come within the timeout of an attempt
		ExpressionAttributeNames:  map[string]string{"#pk": "pk"},
		ExpressionAttributeValues: item{":health": text(healthSort)},
	}
	for {
		out, err := t.client.Scan(ctx, in)
		if err != nil {
			return fmt.Errorf("scan the table: %w", err)
		}
		if err := visit(out.Items); err != nil {
			return err
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// put writes up to 25 items. A busy table leaves some out, which are sent again. So are all, if it is so
// slow that the time of each attempt ends: the same items may be written twice.
func (t *Table) put(ctx context.Context, puts []types.WriteRequest) error {
	slow := 0
	for attempt := 1; len(puts) > 0; attempt++ {
		out, err := t.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{t.name: puts},
		})
		switch {
		case err == nil:
			puts = out.UnprocessedItems[t.name]
		case !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || slow == slowTries:
			return fmt.Errorf("write items: %w", err)
		default:
			slow++
		}
		if len(puts) == 0 {
			break
		}
		if attempt == patientTries {
			return fmt.Errorf("write items: %d were left out %d times", len(puts), attempt)
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

// patientTries bounds how often a batch is sent. Together they wait some 40 seconds, in which a new
// table on demand takes more writes.
const patientTries = 60

// slowTries bounds how often a batch is sent again because no attempt was answered in its time.
const slowTries = 5
