package ratelimit_test

import (
	"errors"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// tens is an id with ten shards of ten tokens each, in a window without leases.
func tens() *ratelimit.Part {
	return &ratelimit.Part{
		ID: "k", Terms: ratelimit.Terms{Limit: per(100, 5*time.Second)}, Shards: ratelimit.NewShards(10), Fence: 7,
	}
}

// fill spends the tokens of a shard until only left remain.
func fill(t *testing.T, s *shelf, now func() time.Time, shard int, left int64) {
	t.Helper()
	l := ratelimit.New(s, now, 100)
	l.Choose(func(n int) int { return shard % n })
	if d, err := l.TakePart(t.Context(), tens(), 10-left, time.Time{}); err != nil || !d.Admitted {
		t.Fatalf("%+v, %v", d, err)
	}
}

// One request moves three times at most, and reads each meter that it has not seen before it writes.
// What was read is remembered, so a later request looks elsewhere.
func TestARequestLooksForRoomInAFewShards(t *testing.T) {
	h, s := &fakeClock{morning}, &shelf{}
	for shard := range 10 {
		fill(t, s, h.time, shard, 0)
	}
	l := ratelimit.New(s, h.time, 100)
	s.asked, s.read = nil, nil
	for n := range 20 {
		before := len(s.read)
		d, err := l.TakePart(t.Context(), tens(), 1, time.Time{})
		if err != nil || d.Admitted || d.RetryAfter <= 0 || d.RetryAfter > 7*time.Second {
			t.Fatalf("%+v, %v", d, err)
		}
		if reads := len(s.read) - before; reads > 4 || n == 0 && reads != 4 {
			t.Errorf("request %d reads %d meters", n, reads)
		}
	}
	if len(s.asked) != 0 || len(s.read) > 10 {
		t.Errorf("%d writes were refused, %d meters were read", len(s.asked), len(s.read))
	}
}

func TestARequestFindsTheShardWithRoom(t *testing.T) {
	h, s := &fakeClock{morning}, &shelf{}
	for shard := range 10 {
		if shard != 6 {
			fill(t, s, h.time, shard, 0)
		}
	}
	l, tries := ratelimit.New(s, h.time, 100), 0
	for ; tries < 20; tries++ {
		d, err := l.TakePart(t.Context(), tens(), 1, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Admitted {
			break
		}
	}
	if l.PinnedTo("k") != 6 || tries == 20 {
		t.Errorf("after %d requests, the instance spends from shard %d", tries, l.PinnedTo("k"))
	}
	before := len(s.read)
	for range 9 {
		if d, err := l.TakePart(t.Context(), tens(), 1, time.Time{}); err != nil || !d.Admitted || !d.Proven {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	if len(s.read) != before {
		t.Errorf("%d reads of a shard that was just written", len(s.read)-before)
	}
}

// A denial says to wait for the earliest shard, not for the last one that was looked at.
func TestADenialTellsOfTheEarliestShard(t *testing.T) {
	h, s := &fakeClock{morning}, &shelf{}
	fill(t, s, h.time, 0, 0)
	h.now = h.now.Add(4 * time.Second)
	p := tens()
	p.Shards = ratelimit.NewShards(2)
	p.Terms.Limit.Requests = 20
	l := ratelimit.New(s, h.time, 100)
	l.Choose(func(n int) int { return 1 % n })
	if d, err := l.TakePart(t.Context(), p, 10, time.Time{}); err != nil || !d.Admitted {
		t.Fatalf("%+v, %v", d, err)
	}
	for range 3 {
		d, err := l.TakePart(t.Context(), p, 1, time.Time{})
		if err != nil || d.Admitted || d.RetryAfter > 2*time.Second {
			t.Errorf("%+v, %v", d, err)
		}
	}
}

// A shard that was read shows a change of the id as one that was written does.
func TestAReadOfAShardFindsItsFence(t *testing.T) {
	h, s := &fakeClock{morning}, &shelf{}
	s.item("k").meter.Fence = 8
	l := ratelimit.New(s, h.time, 100)
	l.StartsOnFirstShard()
	if _, err := l.TakePart(t.Context(), tens(), 1, time.Time{}); !errors.Is(err, ratelimit.ErrFenced) || len(s.asked) > 0 {
		t.Errorf("%v after %d writes", err, len(s.asked))
	}
}

// An instance leaves a shard that does not answer.
func TestAnInstanceLeavesAShardThatFails(t *testing.T) {
	h, s := &fakeClock{morning}, &shelf{}
	s.onAsk = func(id string) error {
		if id == "k" {
			return errLost
		}
		return nil
	}
	l, next := ratelimit.New(s, h.time, 100), 0
	l.Choose(func(n int) int { next++; return (next - 1) % n })
	if _, err := l.TakePart(t.Context(), tens(), 1, time.Time{}); !errors.Is(err, errLost) {
		t.Error(err)
	}
	if d, err := l.TakePart(t.Context(), tens(), 1, time.Time{}); err != nil || !d.Admitted {
		t.Errorf("%+v, %v", d, err)
	}
}

// A request that takes its tokens from several ids spends from one shard of the id that has several.
func TestAShardIsOneOfSeveralParts(t *testing.T) {
	h, s := &fakeClock{morning}, &shelf{}
	l := ratelimit.New(s, h.time, 100)
	parts := []ratelimit.Part{*tens(), part("user", per(25, 5*time.Second))}
	admitted, denied := 0, ratelimit.Joint{}
	for range 30 {
		j, err := l.TakeAll(t.Context(), parts, 1, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if !j.Admitted {
			denied = j
			continue
		}
		admitted++
		if j.Statuses[0].Limit != 100 || j.Statuses[1].Limit != 25 {
			t.Errorf("the limits are said to be %d and %d", j.Statuses[0].Limit, j.Statuses[1].Limit)
		}
	}
	if admitted != 25 || denied.By != 1 {
		t.Errorf("%d are admitted, denied by %d", admitted, denied.By)
	}
}

// The slices of a shard without leases are at least 60 ms long. Its stored window says so, and a change
// from or to a key with one meter is one of the window.
func TestAShardHasLongSlices(t *testing.T) {
	for seconds, least := range map[int]time.Duration{1: 60, 2: 60, 3: 60, 4: 60, 9: 60} {
		window := time.Duration(seconds) * time.Second
		if slice := ratelimit.Slice(window + time.Millisecond); slice < least*time.Millisecond || slice > 160*time.Millisecond {
			t.Errorf("a window of %v has slices of %v", window, slice)
		}
	}
	h, s := &fakeClock{morning}, &shelf{}
	limit := per(1000, time.Second)
	take := func(shards ratelimit.Shards, rev, n int64) ratelimit.Decision {
		l := ratelimit.New(s, h.time, 100)
		l.StartsOnFirstShard()
		p := ratelimit.Part{ID: "k", Terms: ratelimit.Terms{Limit: limit, Rev: rev}, Shards: shards}
		d, err := l.TakePart(t.Context(), &p, n, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one := ratelimit.Shards{}
	take(one, 0, 200)
	four := one.To(4, h.now, h.now.Add(3*time.Second))
	if d := take(four, 1, 50); !d.Admitted || s.items["k"].meter.Window != 1001*time.Millisecond {
		t.Errorf("%+v; the window is %v", d, s.items["k"].meter.Window)
	}
	if d := take(four, 1, 1); d.Admitted {
		t.Error("what one meter has counted does not count any more")
	}
	h.now = h.now.Add(4 * time.Second)
	take(four, 1, 250)
	back := four.To(1, h.now, h.now.Add(3*time.Second))
	if d := take(back, 2, 1); d.Admitted {
		t.Error("what a shard has counted does not count any more")
	}
	h.now = h.now.Add(4 * time.Second)
	if d := take(back, 2, 1000); !d.Admitted || s.items["k"].meter.Window != time.Second {
		t.Errorf("%+v; the window is %v", d, s.items["k"].meter.Window)
	}
}
