package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

// spread is an id whose limit changes while instances spend from its shards. Each instance hears of a
// change up to a freshness later, as gates do.
type spread struct {
	*shelf
	random *rand.Rand
	more   float64 // a share is so much larger than it should be

	ledger   sync.Mutex
	history  []spreadTerms
	admitted []admission
	denied   int
	unsure   int
	slowest  time.Duration // of all writes
}

// spreadTerms are terms with the time from which on they hold.
type spreadTerms struct {
	terms  ratelimit.Terms
	shards ratelimit.Shards
	from   time.Time
}

const (
	freshness = time.Second
	// settling is what a registry adds to freshness.
	settling = 5 * time.Second
)

func newSpread(seed uint64, delay time.Duration, lossy float64) *spread {
	s := &spread{random: rand.New(rand.NewPCG(seed, 5)), more: 1}
	n := seed
	s.shelf = &shelf{build: func() *item {
		n++
		return &item{random: rand.New(rand.NewPCG(n, 6)), delay: delay, lossy: lossy}
	}}
	return s
}

// Spend measures how long a write takes.
func (s *spread) Spend(ctx context.Context, id string, spend ratelimit.Spend) (ratelimit.Meter, error) {
	begun := time.Now()
	defer func() {
		s.ledger.Lock()
		defer s.ledger.Unlock()
		s.slowest = max(s.slowest, time.Since(begun))
	}()
	return s.shelf.Spend(ctx, id, spend)
}

// change gives the id another limit, spread over its shards.
func (s *spread) change(limit ratelimit.Limit) {
	s.ledger.Lock()
	defer s.ledger.Unlock()
	now := time.Now()
	next := spreadTerms{terms: ratelimit.Terms{Limit: limit, Rev: int64(len(s.history))}, from: now}
	count := ratelimit.ShardsFor(limit)
	if n := len(s.history); n == 0 {
		next.shards = ratelimit.NewShards(count)
	} else {
		last := ratelimit.Terms{Limit: limit}.Until(now.Add(freshness + settling))
		next.shards = s.history[n-1].shards.To(count, now, last)
	}
	s.history = append(s.history, next)
}

// part returns what an instance knows that hears of changes late by lag.
func (s *spread) part(lag time.Duration) (ratelimit.Part, spreadTerms) {
	s.ledger.Lock()
	defer s.ledger.Unlock()
	known := s.history[0]
	for _, h := range s.history {
		if time.Since(h.from) >= lag {
			known = h
		}
	}
	p := ratelimit.Part{ID: "k", Terms: known.terms, Shards: known.shards}
	p.Terms.Limit.Requests = int64(float64(p.Terms.Limit.Requests) * s.more)
	return p, known
}

// instances lets instances spend until end, each at its own pace and in bursts.
func (s *spread) instances(t *testing.T, count int, end time.Time, gap func() time.Duration) {
	var wg sync.WaitGroup
	for i := range count {
		own := rand.New(rand.NewPCG(uint64(s.draw(math.MaxInt64)), uint64(i)))
		offset := time.Duration(own.Int64N(int64(2*skew)+1)) - skew
		limiter := ratelimit.New(s, func() time.Time { return time.Now().Add(offset) }, 200)
		limiter.Choose(own.IntN)
		wg.Go(func() {
			for time.Now().Before(end) {
				p, known := s.part(time.Duration(own.Int64N(int64(freshness))))
				s.take(t, limiter, p, known, own)
				time.Sleep(time.Duration(own.Int64N(int64(2*gap()) + 1)))
			}
		})
	}
	wg.Wait()
}

func (s *spread) take(t *testing.T, l *ratelimit.Limiter, p ratelimit.Part, known spreadTerms, own *rand.Rand) {
	n := int64(1)
	if own.IntN(4) == 0 {
		n = 1 + own.Int64N(max(1, min(p.AtOnce().Limit.Requests, 40)))
	}
	s.spend(t, l, p, known, n)
}

