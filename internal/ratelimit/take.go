package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// This file has the steps of [Limiter.Take]. A step that reads or changes an entry holds the lock
// from its first line to its last. fromStore holds no lock, and waits for the store between steps.

// request is one call of Take, with its decision once there is one.
//
// It has pointers, and not the id, so that nothing is copied or allocated for a request that memory
// decides.
type request struct {
	terms    *Terms
	fence    int64
	tokens   int64
	decision *Decision // zero until there is one
	receipt  *receipt  // tells where the tokens came from, unless nil
}

// receipt has the tokens that a request was admitted with, as the leases that they are from.
type receipt struct{ old, fresh lease }

// usable reports whether each of the tokens may be used.
func (r *receipt) usable(now time.Time) bool {
	return (r.old.tokens == 0 || now.Before(r.old.end)) && (r.fresh.tokens == 0 || now.Before(r.fresh.end))
}

// fromMemory decides without the store if it can: it admits from the lease, or denies. It reports
// whether it has decided.
func (l *Limiter) fromMemory(id string, r *request, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.decide(l.entry(id), r, now)
}

// decide is fromMemory for a caller that holds the lock.
func (l *Limiter) decide(e *entry, r *request, now time.Time) bool {
	leased := e.lease.usable(r.terms, now)
	v := e.view(&l.rules, r.terms, now)
	if leased >= r.tokens {
		if r.receipt != nil {
			r.receipt.old = e.lease
			r.receipt.old.tokens = r.tokens
		}
		e.lease.tokens -= r.tokens
		e.used += r.tokens
		e.demand.note(now)
		l.hits++
		r.decision.Admitted = true
		r.decision.Status.set(r.terms, v, leased-r.tokens)
		return true
	}
	if leased == 0 && e.lease.tokens != 0 {
		e.giveUp(e.lease)
		e.lease = lease{}
	}
	// A denial is final, however old the view: it shows at least as much room as there is.
	return l.deny(e, v, r, leased)
}

// deny denies r if there is too little room. leased of its tokens are already leased.
func (l *Limiter) deny(e *entry, v *view, r *request, leased int64) bool {
	m, n, needed := &e.meter, r.tokens, r.tokens-leased
	overQuota := v.quota < needed && (v.quota < 0 || v.quota+l.rules.back(e, r.terms, m.today(v.now)) < needed)
	overLimit := v.room < needed
	if !overQuota && !overLimit {
		return false
	}
	d := r.decision
	d.Status.set(r.terms, v, leased)
	d.OverQuota = d.Status.refuse(overLimit, overQuota)
	switch {
	case n > r.terms.Limit.Requests, overQuota && (n > r.terms.Quota.Requests || r.terms.Quota.Period == Lifetime):
	case overQuota: // the limit may be spent for longer than the quota
		d.RetryAfter = max(wait(v.now, v.freeAt(m, r.terms.Limit, n)), wait(v.now, d.Status.Quota().Reset))
	default:
		d.RetryAfter = wait(v.now, v.freeAt(m, r.terms.Limit, needed))
		if leased > 0 && !v.now.Add(d.RetryAfter).Before(e.lease.end) { // the lease will have ended
			d.RetryAfter = wait(v.now, v.freeAt(m, r.terms.Limit, n))
		}
	}
	return true
}

// attempts is how many writes one request may lose to other instances before it fails. Each loss
// brings a newer view of the meter. Losing twice takes a table so slow that slices end while a
// write is on its way.
const attempts = 16

// fromStore spends with a write, after fromMemory could not decide at now.
func (l *Limiter) fromStore(ctx context.Context, id string, r *request, floor, now time.Time) error {
	l.forgetExpired(id, now)
	own := turn{tokens: r.tokens}
	for range attempts {
		l.recordUsage(ctx, id, now)
		if err := l.outdated(id, r); err != nil {
			return fmt.Errorf("spend: %w", err)
		}
		w, decided := l.reserve(id, r, now, &own)
		for ; w.busy != nil; w, decided = l.reserve(id, r, now, &own) {
			if err := own.wait(ctx, w.busy); err != nil {
				l.leave(id, &own)
				return fmt.Errorf("spend: %w", err)
			}
			now = l.time(floor)
		}
		if decided {
			return nil
		}
		w.spend.Fence = r.fence
		seen, err := l.store.Spend(ctx, id, w.spend)
		now = l.time(floor)
		switch {
		case err == nil:
			r.decision.Proven = r.fence != 0
			decided = l.admit(id, r, &w, seen, now)
		case errors.Is(err, ErrStale) && r.isBelow(&seen):
			l.restore(id, &w, now, false)
			err = ErrFenced
		case errors.Is(err, ErrStale):
			r.decision.Proven = r.fence != 0
			decided, err = l.lose(id, r, &w, seen, now), nil
		default:
			l.restore(id, &w, now, errors.Is(err, ErrThrottled))
		}
		l.end(id, &w) // the others find what the answer has brought
		if err != nil {
			return fmt.Errorf("spend: %w", err)
		}
		if decided {
			return nil
		}
	}
	return fmt.Errorf("spend: lost to others %d times", attempts)
}

// isBelow reports whether r has a fence, and m a higher one.
func (r *request) isBelow(m *Meter) bool { return r.fence != 0 && m.Fence > r.fence }

// forgetExpired forgets a meter that the store may have deleted. The store may have begun another
// meter since, whose odometer could stand where this one stood. If the store still has the meter,
// the next write fails and brings it back.
func (l *Limiter) forgetExpired(id string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	if m := &e.meter; m.Window != 0 && now.After(expiry(m.LastUsed, m.Window, m.Day)) {
		e.set(Meter{})
	}
}

