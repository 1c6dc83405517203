package ratelimit

import "time"

// Mutant changes the rules of a limiter, to show that the changed rule is needed.
type Mutant func(*rules)

// Unguarded removes the guard for clocks and the grace.
func Unguarded(r *rules) { r.skew, r.grace = 0, 0 }

// OneSliceFewer forgets a slice that may still be in the window.
func OneSliceFewer(r *rules) { r.lookback-- }

// GivesBackAnyDay gives back unused tokens of yesterday today.
func GivesBackAnyDay(r *rules) { r.sameDay = false }

// Leaseless hands out no more tokens than are needed.
func Leaseless(r *rules) { r.exact = 24 * time.Hour }

// Mutate applies m.
func (l *Limiter) Mutate(m Mutant) *Limiter {
	m(&l.rules)
	return l
}

// Leased returns how many tokens of id this instance has leased or has yet to give back.
func (l *Limiter) Leased(id string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	return e.lease.tokens + e.unused
}

// Slice returns the length of a slice of a window.
func Slice(window time.Duration) time.Duration { return RulesOf(nil).Slice(window) }

// RulesOf returns the rules after m has changed them.
func RulesOf(m Mutant) *rules {
	r := standard()
	if m != nil {
		m(&r)
	}
	return &r
}

// Lookback returns how many slices before the present one count.
func (r *rules) Lookback() int64 { return r.lookback }

// Slice returns the length of a slice of a window under these rules.
func (r *rules) Slice(window time.Duration) time.Duration { return r.frame(window).slice }

// Size returns how many tokens a write asks for.
var Size = size

// AsksNoMemory spends from the parts of a request before it looks whether one of them denies.
func AsksNoMemory(r *rules) { r.asksFirst = false }

// UsesTokensLate uses the tokens of one part although they ended while others were asked for.
func UsesTokensLate(r *rules) { r.checksAll = false }

// GivesBackToAnyLease gives tokens back to a lease even where there are none.
func GivesBackToAnyLease(r *rules) { r.anyLease = true }

// LeasesCredits leases tokens of a lifetime quota.
func LeasesCredits(r *rules) { r.leasedCredits = true }

// StartsOnFirstShard makes every instance begin on the first shard, and look for room from there.
func (l *Limiter) StartsOnFirstShard() { l.random = func(int) int { return 0 } }

// Unpin makes the limiter choose a shard anew.
func (l *Limiter) Unpin(id string) { l.unpin(id) }

// PinnedTo returns the shard of an id that the limiter spends from.
func (l *Limiter) PinnedTo(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entry(id).shard
}

// Seen returns the meter of an id as the limiter has last seen it.
func Seen(l *Limiter, id string) Meter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entry(id).meter
}
