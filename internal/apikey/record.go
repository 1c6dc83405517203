package apikey

import (
	"time"

	"latchkey/internal/ratelimit"
)

// Record is a key with its meters.
type Record struct {
	Key   *Key
	Meter ratelimit.Meter // the key's first, which counts its usage
	More  []NamedMeter    // the key's other meters, those of further shards among them
}

// FirstMeters returns the key's first meter and those of its further shards. They count the same
// limit, quota and usage together.
func (r *Record) FirstMeters() []ratelimit.Meter {
	all := []ratelimit.Meter{r.Meter}
	for _, m := range r.More {
		if _, _, what := ParseMeter(m.ID); FurtherShard(what) {
			all = append(all, m.Meter)
		}
	}
	return all
}

// FormerUse returns the usage of a deleted key on its last day if that is today, or nil if it was
// not used. Earlier days belong to a former life by their date.
func (r Record) FormerUse(now time.Time) *ratelimit.DayUsage {
	today, former := ratelimit.DateOf(now), ratelimit.DayUsage{}
	for _, m := range r.FirstMeters() {
		if used := m.Net - m.DayNet; used > 0 && m.Day >= today {
			former.Day, former.Former = max(former.Day, m.Day), former.Former+used
		}
	}
	if former.Former == 0 {
		return nil
	}
	return &former
}

// LastUsed returns the time of the last use of the key, or zero if it was never used. Without the meters
// of further shards, it may be 15 minutes too early.
func (r Record) LastUsed() (last time.Time) {
	for _, m := range r.FirstMeters() {
		last = Later(last, m.LastUsed)
	}
	if last.Before(r.Key.CreatedAt) {
		return time.Time{} // an earlier key with this id was used then
	}
	return last
}
