package ratelimit

import "time"

// Date is a day by UTC, in decimal: 20261124. The zero Date is no day.
type Date int64

// DateOf returns the day that t lies in.
func DateOf(t time.Time) Date {
	year, month, day := t.UTC().Date()
	return Date(year*10000 + int(month)*100 + day)
}

// Month returns the month of d, in decimal: 202611.
func (d Date) Month() int64 { return int64(d) / 100 }

// Next returns the day after d.
func (d Date) Next() Date { return DateOf(d.end(Day)) }

// NextMonth returns the first day of the month after d's.
func (d Date) NextMonth() Date { return DateOf(d.end(Month)) }

// String writes d as 2026-11-24.
func (d Date) String() string { return d.start().Format(time.DateOnly) }

// start returns the beginning of d.
func (d Date) start() time.Time { return d.end(Day).AddDate(0, 0, -1) }

// end returns the end of the period that d lies in, or the zero time if it never ends.
func (d Date) end(p Period) time.Time {
	if p == Lifetime {
		return time.Time{}
	}
	year, month, day := int(d)/10000, time.Month(int(d)/100%100), int(d)%100
	if p == Day {
		return time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
}

// DayUsage is the usage of one day: how many tokens of an id were used.
type DayUsage struct {
	Day  Date
	Used int64
	// Former is how many more were used by a former key of the same id, which was deleted on that
	// day. The limiter does not know it, and leaves it 0.
	Former int64
}

// Daily returns the usage that the meter's marks show, by day, oldest first. Past days are exact,
// except that tokens leased by an instance that died count as used. On the newest day, all leased
// tokens count as used.
func (m *Meter) Usage() []DayUsage {
	if m.Day == 0 {
		return nil
	}
	return append(m.daysOver(), DayUsage{Day: m.Day, Used: m.Net - m.DayNet})
}

// daysOver returns the usage of the days in Past.
func (m *Meter) daysOver() []DayUsage {
	var days []DayUsage
	for i, past := range m.Past {
		until := m.DayNet
		if i+1 < len(m.Past) {
			until = m.Past[i+1].Net
		}
		days = append(days, DayUsage{Day: past.Day, Used: until - past.Net})
	}
	return days
}
