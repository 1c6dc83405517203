package ratelimit_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

const skew = 50 * time.Millisecond

// rounds makes the simulation longer: make sim.
var rounds = flag.Int("rounds", 2, "how often each setting is simulated")

// setting is one row of the matrix.
type setting struct {
	limit     ratelimit.Limit
	instances int
}

func (s setting) String() string {
	return fmt.Sprintf("%d per %v, %d instances", s.limit.Requests, s.limit.Window, s.instances)
}

func matrix() (all []setting) {
	for _, requests := range []int64{1, 2, 10, 100, 1000, 10_000} {
		for _, window := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
			for _, instances := range []int{1, 4, 16} {
				all = append(all, setting{per(requests, window), instances})
			}
		}
	}
	return all
}

// simulation runs script for each setting of the matrix and logs the totals.
func simulation(t *testing.T, script func(*testing.T, *world, setting, *rand.Rand), settings []setting) {
	var total struct{ runs, broken, denied, unsure, writes int }
	var tokens int64
	for round := range *rounds {
		for i, s := range settings {
			seed := uint64(round*len(settings) + i)
			t.Run(fmt.Sprintf("%v, seed %d", s, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(mutant{})
					random := rand.New(rand.NewPCG(seed, 1))
					w.store.random = rand.New(rand.NewPCG(seed, 2))
					script(t, w, s, random)
					if broken := w.broken(); broken != "" {
						total.broken++
						t.Error(broken)
					}
					if w.tokens() < s.limit.Requests {
						t.Errorf("only %d of %d were ever admitted: nothing was tested", w.tokens(), s.limit.Requests)
					}
					total.runs, total.denied, total.unsure = total.runs+1, total.denied+w.denied, total.unsure+w.unsure
					total.writes += w.store.spends
					tokens += w.tokens()
				})
			})
		}
	}
	t.Logf("%d runs: %d tokens admitted with %d writes, %d requests denied, %d undecided, %d runs in which a promise was broken",
		total.runs, tokens, total.writes, total.denied, total.unsure, total.broken)
}

// Instances with different clocks spend through a bad network for several windows, steadily or in
// bursts at every phase of a window. They are frozen now and then, also with leased tokens, and
// between a reply and reading it.
func TestNoIntervalEverHoldsMoreThanTheLimit(t *testing.T) {
	simulation(t, func(t *testing.T, w *world, s setting, random *rand.Rand) {
		if s.limit.Window >= 10*time.Second { // for shorter windows, the bound depends on the time of a write
			w.store.lossy, w.store.freezing = 0.02, 0.005
		}
		w.store.delay = 40 * time.Millisecond
		terms := ratelimit.Terms{Limit: s.limit}
		crowd(t, w, s, random, time.Now().Add(12*s.limit.Window), func() ratelimit.Terms { return terms })
	}, matrix())
}

// Limits, windows and quotas change while instances spend. Each instance learns of a change up to a
// second later, because gates remember keys for a second.
func TestTermsMayChangeAtAnyTime(t *testing.T) {
	var settings []setting
	for _, s := range matrix() {
		if s.limit.Window >= 10*time.Second && s.limit.Requests >= 10 {
			settings = append(settings, s)
		}
	}
	simulation(t, func(t *testing.T, w *world, s setting, random *rand.Rand) {
		w.store.lossy, w.store.freezing, w.store.delay = 0.02, 0.005, 40*time.Millisecond
		// No two terms are equal, so that admissions under each can be told apart.
		var history []ratelimit.Terms
		for i := range int64(6) {
			l := per(s.limit.Requests*(1+random.Int64N(4))/2+i, s.limit.Window)
			if i%2 == 1 {
				l.Window = 10*time.Second + time.Duration(random.Int64N(int64(s.limit.Window)))/time.Second*time.Second
			}
			terms := ratelimit.Terms{Limit: l, Rev: i}
			if i%3 > 0 {
				terms.Quota = ratelimit.Quota{Requests: 3*s.limit.Requests + i, Period: ratelimit.Periods()[i/3]}
			}
			history = append(history, terms)
		}
		begun := time.Now()
		each := 4 * s.limit.Window
		crowd(t, w, s, random, begun.Add(time.Duration(len(history))*each), func() ratelimit.Terms {
			now := time.Since(begun)
			return history[min(int((now-min(now, time.Duration(random.Int64N(int64(time.Second)))))/each), len(history)-1)]
		})
	}, settings)
}

