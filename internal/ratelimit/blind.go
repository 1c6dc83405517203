package ratelimit

import "time"

// others estimates how fast other instances spend from a meter.
type others struct {
	perSecond float64
	seen      time.Time // when the meter was last seen; zero if never
}

const (
	// othersOver is the time over which the estimate is a mean, in seconds.
	othersOver = 10
	// othersMargin is the share of the estimate that is expected.
	othersMargin = 1.25
)

// note adds that others took tokens since the meter was last seen. A negative number is of a meter
// that was begun anew.
func (o *others) note(tokens int64, now time.Time) {
	if age := now.Sub(o.seen).Seconds(); !o.seen.IsZero() && age >= 0 && tokens >= 0 {
		o.perSecond = (o.perSecond*othersOver + float64(tokens)) / (othersOver + age)
	}
	o.seen = now
}

// expected is how many tokens others have probably taken since the meter was last seen.
func (o *others) expected(now time.Time) float64 {
	return o.perSecond * max(now.Sub(o.seen).Seconds(), 0) * othersMargin
}

// Blind reports whether a spend of n tokens of all parts would now ask the store for those of a part
// with a fence, and would probably not be refused. It does no I/O and spends nothing. A caller that
// needs a proof should read first if it reports false: a read costs a fifth of a write that fails.
func (l *Limiter) Blind(parts []Part, n int64, floor time.Time) bool {
	now := l.time(floor)
	l.mu.Lock()
	defer l.mu.Unlock()
	fenced := false
	for i := range parts {
		p := l.pinned(&parts[i], now)
		e := l.entry(p.ID)
		leased := e.lease.usable(&p.Terms, now)
		if leased >= n {
			continue
		}
		v := e.view(&l.rules, &p.Terms, now)
		expected := e.others.expected(now)
		exact := v.moved || e.meter.Day != e.meter.today(now) // no other spend may come between
		switch {
		case e.others.seen.IsZero(), exact && expected >= 1:
			return false
		case expected+float64(n-leased) > float64(min(v.room, v.quota)):
			return false
		}
		fenced = fenced || p.Fence != 0 && e.meter.Fence <= p.Fence
	}
	return fenced
}
