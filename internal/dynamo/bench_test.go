package dynamo_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

// A spend with a window full of marks, beside a bare update.
func BenchmarkMeterWrite(b *testing.B) {
	options := dynamotest.Options(b)
	table, bare := dynamo.Open(options), client(options)
	b.Run("spend", func(b *testing.B) {
		now := morning
		limiter := ratelimit.New(table, func() time.Time { return now }, 10)
		terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 1 << 40, Window: time.Minute}}
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(2 * time.Second) // no lease lives as long
			if d, err := limiter.Take(b.Context(), meterID, terms, 1, time.Time{}); err != nil || !d.Admitted {
				b.Fatal(d, err)
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			addOne(b, bare, options, "bare")
		}
	})
}

// addOne is the least that could count at all.
func addOne(b *testing.B, bare *dynamodb.Client, o dynamo.Options, id string) {
	_, err := bare.UpdateItem(b.Context(), &dynamodb.UpdateItemInput{
		TableName: &o.Name, Key: primaryKey(id, "bare"),
		UpdateExpression:          aws.String("ADD #u :n"),
		ExpressionAttributeNames:  map[string]string{"#u": "u"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: "1"}},
	})
	if err != nil {
		b.Fatal(err)
	}
}

// The first check of a key on an environment, one read and one write, in tables
// of more and more keys. Each adds to the one before.
func BenchmarkGrowth(b *testing.B) {
	options := dynamotest.Options(b)
	table, bare := dynamo.Open(options), client(options)
	stored := 0
	for _, keys := range []int{1000, 100_000, 1_000_000} {
		fill(b, options, stored, keys)
		stored = keys
		random := rand.New(rand.NewPCG(1, uint64(keys)))
		b.Run(fmt.Sprintf("keys=%d/check", keys), func(b *testing.B) {
			for b.Loop() {
				record, err := table.Find(b.Context(), fmt.Sprintf("%016d", random.IntN(keys)))
				if err != nil {
					b.Fatal(err)
				}
				limiter := ratelimit.New(table, func() time.Time { return morning }, 1)
				limiter.Observe(record.Key.ID, record.Meter)
				if _, err := limiter.Take(b.Context(), record.Key.ID, ratelimit.Terms{Limit: apikey.DefaultLimit()}, 1, time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		// An engine on one disk slows down as it fills: this is how much.
		b.Run(fmt.Sprintf("keys=%d/floor", keys), func(b *testing.B) {
			for b.Loop() {
				id := fmt.Sprintf("key#%016d", random.IntN(keys))
				_, err := bare.GetItem(b.Context(), &dynamodb.GetItemInput{
					TableName: &options.Name, ConsistentRead: aws.Bool(true), Key: primaryKey(id, "key"),
				})
				if err != nil {
					b.Fatal(err)
				}
				addOne(b, bare, options, id)
			}
		})
	}
}

// fill writes the records of keys from..to, in batches: that they are well formed
// is tested elsewhere.
func fill(b *testing.B, o dynamo.Options, from, to int) {
	b.Helper()
	bare := client(o)
	if err := dynamo.Open(o).Write(b.Context(), registry.Write{To: registrytest.NewKey(from, "u")}); err != nil {
		b.Fatal(err)
	}
	pattern := raw(b, o, fmt.Sprintf("key#%016d", from), "key")
	for _, name := range []string{"aliases", "userId"} { // not in the index: filling takes long enough
		delete(pattern, name)
	}
	const batch = 25
	work := make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for first := range work {
				var writes []types.WriteRequest
				for n := first; n < min(first+batch, to); n++ {
					i := make(map[string]types.AttributeValue, len(pattern))
					for name, value := range pattern {
						i[name] = value
					}
					id := fmt.Sprintf("%016d", n)
					i["pk"], i["id"] = &types.AttributeValueMemberS{Value: "key#" + id}, &types.AttributeValueMemberS{Value: id}
					writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: i}})
				}
				if _, err := bare.BatchWriteItem(context.Background(), &dynamodb.BatchWriteItemInput{
					RequestItems: map[string][]types.WriteRequest{o.Name: writes},
				}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for first := from; first < to; first += batch {
		work <- first
	}
	close(work)
	wg.Wait()
}
