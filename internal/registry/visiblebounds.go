package registry

import (
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// visibleLimit, visibleQuota and visibleBounds are limits, a quota and bounds by the API's names.
type visibleLimit struct {
	Amount int64 `json:"amount"`
	Window int64 `json:"window"`
}

type visibleQuota struct {
	Requests int64            `json:"requests"`
	Period   ratelimit.Period `json:"period"`
}

type visibleBounds struct {
	Limits []visibleLimit `json:"limits,omitempty"`
	Quota  *visibleQuota  `json:"quota,omitempty"`
}

func boundsOf(b apikey.Bounds) (v visibleBounds) {
	for _, l := range b.Limits {
		v.Limits = append(v.Limits, visibleLimit{l.Requests, int64(l.Window / time.Second)})
	}
	if b.Quota != (ratelimit.Quota{}) {
		v.Quota = &visibleQuota{b.Quota.Requests, b.Quota.Period}
	}
	return v
}

// putter returns a function that sets a field if it is there.
func putter(fields map[string]any) func(name string, value any, there bool) {
	return func(name string, value any, there bool) {
		if there {
			fields[name] = value
		}
	}
}
