package local

import (
	"time"

	"golang.org/x/time/rate"

	"latchkey/internal/local/sam"
)

// throttle is the limit of one method, or nil. It is safe for concurrent use.
type throttle struct{ *rate.Limiter }

// newThrottle returns the limit that the settings have for a route. A setting for every method gives
// each route a limit of its own.
func newThrottle(settings []sam.Throttle, r sam.Route) *throttle {
	var found *throttle
	for _, s := range settings {
		own := s.Method == r.Method && s.Path == r.Path
		if own || found == nil && s.Method == "*" && s.Path == "/*" {
			found = &throttle{rate.NewLimiter(rate.Limit(s.Rate), s.Burst)}
		}
		if own {
			break
		}
	}
	return found
}

// allow reports whether the method may be called at this moment. If so, it counts the call.
func (t *throttle) allow(now time.Time) bool { return t == nil || t.AllowN(now, 1) }
