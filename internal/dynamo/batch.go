package dynamo

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// batchesAtOnce is how many batches are read at the same time.
const batchesAtOnce = 8

// batch returns the items of these keys that exist, in no order. It asks for a hundred at a time, as
// many as DynamoDB allows.
func (t *Table) batch(ctx context.Context, all []item) (items []item, err error) {
	const most = 100
	if len(all) <= most {
		return t.oneBatch(ctx, all)
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(batchesAtOnce)
	for keys := range slices.Chunk(all, most) {
		group.Go(func() (err error) {
			defer func() {
				if cause := recover(); cause != nil { // it would end the process
					err = fmt.Errorf("get a batch: panic: %T", cause)
				}
			}()
			some, err := t.oneBatch(ctx, keys)
			mu.Lock()
			defer mu.Unlock()
			items = append(items, some...)
			return err
		})
	}
	err = group.Wait()
	return items, err
}

// oneBatch is batch for up to a hundred keys.
func (t *Table) oneBatch(ctx context.Context, keys []item) (items []item, err error) {
	for attempt := 1; len(keys) > 0; attempt++ {
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			t.name: {Keys: keys, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil {
			return nil, err
		}
		items = append(items, out.Responses[t.name]...)
		// A busy table leaves keys out, which must be asked for again.
		if keys = out.UnprocessedKeys[t.name].Keys; len(keys) == 0 {
			break
		}
		if attempt == collisions {
			return nil, fmt.Errorf("%d were left out %d times", len(keys), attempt)
		}
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
	}
	return items, nil
}