// recordAgain is the least time between two attempts of an instance to record the usage of an id.
const recordAgain = time.Minute

// recordUsage stores the usage of days that are over, before a spend removes their marks. Any
// instance may do it, and more than once, because marks do not change. The marks stay until it has
// succeeded, so that a failure is ignored.
func (l *Limiter) recordUsage(ctx context.Context, id string, now time.Time) {
	days := l.unrecorded(id, now)
	if len(days) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, minorWrite)
	defer cancel()
	if err := l.store.RecordUsage(ctx, id, days); err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.recorded = max(e.recorded, days[len(days)-1].Day)
}

// unrecorded returns the usage of the days that are over, if some of it must be recorded now, and
// marks it as tried.
func (l *Limiter) unrecorded(id string, now time.Time) []DayUsage {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	past := e.meter.Past
	if len(past) == 0 || past[len(past)-1].Day <= e.recorded || now.Sub(e.tried) < recordAgain {
		return nil
	}
	e.tried = now
	return e.meter.daysOver()
}

// outdated returns an [OldTermsError] if the terms of r would change the window of the meter, and are
// older than those that it is of.
func (l *Limiter) outdated(id string, r *request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &l.entry(id).meter
	if m.Window != r.terms.Limit.Window && m.Rev > r.terms.Rev {
		return &OldTermsError{m.Rev}
	}
	return nil
}

// write is a spend on its way to the store. What it took out of the entry belongs to it alone until
// admit, lose or restore puts it back.
type write struct {
	spend  Spend
	now    time.Time // when the spend was planned
	lease  lease     // the lease that the entry had
	leased int64     // tokens of it that were usable
	// back is how many unused tokens of backDay the entry could give back.
	back    int64
	backDay Date
	done    chan struct{} // closed when the store has answered
	busy    chan struct{} // of another write, for which r should wait; then there is no write
}

// reserve plans the write that spends the tokens of r and leases some more. It decides instead, if
// another request of this instance has made that possible meanwhile. It returns a write that is busy
// if another request of this instance writes, and own is still patient.
func (l *Limiter) reserve(id string, r *request, now time.Time, own *turn) (w write, decided bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	own.end(e)
	if l.decide(e, r, now) {
		return write{}, true
	}
	if busy := own.begin(e, l.rules.leases(r.terms)); busy != nil {
		return write{busy: busy}, false
	}
	v := e.view(&l.rules, r.terms, now)
	w = write{now: now, lease: e.lease, leased: e.lease.usable(r.terms, now)}
	w.back, w.backDay = l.rules.back(e, r.terms, e.meter.today(now)), e.unusedDay
	e.lease, e.unused = lease{}, e.unused-w.back

	ask := r.tokens - w.leased
	if l.rules.leases(r.terms) {
		f, slice := l.rules.frame(r.terms.Limit.Window), v.slice
		if v.moved {
			slice = f.at(now)
		}
		room := min(v.room, v.quota+w.back)
		ask = size(ask, r.tokens, e.demand.perSecond(now), f.end(slice).Sub(now), room)
		if r.terms.counts() {
			ask = max(ask, e.ahead(r.tokens-w.leased, r.tokens, now))
		}
		ask = max(ask, min(ask+e.waiting, room))
	}
	w.done = make(chan struct{})
	e.writing = w.done
	w.spend = l.rules.plan(&e.meter, r.terms, v, ask, w.back, e.recorded)
	return w, false
}

// admit takes in a write that the store has applied. It does not admit r if the reply came too late
// to use the tokens: they count as spent, and the next attempt must ask for others.
func (l *Limiter) admit(id string, r *request, w *write, seen Meter, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.see(seen, w.spend.Tokens, now)
	e.putBack(w.back-(w.spend.Tokens-w.spend.Net), w.backDay)
	fresh := lease{
		tokens: w.spend.Tokens, terms: *r.terms, day: r.terms.dayOf(w.spend.Day), slice: w.spend.Slice,
		end: l.rules.leaseEnd(w.spend, r.terms),
	}
	if !now.Before(fresh.end) || w.leased > 0 && !now.Before(w.lease.end) {
		e.add(w.lease, now)
		e.add(fresh, now)
		return false
	}
	if r.receipt != nil {
		*r.receipt = receipt{old: w.lease, fresh: fresh}
		r.receipt.old.tokens, r.receipt.fresh.tokens = w.leased, r.tokens-w.leased
	}
	fresh.tokens -= r.tokens - w.leased
	e.add(fresh, now)
	e.used, e.wrote = r.tokens, now
	e.demand.note(now)
	v := e.view(&l.rules, r.terms, now)
	r.decision.Admitted = true
	r.decision.Status.set(r.terms, v, e.lease.usable(r.terms, now))
	return true
}

// lose takes in a write that the store has refused, because other instances have spent. If they
// left too little, it denies r as of the write, although there may be room again by now. Otherwise
// many requests for the last tokens of each slice would keep losing to one another.
func (l *Limiter) lose(id string, r *request, w *write, seen Meter, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.restore(w, now)
	e.see(seen, 0, now)
	v := e.view(&l.rules, r.terms, w.now)
	return l.deny(e, v, r, e.lease.usable(r.terms, now))
}

// restore takes in a write with an unknown outcome. If the store has applied it, then the tokens
// that it handed out, which no one will use, outweigh those that it gave back.
//
// A throttled request counts as demand. Otherwise leases would shrink, each request would need a
// write, and the store would never recover.
func (l *Limiter) restore(id string, w *write, now time.Time, throttled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.restore(w, now)
	if throttled {
		e.demand.note(now)
	}
}
