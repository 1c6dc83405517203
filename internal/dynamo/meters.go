package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// The meters of a key are in its partition, and those of a user in the user's. The sort key of the
// first one is meter. The sort key of a further one also names its window in seconds, or the period
// of its quota: meter#60 and meter#lifetime.
//
// The further shards of a key's first meter have a partition each, key#<id>#shard1 and so on, with the
// sort key meter. DynamoDB may therefore serve each of them from another place.
const (
	furtherSort = "meter#"
	lastMeter   = furtherSort + "~" // sorts after each further meter
)

// meterPartition returns the partition of the meter with the limiter's id.
func meterPartition(id string) string {
	of, owner, what := apikey.ParseMeter(id)
	switch {
	case of == apikey.OfUser:
		return userPartition(owner)
	case apikey.FurtherShard(what):
		return keyPartition(id)
	}
	return keyPartition(owner)
}

// meterKey returns the primary key of the meter with the limiter's id.
func meterKey(id string) item {
	if _, _, what := apikey.ParseMeter(id); what != "" && !apikey.FurtherShard(what) {
		return primaryKey(meterPartition(id), furtherSort+what)
	}
	return primaryKey(meterPartition(id), meterSort)
}

// meterID returns the limiter's id of the meter in an item. It is the inverse of meterKey.
func meterID(i item) (string, error) {
	pk, _ := i["pk"].(*types.AttributeValueMemberS)
	sk, _ := i["sk"].(*types.AttributeValueMemberS)
	if pk == nil || sk == nil {
		return "", errors.New("decode meter: it has no primary key")
	}
	what, further := strings.CutPrefix(sk.Value, furtherSort)
	if !further && sk.Value != meterSort {
		return "", fmt.Errorf("decode meter: %q is no meter", sk.Value)
	}
	if !further {
		what = ""
	}
	if user, ok := strings.CutPrefix(pk.Value, userPartition("")); ok {
		return apikey.UserMeter(user, what), nil
	}
	id, ok := strings.CutPrefix(pk.Value, keyPartition(""))
	switch {
	case !ok:
		return "", fmt.Errorf("decode meter: %q is the partition of no key and of no user", pk.Value)
	case what == "":
		return id, nil
	}
	return id + "#" + what, nil
}

// decodeNamedMeter decodes a meter and its id.
func decodeNamedMeter(i item) (named apikey.NamedMeter, err error) {
	if named.ID, err = meterID(i); err != nil {
		return named, err
	}
	if named.Meter, err = decodeMeter(i); err != nil {
		return named, fmt.Errorf("meter %s: %w", named.ID, err)
	}
	return named, nil
}

// Meter reads a meter alone.
func (t *Table) Meter(ctx context.Context, id string) (ratelimit.Meter, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), Key: meterKey(id),
	})
	if err != nil {
		return ratelimit.Meter{}, fmt.Errorf("get meter %s: %w", id, err)
	}
	m, err := decodeMeter(out.Item)
	if err != nil {
		return ratelimit.Meter{}, fmt.Errorf("meter %s: %w", id, err)
	}
	return m, nil
}

// Meters reads many meters in few requests.
func (t *Table) Meters(ctx context.Context, ids []string) (map[string]ratelimit.Meter, error) {
	keys := make([]item, len(ids))
	for n, id := range ids {
		keys[n] = meterKey(id)
	}
	items, err := t.batch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("get meters: %w", err)
	}
	meters := make(map[string]ratelimit.Meter, len(ids))
	for _, i := range items {
		named, err := decodeNamedMeter(i)
		if err != nil {
			return nil, fmt.Errorf("get meters: %w", err)
		}
		meters[named.ID] = named.Meter
	}
	return meters, nil
}
