package httpapi

import (
	"strconv"
	"time"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// windowStatusOf returns the window status of the tightest limit or quota.
func windowStatusOf(u ratelimit.Status) api.WindowStatus {
	w := api.WindowStatus{Limit: &u.Limit, Remaining: &u.Remaining}
	if !u.Reset.IsZero() {
		reset := u.Reset.Unix()
		w.Reset = &reset
	}
	return w
}

// usedAtOf returns the time of the last use, or null if the key was never used.
func usedAtOf(r apikey.Record) api.Nullable[string] { return nullTime(r.LastUsed()) }

// nullTime returns a time as the API writes it, or null for the zero time.
func nullTime(t time.Time) api.Nullable[string] {
	if t.IsZero() {
		return api.Nullable[string]{}
	}
	return api.NotNull(stamp(t))
}

// Clients that need numbers see this limit for a key without one; see [Options].
const (
	unlimitedRequests = 999_999
	unlimitedWindow   = 60
)

// recordOf returns the record of a key at a time, without its window status and last use.
func (a *server) recordOf(b registry.Bounded, now time.Time) api.Record {
	k := b.Key
	r := api.Record{
		ID: k.ID, UserID: k.UserID, Name: k.Name, Description: k.Description,
		Environment: api.Environment(k.Environment), Status: api.Status(k.Status(now)),
		KeyPrefix: k.KeyPrefix, PublicKey: k.PublicKey().String(), Scopes: append([]string{}, k.Scopes...),
		RateLimit: a.limitOf(k, a.metersOf(b).byDefault()),
		Unlimited: k.Unlimited, Quota: quotaOf(k), Plan: k.Plan,
		AllowedCIDRs: []string{}, Metadata: k.Metadata, Enabled: k.Enabled,
		NotBefore: stamp(k.NotBefore), ExpiresAt: stamp(k.ExpiresAt),
		CreatedAt: stamp(k.CreatedAt), RevokedAt: stamp(k.RevokedAt),
		RevocationReason: k.Revocation.Reason, RevocationSource: k.Revocation.Source,
		PreviousKeyValidUntil: stamp(k.PreviousUntil(now)),
	}
	if r.Metadata == nil {
		r.Metadata = map[string]string{}
	}
	for _, l := range k.Limits {
		r.Limits = append(r.Limits, api.UsedLine{Amount: l.Requests, Window: int64(l.Window / time.Second)})
	}
	if !k.Shared.None() || k.SharesDefault {
		shared := boundsOf(apikey.Bounds{Limits: k.SharedLimits(), Quota: k.Shared.Quota})
		r.Shared = &shared
	}
	for _, p := range k.AllowedCIDRs {
		r.AllowedCIDRs = append(r.AllowedCIDRs, p.String())
	}
	return r
}

// limitOf returns the limit of a key. It is null if the key has no limit of its own, and the default
// limit does not hold. Clients that need numbers see one for an unlimited key.
func (a *server) limitOf(k *apikey.Key, byDefault bool) api.Nullable[api.RateLimit] {
	switch own := k.Limit; {
	case k.Unlimited && a.UnlimitedNumbers:
		return api.NotNull(api.RateLimit{Requests: unlimitedRequests, Window: unlimitedWindow})
	case k.Unlimited, own == ratelimit.Limit{} && !byDefault:
		return api.Nullable[api.RateLimit]{}
	default:
		own = k.OwnLimit()
		return api.NotNull(api.RateLimit{Requests: own.Requests, Window: int64(own.Window / time.Second)})
	}
}

// usedLimitOf returns the limit with its window status, by the status of the key's first meter.
func (a *server) usedLimitOf(k *apikey.Key, byDefault bool, u ratelimit.Status) api.Nullable[api.RateLimit] {
	l := a.limitOf(k, byDefault)
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

// usedQuotaOf returns the quota with its window status, by the status of the meter that counts it.
func usedQuotaOf(k *apikey.Key, u ratelimit.Status) *api.Quota {
	q := quotaOf(k)
	if q != nil {
		used := u.Quota()
		q.Used, q.Remaining = &used.Used, &used.Remaining
		if k.Quota.Period != ratelimit.Lifetime {
			reset := used.Reset.Unix()
			q.Reset = &reset
		}
	}
	return q
}

// meteredRecord returns the record of a key with its window status and last use.
func (a *server) meteredRecord(b registry.Bounded) api.Record {
	k, m := b.Key, a.metersOf(b)
	rec := a.recordOf(b, a.Now())
	rec.RateLimit = a.usedLimitOf(k, m.byDefault(), m.status(k.ID))
	rec.Quota = usedQuotaOf(k, m.ofQuota(k))
	for i, l := range rec.Limits {
		rate := m.status(k.ID + "#" + strconv.FormatInt(l.Window, 10)).Rate
		reset := rate.Reset.Unix()
		rec.Limits[i].Remaining, rec.Limits[i].Reset = &rate.Remaining, &reset
	}
	if s, ok := m.tightest(); ok {
		rec.WindowStatus = windowStatusOf(s)
	}
	if len(m.parts) > 1 {
		rec.Bounds = boundsInUse(m.bounds(k))
	}
	used := usedAtOf(b.Record)
	rec.LastUsedAt = &used
	if rec.PreviousKeyValidUntil != "" {
		older := nullTime(b.OlderUse)
		rec.PreviousKeyLastUsedAt = &older
	}
	return rec
}

// stamp returns a time as the API writes it, or "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(audit.TimeLayout)
}
