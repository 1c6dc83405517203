package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"latchkey/internal/apikey"
)

// ahead are reads of a user and a plan that were made before it was known whether they are needed.
type ahead struct {
	user seen[*apikey.User]
	plan seen[*apikey.Plan]
}

// seen is the outcome of a read, or what memory has.
type seen[T any] struct {
	name  string
	value T
	err   error
	read  moment // when the read began
	// own says that this check has made the read, and sure that it is young enough for a refusal.
	own, sure bool
}

// readKey reads a key, and sets it in f. last is the key as it is remembered, or nil. The user and
// the plan that it had are read at the same time, if memory has no younger reads than maxAge.
func (g *Gate) readKey(
	ctx context.Context, arrival time.Time, id string, last *subject, maxAge time.Duration, f *finding,
) error {
	var others sync.WaitGroup
	if last != nil && last.bounded {
		f.ahead = &ahead{}
		g.readAhead(ctx, arrival, last.key.UserID, last.planName(last.user), maxAge, f.ahead, &others)
	}
	f.waited = true
	read := g.instant(arrival)
	record, err := g.table.Find(ctx, id)
	others.Wait()
	if err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return fmt.Errorf("find key: %w", err)
	}
	if err == nil {
		g.limiter.Observe(id, record.Meter)
		for _, m := range record.More {
			g.limiter.Observe(m.ID, m.Meter)
		}
		f.subject = newSubject(record, read, g.options.TrustFences)
	}
	g.memory.keys.put(id, f.subject, read)
	return nil
}

// bound gives the subject of f its user and its plan. It trusts remembered reads that are younger
// than maxAge.
func (g *Gate) bound(ctx context.Context, arrival time.Time, maxAge time.Duration, f *finding) error {
	f.waited = true
	s, a := f.subject, f.ahead
	if a == nil || a.user.name != s.key.UserID {
		var others sync.WaitGroup
		a = &ahead{}
		g.readAhead(ctx, arrival, "", s.planName(s.user), maxAge, a, &others)
		a.user = g.user(ctx, arrival, s.key.UserID, maxAge)
		others.Wait()
	}
	if a.user.err != nil {
		return a.user.err
	}
	plan := seen[*apikey.Plan]{read: a.user.read, own: true, sure: true}
	switch name := s.planName(a.user.value); name {
	case "":
	case a.plan.name:
		plan = a.plan
	default:
		plan = g.plan(ctx, arrival, name, maxAge)
	}
	if plan.err != nil {
		return plan.err
	}
	f.subject = s.with(a.user.value, plan.value, a.user.read.older(plan.read), g.options.Life)
	f.remembered = f.remembered || !a.user.own || !plan.own
	f.bounded, f.boundsSure = true, a.user.sure && plan.sure
	g.memory.keys.put(s.key.ID, f.subject, f.subject.keyRead)
	return nil
}

// readAhead begins to read a user and a plan, each unless its name is empty. Both are set in a when
// others are done.
func (g *Gate) readAhead(
	ctx context.Context, arrival time.Time, userID, plan string, maxAge time.Duration, a *ahead, others *sync.WaitGroup,
) {
	if userID != "" {
		together(others, &a.user, userID, func() seen[*apikey.User] { return g.user(ctx, arrival, userID, maxAge) })
	}
	if plan != "" {
		together(others, &a.plan, plan, func() seen[*apikey.Plan] { return g.plan(ctx, arrival, plan, maxAge) })
	}
}

// together makes a read at the same time as others. A panic of it is an error, because no one could
// recover from it.
func together[T any](others *sync.WaitGroup, to *seen[T], name string, read func() seen[T]) {
	others.Go(func() {
		defer func() {
			if cause := recover(); cause != nil {
				*to = seen[T]{name: name, err: errors.New("a read of the table panicked")}
			}
		}()
		*to = read()
	})
}

// user returns what an operator has set for a user, or nil if there is no record.
func (g *Gate) user(ctx context.Context, arrival time.Time, id string, maxAge time.Duration) seen[*apikey.User] {
	now := g.instant(arrival)
	if e := g.memory.users.get(id); e != nil {
		if age := now.since(&e.read); age < maxAge {
			return seen[*apikey.User]{name: id, value: e.value, read: e.read, sure: age < MismatchAge}
		}
	}
	record, err := g.table.User(ctx, id)
	if err != nil {
		return seen[*apikey.User]{name: id, err: fmt.Errorf("find user: %w", err)}
	}
	for _, m := range record.Meters {
		g.limiter.Observe(m.ID, m.Meter)
	}
	g.memory.users.put(id, record.User, now)
	return seen[*apikey.User]{name: id, value: record.User, read: now, own: true, sure: true}
}

// plan returns the plan of a name. A plan that does not exist is an error, because nobody knows what
// its keys may do. A younger read is asked for that than for a plan that exists.
func (g *Gate) plan(ctx context.Context, arrival time.Time, name string, maxAge time.Duration) seen[*apikey.Plan] {
	now := g.instant(arrival)
	p, read, age, own := (*apikey.Plan)(nil), now, time.Duration(0), true
	if e := g.memory.plans.get(name); e != nil {
		p, read, age, own = e.value, e.read, now.since(&e.read), false
	}
	if own || age >= maxAge || p == nil && age >= MismatchAge {
		var err error
		p, err = g.table.Plan(ctx, name)
		if err != nil && !errors.Is(err, apikey.ErrNotFound) {
			return seen[*apikey.Plan]{name: name, err: fmt.Errorf("find plan: %w", err)}
		}
		if err != nil {
			p = nil
		}
		read, age, own = now, 0, true
		g.memory.plans.put(name, p, now)
	}
	if p == nil {
		g.logMissing(ctx, name, now)
		return seen[*apikey.Plan]{name: name, err: fmt.Errorf("find plan %s: %w", name, errNoPlan)}
	}
	return seen[*apikey.Plan]{name: name, value: p, read: read, own: own, sure: own || age < MismatchAge}
}

// errNoPlan says that a key or a user has a plan that does not exist.
var errNoPlan = errors.New("there is no such plan")

// missingEvery is how often it is logged that a plan is missing.
const missingEvery = time.Minute

// logMissing logs that a plan is missing, once in a while.
func (g *Gate) logMissing(ctx context.Context, name string, now moment) {
	if g.memory.missing.younger(name, missingEvery, &now) != nil {
		return
	}
	g.memory.missing.put(name, true, now)
	g.options.Logger.LogAttrs(ctx, slog.LevelError,
		"a plan does not exist, so requests with its keys cannot be decided", slog.String("plan", name))
}
