package dynamo_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

// sharded is fenced with a key whose limit four meters count.
func sharded(t *testing.T) *fenced {
	t.Helper()
	options, faults := dynamotest.Faulty(t)
	f := &fenced{Table: dynamo.Open(options), options: options, faults: faults, key: registrytest.NewKey(1, "u1"), at: morning}
	f.key.Shards = ratelimit.NewShards(4)
	registrytest.Create(t, f, f.key, 0)
	return f
}

// partition returns the partition of a shard's meter.
func (f *fenced) partition(shard int) string {
	if shard == 0 {
		return "key#" + f.key.ID
	}
	return "key#" + f.key.ID + "#shard" + strconv.Itoa(shard)
}

// fenceOf returns the fence in a shard's meter.
func (f *fenced) fenceOf(t *testing.T, shard int) int64 {
	t.Helper()
	return f.storedIn(t, f.partition(shard), "g")
}

// Each shard has a partition of its own, and a change fences them all. A meter that the key once had is
// fenced too.
func TestAChangeFencesEveryShard(t *testing.T) {
	f := sharded(t)
	for _, edit := range []func(*apikey.Key){
		func(k *apikey.Key) { k.Name += "x" },
		func(k *apikey.Key) { k.Shards = k.Shards.To(1, f.at, f.at) },
		func(k *apikey.Key) { k.Enabled = false },
	} {
		if err := f.change(t, edit); err != nil {
			t.Fatal(err)
		}
		for shard := range 4 {
			if g := f.fenceOf(t, shard); g != f.key.Fence() {
				t.Errorf("revision %d: shard %d has the fence %d, want %d", f.key.Rev, shard, g, f.key.Fence())
			}
		}
	}
	next := *f.key
	next.Rev++
	if err := f.Write(t.Context(), registry.Write{From: f.key, Delete: true, At: f.at}); err != nil {
		t.Fatal(err)
	}
	for shard := range 4 {
		if g := f.fenceOf(t, shard); g != next.Fence() {
			t.Errorf("deleted: shard %d has the fence %d", shard, g)
		}
	}
}

// A key is not changed unless each of its shards is fenced. Here a further one has a fence that is
// no number, so it cannot be raised.
func TestNothingChangesWithoutTheFenceOfEachShard(t *testing.T) {
	for failing := 1; failing < 4; failing++ {
		f := sharded(t)
		put(t, f.options, attributes{"pk": letters(f.partition(failing)), "sk": letters("meter"), "g": letters("x")})
		err := f.change(t, func(k *apikey.Key) { k.Enabled = false })
		record, found := f.Find(t.Context(), f.key.ID)
		if err == nil || found != nil || !record.Key.Enabled {
			t.Errorf("fence %d is lost: %v; then %+v, %v", failing, err, record.Key, found)
		}
	}
}

// A key keeps its shards, and a key with one meter is stored as before.
func TestTheShardsOfAKeyAreStored(t *testing.T) {
	f := sharded(t)
	until := morning.Add(time.Minute)
	for _, want := range []ratelimit.Shards{
		{Count: 4, Made: 4}, {Count: 7, Made: 7, Few: 4, Many: 7, Until: until}, {Count: 1, Made: 7, Few: 1, Many: 7, Until: until},
	} {
		if err := f.change(t, func(k *apikey.Key) { k.Shards = want }); err != nil {
			t.Fatal(err)
		}
		record, err := f.Find(t.Context(), f.key.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, record.Key.Shards); diff != "" {
			t.Error(diff)
		}
		one, err := f.Text(f.key, f.key.Rev)
		two, again := f.Text(record.Key, record.Key.Rev)
		if err != nil || again != nil || string(one) != string(two) {
			t.Errorf("the text of a key changes when it is read: %v, %v", err, again)
		}
	}
	if err := f.change(t, func(k *apikey.Key) { k.Shards = ratelimit.Shards{} }); err != nil {
		t.Fatal(err)
	}
	if i := raw(t, f.options, "key#"+f.key.ID, "key"); i["shards"] != nil {
		t.Errorf("a key with one meter has shards: %v", i["shards"])
	}
}

// The usage of a shard is stored beside its meter, and is read as the usage of a key is.
func TestTheUsageOfAShardIsItsOwn(t *testing.T) {
	table := dynamotest.NewTable(t)
	k := registrytest.NewKey(1, "u1")
	registrytest.Create(t, table, k, 0)
	ids := []string{k.ID, ratelimit.ShardID(k.ID, 1), ratelimit.ShardID(k.ID, 12)}
	for n, id := range ids {
		if err := table.RecordUsage(t.Context(), id, []ratelimit.DayUsage{{Day: 20261123, Used: int64(n + 1)}}); err != nil {
			t.Fatal(err)
		}
		limiter := ratelimit.New(table, func() time.Time { return morning }, 10)
		if _, err := limiter.Take(t.Context(), id, k.Terms(), int64(n+1), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	used, err := table.Usages(t.Context(), ids, 20261101, 20261130)
	meters, failed := table.Meters(t.Context(), ids)
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	for n, id := range ids {
		if u := used[id]; len(u) != 1 || u[0].Used != int64(n+1) {
			t.Errorf("%s used %v", id, u)
		}
		if m := meters[id]; m.Used != int64(n+1) {
			t.Errorf("%s: %+v", id, m)
		}
	}
	if record, err := table.Find(t.Context(), k.ID); err != nil || record.Meter.Used != 1 || len(record.More) != 0 {
		t.Errorf("a gate reads %+v, %v", record, err)
	}
	if _, err := table.Find(t.Context(), ids[1]); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("a shard is a key: %v", err)
	}
}
