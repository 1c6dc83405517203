package dynamo

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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

// Load writes items as [Table.Dump] has passed them. It returns [ErrNotEmpty] and writes nothing if
// the table has an item of its own. If it fails later, some items are written and others are not.
func (t *Table) Load(ctx context.Context, items iter.Seq2[[]byte, error]) error {
	err := t.scanAll(ctx, func(found []item) error {
		if len(found) > 0 {
			return ErrNotEmpty
		}
		return nil
	})
	if err != nil {
		return err
	}
	const most = 25 // as many as DynamoDB takes at a time
	var puts []types.WriteRequest
	for text, err := range items {
		if err != nil {
			return err
		}
		i, err := attributevalue.UnmarshalMapJSON(text)
		if err != nil {
			return fmt.Errorf("load an item: %w", err)
		}
		if puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: i}}); len(puts) == most {
			if err := t.put(ctx, puts); err != nil {
				return err
			}
			puts = nil
		}
	}
	return t.put(ctx, puts)
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

// put writes up to 25 items. A busy table leaves some out, which are sent again.
func (t *Table) put(ctx context.Context, puts []types.WriteRequest) error {
	for attempt := 1; len(puts) > 0; attempt++ {
		out, err := t.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{t.name: puts},
		})
		if err != nil {
			return fmt.Errorf("write items: %w", err)
		}
		if puts = out.UnprocessedItems[t.name]; len(puts) == 0 {
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
