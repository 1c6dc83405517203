package ratelimit

import "time"

// Quota is how many tokens may be spent in each calendar period, by UTC, or in the whole life of a
// meter. The zero Quota allows everything.
type Quota struct {
	Requests int64
	Period   Period
}

// Period is a calendar day or month, or the whole life of the meter.
type Period string

// The periods that a quota may have.
const (
	Day   Period = "day"
	Month Period = "month"
	// Lifetime is a period that never ends. No token of it is leased and its meter is never deleted,
	// so tokens are neither lost nor come back.
	Lifetime Period = "lifetime"
)

// Periods returns all of them.
func Periods() []Period { return []Period{Day, Month, Lifetime} }

// longestMonth is how many days a month has at most.
const longestMonth = 31

// Within reports whether a caller who keeps to q also keeps to outer. A quota that begins again with
// each period is not within one that never does.
func (q Quota) Within(outer Quota) bool {
	switch {
	case outer == Quota{}:
		return true
	case q == Quota{}, outer.Period == Lifetime && q.Period != Lifetime:
		return false
	case q.Period == Day && outer.Period == Month:
		return q.Requests <= outer.Requests/longestMonth
	}
	return q.Requests <= outer.Requests
}

// QuotaStatus is the status of a quota at one moment. The zero value means that there is no quota.
type QuotaStatus struct {
	Used      int64
	Remaining int64
	Reset     time.Time // the end of the period; zero if it never ends
}

// QuotaStatusOf returns the status of a quota by its meter, without spending. Leased tokens count
// as used.
func QuotaStatusOf(m Meter, q Quota, now time.Time) QuotaStatus {
	if q == (Quota{}) {
		return QuotaStatus{}
	}
	today := m.today(now)
	used := m.Net - m.netBefore(q.Period, today)
	return QuotaStatus{Used: used, Remaining: max(q.Requests-used, 0), Reset: today.end(q.Period)}
}

// today returns the day that counts: never a day before one that was spent on.
func (m *Meter) today(now time.Time) Date { return max(DateOf(now), m.Day) }

// netBefore returns where Net stood before the period that today lies in.
func (m *Meter) netBefore(p Period, today Date) int64 {
	switch {
	case p == Lifetime:
		return 0
	case p == Day && m.Day == today:
		return m.DayNet
	case p == Month && m.Month == today.Month():
		return m.MonthNet
	}
	return m.Net // nothing was spent in the period yet
}
