package httpapi

import (
	"net/netip"
	"strings"
	"time"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
)

func windowStatusOf(k *apikey.Key, u ratelimit.Status) api.WindowStatus {
	if k.Unlimited {
		return api.WindowStatus{}
	}
	reset := u.Reset.Unix()
	return api.WindowStatus{Limit: &u.Limit, Remaining: &u.Remaining, Reset: &reset}
}

// usedAtOf is null for a key that was never used.
func usedAtOf(r apikey.Record) api.Nullable[string] {
	used := r.LastUsed()
	if used.IsZero() {
		return api.Nullable[string]{}
	}
	at := stamp(used)
	return api.Nullable[string]{Value: &at}
}

// The limit that a key without one shows to clients that need numbers; see [Options].
const (
	unlimitedRequests = 999_999
	unlimitedWindow   = 60
)

func (a *server) recordOf(k *apikey.Key, now time.Time) api.Record {
	r := api.Record{
		ID: k.ID, UserID: k.UserID, Name: k.Name, Description: k.Description, Environment: api.Environment(k.Environment),
		Status: api.Status(k.Status(now)), KeyPrefix: k.KeyPrefix, PublicKey: k.PublicKey().String(),
		Scopes: append([]string{}, k.Scopes...), RateLimit: a.limitOf(k), Unlimited: k.Unlimited, Quota: quotaOf(k),
		AllowedCIDRs: []string{}, Metadata: k.Metadata, Enabled: k.Enabled,
		NotBefore: stamp(k.NotBefore), ExpiresAt: stamp(k.ExpiresAt), CreatedAt: stamp(k.CreatedAt), RevokedAt: stamp(k.RevokedAt),
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

// limitOf is null for a key without a limit, unless clients need numbers.
func (a *server) limitOf(k *apikey.Key) api.Nullable[api.RateLimit] {
	switch {
	case !k.Unlimited:
		return api.Nullable[api.RateLimit]{Value: &api.RateLimit{Requests: k.Limit.Requests, Window: int64(k.Limit.Window / time.Second)}}
	case a.UnlimitedNumbers:
		return api.Nullable[api.RateLimit]{Value: &api.RateLimit{Requests: unlimitedRequests, Window: unlimitedWindow}}
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

// quotaOf is nil for a key without a quota.
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

// meteredRecord is a record with what was spent of it.
func (a *server) meteredRecord(r apikey.Record) api.Record {
	rec := a.recordOf(r.Key, a.Now())
	u := a.Registry.StatusOf(r)
	rec.RateLimit, rec.Quota, rec.WindowStatus = a.usedLimitOf(r.Key, u), usedQuotaOf(r.Key, u), windowStatusOf(r.Key, u)
	used := usedAtOf(r)
	rec.LastUsedAt = &used
	return rec
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(audit.TimeLayout)
}

// changeOf returns the change that the fields ask for.
func changeOf(f api.Fields, now time.Time) (apikey.Change, error) {
	c := apikey.Change{
		Description: f.Description, Unlimited: f.Unlimited, Metadata: f.Metadata, Enabled: f.Enabled,
	}
	if f.Name != nil {
		trimmed := strings.TrimSpace(*f.Name)
		c.Name = &trimmed
	}
	if f.Scopes != nil {
		scopes := apikey.Scopes(*f.Scopes)
		c.Scopes = &scopes
	}
	if f.RateLimit != nil {
		c.Limit = &ratelimit.Limit{
			Requests: int64(f.RateLimit.Requests), Window: time.Duration(f.RateLimit.Window) * time.Second,
		}
	}
	if f.Quota != nil {
		c.Quota = &ratelimit.Quota{Requests: int64(f.Quota.Requests), Period: ratelimit.Period(f.Quota.Period)}
	}
	if f.RateLimit != nil && f.Unlimited != nil && *f.Unlimited {
		return c, wrong("unlimited", "must not be given with rateLimit")
	}
	if f.AllowedCIDRs != nil {
		networks := []netip.Prefix{}
		for _, text := range *f.AllowedCIDRs {
			p, err := apikey.ParseNetwork(text)
			if err != nil {
				return c, wrong("allowedCidrs", "must be networks such as 192.0.2.0/24, or addresses")
			}
			networks = append(networks, p)
		}
		c.AllowedCIDRs = &networks
	}
	var err error
	if c.NotBefore, err = moment("notBefore", f.NotBefore); err != nil {
		return c, err
	}
	if c.ExpiresAt, err = moment("expiresAt", f.ExpiresAt); err != nil {
		return c, err
	}
	if f.ExpiresInDays != nil {
		if f.ExpiresAt != nil {
			return c, wrong("expiresInDays", "must not be given with expiresAt")
		}
		at := now.UTC().Truncate(time.Millisecond).AddDate(0, 0, int(*f.ExpiresInDays))
		c.ExpiresAt = &at
	}
	return c, nil
}

// moment reads a time; an empty text is the zero time, which clears it.
func moment(field string, text *string) (*time.Time, error) {
	if text == nil || *text == "" {
		if text == nil {
			return nil, nil
		}
		return &time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		return nil, wrong(field, "must be a time such as 2027-01-31T12:00:00Z")
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 1970 || t.Year() > 9999 {
		return nil, wrong(field, "must be between the years 1970 and 9999")
	}
	return &t, nil
}

func wrong(field, problem string) error {
	return &apikey.FieldError{Field: field, Problem: problem, Kind: apikey.ErrInvalid}
}
