package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Store keeps the meters. It is safe for concurrent use.
type Store interface {
	// Spend applies s in one atomic step if its condition holds, and returns the
	// meter as it then is. If the condition does not hold it changes nothing and
	// returns the meter as it is (the zero Meter where there is none) with
	// [ErrStale]. A spend may be applied twice when a reply was lost and the
	// store's transport tried again; nothing worse.
	Spend(ctx context.Context, id string, s Spend) (Meter, error)
	// Record notes what was used on days that are over. It may be done again.
	Record(ctx context.Context, id string, days []DayUse) error
	// Touch notes that id was used at a time, without spending.
	Touch(ctx context.Context, id string, at time.Time) error
}

// ErrOldTerms says that the terms have changed since the caller read them.
var ErrOldTerms = errors.New("terms have changed")

// ErrStale says that the meter has moved on since it was seen.
var ErrStale = errors.New("meter has changed")

// Decision is the limiter's answer. Denied is a decision, not an error.
type Decision struct {
	Admitted bool
	// OverQuota says that it was the quota that has denied.
	OverQuota bool
	Usage     Usage
	// RetryAfter is how long to wait when denied: whole seconds, at least one.
	RetryAfter time.Duration
}

// Limiter decides for one environment. It is safe for concurrent use, and holds
// no lock while it waits for the store.
type Limiter struct {
	store Store
	now   func() time.Time
	rules rules

	mu     sync.Mutex
	memory *simplelru.LRU[string, *entry]
	hits   int64
}

// entry is what is known of one id. The limiter's lock is held to touch it.
type entry struct {
	meter   Meter
	lease   lease
	demand  demand
	touched time.Time

	recorded Date      // the newest day that is in the record
	tried    time.Time // when it was last tried to put one there

	// unused tokens are given back with the next write of the day they were
	// handed out on.
	unused    int64
	unusedDay Date
}

// New returns a limiter that remembers what it last saw of size meters.
func New(store Store, now func() time.Time, size int) *Limiter {
	memory, err := simplelru.NewLRU[string, *entry](size, nil)
	if err != nil {
		panic(err) // size is not positive: a caller's bug
	}
	return &Limiter{store: store, now: now, rules: standard(), memory: memory}
}

// attempts bounds how often one call may lose to others before it gives up. Each
// loss brings a newer view. Losing twice takes a table so slow that slices end
// while a write is on its way.
const attempts = 16

// Take spends n tokens, 1 <= n <= terms.Limit.Requests, or tells when to come
// back. It spends nothing when it denies. An error means that it could not
// decide; then tokens may have been counted that nobody used. After
// [ErrOldTerms] nothing was, and newer terms will do.
//
// The time is the clock's, but never before floor, which somebody else has seen,
// unless that is absurd.
func (l *Limiter) Take(ctx context.Context, id string, terms Terms, n int64, floor time.Time) (Decision, error) {
	if n < 1 || n > terms.Limit.Requests {
		panic(fmt.Sprintf("ratelimit: take %d of %d", n, terms.Limit.Requests)) // a caller's bug
	}
	now := l.time(floor)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	for attempt := range attempts {
		held := e.lease.usable(terms, now)
		v := l.rules.view(&e.meter, terms, now)
		if held >= n {
			e.lease.tokens -= n
			e.demand.note(now)
			l.hits++
			return Decision{Admitted: true, Usage: v.usage(&e.meter, terms, held-n)}, nil
		}
		if held == 0 {
			e.giveUp(e.lease)
			e.lease = lease{}
		}
		if d, denied := v.deny(e, terms, n, held, l.rules.sameDay); denied {
			// Final, however old the view: it shows at least as much room as there is.
			return d, nil
		}
		if attempt == 0 && e.meter.Window != 0 && now.After(expiry(e.meter.LastUsed, e.meter.Window, e.meter.Day)) {
			// The table may have forgotten it and begun another odometer, which would
			// pass for this one once it has come as far. If it has not, it says so.
			e.meter = Meter{}
			v = l.rules.view(&e.meter, terms, now)
		}
		if l.record(ctx, id, e, now) {
			continue // others may have been here
		}
		if e.meter.Window != terms.Limit.Window && e.meter.Rev > terms.Rev {
			return Decision{}, fmt.Errorf("spend: %w", ErrOldTerms)
		}
		done, err := l.spend(ctx, id, e, terms, &v, n, held, floor)
		if now = l.time(floor); err != nil && !errors.Is(err, ErrStale) {
			return Decision{}, err
		}
		if done {
			e.demand.note(now)
			left := e.lease.usable(terms, now)
			v := l.rules.view(&e.meter, terms, now)
			return Decision{Admitted: true, Usage: v.usage(&e.meter, terms, left)}, nil
		}
		if err != nil {
			// Others have spent. If they took what was seen, that is a denial as of the
			// write, though there may be room again by now: or a crowd at the last tokens
			// of each slice would go on losing to one another.
			v = l.rules.view(&e.meter, terms, v.now)
			if d, denied := v.deny(e, terms, n, e.lease.usable(terms, now), l.rules.sameDay); denied {
				return d, nil
			}
		}
	}
	return Decision{}, fmt.Errorf("spend: lost to others %d times", attempts)
}

