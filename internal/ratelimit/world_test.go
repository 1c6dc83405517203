package ratelimit_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// world is a meter, the instances that spend from it, and a ledger of their admissions. It runs in
// the virtual time of synctest.
type world struct {
	store  *item
	mutant mutant

	mu       sync.Mutex
	admitted []admission
	slowest  time.Duration
	denied   int
	unsure   int
}

// admission is n tokens that were admitted at a true time.
type admission struct {
	at    time.Time
	n     int64
	terms ratelimit.Terms
}

// mutant is a limiter that lacks a guard. The zero mutant has all of them.
type mutant struct {
	name  string
	rules ratelimit.Mutant
	spend func(*ratelimit.Spend) // edits every write
	// stops makes clocks stop while an instance is frozen, as Go's monotonic clock does.
	stops bool
}

func newWorld(m mutant) *world {
	return &world{mutant: m, store: &item{clock: time.Now, edit: m.spend}}
}

// instance is one limiter with a clock of its own.
type instance struct {
	world   *world
	limiter *ratelimit.Limiter
	frozen  time.Duration
}

func (w *world) instance(offset time.Duration) *instance {
	e := &instance{world: w}
	e.limiter = ratelimit.New(w.store, func() time.Time { return time.Now().Add(offset - e.frozen) }, 10)
	if w.mutant.rules != nil {
		e.limiter.Mutate(w.mutant.rules)
	}
	return e
}

func (e *instance) freeze(d time.Duration) {
	time.Sleep(d)
	if e.world.mutant.stops {
		e.frozen += d
	}
}

func (e *instance) take(t *testing.T, terms ratelimit.Terms, n int64) (ratelimit.Decision, error) {
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
func (e *instance) spendAll(t *testing.T, terms ratelimit.Terms) {
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

// broken checks every interval and every period, and returns the promise that was broken, or "".
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

// byTerms returns the admissions by their terms.
func (w *world) byTerms() map[ratelimit.Terms][]admission {
	parts := make(map[ratelimit.Terms][]admission)
	for _, a := range w.admitted {
		parts[a.terms] = append(parts[a.terms], a)
	}
	return parts
}

// brokenQuota counts by the true time. It leaves out admissions so near to midnight that clocks may
// differ about their day. A lifetime quota may only grow.
func (w *world) brokenQuota() string {
	type period struct {
		quota ratelimit.Quota
		date  int64
	}
	spent := make(map[period]int64)
	var used, most int64 // for life
	for _, a := range w.admitted {
		q := a.terms.Quota
		if q.Period == ratelimit.Lifetime {
			if used, most = used+a.n, max(most, q.Requests); used > most {
				return fmt.Sprintf("%d of %d admitted for life", used, most)
			}
			continue
		}
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