// Quota periods end during the traffic, while tokens are leased. The meter is deleted as soon as it
// may be.
func TestNoPeriodEverHoldsMoreThanTheQuota(t *testing.T) {
	var settings []setting
	for _, s := range matrix() {
		if s.limit.Requests >= 10 {
			settings = append(settings, s)
		}
	}
	simulation(t, func(t *testing.T, w *world, s setting, random *rand.Rand) {
		w.store.delay = 40 * time.Millisecond
		if s.limit.Window >= 10*time.Second {
			w.store.lossy, w.store.freezing = 0.02, 0.005
		}
		quota := daily(s.limit.Requests * 5 / 2)
		if random.IntN(2) == 0 {
			quota.Period = ratelimit.Month
			time.Sleep(30 * 24 * time.Hour) // the clock of a simulation begins with a month
		}
		terms := ratelimit.Terms{Limit: s.limit, Quota: quota}
		for range 3 {
			midnight := time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
			around := 4 * s.limit.Window
			time.Sleep(time.Until(midnight) - min(around, time.Until(midnight)))
			crowd(t, w, s, random, midnight.Add(around), func() ratelimit.Terms { return terms })
		}
	}, settings)
}

// crowd lets the instances of a setting spend until end.
func crowd(t *testing.T, w *world, s setting, random *rand.Rand, end time.Time, terms func() ratelimit.Terms) {
	var wg sync.WaitGroup
	var mu sync.Mutex // of random, which terms may use
	window := s.limit.Window
	for i := range s.instances {
		mu.Lock()
		own := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
		mu.Unlock()
		e := w.instance(time.Duration(own.Int64N(int64(2*skew)+1)) - skew)
		burst, sleepy := i%2 == 0, i%4 == 3
		wg.Go(func() {
			for time.Now().Before(end) {
				mu.Lock()
				now := terms()
				mu.Unlock()
				cost := int64(1)
				if own.IntN(4) == 0 {
					cost = 1 + own.Int64N(max(1, now.Limit.Requests/10))
				}
				d, err := e.take(t, now, cost)
				switch {
				case err != nil: // lost: its tokens may count as spent
				case sleepy && own.IntN(20) == 0:
					e.freeze(time.Duration(own.Int64N(int64(2 * window))))
				case !d.Admitted && burst:
					time.Sleep(time.Duration(own.Int64N(int64(window))))
				case !d.Admitted:
					time.Sleep(min(d.RetryAfter, window))
				case !burst:
					time.Sleep(time.Duration(own.Int64N(int64(window)/now.Limit.Requests + 1)))
				}
			}
		})
	}
	wg.Wait()
}

// As long as no request is lost, the count is the used tokens plus the leased tokens. This also
// holds if instances compete for the last tokens.
func TestUsageIsExactForBilling(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(mutant{})
			w.store.random, w.store.delay = random, 20*time.Millisecond
			terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: []int64{5000, 500}[seed%2], Window: 10 * time.Second}}
			var all []*instance
			for range 4 {
				all = append(all, w.instance(0))
			}
			last := int64(0)
			for range 3000 {
				e := all[random.IntN(len(all))]
				if _, err := e.take(t, terms, 1+random.Int64N(3)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(random.Int64N(int64(20 * time.Millisecond))))
				leased := int64(0)
				for _, e := range all {
					leased += e.limiter.Leased("k")
				}
				if used := w.tokens(); w.store.meter.Net != used+leased {
					t.Fatalf("%d counted, %d used and %d leased", w.store.meter.Net, used, leased)
				}
				if w.store.meter.Net < last {
					t.Fatalf("%d counted after %d: an instance that saw the higher count would deny wrongly", w.store.meter.Net, last)
				}
				last = w.store.meter.Net
			}
			if w.store.meter.Used == w.store.meter.Net {
				t.Error("nothing was ever given back: nothing was tested")
			}
		})
	}
}

