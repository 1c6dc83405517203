package ratelimit

import (
	"math"
	"math/bits"
	"time"
)

// Terms are what an id may spend. They are not stored with the meter, so changed terms apply to the
// next request.
type Terms struct {
	Limit Limit
	Quota Quota // the zero Quota allows everything
	// Rev must grow with every change of the terms; see [OldTermsError] for an id that is used anew.
	// A limiter that still has older terms never changes the window of a meter back: the meter would
	// forget what lies beyond a shorter window.
	Rev int64
}

// Limit is how many tokens may be spent in any interval of length Window. Requests must be at least
// 1, and Window must be whole seconds, at least one and at most a day.
type Limit struct {
	Requests int64
	Window   time.Duration
}

// writesPerSecond is how many writes of one item DynamoDB takes in a second.
const writesPerSecond = 1000

// MostCounted returns the most tokens of a window that the store can count if they are spent one by
// one. It returns 0 if there are leases, because then no number needs as many writes. Without them each
// admission is a write, and one id's writes all go to one item.
func MostCounted(window time.Duration) int64 {
	r := standard()
	if r.frame(window).grace > 0 {
		return 0
	}
	return int64(window/time.Second) * writesPerSecond
}

// NoLimit returns a limit that is never reached, for an id that has a quota alone or whose usage is
// counted. Its window is a minute, which is also that of the most common limits, so an id that gets a
// limit or loses it mostly keeps its window.
func NoLimit() Limit { return Limit{Requests: unbounded, Window: time.Minute} }

// None reports whether l is never reached.
func (l Limit) None() bool { return l.Requests >= unbounded }

// Part is one of several meters that a request spends from.
type Part struct {
	ID    string
	Terms Terms
	// Fence must not be below the meter's fence if the store is asked: see [ErrFenced]. Zero asks for
	// nothing.
	Fence int64
	// Shards says how many meters count the tokens together. Terms are those of all of them.
	Shards Shards
}

// Within reports whether a caller who keeps to l also keeps to outer. In the window of outer, l
// admits at most as much as all its own windows that overlap with it.
func (l Limit) Within(outer Limit) bool {
	windows := int64((outer.Window + l.Window - 1) / l.Window)
	return l.Requests <= outer.Requests/windows
}

// Contradicts reports whether one of two limits can never be reached because the other one allows
// fewer tokens in a longer window.
func (l Limit) Contradicts(other Limit) bool {
	return l.Window < other.Window && l.Requests > other.Requests ||
		l.Window > other.Window && l.Requests < other.Requests
}

// NoFaster reports whether l admits no more than outer on average. It may admit more at once.
func (l Limit) NoFaster(outer Limit) bool {
	high, low := bits.Mul64(uint64(l.Requests), uint64(outer.Window))
	outerHigh, outerLow := bits.Mul64(uint64(outer.Requests), uint64(l.Window))
	return high < outerHigh || high == outerHigh && low <= outerLow
}

// counts reports whether t bound nothing, so that the meter only counts usage.
func (t *Terms) counts() bool { return t.Limit.None() && t.Quota == Quota{} }

// reach returns for how long a token of t counts at most. Terms that bound nothing come after all
// others but a lifetime.
func (t *Terms) reach() time.Duration {
	switch {
	case t.Quota.Period == Lifetime:
		return math.MaxInt64
	case !t.Limit.None():
		return t.Limit.Window
	case t.Quota.Period == Day:
		return 24 * time.Hour
	case t.Quota.Period == Month:
		return longestMonth * 24 * time.Hour
	}
	return math.MaxInt64 - 1
}

// Until returns a time from which on no token counts that was spent under t before last: its window
// and its quota period have ended. The end of the window is rounded up by at most a sixteenth of
// its length, so that the ends of many meters are few different times. The tokens of a lifetime
// quota count forever, and Until leaves them out.
func (t Terms) Until(last time.Time) time.Time {
	r := standard()
	span := r.frame(t.Limit.Window).span()
	grid := time.Second << max(0, bits.Len64(uint64(span/time.Second))-5)
	until := last.Add(span).Truncate(grid).Add(grid).UTC()
	if t.Limit.None() {
		until = last.UTC()
	}
	if t.Quota == (Quota{}) {
		return until
	}
	if end := DateOf(last).end(t.Quota.Period); end.After(until) {
		return end
	}
	return until
}
