package ratelimit

import "time"

// Mutant changes the rules of a limiter, to show that what it lacks is needed.
type Mutant func(*rules)

// Unguarded lets a slice end when it ends by everybody's clock.
func Unguarded(r *rules) { r.skew, r.grace = 0, 0 }

// OneSliceFewer forgets a slice when the next one may still be in the window.
func OneSliceFewer(r *rules) { r.lookback-- }

// GivesBackAnyDay takes the tokens of yesterday off today's count.
func GivesBackAnyDay(r *rules) { r.sameDay = false }

// Leaseless hands out what is needed and no more.
func Leaseless(r *rules) { r.exact = 24 * time.Hour }

// Mutate applies m.
func (l *Limiter) Mutate(m Mutant) *Limiter {
	m(&l.rules)
	return l
}

// Held is how many tokens of id this environment holds or has yet to give back.
func (l *Limiter) Held(id string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	return e.lease.tokens + e.unused
}

// Slice is how long a slice of a window is.
func Slice(window time.Duration) time.Duration { return RulesOf(nil).Slice(window) }

// RulesOf are the rules as m leaves them.
func RulesOf(m Mutant) *rules {
	r := standard()
	if m != nil {
		m(&r)
	}
	return &r
}

// Lookback is how many slices before the present one count.
func (r *rules) Lookback() int64 { return r.lookback }

// Slice is how long a slice of a window is under these rules.
func (r *rules) Slice(window time.Duration) time.Duration { return r.frame(window).slice }

// Size is the sizing rule.
var Size = size
