package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Joint is the limiter's answer to one request that spends from several meters.
type Joint struct {
	// Decision is of the part that denies or, if the request is admitted, of the tightest one. If
	// several parts deny, it is the one with the longest wait.
	Decision
	// By is the index of that part. It is -1 if no part has a bound.
	By int
	// Statuses are those of all parts, in their order.
	Statuses []Status
}

// jointAttempts is how often TakeAll spends again because the tokens of one meter ended while it
// waited for those of another.
const jointAttempts = 3

// TakeAll spends n tokens of each part, or denies. For one part, it does what [Limiter.Take] does.
// Two parts must not have the same id.
//
// If memory shows that a part denies, TakeAll spends nothing and asks no store. Otherwise it spends
// from one part after the other, the one with the shortest window first. Of two with the same
// window, it begins with the one that has less room, or else with the one that comes first. If a
// part denies then, the tokens of those before it return to their leases. Where there is no lease,
// they count against the limit of their window and are given back to the quota with the next write.
//
// A denial for n above a limit or a quota has no RetryAfter. An error means that TakeAll could not
// decide, as for Take. n must be at least 1.
//
// At most one part may have several shards. TakeAll spends from one of them, see shards.go.
func (l *Limiter) TakeAll(ctx context.Context, parts []Part, n int64, floor time.Time) (Joint, error) {
	if n < 1 {
		panic(fmt.Sprintf("ratelimit: take %d", n)) // a caller's bug
	}
	if i := sharded(parts); i >= 0 {
		return l.takeSharded(ctx, parts, i, n, floor)
	}
	return l.takeAll(ctx, parts, n, floor)
}

// takeAll is TakeAll for parts with one meter each.
func (l *Limiter) takeAll(ctx context.Context, parts []Part, n int64, floor time.Time) (Joint, error) {
	if len(parts) == 1 && n <= parts[0].Terms.Limit.Requests {
		d, err := l.TakePart(ctx, &parts[0], n, floor)
		if err != nil {
			return Joint{}, err
		}
		j := Joint{Decision: d, Statuses: []Status{d.Status}}
		if d.Admitted {
			j.By = tightest(j.Statuses)
		}
		return j, nil
	}
	q := joint{limiter: l, parts: parts, tokens: n, floor: floor}
	for range jointAttempts {
		if q.fromMemory(l.time(floor)) {
			return q.answer, nil
		}
		if decided, err := q.fromStore(ctx); decided || err != nil {
			return q.answer, err
		}
	}
	return Joint{}, fmt.Errorf("spend: tokens of one meter ended before those of another came, %d times", jointAttempts)
}

// PeekAll returns the statuses of all parts as [Limiter.Peek] does. Its decision is of the tightest
// part, and admits.
func (l *Limiter) PeekAll(parts []Part, floor time.Time) Joint {
	j := Joint{Decision: Decision{Admitted: true}, Statuses: make([]Status, len(parts))}
	for i := range parts {
		j.Statuses[i] = l.PeekPart(&parts[i], floor)
	}
	j.By = tightest(j.Statuses)
	if j.By >= 0 {
		j.Status = j.Statuses[j.By]
	}
	return j
}

// tightest returns the index of the status that leaves a caller least, or -1 if none has a bound.
func tightest(statuses []Status) int {
	tightest := -1
	for i := range statuses {
		s := &statuses[i]
		if s.Limit > 0 && (tightest < 0 || s.bound().tighter(statuses[tightest].bound())) {
			tightest = i
		}
	}
	return tightest
}

// joint is one call of TakeAll, with its answer once there is one.
type joint struct {
	limiter  *Limiter
	parts    []Part
	tokens   int64
	floor    time.Time
	order    []int     // of the parts, in which they are spent from
	receipts []receipt // by part: the tokens that this call has of it
	asked    bool      // the store was asked
	proven   bool      // by the write of a part with a fence
	answer   Joint
}

// request returns the request for a part. Its decision is stored in d.
func (q *joint) request(i int, d *Decision) request {
	return request{terms: &q.parts[i].Terms, fence: q.parts[i].Fence, tokens: q.tokens, decision: d}
}

// outlook is what memory shows of a part whose tokens are not leased.
type outlook struct {
	room   int64 // tokens that it still allows
	denies bool
	denial Decision
}

