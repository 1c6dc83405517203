package ratelimit

import (
	"context"
	"errors"
	"slices"
	"time"
)

// This file has the steps by which [Limiter] finds the shard to spend from.

// Choose makes l choose shards with random, which returns a number below n, and returns l. If random is
// nil, the choice stays random. It is for simulations that must repeat themselves, and must be called
// before l is used.
func (l *Limiter) Choose(random func(n int) int) *Limiter {
	if random != nil {
		l.random = random
	}
	return l
}

// pinned returns p, or the part of the shard that this instance spends from. The instance chooses one
// at random and stays there. The caller must hold the lock.
func (l *Limiter) pinned(p *Part, now time.Time) Part {
	if !p.Shards.Several() {
		return *p
	}
	count, by := p.Shards.at(now)
	e := l.entry(p.ID)
	if e.shards != count {
		e.shards, e.shard = count, l.random(count)
	}
	return p.shard(e.shard, by)
}

// pinnedAll is pinned for each part.
func (l *Limiter) pinnedAll(parts []Part, now time.Time) []Part {
	l.mu.Lock()
	defer l.mu.Unlock()
	pinned := make([]Part, len(parts))
	for i := range parts {
		pinned[i] = l.pinned(&parts[i], now)
	}
	return pinned
}

// unpin makes this instance choose another shard of an id, because the present one did not answer.
func (l *Limiter) unpin(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(id); e.shards > 1 {
		e.shard = (e.shard + 1 + l.random(e.shards-1)) % e.shards
	}
}

// takeSharded is TakeAll for parts if part i has several shards. If the instance's shard denies, it
// looks in others.
func (l *Limiter) takeSharded(ctx context.Context, parts []Part, i int, n int64, floor time.Time) (Joint, error) {
	p, asked := &parts[i], false
	var denial Joint
	for moves := 0; ; moves++ {
		now := l.time(floor)
		pinned := l.pinnedAll(parts, now)
		if p.AtOnce().allows(n) && !pinned[i].Terms.allows(n) {
			return l.unsettled(parts, i, now), nil // a share will be large enough then
		}
		if l.isUnseen(&pinned[i], n, moves > 0, now) {
			asked = true
			if err := l.readShard(ctx, &pinned[i]); err != nil {
				return Joint{}, err
			}
		}
		j, err := l.takeAll(ctx, pinned, n, floor)
		if err != nil {
			if _, old := errors.AsType[*OldTermsError](err); !old && !errors.Is(err, ErrFenced) {
				l.unpin(p.ID)
			}
			return Joint{}, err
		}
		asked = asked || j.Asked
		if moves == 0 || longer(denial.RetryAfter, j.RetryAfter) || j.Admitted || j.By != i {
			denial = j
		}
		moved := false
		if !j.Admitted && j.By == i && j.RetryAfter > 0 && moves < shardMoves {
			moved = l.move(p, n, now, &denial.Decision)
		}
		if !moved {
			if j.Admitted && pinned[i].ID != p.ID {
				l.touchFirst(ctx, p.ID, floor)
			}
			denial.Asked = asked
			denial.whole(i, &pinned[i].Terms, &p.Terms)
			return denial, nil
		}
	}
}

// touchFirst stores the use of an id in its first meter, if that was last used 15 minutes ago. A caller
// who reads only this one sees then that the id is in use. An error is ignored, as for any time of use.
func (l *Limiter) touchFirst(ctx context.Context, id string, floor time.Time) {
	l.mu.Lock()
	idle := l.time(floor).Sub(l.entry(id).meter.LastUsed)
	l.mu.Unlock()
	if idle >= touchEvery {
		_, _ = l.Touch(ctx, id, floor)
	}
}

// unsettled denies until the shards of part i are settled.
func (l *Limiter) unsettled(parts []Part, i int, now time.Time) Joint {
	j := l.PeekAll(parts, now)
	j.Decision = Decision{RetryAfter: wait(now, parts[i].Shards.Until), Status: j.Statuses[i]}
	j.By = i
	return j
}

// isUnseen reports whether the meter of p should be read before it is spent from. That is so if this
// instance has not seen it or, if it moves there, if others have probably left too little.
func (l *Limiter) isUnseen(p *Part, n int64, moves bool, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(p.ID)
	if e.others.seen.IsZero() {
		return true
	}
	v := e.view(&l.rules, &p.Terms, now)
	return moves && e.others.expected(now)+float64(n) > float64(min(v.room, v.quota))
}

// readShard reads the meter of a shard.
func (l *Limiter) readShard(ctx context.Context, p *Part) error {
	m, err := l.store.Meter(ctx, p.ID)
	if err != nil {
		return err
	}
	l.Observe(p.ID, m)
	if p.Fence != 0 && m.Fence > p.Fence {
		return ErrFenced
	}
	return nil
}

// move chooses another shard at random that may have room for n tokens. It reports whether there is
// one. Of the shards that have none, the earliest one decides how long d says to wait.
//
// The shard with the most room would be a bad choice, since all instances would choose the same.
func (l *Limiter) move(p *Part, n int64, now time.Time, d *Decision) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	count, by := p.Shards.at(now)
	e := l.entry(p.ID)
	var others []int
	for shard := range count {
		if shard != e.shard {
			others = append(others, shard)
		}
	}
	for k := range min(shardLooks, len(others)) {
		chosen := k + l.random(len(others)-k)
		at := others[chosen]
		others[chosen] = others[k]
		q := p.shard(at, by)
		var denial Decision
		r := request{terms: &q.Terms, tokens: n, decision: &denial}
		other := l.entry(q.ID)
		v := other.view(&l.rules, &q.Terms, now)
		if !l.deny(other, v, &r, other.lease.usable(&q.Terms, now)) {
			e.shard = at
			return true
		}
		if denial.RetryAfter > 0 && longer(d.RetryAfter, denial.RetryAfter) {
			d.RetryAfter = denial.RetryAfter
		}
	}
	return false
}

// sharded returns the index of the part that has several shards, or -1.
func sharded(parts []Part) int {
	return slices.IndexFunc(parts, func(p Part) bool { return p.Shards.Several() })
}
