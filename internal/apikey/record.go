package apikey

import (
	"time"

	"latchkey/internal/ratelimit"
)

// Record is a key with its meters.
type Record struct {
	Key   *Key
	Meter ratelimit.Meter // the key's first, which counts its usage
	More  []NamedMeter    // the key's other meters
}

// FormerUse returns the usage of a deleted key on its last day if that is today, or nil if it was
// not used. Earlier days belong to a former life by their date.
func (r Record) FormerUse(now time.Time) *ratelimit.DayUsage {
	m := &r.Meter
	if used := m.Net - m.DayNet; used > 0 && m.Day >= ratelimit.DateOf(now) {
		return &ratelimit.DayUsage{Day: m.Day, Former: used}
	}
	return nil
}

// LastUsed returns the time of the last use of the key, or zero if it was never used.
func (r Record) LastUsed() time.Time {
	if r.Meter.LastUsed.Before(r.Key.CreatedAt) {
		return time.Time{} // an earlier key with this id was used then
	}
	return r.Meter.LastUsed
}
