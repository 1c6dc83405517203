package apikey

import (
	"time"

	"latchkey/internal/ratelimit"
)

// Bound is the status of one limit or of one quota of a request.
type Bound struct {
	Of     Level
	Amount int64
	Window time.Duration    // of a limit; zero for a quota
	Period ratelimit.Period // of a quota; empty for a limit

	Used      int64
	Remaining int64     // at least 0
	Reset     time.Time // zero for a quota that never resets
}

// Bounds returns the status of every limit and quota that bounds the key. The list is empty before
// the presented token is proven, and for an unlimited key without bounds.
func (v *Verdict) Bounds() (all []Bound) {
	switch {
	case !v.Limited():
		return nil
	case len(v.Parts) == 0:
		return boundsOf(nil, Part{OfKey, ratelimit.Part{ID: v.Key.ID, Terms: v.Key.Terms()}}, v.Status)
	case len(v.Parts) == 1:
		return boundsOf(nil, v.Parts[0], v.Status)
	}
	for i, p := range v.Parts {
		if i < len(v.Statuses) {
			all = boundsOf(all, p, v.Statuses[i])
		}
	}
	return all
}

// boundsOf appends the bounds of one meter.
func boundsOf(all []Bound, p Part, s ratelimit.Status) []Bound {
	if limit := p.Terms.Limit; !limit.None() {
		all = append(all, Bound{
			Of: p.Of, Amount: limit.Requests, Window: limit.Window,
			Used: s.Used, Remaining: s.Rate.Remaining, Reset: s.Rate.Reset,
		})
	}
	if quota := p.Terms.Quota; quota != (ratelimit.Quota{}) {
		q := s.Quota()
		b := Bound{Of: p.Of, Amount: quota.Requests, Period: quota.Period, Used: q.Used, Remaining: q.Remaining}
		if quota.Period != ratelimit.Lifetime {
			b.Reset = q.Reset
		}
		all = append(all, b)
	}
	return all
}
