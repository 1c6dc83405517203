package local

import (
	"time"

	"golang.org/x/time/rate"

	"latchkey/internal/local/sam"
)

// throttles are the limits of methods, by method and path. They are safe for concurrent use.
type throttles map[string]*rate.Limiter

func newThrottles(settings []sam.Throttle) throttles {
	t := make(throttles)
	for _, s := range settings {
		t[s.Method+" "+s.Path] = rate.NewLimiter(rate.Limit(s.Rate), s.Burst)
	}
	return t
}

// allow reports whether a method may be called at this moment. If so, it counts the call.
func (t throttles) allow(r sam.Route, now time.Time) bool {
	limiter := t[r.Method+" "+r.Path]
	if limiter == nil {
		limiter = t["* /*"]
	}
	return limiter == nil || limiter.AllowN(now, 1)
}
