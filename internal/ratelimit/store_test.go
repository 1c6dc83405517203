package ratelimit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"latchkey/internal/ratelimit"
)

// item is a store of one meter in memory, behind a network that may be slow and lossy. A test in
// package dynamo shows that a real table stores the same.
type item struct {
	mu         sync.Mutex
	meter      ratelimit.Meter
	random     *rand.Rand
	delay      time.Duration    // of a request and of a reply, at most
	lossy      float64          // share of requests, and of replies, that are lost
	clock      func() time.Time // the time by which the meter expires; nil: it never does
	expires    time.Time
	edit       func(*ratelimit.Spend) // edits every write, unless nil
	freezing   float64                // share of replies that come after a freeze
	spends     int
	touches    int
	records    int
	recorded   map[ratelimit.Date]int64
	failRecord bool
	err        error
	onCommit   func()
	onSpend    func(ratelimit.Spend) // gets each spend that was applied, unless nil
}

var errLost = errors.New("lost")

const (
	transportTimeout  = 800 * time.Millisecond
	transportAttempts = 3
)

// Spend retries as the SDK does: after a lost reply, it may apply s again.
func (i *item) Spend(_ context.Context, _ string, s ratelimit.Spend) (ratelimit.Meter, error) {
	if i.err != nil {
		return ratelimit.Meter{}, i.err
	}
	if i.edit != nil {
		i.edit(&s)
	}
	for range transportAttempts {
		if i.lost() {
			time.Sleep(transportTimeout)
			continue
		}
		m, err := i.commit(s)
		if d := i.freeze(s); d > 0 {
			time.Sleep(d)
		}
		if i.lost() {
			time.Sleep(transportTimeout)
			continue
		}
		return m, err
	}
	return ratelimit.Meter{}, errLost
}

// freeze returns how long the instance is frozen between a reply and reading it.
func (i *item) freeze(s ratelimit.Spend) time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.freezing == 0 || i.random.Float64() >= i.freezing {
		return 0
	}
	return time.Duration(i.random.Int64N(int64(2 * s.Window)))
}

// lost waits for a request or a reply on the network, and reports whether it was lost.
func (i *item) lost() bool {
	i.mu.Lock()
	lost := i.lossy > 0 && i.random.Float64() < i.lossy
	var delay time.Duration
	if i.delay > 0 {
		delay = time.Duration(i.random.Int64N(int64(i.delay)))
	}
	i.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	return lost
}

func (i *item) commit(s ratelimit.Spend) (ratelimit.Meter, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.spends++
	m := &i.meter
	if i.clock != nil && m.Used > 0 && !i.expires.IsZero() && !i.clock().Before(i.expires) {
		*m = ratelimit.Meter{} // DynamoDB deletes later than that, never before
	}
	if err := m.Apply(s); err != nil {
		return i.snapshot(), err
	}
	i.expires = s.Expires
	if i.onSpend != nil {
		i.onSpend(s)
	}
	if i.onCommit != nil {
		i.onCommit()
	}
	return i.snapshot(), nil
}

// Meter reads as Spend writes, but once.
func (i *item) Meter(context.Context, string) (ratelimit.Meter, error) {
	if i.err != nil {
		return ratelimit.Meter{}, i.err
	}
	if i.lost() {
		return ratelimit.Meter{}, errLost
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.snapshot(), nil
}

func (i *item) snapshot() ratelimit.Meter {
	m := i.meter
	m.Marks, m.Earlier = slices.Clone(m.Marks), slices.Clone(m.Earlier)
	return m
}

func (i *item) RecordUsage(_ context.Context, _ string, days []ratelimit.DayUsage) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.records++
	if i.failRecord {
		return errLost
	}
	if i.recorded == nil {
		i.recorded = make(map[ratelimit.Date]int64)
	}
	for _, d := range days {
		i.recorded[d.Day] = d.Used
	}
	return nil
}

func (i *item) Touch(context.Context, string, time.Time) error {
	i.touches++
	return i.err
}
