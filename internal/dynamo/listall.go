package dynamo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// The index by-user holds audit entries, plans and users beside the keys. A scan reads these too, and
// may read so many items for each key that it may return.
const scannedForEach = 5

// pageOfKeys is how many items of the index one request reads. A larger page may take longer than one
// attempt may.
const pageOfKeys = 1000

// listedFields returns the attributes that ListAll reads, by their names in its expressions.
func listedFields() map[string]string {
	names := make(map[string]string)
	for _, field := range []string{
		"pk", "id", "userId", "name", "keyPrefix", "enabled", "notBefore", "expiresAt", "createdAt", "revokedAt",
	} {
		names["#"+field] = field
	}
	return names
}

// ListAll reads the index by-user: the partition of a user, or all of it.
func (t *Table) ListAll(ctx context.Context, userID string, most int) ([]*apikey.Key, error) {
	names := listedFields()
	fields := strings.Join(slices.Sorted(maps.Keys(names)), ", ")
	names["#sk"] = "sk"
	if userID == "" {
		return t.scanKeys(ctx, most, &dynamodb.ScanInput{
			TableName: &t.name, IndexName: aws.String("by-user"), Limit: aws.Int32(pageOfKeys),
			ProjectionExpression: &fields,
			FilterExpression:     aws.String("#sk = :sk"), ExpressionAttributeNames: names,
			ExpressionAttributeValues: item{":sk": text(keySort)},
		})
	}
	in := &dynamodb.QueryInput{
		TableName: &t.name, IndexName: aws.String("by-user"), Limit: aws.Int32(pageOfKeys),
		ProjectionExpression:   &fields,
		KeyConditionExpression: aws.String("#userId = :user"),
		FilterExpression:       aws.String("#sk = :sk"), ExpressionAttributeNames: names,
		ExpressionAttributeValues: item{":sk": text(keySort), ":user": text(userID)},
	}
	var keys []*apikey.Key
	for {
		out, err := t.client.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("query all keys of a user: %w", err)
		}
		if keys, err = appendKeys(keys, out.Items, most); err != nil {
			return nil, err
		}
		if len(out.LastEvaluatedKey) == 0 {
			return keys, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// scanKeys returns the keys of a scan, each once: a key that gets another user meanwhile may be met
// twice.
func (t *Table) scanKeys(ctx context.Context, most int, in *dynamodb.ScanInput) (keys []*apikey.Key, err error) {
	for scanned := 0; ; {
		out, err := t.client.Scan(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("scan all keys: %w", err)
		}
		if keys, err = appendKeys(keys, out.Items, most); err != nil {
			return nil, err
		}
		if scanned += int(out.ScannedCount); scanned > scannedForEach*most {
			return nil, registry.ErrTooMany
		}
		if len(out.LastEvaluatedKey) == 0 {
			break
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	met := make(map[string]bool, len(keys))
	return slices.DeleteFunc(keys, func(k *apikey.Key) bool {
		again := met[k.ID]
		met[k.ID] = true
		return again
	}), nil
}

// appendKeys appends the keys in items, or returns ErrTooMany if these are more than most in all.
func appendKeys(keys []*apikey.Key, items []item, most int) ([]*apikey.Key, error) {
	if len(keys)+len(items) > most {
		return nil, registry.ErrTooMany
	}
	for _, i := range items {
		k, err := decodeKey(i)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}
