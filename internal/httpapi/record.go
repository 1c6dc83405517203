package httpapi

import (
	"time"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
)

// windowStatusOf returns the window status of the tighter one of rate limit and quota.
func windowStatusOf(k *apikey.Key, u ratelimit.Status) api.WindowStatus {
	if k.Unlimited {
		return api.WindowStatus{}
	}
	reset := u.Reset.Unix()
	return api.WindowStatus{Limit: &u.Limit, Remaining: &u.Remaining, Reset: &reset}
}

// usedAtOf returns the time of the last use, or null if the key was never used.
func usedAtOf(r apikey.Record) api.Nullable[string] {
	used := r.LastUsed()
	if used.IsZero() {
		return api.Nullable[string]{}
	}
	return api.NotNull(stamp(used))
}

// Clients that need numbers see this limit for a key without one; see [Options].
const (
	unlimitedRequests = 999_999
	unlimitedWindow   = 60
)

// recordOf returns the record of a key at a time, without its window status and last use.
func (a *server) recordOf(k *apikey.Key, now time.Time) api.Record {
	r := api.Record{
		ID: k.ID, UserID: k.UserID, Name: k.Name, Description: k.Description,
		Environment: api.Environment(k.Environment), Status: api.Status(k.Status(now)),
		KeyPrefix: k.KeyPrefix, PublicKey: k.PublicKey().String(), Scopes: append([]string{}, k.Scopes...),
		RateLimit: a.limitOf(k), Unlimited: k.Unlimited, Quota: quotaOf(k),
		AllowedCIDRs: []string{}, Metadata: k.Metadata, Enabled: k.Enabled,
		NotBefore: stamp(k.NotBefore), ExpiresAt: stamp(k.ExpiresAt),
		CreatedAt: stamp(k.CreatedAt), RevokedAt: stamp(k.RevokedAt),
		PreviousKeyValidUntil: stamp(k.PreviousUntil(now)),
	}
	if r.Metadata == nil {
		r.Metadata = map[string]string{}
	}
	for _, p := range k.AllowedCIDRs {
		r.AllowedCIDRs = append(r.AllowedCIDRs, p.String())
	}
	return r
}

// limitOf returns the limit of a key, or null if it has none and clients need no numbers.
func (a *server) limitOf(k *apikey.Key) api.Nullable[api.RateLimit] {
	switch {
	case !k.Unlimited && k.Limit == ratelimit.Limit{} && len(k.Shared.Limits)+len(k.Limits) > 0:
	case !k.Unlimited:
		limit := k.OwnLimit()
		return api.NotNull(api.RateLimit{Requests: limit.Requests, Window: int64(limit.Window / time.Second)})
	case a.UnlimitedNumbers:
		return api.NotNull(api.RateLimit{Requests: unlimitedRequests, Window: unlimitedWindow})
	}
	return api.Nullable[api.RateLimit]{}
}

// usedLimitOf returns the limit with its window status.
func (a *server) usedLimitOf(k *apikey.Key, u ratelimit.Status) api.Nullable[api.RateLimit] {
	l := a.limitOf(k)
	if l.Value != nil {
		remaining, reset := u.Rate.Remaining, u.Rate.Reset.Unix()
		if k.Unlimited {
			remaining, reset = unlimitedRequests, a.Now().Unix()
		}
		l.Value.Remaining, l.Value.Reset = &remaining, &reset
	}
	return l
}

// quotaOf returns the quota of a key, or nil if it has none.
func quotaOf(k *apikey.Key) *api.Quota {
	if k.Quota == (ratelimit.Quota{}) {
		return nil
	}
	return &api.Quota{Requests: k.Quota.Requests, Period: api.Period(k.Quota.Period)}
}

// usedQuotaOf returns the quota with its window status.
func usedQuotaOf(k *apikey.Key, u ratelimit.Status) *api.Quota {
	q := quotaOf(k)
	if q != nil {
		used := u.Quota()
		reset := used.Reset.Unix()
		q.Used, q.Remaining, q.Reset = &used.Used, &used.Remaining, &reset
	}
	return q
}

// meteredRecord returns the record of a key with its window status and last use.
func (a *server) meteredRecord(r apikey.Record) api.Record {
	rec := a.recordOf(r.Key, a.Now())
	u := a.Registry.StatusOf(r)
	rec.RateLimit, rec.Quota = a.usedLimitOf(r.Key, u), usedQuotaOf(r.Key, u)
	rec.WindowStatus = windowStatusOf(r.Key, u)
	used := usedAtOf(r)
	rec.LastUsedAt = &used
	return rec
}

// stamp returns a time as the API writes it, or "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(audit.TimeLayout)
}