// fromMemory decides without the store if it can: it admits if all tokens are leased, or denies. It
// reports whether it has decided. If not, it has spent nothing, and has put the parts in order.
func (q *joint) fromMemory(now time.Time) bool {
	l := q.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	by := -1
	var seen []outlook // by part; nil while all tokens are leased
	for i := range q.parts {
		p := &q.parts[i]
		e := l.entry(p.ID)
		leased := e.lease.usable(&p.Terms, now)
		if leased >= q.tokens {
			continue
		}
		if seen == nil {
			seen = make([]outlook, len(q.parts))
		}
		v := e.view(&l.rules, &p.Terms, now)
		r := q.request(i, &seen[i].denial)
		seen[i].room = min(v.room, v.quota)
		if !l.rules.asksFirst || !l.deny(e, v, &r, leased) {
			continue
		}
		seen[i].denies = true
		if by < 0 || longer(seen[i].denial.RetryAfter, seen[by].denial.RetryAfter) {
			by = i
		}
	}
	switch {
	case seen == nil:
		q.spendLeases(now)
		return true
	case by < 0:
		q.putInOrder(seen)
		return false
	}
	q.deny(by, seen[by].denial, now)
	for i := range seen {
		if seen[i].denies {
			q.answer.Statuses[i] = seen[i].denial.Status
		}
	}
	return true
}

// spendLeases admits the request, whose tokens are all leased. The caller must hold the limiter's
// lock.
func (q *joint) spendLeases(now time.Time) {
	statuses := make([]Status, len(q.parts))
	for i := range q.parts {
		var d Decision
		r := q.request(i, &d)
		q.limiter.decide(q.limiter.entry(q.parts[i].ID), &r, now)
		statuses[i] = d.Status
	}
	q.admit(statuses)
}

// putInOrder puts the part with the shortest window first. A token that is wasted because a later
// part denies counts for the shortest time then. Of parts with the same window, the first one is the
// one with the least room, because it is the likeliest to deny.
func (q *joint) putInOrder(seen []outlook) {
	q.order = make([]int, len(q.parts))
	for i := range q.order {
		q.order[i] = i
	}
	slices.SortStableFunc(q.order, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(q.parts[a].Terms.reach(), q.parts[b].Terms.reach()),
			cmp.Compare(seen[a].room, seen[b].room),
		)
	})
}

// longer reports whether the wait a of a denial is longer than b. Zero means that no wait helps.
func longer(a, b time.Duration) bool { return b != 0 && (a == 0 || a > b) }

// fromStore spends from one part after the other, where needed with a write. It reports whether it
// has decided. If not, it has given back all tokens.
func (q *joint) fromStore(ctx context.Context) (decided bool, err error) {
	l := q.limiter
	statuses := make([]Status, len(q.parts))
	q.receipts = make([]receipt, len(q.parts))
	for k, i := range q.order {
		var d Decision
		id, r, now := q.parts[i].ID, q.request(i, &d), l.time(q.floor)
		r.receipt = &q.receipts[i]
		if !l.fromMemory(id, &r, now) {
			q.asked = true
			err = l.fromStore(ctx, id, &r, q.floor, now)
		}
		if err != nil {
			q.giveBack(q.order[:k])
			return false, err
		}
		q.proven = q.proven || d.Proven
		if !d.Admitted {
			q.giveBack(q.order[:k])
			l.mu.Lock()
			defer l.mu.Unlock()
			q.deny(i, d, l.time(q.floor))
			return true, nil
		}
		statuses[i] = d.Status
	}
	now := l.time(q.floor)
	ended := func(r receipt) bool { return !r.usable(now) }
	if l.rules.checksAll && slices.ContainsFunc(q.receipts, ended) {
		q.giveBack(q.order)
		return false, nil
	}
	q.admit(statuses)
	return true, nil
}

// admit answers that the request is admitted.
func (q *joint) admit(statuses []Status) {
	q.answer = Joint{
		Decision: Decision{Admitted: true, Asked: q.asked, Proven: q.proven}, By: tightest(statuses), Statuses: statuses,
	}
	if q.answer.By >= 0 {
		q.answer.Status = statuses[q.answer.By]
	}
}

// deny answers that a part denies. The statuses of the others are those of now. The caller must
// hold the limiter's lock.
func (q *joint) deny(by int, d Decision, now time.Time) {
	d.Asked, d.Proven = q.asked, q.proven
	q.answer = Joint{Decision: d, By: by, Statuses: make([]Status, len(q.parts))}
	for i, p := range q.parts {
		if i == by {
			q.answer.Statuses[i] = d.Status
			continue
		}
		q.answer.Statuses[i] = q.limiter.peek(p.ID, &p.Terms, now)
	}
}

// giveBack returns the tokens of some parts, because the request is not admitted.
func (q *joint) giveBack(taken []int) {
	l := q.limiter
	now := l.time(q.floor)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range taken {
		e, r := l.entry(q.parts[i].ID), &q.receipts[i]
		for _, tokens := range []lease{r.old, r.fresh} {
			if l.rules.anyLease || l.rules.leases(&tokens.terms) {
				e.add(tokens, now)
			} else {
				e.giveUp(tokens)
			}
		}
		e.used = max(e.used-q.tokens, 0)
		e.demand.forget(now)
		*r = receipt{}
	}
}
