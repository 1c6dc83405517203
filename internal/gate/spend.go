package gate

import (
	"context"
	"errors"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// errUnproven says that a request was refused by a remembered key that no spend has proven.
var errUnproven = errors.New("the key may have changed")

// retry is what the attempts of a check have shown of the meter of its key.
type retry struct {
	rev      int64 // see [ratelimit.OldTermsError]; zero if no attempt had such an error
	unfenced bool  // the fence was too high for a key that was read before
}

// from takes in the error of an attempt. It reports whether the key must be read, and the request
// judged anew.
func (a *retry) from(err error) bool {
	if old, ok := errors.AsType[*ratelimit.OldTermsError](err); ok {
		a.rev = old.Rev // another instance knows newer terms, or the key was deleted and imported again
		return true
	}
	fenced := errors.Is(err, ratelimit.ErrFenced)
	a.unfenced = a.unfenced || fenced
	return fenced || errors.Is(err, errUnproven)
}

// apply returns s, whose key was read after the attempts, for the next spend.
func (a *retry) apply(s *subject) *subject {
	if a.unfenced {
		s = s.unfenced()
	}
	if a.rev != 0 {
		s = s.raised(a.rev)
	}
	return s
}

// spend takes the cost of a request from all limits of the subject of f, and sets the outcome in v.
// It reports whether it asked the store. It spends nothing if it refuses. After
// errUnproven, tokens may have been spent: those of a request whose user or plan has changed.
//
// by is the subject of f, or that subject with other terms or fences.
func (g *Gate) spend(
	ctx context.Context, f *finding, by *subject, r *Request, v *apikey.Verdict,
) (asked bool, err error) {
	before := f.at
	if f.waited && f.subject.proof != nil {
		before = g.instant(r.Time)
	}
	var late *boundsRead
	if f.late {
		late = g.beginBounds(ctx, f.subject, r.Time)
	}
	asked, proven, err := g.take(ctx, by, r, f, v)
	proven = proven || err != nil && !g.rules.answered
	if proven && !g.rules.sentFirst {
		before = g.instant(r.Time)
	}
	if proven {
		f.subject.prove(before)
	}
	f.unproven = f.unproven && !proven && g.rules.asksLeases
	if late != nil && !g.endBounds(late, f) && (err == nil || errors.Is(err, apikey.ErrInvalid)) {
		return asked, errUnproven
	}
	if f.unproven && (err == nil && !v.Valid() || errors.Is(err, apikey.ErrInvalid)) {
		return asked, errUnproven
	}
	return asked, err
}

// take spends for a request and sets the outcome in v. It reports whether it asked the
// store, and whether the store has proven the key.
func (g *Gate) take(
	ctx context.Context, s *subject, r *Request, f *finding, v *apikey.Verdict,
) (asked, proven bool, err error) {
	if r.Cost == 0 {
		g.peek(s, r.Time, v)
		return false, false, nil
	}
	if s.key.Unlimited && (len(s.meters) == 0 || s.meters[0].ID != s.key.ID) {
		// Touch only stores the time of the last use. Its failure refuses no request.
		asked, _ = g.limiter.Touch(ctx, s.key.ID, r.Time)
		f.waited = f.waited || asked
	}
	if len(s.meters) == 0 {
		return asked, false, nil
	}
	if above, err := s.aboveLimit(r); above >= 0 || err != nil {
		v.Code = apikey.CodeCostAboveLimit
		g.peek(s, r.Time, v)
		if above >= 0 && v.Statuses != nil {
			v.Status = v.Statuses[above]
		}
		return asked, false, err
	}
	if len(s.meters) == 1 {
		var d ratelimit.Decision
		if err := g.limiter.TakeAt(ctx, &s.meters[0], r.Cost, g.now(f, r.Time), r.Time, &d); err != nil {
			return false, false, err
		}
		v.Spent(&d)
		return asked || d.Asked, d.Proven, nil
	}
	j, err := g.limiter.TakeAll(ctx, s.meters, r.Cost, r.Time)
	if err != nil {
		return false, false, err
	}
	v.Spent(&j.Decision)
	v.Statuses = j.Statuses
	return asked || j.Asked, j.Proven, nil
}

// aboveLimit returns the index of a part that allows less at all than the cost of a request, or -1.
// The caller's own mistake is an error instead: a cost above the key's own limit, unless the cost is
// that of a route.
func (s *subject) aboveLimit(r *Request) (int, error) {
	for i := range s.meters {
		p := &s.meters[i] // AtOnce copies terms, which costs a tenth of a decision
		t := &p.Terms
		if p.Shards.Several() {
			share := p.AtOnce()
			t = &share
		}
		if r.Cost <= t.Limit.Requests && (t.Quota.Requests == 0 || r.Cost <= t.Quota.Requests) {
			continue
		}
		if !r.RouteCost {
			if err := s.affords(r.Cost); err != nil {
				return -1, err
			}
		}
		return i, nil
	}
	return -1, nil
}

// affords returns an error for a cost above the key's own limit or quota.
func (s *subject) affords(cost int64) error {
	k, first := s.key, &s.meters[0]
	if k.Limit != (ratelimit.Limit{}) {
		return k.Affords(cost)
	}
	if !k.Unlimited && first.ID == k.ID && cost > first.AtOnce().Limit.Requests {
		return apikey.Invalid("cost", "must not be above the key's own limit of %d", first.Terms.Limit.Requests)
	}
	return nil
}

// peek sets in v the window status of all limits of a subject, without spending.
func (g *Gate) peek(s *subject, floor time.Time, v *apikey.Verdict) {
	switch len(s.meters) {
	case 0:
	case 1:
		v.Status = g.limiter.PeekPart(&s.meters[0], floor)
	default:
		j := g.limiter.PeekAll(s.meters, floor)
		v.Status, v.Statuses = j.Status, j.Statuses
	}
}
