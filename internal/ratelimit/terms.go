package ratelimit

import (
	"math/bits"
	"time"
)

// Until returns a time from which on no token counts that was spent by these terms before last:
// its window and its quota period have ended. The end of a window is rounded up, by a sixteenth
// of its length at most, so that many ends are few times.
func (t Terms) Until(last time.Time) time.Time {
	r := standard()
	span := r.frame(t.Limit.Window).span()
	grid := time.Second << max(0, bits.Len64(uint64(span/time.Second))-5)
	until := last.Add(span).Truncate(grid).Add(grid).UTC()
	if t.Quota == (Quota{}) {
		return until
	}
	if end := DateOf(last).end(t.Quota.Period); end.After(until) {
		return end
	}
	return until
}
