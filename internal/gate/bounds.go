package gate

import (
	"context"
	"sync"
	"time"

	"latchkey/internal/apikey"
)

// boundsRead are reads of a user and a plan that are made while a spend is on its way.
type boundsRead struct {
	ahead
	others sync.WaitGroup
}

// beginBounds begins to read the user and the plan of s, unless memory has young reads.
func (g *Gate) beginBounds(ctx context.Context, s *subject, arrival time.Time) *boundsRead {
	var b boundsRead
	g.readAhead(ctx, arrival, s.key.UserID, s.planName(s.user), g.options.Freshness, &b.ahead, &b.others)
	return &b
}

// endBounds waits for the reads, and reports whether the user and the plan are as the subject of f has
// them. If so, the subject gets the time of the reads.
func (g *Gate) endBounds(b *boundsRead, f *finding) bool {
	b.others.Wait()
	s, user, plan := f.subject, b.user, b.plan
	if s.key.UserID == "" || user.err != nil || plan.err != nil {
		return false
	}
	if plan.name == "" {
		plan.read, plan.own = user.read, true
	}
	if g.rules.comparesBounds && (!sameUser(s.user, user.value) || !samePlan(s.plan, plan.value)) {
		return false
	}
	f.subject = s.with(s.user, s.plan, user.read.older(plan.read), g.options.Life)
	f.remembered = f.remembered || !user.own || !plan.own
	g.memory.keys.put(s.key.ID, f.subject, s.keyRead)
	return true
}

// sameUser reports whether two reads of a user's record have one revision.
func sameUser(a, b *apikey.User) bool {
	return a == b || a != nil && b != nil && a.Rev == b.Rev && a.Since.Equal(b.Since)
}

// samePlan reports whether two reads of a plan have one revision.
func samePlan(a, b *apikey.Plan) bool {
	return a == b || a != nil && b != nil && a.Name == b.Name && a.Rev == b.Rev && a.Since.Equal(b.Since)
}
