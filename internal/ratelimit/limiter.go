package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Store keeps the meters. It is safe for concurrent use.
type Store interface {
	// Spend applies s in one atomic step if its condition holds, and returns the
	// meter as it then is. If the condition does not hold it changes nothing and
	// returns the meter as it is (the zero Meter where there is none) with
	// [ErrStale]. A spend may be applied twice when a reply was lost and the
	// store's transport tried again; nothing worse.
	Spend(ctx context.Context, id string, s Spend) (Meter, error)
	// Touch notes that id was used at a time, without spending.
	Touch(ctx context.Context, id string, at time.Time) error
}

// ErrStale says that the meter has moved on since it was seen.
var ErrStale = errors.New("meter has changed")

// Decision is the limiter's answer. Denied is a decision, not an error.
type Decision struct {
	Admitted bool
	Usage    Usage
	// RetryAfter is how long to wait when denied: whole seconds, at least one.
	RetryAfter time.Duration
}

// Limiter decides for one environment. It is safe for concurrent use, and holds
// no lock while it waits for the store.
type Limiter struct {
	store Store
	now   func() time.Time
	rules rules

	mu     sync.Mutex
	memory *simplelru.LRU[string, entry]
}

type entry struct {
	meter   Meter
	touched time.Time
}

// New returns a limiter that remembers what it last saw of size meters.
func New(store Store, now func() time.Time, size int) *Limiter {
	memory, err := simplelru.NewLRU[string, entry](size, nil)
	if err != nil {
		panic(err) // size is not positive: a caller's bug
	}
	return &Limiter{store: store, now: now, rules: standard(), memory: memory}
}

// attempts bounds how often one call may lose to others before it gives up.
// Losing takes a crowd at the last few tokens or at the turn of a slice, and
// each loss brings a newer view.
const attempts = 8

// Take spends n tokens, 1 <= n <= limit.Requests, or tells when to come back. It
// spends nothing when it denies. An error means that it could not decide; then
// tokens may have been counted that nobody used.
//
// The time is the clock's, but never before floor.
func (l *Limiter) Take(ctx context.Context, id string, limit Limit, n int64, floor time.Time) (Decision, error) {
	if n < 1 || n > limit.Requests {
		panic(fmt.Sprintf("ratelimit: take %d of %d", n, limit.Requests)) // a caller's bug
	}
	frame := l.rules.frame(limit.Window)
	meter := l.recall(id)
	for range attempts {
		now := l.time(floor)
		spend, retryAt, ok := l.rules.plan(meter, limit, n, now)
		if !ok {
			// Final, however old the view: it shows at least as much room as there is.
			return Decision{Usage: l.rules.usage(meter, limit, now), RetryAfter: wait(now, retryAt)}, nil
		}
		seen, err := l.store.Spend(ctx, id, spend)
		if err != nil && !errors.Is(err, ErrStale) {
			return Decision{}, fmt.Errorf("spend: %w", err)
		}
		meter = seen
		l.remember(id, seen)
		if err != nil {
			continue
		}
		// A reply that took so long that its slice is over cannot be used any more:
		// the tokens are counted, and others are asked for.
		now = l.time(floor)
		if frame.grace == 0 || now.Before(frame.end(spend.Slice)) {
			return Decision{Admitted: true, Usage: l.rules.usage(meter, limit, now)}, nil
		}
	}
	return Decision{}, fmt.Errorf("spend: lost to others %d times", attempts)
}

// Peek says what it knows of a meter, without I/O and without spending.
func (l *Limiter) Peek(id string, limit Limit, floor time.Time) Usage {
	return l.rules.usage(l.recall(id), limit, l.time(floor))
}

// Observe tells the limiter what somebody else read of a meter, so that it need
// not find out.
func (l *Limiter) Observe(id string, m Meter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.memory.Get(id)
	if ok && m.Used < known.meter.Used {
		return // read before, arrived after
	}
	known.meter = m
	l.memory.Add(id, known)
}

// touchEvery bounds what an unlimited key writes.
const touchEvery = 15 * time.Minute

// Touch notes the use of an id that has no limit, at most once in 15 minutes. It
// is for information only: a failure is the caller's to log, not to refuse for.
func (l *Limiter) Touch(ctx context.Context, id string, floor time.Time) error {
	now := l.time(floor)
	l.mu.Lock()
	known, _ := l.memory.Get(id)
	due := now.Sub(known.touched) >= touchEvery
	if due {
		known.touched = now
		l.memory.Add(id, known)
	}
	l.mu.Unlock()
	if !due {
		return nil
	}
	return l.store.Touch(ctx, id, now)
}

func (l *Limiter) recall(id string) Meter {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, _ := l.memory.Get(id)
	return known.meter
}

func (l *Limiter) remember(id string, m Meter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, _ := l.memory.Get(id)
	known.meter = m
	l.memory.Add(id, known)
}

// time is the wall clock's: ages must not stop while an environment is frozen,
// as Go's monotonic clock does.
func (l *Limiter) time(floor time.Time) time.Time {
	now := l.now().Round(0)
	if now.Before(floor) {
		return floor
	}
	return now
}