func (s *spread) spend(t *testing.T, l *ratelimit.Limiter, p ratelimit.Part, known spreadTerms, n int64) {
	d, err := l.TakePart(t.Context(), &p, n, time.Time{})
	s.ledger.Lock()
	defer s.ledger.Unlock()
	switch {
	case errors.Is(err, ratelimit.ErrOldTerms): // the gate reads the key again
	case err != nil:
		s.unsure++
	case !d.Admitted:
		s.denied++
		if longest := 2*span(known.terms.Limit.Window) + settling + 2*time.Minute; d.RetryAfter > longest {
			t.Errorf("told to wait for %v", d.RetryAfter)
		}
	default:
		s.admitted = append(s.admitted, admission{time.Now(), n, known.terms})
	}
}

// most returns the largest limit that held at a time in an interval, and whether it held all the time.
func (s *spread) most(from, to time.Time) (most int64, same bool) {
	changes := 0
	for i, h := range s.history {
		ended := i+1 < len(s.history) && s.history[i+1].from.Add(freshness+s.slowest).Before(from)
		if ended || h.from.After(to) {
			continue
		}
		changes++
		most = max(most, h.terms.Limit.Requests)
	}
	return most, changes == 1
}

// broken checks two laws. An interval in which one limit held holds no more than that. An interval in
// which several limits of one window held holds no more than the largest of them.
func (s *spread) broken() (broken string) {
	worst := 0.0
	slices.SortStableFunc(s.admitted, func(a, b admission) int { return a.at.Compare(b.at) })
	for _, h := range s.history {
		window := h.terms.Limit.Window
		if window < 10*time.Second {
			window -= 2*skew + s.slowest
		}
		first, sum := 0, int64(0)
		for _, a := range s.admitted {
			for sum += a.n; a.at.Sub(s.admitted[first].at) >= window; first++ {
				sum -= s.admitted[first].n
			}
			from := s.admitted[first].at
			most, same := s.most(from, a.at)
			if !s.hadWindow(h.terms.Limit.Window, from, a.at) {
				continue // the interval is measured with its own window, unless it had two
			}
			if over := float64(sum) / float64(most); over > max(worst, 1) {
				worst = over
				broken = fmt.Sprintf("%.3f of %d admitted within %v, one limit: %v", over, most, a.at.Sub(from), same)
			}
		}
	}
	return broken
}

// hadWindow reports whether all limits that held in an interval had this window.
func (s *spread) hadWindow(window time.Duration, from, to time.Time) bool {
	for i, h := range s.history {
		ended := i+1 < len(s.history) && s.history[i+1].from.Add(freshness+s.slowest).Before(from)
		if !ended && !h.from.After(to) && h.terms.Limit.Window != window {
			return false
		}
	}
	return true
}

// Instances with different clocks spend from all shards through a bad network.
func TestNoIntervalOverAllShardsHoldsMoreThanTheLimit(t *testing.T) {
	for _, c := range []struct {
		limit     ratelimit.Limit
		instances int
	}{
		{per(1000, time.Second), 16}, {per(3000, 3*time.Second), 8}, {per(20_000, 10*time.Second), 8}, {per(30_000, time.Minute), 16},
	} {
		for seed := range uint64(*rounds) {
			t.Run(fmt.Sprintf("%d per %v, seed %d", c.limit.Requests, c.limit.Window, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lossy := 0.01
					if c.limit.Window < 10*time.Second { // the bound depends on the time of a write
						lossy = 0
					}
					s := newSpread(seed, 20*time.Millisecond, lossy)
					s.play(t, c.limit, c.instances)
					if broken := s.broken(); broken != "" {
						t.Error(broken)
					}
				})
			})
		}
	}
}

// play lets instances ask for twice the limit, for three windows.
func (s *spread) play(t *testing.T, limit ratelimit.Limit, instances int) {
	s.change(limit)
	end := time.Now().Add(3*limit.Window + 2*time.Second)
	pace := limit.Window * time.Duration(5*instances) / time.Duration(2*limit.Requests)
	s.instances(t, instances, end, func() time.Duration { return pace })
	if s.denied == 0 {
		t.Error("nothing was denied: nothing was tested")
	}
}

