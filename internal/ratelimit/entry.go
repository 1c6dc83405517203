package ratelimit

import "time"

// entry is what a limiter remembers of one id. The limiter's lock guards it.
type entry struct {
	meter   Meter // as it was last seen; only set changes it
	sight   sight
	lease   lease
	demand  demand
	touched time.Time // when the last use was stored, of an id without a limit

	recorded Date      // the newest day whose usage is recorded
	tried    time.Time // when recording usage was last tried

	// unused is the number of tokens handed out on unusedDay that will not be used. They are given
	// back to the quota with the next write of that day. Those of a lifetime quota have no day, and
	// are given back on any.
	unused    int64
	unusedDay Date

	// used is how many tokens were used since this instance last spent with a write, at wrote.
	used  int64
	wrote time.Time

	others others

	// writing is the last write that was sent, and closed when it is answered. waiting is the number of
	// tokens of the requests that wait for one.
	writing chan struct{}
	waiting int64

	// shard is the shard of the id that this instance spends from. It is one of shards, which is 0
	// before one was chosen.
	shard, shards int
}

// see takes in the meter as the store has it. own is how many tokens of it this instance has just
// taken.
func (e *entry) see(m Meter, own int64, now time.Time) {
	e.others.note(m.Used-e.meter.Used-own, now)
	e.set(m)
}

// set replaces the meter, so that no view of it is true any more.
func (e *entry) set(m Meter) { e.meter, e.sight = m, sight{} }

// back returns how many unused tokens a write may give back today.
func (r *rules) back(e *entry, terms *Terms, today Date) int64 {
	if r.sameDay && terms.Quota.Period != Lifetime && e.unusedDay != today {
		return 0
	}
	return e.unused
}

// dayOf returns the day that tokens handed out on day belong to: none if the quota is for life.
func (t *Terms) dayOf(day Date) Date {
	if t.Quota.Period == Lifetime {
		return 0
	}
	return day
}

// giveUp adds what is left of a lease to the unused tokens.
func (e *entry) giveUp(old lease) {
	if old.tokens > 0 {
		e.putBack(old.tokens, old.day)
	}
}

// putBack adds n tokens to the unused ones. Only those of the newest day are remembered.
func (e *entry) putBack(n int64, day Date) {
	switch {
	case n == 0 || day < e.unusedDay:
	case day == e.unusedDay:
		e.unused += n
	default:
		e.unused, e.unusedDay = n, day
	}
}

// add joins a lease with the entry's lease. Two leases that end at different times cannot be
// joined: the later one stays, and the other is given up.
func (e *entry) add(l lease, now time.Time) {
	old := e.lease
	switch {
	case l.tokens == 0:
	case l.usable(&l.terms, now) == 0:
		e.giveUp(l)
	case old.usable(&l.terms, now) > 0 && old.end.Equal(l.end):
		e.lease.tokens += l.tokens
		e.lease.slice = min(old.slice, l.slice) // they differ at the end of a day, which ends both
	case old.usable(&old.terms, now) > 0 && old.end.After(l.end):
		e.giveUp(l)
	default:
		e.giveUp(old)
		e.lease = l
	}
}

// restore puts back what a write took out of the entry.
func (e *entry) restore(w *write, now time.Time) {
	e.add(w.lease, now)
	e.putBack(w.back, w.backDay)
}
