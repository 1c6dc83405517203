package dynamo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

// several are keys on one table. The first two end together with one that has shards, one that another
// change has fenced higher, and one that lives on.
func several(t *testing.T) (f *fenced, keys map[string]*apikey.Key, changes []registry.Write) {
	t.Helper()
	options, faults := dynamotest.Faulty(t)
	f = &fenced{Table: dynamo.Open(options), options: options, faults: faults, at: morning}
	keys = make(map[string]*apikey.Key)
	for n, name := range []string{"one", "two", "sharded", "ahead", "lives on"} {
		k := registrytest.NewKey(n+1, "u1")
		if name == "sharded" {
			k.Shards = ratelimit.NewShards(2)
		}
		registrytest.Create(t, f, k, 0)
		to := *k
		if name != "lives on" {
			to.RevokedAt = morning
		}
		keys[name], changes = k, append(changes, registry.Write{From: k, To: &to, At: morning})
	}
	return f, keys, changes
}

// next is the fence of a key that changes once.
func next(k *apikey.Key) int64 {
	k2 := *k
	k2.Rev++
	return k2.Fence()
}

// The keys of one write are all fenced, whether they end or live on. If a fence is higher already, it stays
// so, and the others are raised all the same.
func TestTheKeysOfOneWriteAreAllFenced(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		f, keys, changes := several(t)
		want := map[string]int64{}
		for name, k := range keys {
			want[name] = next(k)
		}
		if ahead {
			want["ahead"] = next(keys["ahead"]) + 5
			put(t, f.options, attributes{
				"pk": letters("key#" + keys["ahead"].ID), "sk": letters("meter"), "g": figures(want["ahead"]),
			})
		}
		before := f.Writes()
		if err := f.Write(t.Context(), changes...); err != nil {
			t.Fatal(err)
		}
		for name, k := range keys {
			if g := f.storedIn(t, "key#"+k.ID, "g"); g != want[name] {
				t.Errorf("%s: the fence is %d, want %d", name, g, want[name])
			}
			if end := f.storedIn(t, "key#"+k.ID, "ttl"); end != morning.Add(432*24*time.Hour).Unix() {
				t.Errorf("%s: the meter ends at %d", name, end)
			}
		}
		if g := f.storedIn(t, "key#"+keys["sharded"].ID+"#shard1", "g"); g != want["sharded"] {
			t.Errorf("the second shard has the fence %d", g)
		}
		// One transaction for three keys, two meters of the one with shards, the key that lives on, and the change.
		if n := f.Writes() - before; !ahead && n != 5 {
			t.Errorf("%d writes", n)
		}
	}
}

// No key of a write is changed unless all are fenced.
func TestNoKeyOfAWriteChangesWithoutItsFence(t *testing.T) {
	for _, name := range []string{"one", "two", "ahead"} {
		f, keys, changes := several(t)
		put(t, f.options, attributes{"pk": letters("key#" + keys[name].ID), "sk": letters("meter"), "g": letters("x")})
		if err := f.Write(t.Context(), changes...); err == nil {
			t.Errorf("%s has a fence that is no number: no error", name)
		}
		f.stand(t, keys)
	}
	f, keys, changes := several(t)
	f.faults.All(dynamotest.LostReply)
	if err := f.Write(t.Context(), changes[:2]...); err == nil {
		t.Error("it is not known whether the fences were raised: no error")
	}
	f.faults.All("")
	f.stand(t, keys)
}

// stand reports each key that has changed.
func (f *fenced) stand(t *testing.T, keys map[string]*apikey.Key) {
	t.Helper()
	for name, k := range keys {
		if stored, _, err := f.Stored(t.Context(), k.ID); err != nil || stored.Rev != k.Rev {
			t.Errorf("%s was changed: %+v, %v", name, stored, err)
		}
	}
}

// A change waits for the one before it, and its fence does not. If its caller gives up meanwhile, it is
// not made.
func TestAChangeComesAfterAnother(t *testing.T) {
	f := newFenced(t)
	to := *f.key
	to.Name = "later"
	after, result := make(chan struct{}), make(chan error)
	go func() { result <- f.Write(t.Context(), registry.Write{From: f.key, To: &to, At: f.at, After: after}) }()
	for f.stored(t, "g") != next(f.key) {
		select {
		case err := <-result:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
	}
	f.stand(t, map[string]*apikey.Key{"the key": f.key})
	close(after)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if r, err := f.Find(t.Context(), f.key.ID); err != nil || r.Key.Name != "later" {
		t.Errorf("%+v, %v", r.Key, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	again := to
	err := f.Write(gone, registry.Write{From: &to, To: &again, At: f.at, After: make(chan struct{})})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
}
