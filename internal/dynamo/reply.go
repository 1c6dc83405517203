package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

const replySort = "reply"

func replyPartition(name string) string { return "idem#" + name }

// storedReply is a reply as it is stored. Times are in milliseconds, ttl is in seconds.
type storedReply struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	Asked  []byte `dynamodbav:"asked"`
	Pepper string `dynamodbav:"pepper"`
	Sealed []byte `dynamodbav:"sealed"`
	At     int64  `dynamodbav:"at"`
	Until  int64  `dynamodbav:"until"`
	TTL    int64  `dynamodbav:"ttl"`
}

// Reply reads the reply of that name.
func (t *Table) Reply(ctx context.Context, name string) (registry.Reply, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), Key: primaryKey(replyPartition(name), replySort),
	})
	if err != nil {
		return registry.Reply{}, fmt.Errorf("get a reply: %w", err)
	}
	if out.Item == nil {
		return registry.Reply{}, apikey.ErrNotFound
	}
	var r storedReply
	if err := attributevalue.UnmarshalMap(out.Item, &r); err != nil {
		return registry.Reply{}, fmt.Errorf("decode a reply: %w", err)
	}
	return registry.Reply{
		Name: name, Asked: r.Asked, Pepper: r.Pepper, Sealed: r.Sealed, At: moment(r.At), Until: moment(r.Until),
	}, nil
}

// writeReply stores a reply, unless one of its name is stored that has not ended.
func (t *Table) writeReply(r *registry.Reply) (step, error) {
	i, err := attributevalue.MarshalMap(storedReply{
		PK: replyPartition(r.Name), SK: replySort, Asked: r.Asked, Pepper: r.Pepper, Sealed: r.Sealed,
		At: millis(r.At), Until: millis(r.Until), TTL: r.Until.Unix() + 1,
	})
	if err != nil {
		return step{}, fmt.Errorf("encode a reply: %w", err)
	}
	return step{types.TransactWriteItem{Put: &types.Put{
		TableName: &t.name, Item: i,
		ConditionExpression:       aws.String("attribute_not_exists(#pk) OR #until <= :at"),
		ExpressionAttributeNames:  map[string]string{"#pk": "pk", "#until": "until"},
		ExpressionAttributeValues: item{":at": number(millis(r.At))},
	}}, apikey.ErrRepeated}, nil
}
