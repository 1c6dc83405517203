package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// ErrOldTerms says that the caller's terms are older than those of the meter's window. Every such
// error is an [OldTermsError].
var ErrOldTerms = errors.New("terms have changed")

// OldTermsError is ErrOldTerms with the revision of the terms that the meter's window is of.
//
// A caller must read the terms of the id anew. They may have a lower revision even then, if the id
// began a new life: its meter stays, and its revisions begin anew. The caller may then raise
// [Terms.Rev] of one request to Rev. Terms that came after the read have a higher one, or the meter
// has no window of theirs yet.
type OldTermsError struct{ Rev int64 }

func (*OldTermsError) Error() string { return ErrOldTerms.Error() }

// Unwrap returns ErrOldTerms.
func (*OldTermsError) Unwrap() error { return ErrOldTerms }

// ErrFenced says that the fence of a meter is above the fence of the caller's part. The id may have
// changed since the caller read it. No tokens were spent.
var ErrFenced = errors.New("the meter has a higher fence")

// Decision is the limiter's answer to one request. A denial is a decision, not an error.
type Decision struct {
	Admitted bool
	// Asked reports that the decision took a request to the store, so that time has passed.
	Asked bool
	// OverQuota reports that the quota denies. If a denial has it false, the limit denies.
	OverQuota bool
	// Proven reports that the store has answered a write, applied or not, and that the meter's fence
	// was not above the part's at a moment after the call began.
	Proven bool
	Status Status
	// RetryAfter is how long to wait after a denial, in whole seconds and at least one. It is zero
	// if the request is admitted, and if no wait helps.
	RetryAfter time.Duration
}

// Limiter decides for one instance. It is safe for concurrent use, and holds no lock while it waits
// for the store.
type Limiter struct {
	store Store
	now   func() time.Time
	rules rules
	// random returns a number below n.
	random func(n int) int

	mu      sync.Mutex // guards the rest
	entries *simplelru.LRU[string, *entry]
	newest  named // the entry that was used last, so that a busy id needs no search
	hits    int64
}

// New returns a limiter that remembers the size ids it saw last. size must be positive. now is the
// instance's clock.
func New(store Store, now func() time.Time, size int) *Limiter {
	entries, err := simplelru.NewLRU[string, *entry](size, nil)
	if err != nil {
		panic(err) // size is not positive: a caller's bug
	}
	return &Limiter{store: store, now: now, rules: standard(), random: rand.IntN, entries: entries}
}

// Take spends n tokens of an id, or denies and says when to try again. It spends nothing when it
// denies. n must be at least 1 and at most terms.Limit.Requests.
//
// An error means that Take could not decide. Tokens may then count as spent that no one used. After
// [ErrOldTerms] none were spent, and the caller must try again as [OldTermsError] says.
//
// Take goes by the instance's clock, or by floor if that is later: see [NotBefore].
func (l *Limiter) Take(ctx context.Context, id string, terms Terms, n int64, floor time.Time) (d Decision, err error) {
	err = l.take(ctx, id, &request{terms: &terms, tokens: n, decision: &d}, l.time(floor), floor)
	return d, err
}

// TakePart is Take for a part that may have a fence. It returns [ErrFenced] if it asks the store and
// the meter has a higher one.
func (l *Limiter) TakePart(ctx context.Context, p *Part, n int64, floor time.Time) (d Decision, err error) {
	err = l.TakeAt(ctx, p, n, l.time(floor), floor, &d)
	return d, err
}

// TakeAt is TakePart for a caller that has just read the limiter's clock: it showed now, or an earlier
// time than floor, as [NotBefore] says. TakeAt sets d, which must be zero, and leaves it zero if it
// returns an error.
func (l *Limiter) TakeAt(ctx context.Context, p *Part, n int64, now, floor time.Time, d *Decision) error {
	if p.Shards.Several() {
		mustAllow(&p.Terms, n)
		j, err := l.takeSharded(ctx, []Part{*p}, 0, n, floor)
		*d = j.Decision
		return err
	}
	return l.take(ctx, p.ID, &request{terms: &p.Terms, fence: p.Fence, tokens: n, decision: d}, now, floor)
}