// LeaseHits is how many calls of Take were admitted from memory: it only grows.
func (l *Limiter) LeaseHits() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hits
}

// deny refuses n tokens, held of which need not be asked for, if they are not
// there.
func (v *view) deny(e *entry, terms Terms, n, held int64, sameDay bool) (Decision, bool) {
	m, need := &e.meter, n-held
	overQuota := v.quota < need && (v.quota < 0 || v.quota+e.back(m.today(v.now), sameDay) < need)
	overLimit := v.room < need
	if !overQuota && !overLimit {
		return Decision{}, false
	}
	d := Decision{Usage: v.usage(m, terms, held)}
	d.OverQuota = d.Usage.refuse(overLimit, overQuota)
	after := v.freeAt(m, terms.Limit, need)
	if overQuota {
		after = v.freeAt(m, terms.Limit, n)
	}
	d.RetryAfter = wait(v.now, after)
	switch {
	case overQuota: // the limit may be spent for longer than the quota
		d.RetryAfter = max(d.RetryAfter, wait(v.now, d.Usage.Quota().Reset))
	case held > 0 && !v.now.Add(d.RetryAfter).Before(e.lease.end): // the lease has ended by then
		d.RetryAfter = wait(v.now, v.freeAt(m, terms.Limit, n))
	}
	return d, true
}

// spend asks the store for what is missing of n tokens, and for more to come. It
// gives up the lock meanwhile: what it took out of the entry is nobody else's.
// It reports whether the n tokens could be used.
func (l *Limiter) spend(ctx context.Context, id string, e *entry, terms Terms, v *view, n, held int64, floor time.Time) (bool, error) {
	today := e.meter.today(v.now)
	old := e.lease
	back := e.back(today, l.rules.sameDay)
	e.lease, e.unused = lease{}, e.unused-back

	room := min(v.room, v.quota+back)
	ask := n - held
	if f := l.rules.frame(terms.Limit.Window); f.grace > 0 {
		k := f.at(v.now)
		if e.meter.Window == terms.Limit.Window {
			k = v.slice
		}
		ask = size(ask, n, e.demand.perSecond(v.now), f.end(k).Sub(v.now), room)
	}
	s := l.rules.plan(&e.meter, terms, v, ask, back, e.recorded)
	var seen Meter
	var err error
	l.unlocked(func() { seen, err = l.store.Spend(ctx, id, s) })
	now := l.time(floor)
	if err != nil {
		// It may have been done all the same. Then what was given back with it is
		// outweighed by the tokens that nobody will use.
		e.keep(old, now)
		e.putBack(back, today)
		if errors.Is(err, ErrStale) {
			e.meter = seen
		}
		return false, fmt.Errorf("spend: %w", err)
	}
	e.meter = seen
	e.putBack(back-(s.Tokens-s.Net), today)
	fresh := lease{tokens: s.Tokens, terms: terms, day: s.Day, end: l.rules.leaseEnd(s)}
	if !now.Before(fresh.end) || held > 0 && !now.Before(old.end) {
		// The reply took so long that there is not enough left to use: what is over
		// is counted, and others are asked for.
		e.keep(old, now)
		e.keep(fresh, now)
		return false, nil
	}
	fresh.tokens -= n - held
	e.keep(fresh, now)
	return true, nil
}

// recordAgain is how long a failure to record is let rest.
const recordAgain = time.Minute

// chore is the longest time that a request waits for a write that it does not need. A slow table
// must not use up the time for the write that it does need.
const chore = 250 * time.Millisecond

