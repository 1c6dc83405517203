package ratelimit

import "time"

// Usage is what may be said of a meter to whoever spends from it. It is about
// the limit, or about the quota where that has refused.
type Usage struct {
	Limit int64
	// Used is how many tokens are in the window, without those that are held in a
	// lease. What other environments hold counts as used.
	Used      int64
	Remaining int64 // never more than the truth at the last look at the meter
	// Reset is when the window will be empty of what is now in it, in whole
	// seconds.
	Reset time.Time
}

// UsageOf reads a meter without spending from it.
func UsageOf(m Meter, terms Terms, now time.Time) Usage {
	r := standard()
	v := r.view(&m, terms, now)
	return v.usage(&m, terms, 0)
}

// usage counts what is held in a lease as not spent.
func (v *view) usage(m *Meter, terms Terms, held int64) Usage {
	u := Usage{
		Limit:     terms.Limit.Requests,
		Used:      v.inWindow - held,
		Remaining: min(held+max(min(v.room, v.quota), 0), terms.Limit.Requests),
		Reset:     v.now,
	}
	switch {
	case v.inWindow == 0:
	case v.moved:
		u.Reset = m.LastUsed.Add(v.span)
	default:
		u.Reset = v.old.start(m.Newest + v.old.lookback + 1)
	}
	u.Reset = ceilSecond(u.Reset)
	return u
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