// take decides r at now, or returns an error and leaves the decision zero.
func (l *Limiter) take(ctx context.Context, id string, r *request, now, floor time.Time) error {
	mustAllow(r.terms, r.tokens)
	if l.fromMemory(id, r, now) {
		return nil
	}
	if err := l.fromStore(ctx, id, r, floor, now); err != nil {
		*r.decision = Decision{}
		return err
	}
	r.decision.Asked = true
	return nil
}

// mustAllow panics if no request may spend n tokens under terms, which is a caller's bug.
func mustAllow(terms *Terms, n int64) {
	if n < 1 || n > terms.Limit.Requests {
		panic(fmt.Sprintf("ratelimit: take %d of %d", n, terms.Limit.Requests))
	}
}

// Peek returns the status of an id by what the limiter remembers, without I/O and without spending.
// It shows at least as much room as there is.
func (l *Limiter) Peek(id string, terms Terms, floor time.Time) Status {
	now := l.time(floor)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peek(id, &terms, now)
}

// PeekPart is Peek for a part, which may have several shards.
func (l *Limiter) PeekPart(p *Part, floor time.Time) Status {
	now := l.time(floor)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.Shards.Several() {
		return l.peek(p.ID, &p.Terms, now)
	}
	q := l.pinned(p, now)
	s := l.peek(q.ID, &q.Terms, now)
	s.whole(&p.Terms)
	return s
}

// peek is Peek for a caller that holds the lock.
func (l *Limiter) peek(id string, terms *Terms, now time.Time) (s Status) {
	e, ok := l.entries.Get(id)
	if ok {
		l.newest = named{id, e}
	} else {
		e = &entry{}
	}
	s.set(terms, e.view(&l.rules, terms, now), e.lease.usable(terms, now))
	return s
}

// Observe gives the limiter a meter that the caller has read, which saves it a failed write. An
// older meter than the one that the limiter remembers is ignored.
func (l *Limiter) Observe(id string, m Meter) {
	now := l.now().Round(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(id); m.Used >= e.meter.Used {
		e.see(m, 0, now)
	}
}

// LeaseHits returns how often a meter's tokens came from a lease. It only grows.
func (l *Limiter) LeaseHits() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hits
}

// touchEvery is how often an instance stores the last use of an id without a limit.
const touchEvery = 15 * time.Minute

// minorWrite is the longest time that a request waits for a write that it does not need. A slow
// table must not use up the time for the write that it does need.
const minorWrite = 250 * time.Millisecond

// Touch stores the use of an id that has no limit, at most once in 15 minutes. It reports whether it
// asked the store. The time is for information only: the caller should log an error, and must not
// refuse the request for it.
func (l *Limiter) Touch(ctx context.Context, id string, floor time.Time) (asked bool, err error) {
	now := l.time(floor)
	if !l.touchIsDue(id, now) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, minorWrite)
	defer cancel()
	return true, l.store.Touch(ctx, id, now)
}

// touchIsDue reports whether a use at now must be stored, and marks it as stored.
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

// named is an entry with its id.
type named struct {
	id string
	*entry
}

// entry returns what the limiter remembers of id. The caller must hold the lock.
func (l *Limiter) entry(id string) *entry {
	if l.newest.entry != nil && l.newest.id == id {
		return l.newest.entry
	}
	e, ok := l.entries.Get(id)
	if !ok {
		e = &entry{}
		l.entries.Add(id, e)
	}
	l.newest = named{id, e}
	return e
}

// time returns the wall clock's time, or floor. Ages must not stop while an instance is frozen, as
// Go's monotonic clock does.
func (l *Limiter) time(floor time.Time) time.Time {
	now := l.now().Round(0)
	if now.Before(floor) {
		return NotBefore(now, floor)
	}
	return now
}

// farAhead is how far ahead of the clock a floor is no longer believed. A spend in a future slice
// keeps the meter from refilling until then, for every instance.
const farAhead = 5 * time.Second

// NotBefore returns the later of now and floor, a time that another clock has shown. It ignores a
// floor that is 5 s or more after now.
func NotBefore(now, floor time.Time) time.Time {
	if now.Before(floor) && floor.Before(now.Add(farAhead)) {
		return floor
	}
	return now
}