func TestALimitIsNotOnlyKeptButUsed(t *testing.T) {
	for _, c := range []struct {
		requests int64
		atLeast  float64
	}{{10, 0.85}, {100, 0.9}, {1000, 0.9}} {
		synctest.Test(t, func(t *testing.T) {
			terms := ratelimit.Terms{Limit: per(c.requests, time.Minute)}
			w := newWorld(mutant{})
			e := w.instance(0)
			const windows = 10
			for end := time.Now().Add(windows * time.Minute); time.Now().Before(end); {
				d, err := e.take(t, terms, 1)
				if err != nil {
					t.Fatal(err)
				}
				if !d.Admitted {
					time.Sleep(100 * time.Millisecond)
				}
			}
			share := float64(w.tokens()) / float64(c.requests*windows)
			writes := float64(w.store.spends) / float64(w.tokens())
			t.Logf("limit %d, saturated: %.2f of it admitted, %.2f writes per token", c.requests, share, writes)
			if share < c.atLeast {
				t.Errorf("limit %d: only %.2f of it was admitted", c.requests, share)
			}
		})
	}
}

// The manual states these writes per request of a busy key, for one instance. Requests come at
// random times, and the limit is twice the rate. Short windows have no leases.
func TestABusierKeyNeedsFewerWritesPerRequest(t *testing.T) {
	for _, c := range []struct {
		perSecond   int64
		window      time.Duration
		least, most float64 // writes per request
	}{
		{1, time.Minute, 0, 0.99}, {10, time.Minute, 0, 0.26}, {100, time.Minute, 0, 0.03}, {1000, time.Minute, 0, 0.0035},
		{100, 9 * time.Second, 1, 1}, {100, 10 * time.Second, 0, 0.07},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, random := newWorld(mutant{}), rand.New(rand.NewPCG(1, 1))
			terms := ratelimit.Terms{Limit: per(2*c.perSecond*int64(c.window/time.Second), c.window)}
			e := w.instance(0)
			for range 20_000 {
				if d, err := e.take(t, terms, 1); err != nil || !d.Admitted {
					t.Fatalf("%+v, %v", d, err)
				}
				time.Sleep(time.Duration(random.ExpFloat64() * float64(time.Second) / float64(c.perSecond)))
			}
			writes := float64(w.store.spends) / 20_000
			t.Logf("%d a second, window %v: %.4f writes for each request", c.perSecond, c.window, writes)
			if writes < c.least || writes > c.most {
				t.Errorf("%d a second, window %v: %.4f writes for each request, want %v to %v", c.perSecond, c.window, writes, c.least, c.most)
			}
		})
	}
}

// The manual states these shares for clients that pace their requests. The effective window exceeds
// the window most at 10 s. Tokens that stay in the leases of many instances add to the denials.
func TestAPaceALittleBelowTheLimitIsNeverDenied(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	for _, c := range []struct {
		window, percent time.Duration
		least, most     float64 // % of the requests that are denied
	}{
		{5 * time.Second, 93, 0, 0}, {10 * time.Second, 93, 0, 0}, {15 * time.Second, 93, 0, 0},
		{time.Minute, 95, 0, 0}, {time.Hour, 95, 0, 0}, {24 * time.Hour, 95, 0, 0},
		{10 * time.Second, 100, 1.5, 9.5}, {time.Minute, 100, 1.5, 9.5}, {24 * time.Hour, 100, 1.5, 9.5},
	} {
		for _, requests := range []int64{10, 100, 1000} {
			for _, instances := range []int{1, 16} {
				synctest.Test(t, func(t *testing.T) {
					w, random := newWorld(mutant{}), rand.New(rand.NewPCG(uint64(requests), 4))
					terms := ratelimit.Terms{Limit: per(requests, c.window)}
					var all []*instance
					for i := range instances {
						all = append(all, w.instance(time.Duration(i%3-1)*skew))
					}
					for range 20 * requests {
						if _, err := all[random.IntN(instances)].take(t, terms, 1); err != nil {
							t.Fatal(err)
						}
						time.Sleep(c.window * 100 / c.percent / time.Duration(requests))
					}
					most := c.most
					if instances > 1 {
						most += 3
					}
					if share := 100 * float64(w.denied) / float64(20*requests); share < c.least || share > most {
						t.Errorf("%d per %v, %d instances: at a pace of %d %%, %.2f %% are denied", requests, c.window, instances, c.percent, share)
					}
				})
			}
		}
	}
}
