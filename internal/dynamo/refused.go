package dynamo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/tally"
)

var _ tally.Store = (*Table)(nil)

// The refusals of a key are stored in one item for each month of a life of the key, which the sort key
// names by its beginning: refused#202611#m3x7l2p0. Its attribute 24 rate_limited counts the requests
// that were refused on the 24th for the limit.
const (
	refusedSort = "refused#"
	// olderSort is the sort key of the item that says when an older token was used.
	olderSort = "previous"
	// olderRetention is as long as a replaced token may work.
	olderRetention = 31 * 24 * time.Hour
)

func refusedKey(id string, life time.Time, month int64) item {
	return primaryKey(keyPartition(id), refusedSort+fmt.Sprint(month, "#", strconv.FormatInt(life.UnixMilli(), 36)))
}

// AddRefused adds counts with one write for each month. It is sent once: a repeated request would
// count twice.
func (t *Table) AddRefused(ctx context.Context, id string, life time.Time, counts apikey.Refusals) error {
	days := slices.Sorted(maps.Keys(counts))
	for len(days) > 0 {
		month := days[0].Month()
		var adds []string
		names, values := map[string]string{"#ttl": "ttl"}, item{":ttl": number(t.usageEnds(month))}
		for len(days) > 0 && days[0].Month() == month {
			for code, n := range counts[days[0]] {
				at := strconv.Itoa(len(adds))
				adds = append(adds, "#"+at+" :"+at)
				names["#"+at], values[":"+at] = refusedCount(days[0], code), number(n)
			}
			days = days[1:]
		}
		_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &t.name, Key: refusedKey(id, life, month),
			UpdateExpression:         aws.String("SET #ttl = :ttl ADD " + strings.Join(adds, ", ")),
			ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		}, func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
		if err != nil {
			return fmt.Errorf("add refusals of key %s: %w", id, err)
		}
	}
	return nil
}

func refusedCount(day ratelimit.Date, code apikey.Code) string {
	return fmt.Sprintf("%02d %s", int64(day)%100, code)
}

// Refused reads the refusals of many keys in few requests.
func (t *Table) Refused(ctx context.Context, keys []*apikey.Key, from, to ratelimit.Date) (
	map[string]apikey.Refusals, error,
) {
	var items []item
	for month := from.Month(); month <= to.Month(); month = nextMonth(month) {
		for _, k := range keys {
			items = append(items, refusedKey(k.ID, k.CreatedAt, month))
		}
	}
	found, err := t.batch(ctx, items)
	if err != nil {
		return nil, fmt.Errorf("get refusals: %w", err)
	}
	all := make(map[string]apikey.Refusals)
	for _, i := range found {
		id := idOf(i)
		counts, err := decodeRefused(i, from, to)
		if err != nil {
			return nil, fmt.Errorf("refusals of key %s: %w", id, err)
		}
		switch {
		case len(counts) == 0:
		case all[id] == nil:
			all[id] = counts
		default:
			all[id].AddAll(counts)
		}
	}
	return all, nil
}

// decodeRefused returns the counts of one item from one day to another.
func decodeRefused(i item, from, to ratelimit.Date) (apikey.Refusals, error) {
	sk, _ := i["sk"].(*types.AttributeValueMemberS)
	text, _, _ := strings.Cut(strings.TrimPrefix(sk.Value, refusedSort), "#")
	month, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("month: %w", err)
	}
	counts := make(apikey.Refusals)
	for name, value := range i {
		number, code, isCount := strings.Cut(name, " ")
		if !isCount {
			continue
		}
		d, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("day: %w", err)
		}
		n, err := integer(value)
		if err != nil {
			return nil, err
		}
		if day := ratelimit.Date(month*100 + d); day >= from && day <= to {
			counts.Add(day, apikey.Code(code), n)
		}
	}
	return counts, nil
}

func nextMonth(month int64) int64 {
	if month%100 == 12 {
		return month + 100 - 11
	}
	return month + 1
}

// SetOlderUse stores the time of the last use of an older token.
func (t *Table) SetOlderUse(ctx context.Context, id string, at time.Time) error {
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: primaryKey(keyPartition(id), olderSort),
		UpdateExpression:         aws.String("SET #at = :at, #ttl = :ttl"),
		ExpressionAttributeNames: map[string]string{"#at": "at", "#ttl": "ttl"},
		ExpressionAttributeValues: item{
			":at": number(at.UnixMilli()), ":ttl": number(at.Add(olderRetention).Unix()),
		},
	})
	if err != nil {
		return fmt.Errorf("note the use of an older token of key %s: %w", id, err)
	}
	return nil
}

// OlderUses reads when older tokens of keys were last used.
func (t *Table) OlderUses(ctx context.Context, ids []string) (map[string]time.Time, error) {
	keys := make([]item, len(ids))
	for n, id := range ids {
		keys[n] = primaryKey(keyPartition(id), olderSort)
	}
	found, err := t.batch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("get uses of older tokens: %w", err)
	}
	uses := make(map[string]time.Time, len(found))
	for _, i := range found {
		at, err := integer(i["at"])
		if err != nil {
			return nil, fmt.Errorf("use of an older token of key %s: %w", idOf(i), err)
		}
		uses[idOf(i)] = moment(at)
	}
	return uses, nil
}
