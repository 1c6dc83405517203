package dynamo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

var _ registry.Store = (*Table)(nil)

// Find reads a key and all its meters in one query. That is one read unit for each 4 KB. A meter
// has less than 1 KB.
func (t *Table) Find(ctx context.Context, id string) (apikey.Record, error) {
	items, err := t.between(ctx, keyPartition(id), keySort, lastMeter)
	if err != nil {
		return apikey.Record{}, fmt.Errorf("query key %s: %w", id, err)
	}
	var r apikey.Record
	for _, i := range items {
		if err := addTo(&r, i); err != nil {
			return apikey.Record{}, fmt.Errorf("key %s: %w", id, err)
		}
	}
	if r.Key == nil {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return r, nil
}

// between reads the items of a partition from one sort key to another, both included.
func (t *Table) between(ctx context.Context, partition, from, to string) ([]item, error) {
	out, err := t.client.Query(ctx, &dynamodb.QueryInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("#pk = :pk AND #sk BETWEEN :from AND :to"),
		ExpressionAttributeNames:  map[string]string{"#pk": "pk", "#sk": "sk"},
		ExpressionAttributeValues: item{":pk": text(partition), ":from": text(from), ":to": text(to)},
	})
	if err != nil {
		return nil, err
	}
	return out.Items, nil
}

// idOf returns the id of the key in whose partition an item is, or "" if it is in no partition.
func idOf(i item) string {
	pk, _ := i["pk"].(*types.AttributeValueMemberS)
	if pk == nil {
		return ""
	}
	return strings.TrimPrefix(pk.Value, keyPartition(""))
}

// addTo adds one item of a record: the key or one of its meters.
func addTo(r *apikey.Record, i item) (err error) {
	sk, _ := i["sk"].(*types.AttributeValueMemberS)
	switch {
	case sk == nil:
	case sk.Value == keySort:
		r.Key, err = decodeKey(i)
	case sk.Value == meterSort:
		r.Meter, err = decodeMeter(i)
	case strings.HasPrefix(sk.Value, furtherSort):
		var m apikey.NamedMeter
		m, err = decodeNamedMeter(i)
		r.More = append(r.More, m)
	}
	return err
}

// Records reads the keys of many ids and their first meters in few requests.
func (t *Table) Records(ctx context.Context, ids []string) (map[string]apikey.Record, error) {
	keys := make([]item, 0, 2*len(ids))
	for _, id := range ids {
		keys = append(keys, primaryKey(keyPartition(id), keySort), primaryKey(keyPartition(id), meterSort))
	}
	items, err := t.batch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("get keys: %w", err)
	}
	records := make(map[string]apikey.Record, len(ids))
	for _, i := range items {
		id := idOf(i)
		r := records[id]
		if err := addTo(&r, i); err != nil {
			return nil, fmt.Errorf("key %s: %w", id, err)
		}
		records[id] = r
	}
	// The meter of a deleted key still exists.
	maps.DeleteFunc(records, func(_ string, r apikey.Record) bool { return r.Key == nil })
	return records, nil
}

// Resolve returns the id of the key behind an alias.
func (t *Table) Resolve(ctx context.Context, alias string) (string, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), Key: primaryKey(aliasPartition(alias), aliasSort),
	})
	if err != nil {
		return "", fmt.Errorf("get alias: %w", err)
	}
	id, ok := out.Item["keyId"].(*types.AttributeValueMemberS)
	if !ok {
		return "", apikey.ErrNotFound
	}
	return id.Value, nil
}

// Peppers returns names of peppers that keys of the table were hashed with. It stops at the first
// page of the table that has any. It therefore returns none only if no key was hashed with a
// pepper.
func (t *Table) Peppers(ctx context.Context) ([]string, error) {
	names := make(map[string]bool)
	in := &dynamodb.ScanInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("#secrets"),
		FilterExpression:          aws.String("#sk = :sk"),
		ExpressionAttributeNames:  map[string]string{"#sk": "sk", "#secrets": "secrets"},
		ExpressionAttributeValues: item{":sk": text(keySort)},
	}
	for {
		out, err := t.client.Scan(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("scan for peppers: %w", err)
		}
		for _, i := range out.Items {
			var r record
			if err := attributevalue.UnmarshalMap(i, &r); err != nil {
				return nil, fmt.Errorf("decode a key: %w", err)
			}
			for _, s := range r.Secrets {
				if s.Pepper != "" {
					names[s.Pepper] = true
				}
			}
		}
		if len(names) > 0 || len(out.LastEvaluatedKey) == 0 {
			return slices.Sorted(maps.Keys(names)), nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Rehash replaces one secret of a key without changing its revision, because no decision depends on
// the hash. It replaces the seal of the record as well.
func (t *Table) Rehash(ctx context.Context, from, to *apikey.Key, n int) error {
	value, err := attributevalue.Marshal(encodeSecret(to.Secrets[n]))
	if err != nil {
		return fmt.Errorf("encode secret of key %s: %w", from.ID, err)
	}
	at := "#secrets[" + strconv.Itoa(n) + "]"
	update, condition := "SET "+at+" = :new", "#rev = :rev AND "+at+".#hash = :old"
	names := map[string]string{"#secrets": "secrets", "#rev": "rev", "#hash": "hash"}
	values := item{
		":new": value, ":rev": number(from.Rev), ":old": &types.AttributeValueMemberB{Value: from.Secrets[n].Hash},
	}
	if len(from.Trail.Seal) > 0 {
		update += ", #trail.#seal = :seal"
		condition += " AND #trail.#seal = :sealed"
		names["#trail"], names["#seal"] = "trail", "seal"
		values[":seal"] = &types.AttributeValueMemberB{Value: to.Trail.Seal}
		values[":sealed"] = &types.AttributeValueMemberB{Value: from.Trail.Seal}
	}
	_, err = t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: primaryKey(keyPartition(from.ID), keySort),
		UpdateExpression: &update, ConditionExpression: &condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	if err != nil {
		return fmt.Errorf("rehash a secret of key %s: %w", from.ID, err)
	}
	return nil
}

// List reads the index by-user. The beginning of a page is a bound of the query instead of
// DynamoDB's own start key. A cursor can therefore only lead into the list of this user.
func (t *Table) List(ctx context.Context, userID string, after registry.Position, limit int) ([]*apikey.Key, error) {
	in := &dynamodb.QueryInput{
		TableName: &t.name, IndexName: aws.String("by-user"),
		ScanIndexForward:          aws.Bool(false),
		KeyConditionExpression:    aws.String("#user = :user"),
		ExpressionAttributeNames:  map[string]string{"#user": "userId"},
		ExpressionAttributeValues: item{":user": text(userID)},
	}
	if after != (registry.Position{}) {
		in.KeyConditionExpression = aws.String("#user = :user AND #created < :after")
		in.ExpressionAttributeNames["#created"] = "createdKey"
		in.ExpressionAttributeValues[":after"] = text(after.String())
	}
	var keys []*apikey.Key
	for {
		in.Limit = aws.Int32(int32(limit - len(keys)))
		out, err := t.client.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("query keys by user: %w", err)
		}
		for _, i := range out.Items {
			k, err := decodeKey(i)
			if err != nil {
				return nil, err
			}
			keys = append(keys, k)
		}
		if len(keys) >= limit || len(out.LastEvaluatedKey) == 0 {
			return keys, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
