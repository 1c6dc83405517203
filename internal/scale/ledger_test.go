package scale_test

import (
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// ledger has the outcome of each request. It is safe for concurrent use.
type ledger struct {
	begun time.Time

	mu      sync.Mutex
	counted result
	spent   [][]time.Duration // when tokens of a key were admitted, since begun
	slowest time.Duration     // from the begin of a write to the verdict that rests on it
}

func newLedger(keys int) *ledger {
	return &ledger{begun: time.Now(), spent: make([][]time.Duration, keys)}
}

// outcome is what became of a request.
type outcome struct {
	key     int
	warm    bool
	none    bool // there was no instance
	verdict apikey.Verdict
	err     error
	written time.Time // when the instance began its last write
}

func (l *ledger) note(o outcome) {
	admitted := !o.none && o.err == nil && o.verdict.Valid()
	l.mu.Lock()
	defer l.mu.Unlock()
	if admitted {
		l.spent[o.key] = append(l.spent[o.key], time.Since(l.begun))
		l.slowest = max(l.slowest, time.Since(o.written))
	}
	if !o.warm {
		return
	}
	c := &l.counted
	c.requests++
	switch {
	case o.none:
		c.refused++
	case o.err != nil:
		c.unknown++
	case admitted:
		c.admitted++
	default:
		c.denied++
	}
}

// result returns the counts of a run. limits are those of the keys, by number.
func (l *ledger) result(limits []ratelimit.Limit) result {
	for key, limit := range limits {
		l.counted.over = max(l.counted.over, l.over(key, limit))
	}
	return l.counted
}

// exactWindow is the least window whose promise does not depend on the time that a write takes.
const exactWindow = 10 * time.Second

// over returns how many tokens above the limit of a key were admitted in the worst interval.
func (l *ledger) over(key int, limit ratelimit.Limit) (worst int64) {
	window := limit.Window
	if window < exactWindow {
		window -= 2*clockSkew + l.slowest
	}
	spent := l.spent[key]
	slices.Sort(spent)
	first := 0
	for n, at := range spent {
		for first < n && at-spent[first] >= window {
			first++
		}
		worst = max(worst, int64(n-first+1)-limit.Requests)
	}
	return worst
}

// offer makes the requests of a scenario at their times, and waits until all are judged. It disturbs w as
// the scenario says.
func (s *scenario) offer(ctx context.Context, f *fleet, l *ledger, requests []*gate.Request, w *world) {
	begun := time.Now()
	next := s.arrivals()
	third := s.warm + s.lasts/3
	var all sync.WaitGroup
	warm, disturbed := false, false
	for at, key, ok := next(); ok; at, key, ok = next() {
		time.Sleep(time.Until(begun.Add(at)))
		if !warm && at >= s.warm {
			warm = true
			w.countUntil(begun.Add(s.warm + s.lasts))
		}
		if !disturbed && at >= third {
			disturbed = true
			s.disturb(f, w)
		}
		i, warm := f.pick(), warm
		if i == nil {
			l.note(outcome{key: key, warm: warm, none: true})
			continue
		}
		all.Add(1)
		i.work <- func() {
			defer all.Done()
			o := outcome{key: key, warm: warm}
			to, simulated := i.table.(*link)
			o.verdict, o.err = f.judge(ctx, i, requests[key])
			if simulated {
				o.written = to.written
			}
			l.note(o)
		}
	}
	all.Wait()
}

// disturb makes what a scenario has in store for its second third.
func (s *scenario) disturb(f *fleet, w *world) {
	if s.restarts {
		f.restart()
	}
	if s.slow {
		w.slowDown(time.Now().Add(s.lasts / 3))
	}
}

// pick returns the index of the share that x, which is from 0 to 1, falls into.
func pick(shares []float64, x float64) int {
	if len(shares) == 1 {
		return 0
	}
	return min(sort.SearchFloat64s(shares, x), len(shares)-1)
}
