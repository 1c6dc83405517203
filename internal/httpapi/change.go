package httpapi

import (
	"maps"
	"net/netip"
	"strings"
	"time"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// changeOf returns the change that the fields ask for.
func changeOf(f api.Fields, now time.Time) (apikey.Change, error) {
	c := apikey.Change{
		Plan: f.Plan, Description: f.Description, Unlimited: f.Unlimited, Metadata: f.Metadata, Enabled: f.Enabled,
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
	if f.Limits != nil {
		limits := limitsIn(*f.Limits)
		c.Limits = &limits
	}
	if f.Quota != nil {
		quota := quotaIn(*f.Quota)
		c.Quota = &quota
	}
	if f.RateLimit != nil && f.Unlimited != nil && *f.Unlimited {
		return c, invalid("unlimited", "must not be given with rateLimit")
	}
	var err error
	if c.AllowedCIDRs, err = networks(f.AllowedCIDRs); err != nil {
		return c, err
	}
	if c.NotBefore, err = moment("notBefore", f.NotBefore); err != nil {
		return c, err
	}
	if c.ExpiresAt, err = moment("expiresAt", f.ExpiresAt); err != nil {
		return c, err
	}
	if f.ExpiresInDays != nil {
		if f.ExpiresAt != nil {
			return c, invalid("expiresInDays", "must not be given with expiresAt")
		}
		at := now.UTC().Truncate(time.Millisecond).AddDate(0, 0, int(*f.ExpiresInDays))
		c.ExpiresAt = &at
	}
	return c, nil
}

// networks reads the field allowedCidrs. It returns nil if the field is omitted.
func networks(texts *[]string) (*[]netip.Prefix, error) {
	if texts == nil {
		return nil, nil
	}
	all := []netip.Prefix{}
	for _, text := range *texts {
		p, err := apikey.ParseNetwork(text)
		if err != nil {
			return nil, invalid("allowedCidrs", "must be networks such as 192.0.2.0/24, or addresses")
		}
		all = append(all, p)
	}
	return &all, nil
}

// source reads the field sourceIp. It returns the zero address if the field is omitted.
func source(text *string) (netip.Addr, error) {
	if text == nil {
		return netip.Addr{}, nil
	}
	address, err := netip.ParseAddr(*text)
	if err != nil {
		return netip.Addr{}, invalid("sourceIp", "must be an IP address")
	}
	return address.Unmap().WithZone(""), nil
}

// moment reads a field with a time. It returns nil if the field is omitted, and the zero time,
// which clears the field of a key, if it is empty.
func moment(field string, text *string) (*time.Time, error) {
	if text == nil {
		return nil, nil
	}
	if *text == "" {
		return &time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		return nil, invalid(field, "must be a time such as 2027-01-31T12:00:00Z")
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 1970 || t.Year() > 9999 {
		return nil, invalid(field, "must be between the years 1970 and 9999")
	}
	return &t, nil
}

// patchOf returns the change that the patch makes to k.
func patchOf(p api.Patch, k *apikey.Key, now time.Time) (apikey.Change, error) {
	if err := checkNull(p); err != nil {
		return apikey.Change{}, err
	}
	f := api.Fields{
		Name: p.Name.Or(""), Description: p.Description.Or(""), Scopes: p.Scopes.Or([]string{}),
		Limits: p.Limits.Or(nil), Plan: p.Plan.Or(""), Unlimited: p.Unlimited.Or(false),
		AllowedCIDRs: p.AllowedCIDRs.Or([]string{}), Enabled: p.Enabled.Value(),
		Metadata:  mergedMetadata(p.Metadata, k.Metadata),
		NotBefore: p.NotBefore.Or(""), ExpiresAt: p.ExpiresAt.Or(""), ExpiresInDays: p.ExpiresInDays.Value(),
	}
	if l := p.RateLimit.Value(); l != nil && *l != (api.LimitPatch{}) {
		own := k.Limit
		if !k.Unlimited {
			own = k.OwnLimit()
		}
		seconds := api.Integer(own.Window / time.Second)
		f.RateLimit = &api.LimitInput{Requests: api.Integer(own.Requests), Window: seconds}
		set(&f.RateLimit.Requests, l.Requests)
		set(&f.RateLimit.Window, l.Window)
	}
	c, err := changeOf(f, now)
	if err != nil {
		return c, err
	}
	if unlimited := p.Unlimited.Value(); p.RateLimit.IsNull() && (unlimited == nil || !*unlimited) {
		c.Limit = &ratelimit.Limit{}
	}
	c.UserID = p.UserID.Value()
	c.Quota, err = patchedQuota(p.Quota, k.Quota)
	return c, err
}

// patchedQuota returns the quota that a patch makes of the present one, or nil if it changes nothing.
func patchedQuota(p api.Member[api.QuotaPatch], present ratelimit.Quota) (*ratelimit.Quota, error) {
	q := p.Value()
	switch {
	case p.IsNull():
		return &ratelimit.Quota{}, nil
	case q == nil || *q == (api.QuotaPatch{}):
		return nil, nil
	case q.Requests.IsNull():
		return nil, invalid("quota.requests", "must not be null")
	case q.Period.IsNull():
		return nil, invalid("quota.period", "must not be null")
	}
	quota := present
	if n := q.Requests.Value(); n != nil {
		quota.Requests = int64(*n)
	}
	if period := q.Period.Value(); period != nil {
		quota.Period = ratelimit.Period(*period)
	}
	return &quota, nil
}

// set gives a field the value of a member, if it has one.
func set[T any](field *T, m api.Member[T]) {
	if m.Value() != nil {
		*field = *m.Value()
	}
}

// checkNull returns an error for a null that has no meaning. See also [patchedQuota].
func checkNull(p api.Patch) error {
	l := p.RateLimit.Or(api.LimitPatch{})
	if l == nil {
		l = &api.LimitPatch{}
	}
	for _, m := range []struct {
		field string
		null  bool
	}{
		{"userId", p.UserID.IsNull()}, {"enabled", p.Enabled.IsNull()}, {"expiresInDays", p.ExpiresInDays.IsNull()},
		{"rateLimit.requests", l.Requests.IsNull()}, {"rateLimit.window", l.Window.IsNull()},
	} {
		if m.null {
			return invalid(m.field, "must not be null")
		}
	}
	return nil
}

// mergedMetadata returns the present metadata with a patch merged into it, or nil if the patch is
// omitted.
func mergedMetadata(p api.Member[map[string]*string], present map[string]string) *map[string]string {
	if !p.Given() {
		return nil
	}
	merged := map[string]string{}
	if p.Value() != nil {
		maps.Copy(merged, present)
		for name, value := range *p.Value() {
			if value == nil {
				delete(merged, name)
			} else {
				merged[name] = *value
			}
		}
	}
	return &merged
}
