package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// blindly is a limiter with a clock that a test sets, and a store that others spend from too.
type blindly struct {
	now     time.Time
	store   *ratelimit.Memory
	limiter *ratelimit.Limiter
	other   *ratelimit.Limiter
}

func newBlindly() *blindly {
	b := &blindly{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), store: ratelimit.NewMemory(10)}
	clock := func() time.Time { return b.now }
	b.limiter, b.other = ratelimit.New(b.store, clock, 10), ratelimit.New(b.store, clock, 10)
	b.limiter.Mutate(ratelimit.Leaseless)
	b.other.Mutate(ratelimit.Leaseless)
	return b
}

func (b *blindly) take(t *testing.T, l *ratelimit.Limiter, p ratelimit.Part, n int64) {
	t.Helper()
	if d, err := l.TakePart(context.Background(), &p, n, time.Time{}); err != nil || !d.Admitted {
		t.Fatalf("%+v, %v", d, err)
	}
}

func (b *blindly) blind(n int64, parts ...ratelimit.Part) bool {
	return b.limiter.Blind(parts, n, time.Time{})
}

// A spend is sent without a read if it would probably be applied, and only if it proves anything.
func TestASpendIsBlindIfItWillProbablyHold(t *testing.T) {
	b := newBlindly()
	p := ratelimit.Part{ID: "k", Terms: ratelimit.Terms{Limit: ratelimit.Limit{Requests: 60, Window: time.Minute}}, Fence: 7}
	plain := p
	plain.Fence = 0
	if b.blind(1, p) {
		t.Error("a meter that was never seen")
	}
	b.take(t, b.limiter, p, 1)
	if !b.blind(1, p) || b.blind(1, plain) {
		t.Error("an idle key: a spend with a fence is blind, and one without is not")
	}
	if b.blind(60, p) {
		t.Error("more than there is room for")
	}
	for range 20 { // others take a token each second
		b.now = b.now.Add(time.Second)
		b.take(t, b.other, p, 1)
		b.take(t, b.limiter, p, 1)
	}
	if !b.blind(1, p) {
		t.Error("others take one in a second, and there is room for 19")
	}
	b.now = b.now.Add(25 * time.Second)
	if b.blind(1, p) {
		t.Error("others have probably taken all of the room")
	}
}

// Tokens in memory prove nothing, and a part that denies keeps the store from being asked.
func TestASpendFromMemoryIsNotBlind(t *testing.T) {
	b := newBlindly()
	b.limiter = ratelimit.New(b.store, func() time.Time { return b.now }, 10) // with leases
	key := ratelimit.Part{ID: "k", Terms: ratelimit.Terms{Limit: ratelimit.Limit{Requests: 6000, Window: time.Minute}}, Fence: 7}
	user := ratelimit.Part{ID: "u", Terms: ratelimit.Terms{Limit: ratelimit.Limit{Requests: 5, Window: time.Hour}}}
	b.take(t, b.limiter, user, 1)
	for b.limiter.Leased("k") == 0 {
		b.now = b.now.Add(10 * time.Millisecond)
		b.take(t, b.limiter, key, 1)
	}
	if b.blind(1, key) {
		t.Error("the tokens are leased")
	}
	if !b.blind(1000, key) || !b.blind(4, user, key) && b.limiter.Leased("k") < 4 {
		t.Error("more than is leased")
	}
	if b.blind(5, user, key) {
		t.Error("the user's meter denies")
	}
}

// A request that spends from several meters is proven by the write of the part with a fence alone.
func TestOnePartOfSeveralProves(t *testing.T) {
	b := newBlindly()
	limit := func(n int64, w time.Duration) ratelimit.Terms {
		return ratelimit.Terms{Limit: ratelimit.Limit{Requests: n, Window: w}}
	}
	parts := []ratelimit.Part{{ID: "k", Terms: limit(50, time.Minute), Fence: 7}, {ID: "u", Terms: limit(100, time.Hour)}}
	j, err := b.limiter.TakeAll(t.Context(), parts, 1, time.Time{})
	if err != nil || !j.Admitted || !j.Proven {
		t.Fatalf("%+v, %v", j, err)
	}
	parts[0].Fence = 8
	b.take(t, b.other, parts[0], 1)
	parts[0].Fence = 7
	if j, err = b.limiter.TakeAll(t.Context(), parts, 1, time.Time{}); !errors.Is(err, ratelimit.ErrFenced) || j.Proven {
		t.Errorf("with a lower fence than the meter has: %+v, %v", j, err)
	}
	parts[0].Fence = 0
	if j, err = b.limiter.TakeAll(t.Context(), parts, 1, time.Time{}); err != nil || j.Proven {
		t.Errorf("without a fence: %+v, %v", j, err)
	}
}
