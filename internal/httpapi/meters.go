package httpapi

import (
	"time"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// meters are the meters that the requests of a key spend from, with the window status of each.
type meters struct {
	parts    []apikey.Part
	statuses []ratelimit.Status
}

// metersOf returns the meters of a key.
func (a *server) metersOf(b registry.Bounded) (m meters) {
	m.parts, m.statuses = a.Registry.Spending(b)
	return m
}

// metersOfVerdict returns the meters of a verdict on a key.
func metersOfVerdict(v *apikey.Verdict) meters {
	if len(v.Parts) > 1 {
		return meters{v.Parts, v.Statuses}
	}
	only := apikey.Part{Of: apikey.OfKey, Part: ratelimit.Part{ID: v.Key.ID, Terms: v.Key.Terms()}}
	if len(v.Parts) == 1 {
		only = v.Parts[0]
	}
	return meters{[]apikey.Part{only}, []ratelimit.Status{v.Status}}
}

// status returns the window status of a meter, or the zero value if it is none of m.
func (m meters) status(id string) ratelimit.Status {
	for i, p := range m.parts {
		if p.ID == id && i < len(m.statuses) {
			return m.statuses[i]
		}
	}
	return ratelimit.Status{}
}

// ofQuota returns the window status of the meter that counts the key's own quota.
func (m meters) ofQuota(k *apikey.Key) ratelimit.Status {
	for i, p := range m.parts {
		if p.Of == apikey.OfKey && p.Terms.Quota.Period == k.Quota.Period && i < len(m.statuses) {
			return m.statuses[i]
		}
	}
	return ratelimit.Status{}
}

// tightest returns the window status of the meter that leaves the caller least: the one with fewer
// requests remaining or, if they are equal, the later reset, of which never is the latest. It returns
// false if nothing bounds the key.
func (m meters) tightest() (t ratelimit.Status, ok bool) {
	for i, s := range m.statuses {
		terms := m.parts[i].Terms
		if terms.Limit == ratelimit.NoLimit() && terms.Quota == (ratelimit.Quota{}) {
			continue // it only counts
		}
		later := !t.Reset.IsZero() && (s.Reset.IsZero() || s.Reset.After(t.Reset))
		if !ok || s.Remaining < t.Remaining || s.Remaining == t.Remaining && later {
			t, ok = s, true
		}
	}
	return t, ok
}

// bounds returns the limits and quotas that m counts, with the window status of each.
func (m meters) bounds(k *apikey.Key) []apikey.Bound {
	v := apikey.Verdict{Key: k, Parts: m.parts, Statuses: m.statuses}
	if len(m.statuses) == 1 {
		v.Status = m.statuses[0]
	}
	return v.Bounds()
}

// byDefault reports whether the first meter of a key without a rateLimit has the default limit.
func (m meters) byDefault() bool {
	return len(m.parts) > 0 && m.parts[0].Of == apikey.OfKey && m.parts[0].Terms.Limit == apikey.DefaultLimit()
}

// boundsInUse returns bounds with their window status as the API writes them.
func boundsInUse(bounds []apikey.Bound) (all []api.Bound) {
	for _, b := range bounds {
		out := api.Bound{
			Of: api.Level(b.Of), Amount: b.Amount, Window: int64(b.Window / time.Second), Period: api.Period(b.Period),
			Used: b.Used, Remaining: b.Remaining,
		}
		if !b.Reset.IsZero() {
			out.Reset = b.Reset.Unix()
		}
		all = append(all, out)
	}
	return all
}
