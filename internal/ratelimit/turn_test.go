package ratelimit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

// far is a store that answers after a while.
type far struct {
	*ratelimit.Memory
	mu     sync.Mutex
	spends []int64
	delay  func(n int) time.Duration // of the write with a number, from 1
}

func (f *far) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	f.mu.Lock()
	f.spends = append(f.spends, s.Tokens)
	delay := f.delay(len(f.spends))
	f.mu.Unlock()
	time.Sleep(delay)
	return f.Memory.Spend(ctx, id, s)
}

// Many requests of one instance come at once. Few of them write, and they lease little more than all
// need. A write that is lost delays the others by a quarter of a second at most.
func TestRequestsOfAnInstanceShareTheirWrites(t *testing.T) {
	const crowd = 500
	limit := ratelimit.Limit{Requests: 10_000, Window: time.Minute}
	for _, c := range []struct {
		name   string
		terms  ratelimit.Terms
		lost   bool
		writes int
		within time.Duration
	}{
		{"a limit", ratelimit.Terms{Limit: limit, Rev: 1}, false, 3, 30 * time.Millisecond},
		{"a limit, and the first write is lost", ratelimit.Terms{Limit: limit, Rev: 1}, true, 4, 300 * time.Millisecond},
		{"no limit", ratelimit.Terms{Limit: ratelimit.NoLimit(), Rev: 1}, false, 3, 30 * time.Millisecond},
		{"credits", ratelimit.Terms{Limit: limit, Quota: ratelimit.Quota{Requests: 1000, Period: ratelimit.Lifetime}, Rev: 1}, false, 16 * crowd, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &far{Memory: ratelimit.NewMemory(1), delay: func(n int) time.Duration {
				if n == 1 && c.lost {
					return 2 * time.Second
				}
				return 10 * time.Millisecond
			}}
			l := ratelimit.New(store, time.Now, 1)
			begun, slow := time.Now(), atomic.Int64{}
			var all sync.WaitGroup
			for range crowd {
				all.Go(func() {
					d, err := l.Take(t.Context(), "id", c.terms, 1, time.Time{})
					took := time.Since(begun)
					if took >= 2*time.Second {
						slow.Add(1) // it is the one whose write is lost
					} else if c.name != "credits" && (err != nil || !d.Admitted || took > c.within) {
						t.Errorf("%s: %+v, %v after %v", c.name, d.Admitted, err, took)
					}
				})
			}
			all.Wait()
			m, _ := store.Meter(t.Context(), "id")
			if slow.Load() > 1 || len(store.spends) > c.writes || c.name != "credits" && m.Used > crowd*3/2 {
				t.Errorf("%s: %d are slow, %d writes of %d tokens", c.name, slow.Load(), len(store.spends), m.Used)
			}
		})
	}
}

// A caller that hangs up while it waits counts for nothing.
func TestARequestThatWaitsMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &far{Memory: ratelimit.NewMemory(1), delay: func(int) time.Duration { return 100 * time.Millisecond }}
		l := ratelimit.New(store, time.Now, 1)
		terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 1000, Window: time.Minute}, Rev: 1}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		go func() { _, _ = l.Take(t.Context(), "id", terms, 1, time.Time{}) }()
		synctest.Wait()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := l.Take(ctx, "id", terms, 1, time.Time{}); err == nil {
					t.Error("it waits no longer, and was decided")
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		if d, err := l.Take(t.Context(), "id", terms, 1, time.Time{}); err != nil || !d.Admitted {
			t.Errorf("%+v, %v", d, err)
		}
		if m, _ := store.Meter(t.Context(), "id"); m.Used > 4 {
			t.Errorf("%d tokens are used for 2 requests", m.Used)
		}
	})
}
