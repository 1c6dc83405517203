package ratelimit

import "time"

// Bound is the status of a limit or a quota at one moment.
type Bound struct {
	Limit     int64 // the tokens that it allows
	Remaining int64 // at least 0
	// Reset is when the bound will be empty of what is spent now, in whole seconds. It is zero if
	// that never happens.
	Reset time.Time
}

// tighter reports whether a leaves a caller less than b: it has fewer tokens remaining, or as many
// and the later reset.
func (a Bound) tighter(b Bound) bool {
	return a.Remaining < b.Remaining || a.Remaining == b.Remaining && a.later(b)
}

// later reports whether the reset of a is later than that of b. One that never comes is the latest.
func (a Bound) later(b Bound) bool {
	return !b.Reset.IsZero() && (a.Reset.IsZero() || a.Reset.After(b.Reset))
}

// Status is the window status of a meter: what a caller may still spend at this moment. Limit,
// Remaining and Reset are those of the limit or of the quota, whichever is tighter. They are zero for
// an id without a limit and a quota. No other Limit is 0.
type Status struct {
	Limit     int64
	Remaining int64
	Reset     time.Time
	// Used is how many tokens are spent in the window. Tokens that this instance has leased count
	// as unused, and those that other instances have leased count as used.
	Used int64
	// Rate is the status of the limit, even if the quota is tighter. At its reset, all tokens that
	// are in the window now have left it. It is zero if the limit is [NoLimit].
	Rate Bound

	quota Quota
	left  int64 // of the quota; negative if the quota was lowered below the used amount
	today Date
}

// StatusOf returns the window status by a stored meter, without spending. Leased tokens count as
// used.
func StatusOf(m Meter, terms Terms, now time.Time) Status {
	r := standard()
	v := r.view(&m, &terms, now)
	var s Status
	s.set(&terms, &v, 0)
	return s
}

// Quota returns the status of the quota, even if the limit is tighter. It returns the zero value if
// there is no quota. Tokens that this instance has leased count as unused.
func (s Status) Quota() QuotaStatus {
	if s.quota == (Quota{}) {
		return QuotaStatus{}
	}
	b := s.quotaBound()
	return QuotaStatus{Used: s.quota.Requests - s.left, Remaining: b.Remaining, Reset: b.Reset}
}

// quotaBound returns the quota as a bound. Computing its reset takes longer than the rest.
func (s *Status) quotaBound() Bound {
	return Bound{Limit: s.quota.Requests, Remaining: max(s.left, 0), Reset: s.today.end(s.quota.Period)}
}

// set makes s, which is zero, the window status that v shows. The leased tokens count as unused.
func (s *Status) set(terms *Terms, v *view, leased int64) {
	s.Used = v.inWindow - leased
	if limit := terms.Limit.Requests; !terms.Limit.None() {
		b := &s.Rate
		b.Limit, b.Remaining, b.Reset = limit, min(leased+max(v.room, 0), limit), v.emptyAt()
		s.Limit, s.Remaining, s.Reset = b.Limit, b.Remaining, b.Reset // not by show, which copies b
	}
	q := &terms.Quota
	if *q == (Quota{}) {
		return
	}
	s.quota, s.left, s.today = *q, min(leased+v.quota, q.Requests), v.today
	if s.Rate.Limit > 0 && s.left > s.Rate.Remaining {
		return // the limit is tighter
	}
	if quota := s.quotaBound(); s.Rate.Limit == 0 || quota.tighter(s.Rate) {
		s.show(quota)
	}
}

// bound returns the bound that s shows.
func (s *Status) bound() Bound { return Bound{Limit: s.Limit, Remaining: s.Remaining, Reset: s.Reset} }

// show makes b the bound that Limit, Remaining and Reset are of.
func (s *Status) show(b Bound) { s.Limit, s.Remaining, s.Reset = b.Limit, b.Remaining, b.Reset }

// refuse shows the bound that refuses, and reports whether that is the quota. If both refuse, it is
// the one with the later reset, because neither has enough tokens remaining for this request.
func (s *Status) refuse(overLimit, overQuota bool) bool {
	b := s.Rate
	if overQuota {
		quota := s.quotaBound()
		if overQuota = !overLimit || quota.later(b); overQuota {
			b = quota
		}
	}
	s.show(b)
	return overQuota
}

// ceilSecond rounds t up to whole seconds.
func ceilSecond(t time.Time) time.Time {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return time.Unix(s, 0)
}

// wait returns how long it is until t, in whole seconds and at least one.
func wait(now, t time.Time) time.Duration {
	return max(time.Second, (t.Sub(now) + time.Second - 1).Truncate(time.Second))
}
