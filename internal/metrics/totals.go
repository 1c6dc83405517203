package metrics

import (
	"maps"
	"time"
)

// Totals are what a recorder has counted since its last line. A recorder that watches no handler
// writes none, so that its totals only grow.
type Totals struct {
	Verdicts map[string]int64 // checks by verdict; unavailable: could not decide
	// Checks is the number of all checks, and Took the sum of their durations.
	Checks int64
	Took   time.Duration
	// Within has, for some durations, how many checks took less.
	Within map[time.Duration]int64
	// Counters are the counters of other packages by their metric, since they began.
	Counters map[string]int64
}

// The least and the largest duration of [Totals.Within] as powers of two, in microseconds.
const (
	leastPower   = 4  // 16 us
	largestPower = 22 // 4.2 s
)

// Totals returns the totals. It is safe for concurrent use.
func (r *Recorder) Totals() Totals {
	t := Totals{Within: make(map[time.Duration]int64), Counters: make(map[string]int64)}
	for _, c := range r.options.Counters {
		t.Counters[c.Metric] = c.Read()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Verdicts, t.Took = maps.Clone(r.verdicts), r.took
	power := leastPower
	for step, n := range r.latency {
		// A duration of 2^power microseconds is the first of this step.
		if power <= largestPower && step == 8*(power-2) {
			t.Within[time.Duration(1<<power)*time.Microsecond] = t.Checks
			power++
		}
		t.Checks += n
	}
	return t
}
