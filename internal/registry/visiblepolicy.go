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

// visibleUser returns the fields of a user's record, by the API's names, except the revision. It
// leaves out empty fields. A nil record has none.
func visibleUser(u *apikey.User) map[string]any {
	fields := make(map[string]any)
	if u == nil {
		return fields
	}
	put := putter(fields)
	bounds := boundsOf(u.Bounds)
	put("plan", u.Plan, u.Plan != "")
	put("suspended", true, u.Suspended)
	put("limits", bounds.Limits, len(bounds.Limits) > 0)
	put("quota", bounds.Quota, bounds.Quota != nil)
	put("maxKeys", u.MaxKeys, u.MaxKeys != 0)
	put("scopes", []string(u.Scopes), len(u.Scopes) > 0)
	put("metadata", u.Metadata, len(u.Metadata) > 0)
	return fields
}

// visiblePlan is visibleUser for a plan.
func visiblePlan(p *apikey.Plan) map[string]any {
	fields := make(map[string]any)
	if p == nil {
		return fields
	}
	put := putter(fields)
	put("scopes", []string(p.Scopes), len(p.Scopes) > 0)
	put("key", boundsOf(p.Key), !p.Key.None())
	put("user", boundsOf(p.User), !p.User.None())
	put("maxDays", p.Life.MaxDays, p.Life.MaxDays != 0)
	put("defaultDays", p.Life.DefaultDays, p.Life.DefaultDays != 0)
	put("idleDays", p.Life.IdleDays, p.Life.IdleDays != 0)
	return fields
}

// putter returns a function that sets a field if it is there.
func putter(fields map[string]any) func(name string, value any, there bool) {
	return func(name string, value any, there bool) {
		if there {
			fields[name] = value
		}
	}
}
