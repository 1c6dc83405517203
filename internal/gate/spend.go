package gate

import (
	"context"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// spend takes the cost of a request from all limits of a subject, and sets the outcome in v. It
// reports whether it asked the store. It spends nothing if it refuses.
func (g *Gate) spend(ctx context.Context, s *subject, r *Request, v *apikey.Verdict) (asked bool, err error) {
	if r.Cost == 0 {
		g.peek(s, r.Time, v)
		return false, nil
	}
	if s.key.Unlimited && (len(s.meters) == 0 || s.meters[0].ID != s.key.ID) {
		// Touch only stores the time of the last use. Its failure refuses no request.
		asked, _ = g.limiter.Touch(ctx, s.key.ID, r.Time)
	}
	if len(s.meters) == 0 {
		return asked, nil
	}
	if above, err := s.aboveLimit(r); above >= 0 || err != nil {
		v.Code = apikey.CodeCostAboveLimit
		g.peek(s, r.Time, v)
		if above >= 0 && v.Statuses != nil {
			v.Status = v.Statuses[above]
		}
		return asked, err
	}
	if len(s.meters) == 1 {
		d, err := g.limiter.Take(ctx, s.meters[0].ID, s.meters[0].Terms, r.Cost, r.Time)
		if err != nil {
			return false, err
		}
		v.Spent(&d)
		return asked || d.Asked, nil
	}
	j, err := g.limiter.TakeAll(ctx, s.meters, r.Cost, r.Time)
	if err != nil {
		return false, err
	}
	v.Spent(&j.Decision)
	v.Statuses = j.Statuses
	return asked || j.Asked, nil
}

// aboveLimit returns the index of a part that allows less at all than the cost of a request, or -1.
// The caller's own mistake is an error instead: a cost above the key's own limit, unless the cost is
// that of a route.
func (s *subject) aboveLimit(r *Request) (int, error) {
	for i := range s.meters {
		t := &s.meters[i].Terms
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
	if !k.Unlimited && first.ID == k.ID && cost > first.Terms.Limit.Requests {
		return apikey.Invalid("cost", "must not be above the key's own limit of %d", first.Terms.Limit.Requests)
	}
	return nil
}

// peek sets in v the window status of all limits of a subject, without spending.
func (g *Gate) peek(s *subject, floor time.Time, v *apikey.Verdict) {
	switch len(s.meters) {
	case 0:
	case 1:
		v.Status = g.limiter.Peek(s.meters[0].ID, s.meters[0].Terms, floor)
	default:
		j := g.limiter.PeekAll(s.meters, floor)
		v.Status, v.Statuses = j.Status, j.Statuses
	}
}
