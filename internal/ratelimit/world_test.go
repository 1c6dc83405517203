package ratelimit_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// world is a meter, some environments before it, and a ledger of what they
// admitted. It lives in the virtual time of synctest.
type world struct {
	store  *item
	mutant mutant

	mu       sync.Mutex
	admitted []admission
	slowest  time.Duration
	denied   int
	unsure   int
}

// admission is n tokens at a true time.
type admission struct {
	at    time.Time
	n     int64
	terms ratelimit.Terms
}

// mutant is a limiter that lacks something. The zero mutant lacks nothing.
type mutant struct {
	name  string
	rules ratelimit.Mutant
	spend func(*ratelimit.Spend) // edits every write
	// stops: clocks stop while an environment is frozen, as Go's monotonic one.
	stops bool
}

func newWorld(m mutant) *world {
	return &world{mutant: m, store: &item{clock: time.Now, edit: m.spend}}
}

// environment is one limiter with a clock of its own.
type environment struct {
	world   *world
	limiter *ratelimit.Limiter
	frozen  time.Duration
}

func (w *world) environment(offset time.Duration) *environment {
	e := &environment{world: w}
	e.limiter = ratelimit.New(w.store, func() time.Time { return time.Now().Add(offset - e.frozen) }, 10)
	if w.mutant.rules != nil {
		e.limiter.Mutate(w.mutant.rules)
	}
	return e
}

func (e *environment) freeze(d time.Duration) {
	time.Sleep(d)
	if e.world.mutant.stops {
		e.frozen += d
	}
}

func (e *environment) take(t *testing.T, terms ratelimit.Terms, n int64) (ratelimit.Decision, error) {
	begun := time.Now()
	d, err := e.limiter.Take(t.Context(), "k", terms, n, time.Time{})
	w := e.world
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.unsure++
	case !d.Admitted:
		w.denied++
	default:
		w.admitted = append(w.admitted, admission{time.Now(), n, terms})
		w.slowest = max(w.slowest, time.Since(begun))
	}
	return d, err
}

// spendAll takes one token at a time until there are no more.
func (e *environment) spendAll(t *testing.T, terms ratelimit.Terms) {
	for {
		if d, err := e.take(t, terms, 1); err == nil && !d.Admitted {
			return
		}
	}
}

func (w *world) tokens() (sum int64) {
	for _, a := range w.admitted {
		sum += a.n
	}
	return sum
}

// broken slides over every interval and every period, and tells which promise
// was broken, if any.
func (w *world) broken() string {
	slices.SortStableFunc(w.admitted, func(a, b admission) int { return a.at.Compare(b.at) })
	for terms, all := range w.byTerms() {
		bound := terms.Limit.Window
		if bound < 10*time.Second {
			bound -= 2*skew + w.slowest
		}
		first, sum := 0, int64(0)
		for _, a := range all {
			for sum += a.n; a.at.Sub(all[first].at) >= bound; first++ {
				sum -= all[first].n
			}
			if sum > terms.Limit.Requests {
				return fmt.Sprintf("%d of %d admitted within %v", sum, terms.Limit.Requests, a.at.Sub(all[first].at))
			}
		}
	}
	return w.brokenQuota()
}

// byTerms parts what was admitted by the terms it was admitted under.
func (w *world) byTerms() map[ratelimit.Terms][]admission {
	parts := make(map[ratelimit.Terms][]admission)
	for _, a := range w.admitted {
		parts[a.terms] = append(parts[a.terms], a)
	}
	return parts
}

// brokenQuota counts by the true time, without what lies so near to a period's
// end that clocks may differ about it.
func (w *world) brokenQuota() string {
	type period struct {
		quota ratelimit.Quota
		date  int64
	}
	spent := make(map[period]int64)
	for _, a := range w.admitted {
		q := a.terms.Quota
		before, after := ratelimit.DateOf(a.at.Add(-skew)), ratelimit.DateOf(a.at.Add(skew))
		if q == (ratelimit.Quota{}) || before != after {
			continue
		}
		p := period{q, int64(after)}
		if q.Period == ratelimit.Month {
			p.date = after.Month()
		}
		if spent[p] += a.n; spent[p] > q.Requests {
			return fmt.Sprintf("%d of %d admitted in %d", spent[p], q.Requests, p.date)
		}
	}
	return ""
}
