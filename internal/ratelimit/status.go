package ratelimit

import "time"

// Bound is the status of a limit or a quota at one moment.
type Bound struct {
	Limit     int64     // requests that it allows
	Remaining int64     // never more than the truth at the last look at the meter
	Reset     time.Time // in whole seconds; see [Usage] and [QuotaUsage]
}

// tighter reports whether a bounds a caller more than b: it has fewer requests
// remaining or, of as many, the later reset.
func (a Bound) tighter(b Bound) bool {
	return a.Remaining < b.Remaining || a.Remaining == b.Remaining && a.Reset.After(b.Reset)
}

// Usage is the window status of a meter for the caller who spends from it. Limit, Remaining and
// Reset belong to the tighter one of limit and quota.
type Usage struct {
	Limit     int64
	Remaining int64
	Reset     time.Time
	// Used is how many tokens are in the window, without those that are held in a
	// lease. What other environments hold counts as used.
	Used int64
	// Rate is the status of the limit, whichever bound is tighter. At its reset, all tokens that
	// are in the window now have left it.
	Rate Bound

	quota Quota
	left  int64 // of the quota; negative if the quota was lowered below the used amount
	today Date
}

func (u *Usage) quotaBound() Bound {
	return Bound{Limit: u.quota.Requests, Remaining: max(u.left, 0), Reset: u.today.end(u.quota.Period)}
}

// Quota returns the status of the quota, whichever bound is tighter, or the zero value if there is
// no quota. Leased tokens count as unused.
func (u Usage) Quota() QuotaUsage {
	if u.quota == (Quota{}) {
		return QuotaUsage{}
	}
	b := u.quotaBound()
	return QuotaUsage{Used: u.quota.Requests - u.left, Remaining: b.Remaining, Reset: b.Reset}
}

// UsageOf reads a meter without spending from it.
func UsageOf(m Meter, terms Terms, now time.Time) Usage {
	r := standard()
	v := r.view(&m, &terms, now)
	return v.usage(&m, &terms, 0)
}

// usage returns the status that v shows. The leased tokens count as unused.
func (v *view) usage(m *Meter, terms *Terms, leased int64) (u Usage) {
	limit := terms.Limit.Requests
	u.Used = v.inWindow - leased
	u.Rate = Bound{Limit: limit, Remaining: min(leased+max(v.room, 0), limit), Reset: ceilSecond(v.emptyAt(m))}
	u.show(u.Rate)
	q := &terms.Quota
	if *q == (Quota{}) {
		return u
	}
	u.quota, u.left, u.today = *q, min(leased+v.quota, q.Requests), m.today(v.now)
	if u.left > u.Rate.Remaining {
		return u // the limit is tighter, and the quota's reset need not be computed
	}
	if quota := u.quotaBound(); quota.tighter(u.Rate) {
		u.show(quota)
	}
	return u
}

// show makes b the bound that the status is about.
func (u *Usage) show(b Bound) { u.Limit, u.Remaining, u.Reset = b.Limit, b.Remaining, b.Reset }

// refuse gives u the numbers of the bound that refuses, and reports whether that is
// the quota. Of two that refuse it is the one with the later reset, because
// for this request neither has enough remaining.
func (u *Usage) refuse(overLimit, overQuota bool) bool {
	b := u.Rate
	if overQuota {
		quota := u.quotaBound()
		if overQuota = !overLimit || quota.Reset.After(b.Reset); overQuota {
			b = quota
		}
	}
	u.show(b)
	return overQuota
}

func ceilSecond(t time.Time) time.Time {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return time.Unix(s, 0)
}

// wait is how long to wait until t, in whole seconds and at least one.
func wait(now, t time.Time) time.Duration {
	return max(time.Second, (t.Sub(now) + time.Second - 1).Truncate(time.Second))
}
