package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

// ledger notes when each token was admitted, by the true time.
type ledger struct {
	mu      sync.Mutex
	tokens  []time.Time
	slowest time.Duration
}

func (l *ledger) note(n int64, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.tokens = append(l.tokens, time.Now())
	}
	l.slowest = max(l.slowest, took)
}

// exceeds slides over every interval: it reports one that is shorter than window
// and holds more than limit tokens.
func (l *ledger) exceeds(limit int64, window time.Duration) (time.Duration, bool) {
	slices.SortFunc(l.tokens, time.Time.Compare)
	for i := range l.tokens {
		if last := i + int(limit); last < len(l.tokens) {
			if d := l.tokens[last].Sub(l.tokens[i]); d < window {
				return d, true
			}
		}
	}
	return 0, false
}

const skew = 50 * time.Millisecond

func offset(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}

func TestNoIntervalEverHoldsMoreThanTheLimit(t *testing.T) {
	seed := uint64(0)
	for _, limit := range []int64{1, 2, 10, 100, 2000} {
		for _, window := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
			for _, environments := range []int{1, 3, 16} {
				seed++
				name := fmt.Sprintf("%d per %v, %d environments", limit, window, environments)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { simulate(t, seed, ratelimit.Limit{Requests: limit, Window: window}, environments) })
				})
			}
		}
	}
}

// simulate lets environments with clocks apart, some of them frozen now and then,
// spend through a bad network for some windows: steadily, or in bursts at every
// phase of a window.
func simulate(t *testing.T, seed uint64, limit ratelimit.Limit, environments int) {
	random := rand.New(rand.NewPCG(seed, 1))
	network := &item{random: random, delay: 40 * time.Millisecond, lossy: 0.02}
	bound := limit.Window
	if limit.Window < 10*time.Second {
		network.lossy = 0 // the weaker bound is measured by the time of a write
	}
	var l ledger
	var wg sync.WaitGroup
	const windows = 20
	end := time.Now().Add(windows * limit.Window)
	for e := range environments {
		own := rand.New(rand.NewPCG(seed, uint64(e)+2))
		limiter := ratelimit.New(network, offset(time.Duration(own.Int64N(int64(2*skew)))-skew), 10)
		burst, frozen := e%2 == 0, e%5 == 4
		wg.Go(func() {
			for time.Now().Before(end) {
				cost := int64(1)
				if limit.Requests > 1 && own.IntN(4) == 0 {
					cost = 1 + own.Int64N(max(1, limit.Requests/10))
				}
				begun := time.Now()
				d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit}, cost, time.Time{})
				switch {
				case err != nil: // lost: counted at most
				case d.Admitted:
					l.note(cost, time.Since(begun))
					if !burst {
						time.Sleep(time.Duration(own.Int64N(int64(limit.Window)/limit.Requests + 1)))
					}
				case frozen:
					time.Sleep(2 * limit.Window)
				case burst:
					time.Sleep(time.Duration(own.Int64N(int64(limit.Window))))
				default:
					time.Sleep(d.RetryAfter)
				}
			}
		})
	}
	wg.Wait()
	if limit.Window < 10*time.Second {
		bound -= 2*skew + l.slowest
	}
	if within, over := l.exceeds(limit.Requests, bound); over {
		t.Errorf("%d admitted within %v", limit.Requests+1, within)
	}
	if int64(len(l.tokens)) < limit.Requests {
		t.Errorf("only %d of %d were ever admitted: nothing was tested", len(l.tokens), limit.Requests)
	}
}

// The two ends of what slices can tell apart: a slow clock spends at the last
// moment of slice j, a fast one at the first moment in which it believes that
// slice to be forgotten.
func adversary(t *testing.T, window time.Duration, build func(ratelimit.Store, func() time.Time) *ratelimit.Limiter, slice time.Duration, lookback int64) bool {
	t.Helper()
	exceeded := false
	synctest.Test(t, func(t *testing.T) {
		limit := ratelimit.Limit{Requests: 5, Window: window}
		store := &item{}
		slow, fast := build(store, offset(-skew)), build(store, offset(skew))
		var l ledger
		j := time.Now().UnixNano()/int64(slice) + 2
		for _, step := range []struct {
			at      time.Time
			limiter *ratelimit.Limiter
		}{
			{time.Unix(0, (j+1)*int64(slice)).Add(skew - 1), slow},
			{time.Unix(0, (j+lookback+1)*int64(slice)).Add(-skew), fast},
		} {
			time.Sleep(time.Until(step.at))
			for range limit.Requests {
				if d, err := step.limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit}, 1, time.Time{}); err == nil && d.Admitted {
					l.note(1, 0)
				}
			}
		}
		_, exceeded = l.exceeds(limit.Requests, window)
	})
	return exceeded
}

func TestTheGuardIsNeeded(t *testing.T) {
	const window = 10 * time.Second
	whole := func(s ratelimit.Store, now func() time.Time) *ratelimit.Limiter { return ratelimit.New(s, now, 10) }
	if adversary(t, window, whole, ratelimit.Slice(window), 60) {
		t.Error("the adversary wins against the rules")
	}
	unguarded := func(s ratelimit.Store, now func() time.Time) *ratelimit.Limiter {
		return ratelimit.NewMutant(s, now, false, 60)
	}
	if !adversary(t, window, unguarded, (window+59)/60, 60) {
		t.Error("without the guard nothing is exceeded: the test cannot fail")
	}
}

func TestEverySliceIsNeeded(t *testing.T) {
	const window = time.Minute
	short := func(s ratelimit.Store, now func() time.Time) *ratelimit.Limiter {
		return ratelimit.NewMutant(s, now, true, 59)
	}
	if !adversary(t, window, short, ratelimit.Slice(window), 59) {
		t.Error("with one slice fewer nothing is exceeded: the test cannot fail")
	}
}

func TestALimitIsNotOnlyKeptButUsed(t *testing.T) {
	for _, c := range []struct {
		requests int64
		atLeast  float64
	}{{10, 0.85}, {100, 0.9}, {1000, 0.9}} {
		synctest.Test(t, func(t *testing.T) {
			limit := ratelimit.Limit{Requests: c.requests, Window: time.Minute}
			limiter := ratelimit.New(&item{}, time.Now, 10)
			admitted, windows := 0, 10
			for end := time.Now().Add(time.Duration(windows) * limit.Window); time.Now().Before(end); {
				d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit}, 1, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if d.Admitted {
					admitted++
				} else {
					time.Sleep(100 * time.Millisecond)
				}
			}
			if share := float64(admitted) / float64(c.requests*int64(windows)); share < c.atLeast {
				t.Errorf("limit %d: only %.2f of it was admitted", c.requests, share)
			}
		})
	}
}

func TestWhoPacesAt95PercentIsNeverDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := ratelimit.Limit{Requests: 100, Window: time.Minute}
		limiter := ratelimit.New(&item{}, time.Now, 10)
		for i := range 1000 {
			d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit}, 1, time.Time{})
			if err != nil || !d.Admitted {
				t.Fatalf("request %d: %+v, %v", i, d, err)
			}
			time.Sleep(limit.Window * 100 / 95 / time.Duration(limit.Requests))
		}
	})
}
