package ratelimit

import "time"

// NewMutant returns a limiter that lacks a part of the rules, to show that the
// part is needed.
func NewMutant(store Store, now func() time.Time, guarded bool, lookback int64) *Limiter {
	l := New(store, now, 10)
	if !guarded {
		l.rules.skew, l.rules.grace = 0, 0
	}
	l.rules.lookback = lookback
	return l
}

// Slice is how long a slice of a window is.
func Slice(window time.Duration) time.Duration { return standard().frame(window).slice }