// record puts days that are over into the record, before the write that takes
// their marks away. It does not matter who does it, nor how often, since marks do
// not change; and they stay until it is done, so that a failure is nobody's
// business. It gives up the lock, and reports whether it did.
func (l *Limiter) record(ctx context.Context, id string, e *entry, now time.Time) bool {
	past := e.meter.Past
	if len(past) == 0 || past[len(past)-1].Day <= e.recorded || now.Sub(e.tried) < recordAgain {
		return false
	}
	e.tried = now
	days := e.meter.daysOver()
	var err error
	l.unlocked(func() {
		ctx, cancel := context.WithTimeout(ctx, chore)
		defer cancel()
		err = l.store.Record(ctx, id, days)
	})
	if err == nil {
		e.recorded = max(e.recorded, days[len(days)-1].Day)
	}
	return true
}

// unlocked calls do without the lock, and takes it again however do ends, even by a panic.
func (l *Limiter) unlocked(do func()) {
	l.mu.Unlock()
	defer l.mu.Lock()
	do()
}

// back is how many tokens can be given back today.
func (e *entry) back(today Date, sameDay bool) int64 {
	if sameDay && e.unusedDay != today {
		return 0
	}
	return e.unused
}

// giveUp notes that what is left of a lease will not be used.
func (e *entry) giveUp(old lease) {
	if old.tokens > 0 {
		e.putBack(old.tokens, old.day)
	}
}

func (e *entry) putBack(n int64, day Date) {
	switch {
	case n == 0 || day < e.unusedDay:
	case day == e.unusedDay:
		e.unused += n
	default:
		e.unused, e.unusedDay = n, day
	}
}

// keep adds a lease to the one that is held. Two that end at different times do
// not go together: the later one stays.
func (e *entry) keep(l lease, now time.Time) {
	held := e.lease
	switch {
	case l.tokens == 0:
	case l.usable(l.terms, now) == 0:
		e.giveUp(l)
	case held.usable(l.terms, now) > 0 && held.end.Equal(l.end):
		e.lease.tokens += l.tokens
	case held.usable(held.terms, now) > 0 && held.end.After(l.end):
		e.giveUp(l)
	default:
		e.giveUp(held)
		e.lease = l
	}
}

// Peek says what it knows of a meter, without I/O and without spending.
func (l *Limiter) Peek(id string, terms Terms, floor time.Time) Usage {
	now := l.time(floor)
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.memory.Get(id)
	if !ok {
		e = &entry{}
	}
	v := l.rules.view(&e.meter, terms, now)
	return v.usage(&e.meter, terms, e.lease.usable(terms, now))
}

// Observe tells the limiter what somebody else read of a meter, so that it need
// not find out.
func (l *Limiter) Observe(id string, m Meter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(id); m.Used >= e.meter.Used { // else: read before, arrived after
		e.meter = m
	}
}

// touchEvery bounds what an unlimited key writes.
const touchEvery = 15 * time.Minute

// Touch notes the use of an id that has no limit, at most once in 15 minutes. It
// is for information only: a failure is the caller's to log, not to refuse for.
func (l *Limiter) Touch(ctx context.Context, id string, floor time.Time) error {
	now := l.time(floor)
	if !l.touchIsDue(id, now) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, chore)
	defer cancel()
	return l.store.Touch(ctx, id, now)
}

// touchIsDue reports whether a use at now must be recorded, and marks it as recorded.
func (l *Limiter) touchIsDue(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	if now.Sub(e.touched) < touchEvery {
		return false
	}
	e.touched = now
	return true
}

// entry is what is known of id. The lock is held.
func (l *Limiter) entry(id string) *entry {
	e, ok := l.memory.Get(id)
	if !ok {
		e = &entry{}
		l.memory.Add(id, e)
	}
	return e
}

// time is the wall clock's: ages must not stop while an environment is frozen,
// as Go's monotonic clock does.
func (l *Limiter) time(floor time.Time) time.Time { return NotBefore(l.now().Round(0), floor) }

// absurd is how far ahead of the clock a floor is not believed. A spend in a slice
// to come keeps the meter from refilling until then, for everybody.
const absurd = 5 * time.Second

// NotBefore is now, but not before floor, which another clock has shown, unless
// floor is absurd: 5 s or more after now.
func NotBefore(now, floor time.Time) time.Time {
	if now.Before(floor) && floor.Before(now.Add(absurd)) {
		return floor
	}
	return now
}