// A share that is 5 % too large breaks the limit.
func TestASharesSumIsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpread(1, 0, 0)
		s.more = 1.05
		s.play(t, per(20_000, 10*time.Second), 8)
		if broken := s.broken(); broken == "" {
			t.Error("shares that are 5 % too large break no limit")
		} else {
			t.Log(broken)
		}
	})
}

// The limit of an id changes so that it needs more shards, fewer, and one again, also before the change
// before it has settled.
func TestAChangeOfShardsKeepsBothLimits(t *testing.T) {
	for seed := range uint64(4 * *rounds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpread(seed, 10*time.Millisecond, 0.005)
				s.playChanges(t, seed)
				if broken := s.broken(); broken != "" {
					t.Errorf("%s: %s", broken, s.told())
				}
			})
		})
	}
}

func (s *spread) playChanges(t *testing.T, seed uint64) {
	s.change(per(s.someRequests(0), 10*time.Second))
	var wg sync.WaitGroup
	end := time.Now().Add(100 * time.Second)
	wg.Go(func() {
		for time.Now().Before(end) {
			time.Sleep(time.Duration(s.draw(int64(30 * time.Second))))
			window := 10 * time.Second
			if seed%4 == 3 {
				window += time.Duration(s.draw(5)) * time.Second
			}
			s.change(per(s.someRequests(s.draw(4)), window))
		}
	})
	s.instances(t, 6, end, func() time.Duration {
		s.ledger.Lock()
		defer s.ledger.Unlock()
		limit := s.history[len(s.history)-1].terms.Limit
		return limit.Window * 20 / time.Duration(limit.Requests)
	})
	wg.Wait()
}

func (s *spread) draw(n int64) int64 {
	s.ledger.Lock()
	defer s.ledger.Unlock()
	return s.random.Int64N(n)
}

// someRequests returns a limit of 10 s that needs one shard, some, or more.
func (s *spread) someRequests(kind int64) int64 {
	return []int64{1500, 2600, 7600, 15_000}[kind] + s.draw(100)
}

func (s *spread) told() (all []string) {
	for _, h := range s.history {
		all = append(all, fmt.Sprintf("%v: %d per %v on %d", h.from.Format("05.000"), h.terms.Limit.Requests, h.terms.Limit.Window, h.shards.Now()))
	}
	return all
}

// Without the wait for tokens that were spent before, a change of the number of shards admits too much.
func TestAChangeOfShardsWaitsForTheWindow(t *testing.T) {
	for _, counts := range [][2]int64{{2500, 5100}, {7510, 5000}} {
		most := int64(0)
		for _, waits := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				s := newSpread(7, 0, 0)
				s.change(per(counts[0], 10*time.Second))
				l := ratelimit.New(s, time.Now, 100)
				drain := func() (sum int64) {
					p, _ := s.part(0)
					for shard := range 40 { // of any
						l.Unpin("k")
						l.Choose(func(n int) int { return shard % n })
						for {
							d, err := l.TakePart(context.Background(), &p, 1, time.Time{})
							if err != nil {
								t.Fatal(err)
							}
							if !d.Admitted {
								break
							}
							sum++
						}
					}
					return sum
				}
				before := drain()
				s.change(per(counts[1], 10*time.Second))
				if !waits {
					s.history[1].shards.Until = time.Time{}
				}
				sum := before + drain()
				if over := sum > max(counts[0], counts[1]); over == waits {
					t.Errorf("%v, waits %v: %d admitted in one window", counts, waits, sum)
				}
				if waits {
					time.Sleep(time.Minute)
					most = drain()
				}
			})
		}
		if most < counts[1]*98/100 {
			t.Errorf("%v: only %d of the new limit are admitted a minute later", counts, most)
		}
	}
}
