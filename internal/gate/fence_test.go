package gate_test

import (
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// trusting is a bench with one key, whose limit has no leases, and a gate that trusts fences.
func trusting(t *testing.T) (*bench, *apikey.Key, func(cost int64) apikey.Verdict) {
	t.Helper()
	b := newBench(t)
	b.Fences = true
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 5, Window: 5 * time.Second} })
	g := b.Gate(time.Second)
	return b, k, func(cost int64) apikey.Verdict {
		t.Helper()
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: cost})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A request that spends needs no read of its key for a quarter of an hour. One that spends nothing, or
// that finds no room, reads the key once in Freshness.
func TestASpendReadsNoKey(t *testing.T) {
	b, _, check := trusting(t)
	for _, c := range []struct {
		after time.Duration
		cost  int64
		reads int
	}{
		{0, 1, 1}, {2 * time.Second, 1, 0}, {14 * time.Minute, 1, 0},
		{500 * time.Millisecond, 0, 0}, // the spend was its proof
		{2 * time.Second, 0, 1}, {time.Minute, 1, 0},
		{15 * time.Minute, 1, 1}, {2 * time.Second, 1, 0},
	} {
		b.Clock.Pass(c.after)
		before := b.Table.Count()
		if v := check(c.cost); !v.Valid() || b.Table.Count()-before != c.reads {
			t.Errorf("%v later at a cost of %d: %s after %d reads, want %d", c.after, c.cost, v.Code, b.Table.Count()-before, c.reads)
		}
	}
	for range 4 {
		check(1)
	}
	b.Clock.Pass(1500 * time.Millisecond)
	before := b.Table.Count()
	if v := check(1); v.Code != apikey.CodeRateLimited || b.Table.Count()-before != 1 {
		t.Errorf("no room: %s after %d reads", v.Code, b.Table.Count()-before)
	}
}

// A request that spends is judged by every change that was answered before it began, also within
// Freshness.
func TestASpendSeesAChangeAtOnce(t *testing.T) {
	for name, end := range ways {
		if name[:3] == "its" {
			continue // a change of a user or a plan takes effect within Freshness
		}
		b, k, check := trusting(t)
		if v := check(1); !v.Valid() {
			t.Fatal(name, v.Code)
		}
		if err := end(b, k); err != nil {
			t.Fatal(err)
		}
		if v := check(1); v.Valid() {
			t.Errorf("%s: %s", name, v.Code)
		}
	}
}

// After a change that was begun and not made, the key works as without fences, until the next change.
func TestAChangeThatWasNotMadeRefusesNoRequest(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	b := newBenchBefore(t, dynamo.Open(options))
	b.Fences = true
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 5, Window: 5 * time.Second} })
	g := b.Gate(time.Second)
	reads := func() int {
		before := b.Table.Count()
		if v := b.Check(t, g, token.Reveal()); !v.Valid() {
			t.Errorf("%s", v.Code)
		}
		return b.Table.Count() - before
	}
	reads()
	faults.Next("", dynamotest.LostRequest, dynamotest.LostRequest, dynamotest.LostRequest) // after the fence
	if err := b.rewrite(k, func(to *apikey.Key) { to.Description = "x" }); err == nil {
		t.Fatal("the change was made")
	}
	faults.Clear()
	for range 3 {
		b.Clock.Pass(3 * time.Second)
		if n := reads(); n < 1 || n > 2 {
			t.Errorf("a pending key was read %d times", n)
		}
	}
	if err := b.rewrite(k, func(to *apikey.Key) { to.Description = "x" }); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(3 * time.Second)
	reads()
	b.Clock.Pass(3 * time.Second)
	if n := reads(); n != 0 {
		t.Errorf("after the next change, the key was read %d times", n)
	}
}

// An imported key that was deleted and comes back has a later life, so its fence is higher than that
// which the deletion left.
func TestAKeyThatComesBackIsProven(t *testing.T) {
	b, k, check := trusting(t)
	check(1)
	if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, Delete: true, At: b.Clock.Time()}); err != nil {
		t.Fatal(err)
	}
	if v := check(1); v.Code != apikey.CodeUnknown {
		t.Errorf("deleted: %s", v.Code)
	}
	b.Clock.Pass(time.Minute)
	again := *k
	again.Rev, again.CreatedAt, again.Limit.Window = 0, b.Clock.Time(), 9*time.Second
	if err := b.Options.Store.Write(t.Context(), registry.Write{To: &again, At: b.Clock.Time()}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0, 0} {
		before := b.Table.Count()
		if v := check(1); !v.Valid() || b.Table.Count()-before != want {
			t.Errorf("again: %s after %d reads, want %d", v.Code, b.Table.Count()-before, want)
		}
		b.Clock.Pass(3 * time.Second)
	}
}
