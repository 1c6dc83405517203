package apikey

import (
	"time"

	"latchkey/internal/ratelimit"
)

// Record is a key and what it spent.
type Record struct {
	Key   *Key
	Meter ratelimit.Meter
}

// formerUse returns the usage of a deleted key on its last day if that is today, or nil if it was
// not used. Earlier days belong to a former life by their date.
func (r Record) FormerUse(now time.Time) *ratelimit.DayUsage {
	m := &r.Meter
	if used := m.Net - m.DayNet; used > 0 && m.Day >= ratelimit.DateOf(now) {
		return &ratelimit.DayUsage{Day: m.Day, Former: used}
	}
	return nil
}

// LastUsed is when the key was last used; zero: never.
func (r Record) LastUsed() time.Time {
	if r.Meter.LastUsed.Before(r.Key.CreatedAt) {
		return time.Time{} // that was another key of its id
	}
	return r.Meter.LastUsed
}
