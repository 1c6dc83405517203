package dynamo

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// batch returns the items of these keys that exist, in no order. It asks for a hundred at a time,
// as many as DynamoDB allows.
func (t *Table) batch(ctx context.Context, all []item) (items []item, err error) {
	for keys := range slices.Chunk(all, 100) {
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
	}
	return items, nil
}
