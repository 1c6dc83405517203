package ratelimit

import "time"

// Quota is how many tokens may be spent in each calendar period, by UTC. The
// zero Quota is none.
type Quota struct {
	Requests int64
	Period   Period
}

// Period is a calendar day or month.
type Period string

const (
	Day   Period = "day"
	Month Period = "month"
)

// Periods returns every period that a quota may have.
func Periods() []Period { return []Period{Day, Month} }

// mostDays is how many days a month has at most.
const mostDays = 31

// Within reports whether whoever keeps to q also keeps to outer.
func (q Quota) Within(outer Quota) bool {
	switch {
	case outer == Quota{}:
		return true
	case q == Quota{}:
		return false
	case q.Period == Day && outer.Period == Month:
		return q.Requests <= outer.Requests/mostDays
	}
	return q.Requests <= outer.Requests
}

// Date is a day as it is written: 20261124. The month is what is left of it
// without its last two digits.
type Date int64

// DateOf is the day that t lies in.
func DateOf(t time.Time) Date {
	year, month, day := t.UTC().Date()
	return Date(year*10000 + int(month)*100 + day)
}

// Month is written 202611.
func (d Date) Month() int64 { return int64(d) / 100 }

// start is when d begins.
func (d Date) start() time.Time { return d.end(Day).AddDate(0, 0, -1) }

// String writes it as 2026-11-24.
func (d Date) String() string { return d.start().Format(time.DateOnly) }

// DayUse is how many tokens were used on a day.
type DayUse struct {
	Day  Date
	Used int64
	// Former is how many of these were used before the key of that id was deleted, and another one
	// was made. The limiter does not know of it, and leaves it 0.
	Former int64
}

// Daily is what the marks of a meter tell: of days that are over exactly, and of
// the newest what was used so far, with what environments hold ready.
func (m *Meter) Daily() []DayUse {
	if m.Day == 0 {
		return nil
	}
	return append(m.daysOver(), DayUse{Day: m.Day, Used: m.Net - m.DayNet})
}

func (m *Meter) daysOver() []DayUse {
	var days []DayUse
	for i, past := range m.Past {
		until := m.DayNet
		if i+1 < len(m.Past) {
			until = m.Past[i+1].Net
		}
		days = append(days, DayUse{Day: past.Day, Used: until - past.Net})
	}
	return days
}

// Next is the day after d.
func (d Date) Next() Date { return DateOf(d.end(Day)) }

// end is when the period that d lies in is over.
func (d Date) end(p Period) time.Time {
	year, month, day := int(d)/10000, time.Month(int(d)/100%100), int(d)%100
	if p == Day {
		return time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
}

// QuotaUsage is what may be said of a quota. Its zero value is that of no quota.
type QuotaUsage struct {
	Used      int64
	Remaining int64
	Reset     time.Time // the period's end
}

// QuotaUsageOf reads a meter without spending from it. Tokens that an
// environment holds and has not used yet count as used.
func QuotaUsageOf(m Meter, q Quota, now time.Time) QuotaUsage {
	if q == (Quota{}) {
		return QuotaUsage{}
	}
	today := m.today(now)
	used := m.Net - m.since(q.Period, today)
	return QuotaUsage{Used: used, Remaining: max(q.Requests-used, 0), Reset: today.end(q.Period)}
}

// today is the day that counts: never one before a day that was spent on.
func (m *Meter) today(now time.Time) Date { return max(DateOf(now), m.Day) }

// since is where the tokens used stood before the period that today lies in.
func (m *Meter) since(p Period, today Date) int64 {
	switch {
	case p == Day && m.Day == today:
		return m.DayNet
	case p == Month && m.Month == today.Month():
		return m.MonthNet
	}
	return m.Net // nothing was spent in it yet
}
