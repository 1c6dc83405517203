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
	if f.Limits != nil || f.Plan != nil {
		return apikey.Change{}, invalid("limits", "and plan cannot be set yet")
	}
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
	if p.UserID.Given() {
		return apikey.Change{}, invalid("userId", "cannot be changed yet")
	}
	if p.Limits.Given() || p.Plan.Given() {
		return apikey.Change{}, invalid("limits", "and plan cannot be set yet")
	}
	f := api.Fields{
		Name: p.Name.Or(""), Description: p.Description.Or(""), Scopes: p.Scopes.Or([]string{}),
		Unlimited: p.Unlimited.Or(false), AllowedCIDRs: p.AllowedCIDRs.Or([]string{}),
		Metadata: metadataOf(p, k), Enabled: p.Enabled.Value(),
		NotBefore: p.NotBefore.Or(""), ExpiresAt: p.ExpiresAt.Or(""), ExpiresInDays: p.ExpiresInDays.Value(),
	}
	if l := p.RateLimit.Value(); l != nil && *l != (api.LimitPatch{}) {
		own := k.OwnLimit()
		f.RateLimit = &api.LimitInput{Requests: api.Integer(own.Requests), Window: api.Integer(own.Window / time.Second)}
		set(&f.RateLimit.Requests, l.Requests)
		set(&f.RateLimit.Window, l.Window)
	}
	if q := p.Quota.Value(); q != nil && *q != (api.QuotaPatch{}) {
		f.Quota = &api.QuotaInput{Requests: api.Integer(k.Quota.Requests), Period: api.Period(k.Quota.Period)}
		set(&f.Quota.Requests, q.Requests)
		set(&f.Quota.Period, q.Period)
	}
	c, err := changeOf(f, now)
	if unlimited := p.Unlimited.Value(); p.RateLimit.IsNull() && (unlimited == nil || !*unlimited) {
		c.Limit = &ratelimit.Limit{}
	}
	if p.Quota.IsNull() {
		c.Quota = &ratelimit.Quota{}
	}
	return c, err
}

// set gives a field the value of a member, if it has one.
func set[T any](field *T, m api.Member[T]) {
	if m.Value() != nil {
		*field = *m.Value()
	}
}

// checkNull returns an error for a null that has no meaning.
func checkNull(p api.Patch) error {
	l, q := p.RateLimit.Or(api.LimitPatch{}), p.Quota.Or(api.QuotaPatch{})
	if l == nil {
		l = &api.LimitPatch{}
	}
	if q == nil {
		q = &api.QuotaPatch{}
	}
	for _, m := range []struct {
		field string
		null  bool
	}{
		{"enabled", p.Enabled.IsNull()}, {"expiresInDays", p.ExpiresInDays.IsNull()},
		{"rateLimit.requests", l.Requests.IsNull()}, {"rateLimit.window", l.Window.IsNull()},
		{"quota.requests", q.Requests.IsNull()}, {"quota.period", q.Period.IsNull()},
	} {
		if m.null {
			return invalid(m.field, "must not be null")
		}
	}
	return nil
}

// metadataOf returns the metadata of k with the patch merged into it, or nil if the patch omits it.
func metadataOf(p api.Patch, k *apikey.Key) *map[string]string {
	if !p.Metadata.Given() {
		return nil
	}
	merged := map[string]string{}
	if p.Metadata.Value() != nil {
		maps.Copy(merged, k.Metadata)
		for name, value := range *p.Metadata.Value() {
			if value == nil {
				delete(merged, name)
			} else {
				merged[name] = *value
			}
		}
	}
	return &merged
}
