package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// The usage of past days is stored in one item for each month, in the partition of its meter's key or
// user, or of a further shard. In usage#202611, d24 is the usage of the 24th. No usage is stored of
// further meters, because they count the same requests as the first one.
const usageSort = "usage#"

func usageMonth(month int64) string { return usageSort + strconv.FormatInt(month, 10) }

func usageDay(day ratelimit.Date) string { return fmt.Sprintf("d%02d", int64(day)%100) }

// formerDay names the part of a day's usage that belongs to a key that was deleted on that day:
// f24.
func formerDay(day ratelimit.Date) string { return fmt.Sprintf("f%02d", int64(day)%100) }

// writeFormer stores the usage of a deleted key on its last day.
func (t *Table) writeFormer(id string, d ratelimit.DayUsage) step {
	return step{types.TransactWriteItem{Update: &types.Update{
		TableName: &t.name, Key: primaryKey(keyPartition(id), usageMonth(d.Day.Month())),
		UpdateExpression:          aws.String("SET #former = :former, #ttl = :ttl"),
		ExpressionAttributeNames:  map[string]string{"#former": formerDay(d.Day), "#ttl": "ttl"},
		ExpressionAttributeValues: item{":former": number(d.Former), ":ttl": number(t.usageEnds(d.Day.Month()))},
	}}, nil}
}

// usageEnds returns the ttl of a month's usage.
func (t *Table) usageEnds(month int64) int64 {
	end := time.Date(int(month/100), time.Month(month%100)+1, 1, 0, 0, 0, 0, time.UTC)
	return end.Add(t.usageRetention).Unix()
}

// RecordUsage stores the usage of days, which must be sorted, with one write for each month.
func (t *Table) RecordUsage(ctx context.Context, id string, days []ratelimit.DayUsage) error {
	if _, _, what := apikey.ParseMeter(id); what != "" && !apikey.FurtherShard(what) {
		return nil
	}
	for len(days) > 0 {
		month := days[0].Day.Month()
		update, names, values := "SET #ttl = :ttl", map[string]string{"#ttl": "ttl"}, item{}
		for len(days) > 0 && days[0].Day.Month() == month {
			name := usageDay(days[0].Day)
			update += ", #" + name + " = :" + name
			names["#"+name], values[":"+name] = name, number(days[0].Used)
			days = days[1:]
		}
		values[":ttl"] = number(t.usageEnds(month))
		_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &t.name, Key: primaryKey(meterPartition(id), usageMonth(month)),
			UpdateExpression: &update, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		})
		if err != nil {
			return fmt.Errorf("record usage of meter %s: %w", id, err)
		}
	}
	return nil
}

// Usage reads the recorded usage of a first meter from one day to another, in their order.
func (t *Table) Usage(ctx context.Context, id string, from, to ratelimit.Date) ([]ratelimit.DayUsage, error) {
	out, err := t.client.Query(ctx, &dynamodb.QueryInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:   aws.String("#pk = :pk AND #sk BETWEEN :from AND :to"),
		ExpressionAttributeNames: map[string]string{"#pk": "pk", "#sk": "sk"},
		ExpressionAttributeValues: item{
			":pk": text(meterPartition(id)), ":from": text(usageMonth(from.Month())), ":to": text(usageMonth(to.Month())),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("query usage of meter %s: %w", id, err)
	}
	if len(out.LastEvaluatedKey) > 0 {
		return nil, errors.New("query usage: more than a page") // a month is 300 bytes
	}
	var days []ratelimit.DayUsage
	for _, i := range out.Items {
		if days, err = appendUsage(days, i, from, to); err != nil {
			return nil, fmt.Errorf("decode usage of meter %s: %w", id, err)
		}
	}
	return days, nil
}

// Usages reads the recorded usage of many keys in few requests.
func (t *Table) Usages(ctx context.Context, ids []string, from, to ratelimit.Date) (
	map[string][]ratelimit.DayUsage, error,
) {
	var keys []item
	for month := from; month.Month() <= to.Month(); month = month.NextMonth() {
		for _, id := range ids {
			keys = append(keys, primaryKey(meterPartition(id), usageMonth(month.Month())))
		}
	}
	items, err := t.batch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("get usage: %w", err)
	}
	all := make(map[string][]ratelimit.DayUsage)
	for _, i := range items {
		id := idOf(i)
		days, err := appendUsage(all[id], i, from, to)
		if err != nil {
			return nil, fmt.Errorf("decode usage of key %s: %w", id, err)
		}
		if len(days) > 0 {
			all[id] = days
		}
	}
	for _, days := range all { // a batch has no order
		slices.SortFunc(days, func(a, b ratelimit.DayUsage) int { return cmp.Compare(a.Day, b.Day) })
	}
	return all, nil
}

// appendUsage appends the days of an item, which is the usage of one month, that are in a span.
func appendUsage(days []ratelimit.DayUsage, i item, from, to ratelimit.Date) ([]ratelimit.DayUsage, error) {
	sk, _ := i["sk"].(*types.AttributeValueMemberS)
	month, err := strconv.ParseInt(sk.Value[len(usageSort):], 10, 64)
	if err != nil {
		return nil, err
	}
	for d := int64(1); d <= 31; d++ {
		day := ratelimit.Date(month*100 + d)
		if day < from || day > to {
			continue
		}
		use := ratelimit.DayUsage{Day: day}
		for name, n := range map[string]*int64{usageDay(day): &use.Used, formerDay(day): &use.Former} {
			value, ok := i[name]
			if !ok {
				continue
			}
			if *n, err = integer(value); err != nil {
				return nil, err
			}
		}
		if use.Used != 0 || use.Former != 0 {
			days = append(days, use)
		}
	}
	return days, nil
}
