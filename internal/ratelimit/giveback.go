package ratelimit

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// Return is one conditional write to a meter that takes back tokens which were handed out to an
// instance and not used. It is the only write that lowers the odometers.
//
// Tokens may be taken off the odometer only while the slice in which they were handed out is the
// newest one. A later slice has a mark that counts them, and would then count too little.
//
// Its condition is that the meter still is as it was seen. Two equal meters with the same number of
// returns are the same for a limit, so tokens that were spent between do no harm. Returns is part of
// the condition, and grows with each return. A network that delivers a return twice therefore has it
// applied once.
type Return struct {
	Tokens int64 // to take off Used; 0 if their slice is not the newest
	Net    int64 // to take off Net; 0 if their day is not the newest
	Seen   Meter // the meter must have its Window, Newest, Used, Net, Day and Returns
}

// Returner stores returns. It must be safe for concurrent use.
type Returner interface {
	// Return applies r in one atomic step if its condition holds. If it does not, Return must change
	// nothing and return [ErrStale] with the meter as it is. Any other error means that the outcome is
	// unknown.
	Return(ctx context.Context, id string, r Return) (Meter, error)
}

// Return changes m as r says, or returns [ErrStale] if m does not meet its condition.
func (m *Meter) Return(r Return) error {
	s := &r.Seen
	switch {
	case m.Window != s.Window, m.Newest != s.Newest, m.Day != s.Day,
		m.Used != s.Used, m.Net != s.Net, m.Returns != s.Returns:
		return ErrStale
	}
	m.Used, m.Net, m.Returns = m.Used-r.Tokens, m.Net-r.Net, m.Returns+1
	return nil
}

const (
	// returnsAtOnce is how many returns are on their way at a time.
	returnsAtOnce = 32
	// returnAttempts is how often one return is tried, each time on a newer meter.
	returnAttempts = 4
)

// GiveBack gives the unused tokens of all leases back to the meters, until ctx ends. It is for the end
// of an instance: requests that come later are decided, and may lease again. Tokens that cannot be
// given back count as used, as those of an instance that died do.
//
// Another instance that has seen a meter without room learns of the returned tokens by its next write.
func (l *Limiter) GiveBack(ctx context.Context, to Returner) {
	var all errgroup.Group
	all.SetLimit(returnsAtOnce)
	for id, back := range l.takeBack() {
		all.Go(func() error {
			back.send(ctx, id, to)
			return nil
		})
	}
	_ = all.Wait() // no function returns an error
}

// giving is what one entry gives back.
type giving struct {
	meter     Meter
	lease     lease
	unused    int64
	unusedDay Date
}

// takeBack takes the unused tokens out of all entries.
func (l *Limiter) takeBack() map[string]giving {
	all := make(map[string]giving)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.entries.Keys() {
		e, _ := l.entries.Peek(id)
		g := giving{e.meter, e.lease, e.unused, e.unusedDay}
		if g.lease.tokens > 0 || g.unused > 0 {
			e.lease, e.unused = lease{}, 0
			all[id] = g
		}
	}
	return all
}

// send gives back what the meter still has room for.
func (g *giving) send(ctx context.Context, id string, to Returner) {
	m := g.meter
	for range returnAttempts {
		r := g.plan(&m)
		if r.Tokens <= 0 && r.Net <= 0 || ctx.Err() != nil {
			return
		}
		seen, err := to.Return(ctx, id, r)
		if !errors.Is(err, ErrStale) {
			return
		}
		m = seen
	}
}

// plan returns the write for a meter. It never lets a mark count less than nothing.
func (g *giving) plan(m *Meter) Return {
	r := Return{Seen: *m}
	if m.Day == 0 {
		return r // nothing was spent, or by a version without days
	}
	sameTerms := g.lease.terms.Limit.Window == m.Window && m.Rev <= g.lease.terms.Rev
	if g.lease.tokens > 0 && sameTerms && g.lease.slice == m.Newest {
		r.Tokens = min(g.lease.tokens, m.Used-m.base(m.Newest))
	}
	// Tokens of a lifetime quota have no day, and stay used.
	if g.lease.day == m.Day {
		r.Net += g.lease.tokens
	}
	if g.unusedDay == m.Day {
		r.Net += g.unused
	}
	r.Net = max(0, min(r.Net, m.Net-m.DayNet))
	return r
}
