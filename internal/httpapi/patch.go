package httpapi

import (
	"maps"
	"time"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// patchOf returns the change that the patch makes to k.
func patchOf(p api.Patch, k *apikey.Key, now time.Time) (apikey.Change, error) {
	if err := checkNull(p); err != nil {
		return apikey.Change{}, err
	}
	f := api.Fields{
		Name: p.Name.Or(""), Description: p.Description.Or(""), Scopes: p.Scopes.Or([]string{}), Unlimited: p.Unlimited.Or(false),
		AllowedCIDRs: p.AllowedCIDRs.Or([]string{}), Metadata: metadataOf(p, k), Enabled: p.Enabled.Value(),
		NotBefore: p.NotBefore.Or(""), ExpiresAt: p.ExpiresAt.Or(""), ExpiresInDays: p.ExpiresInDays.Value(),
	}
	if l := p.RateLimit.Value(); l != nil && *l != (api.LimitPatch{}) {
		f.RateLimit = &api.LimitInput{Requests: api.Integer(k.Limit.Requests), Window: api.Integer(k.Limit.Window / time.Second)}
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
		limit := apikey.DefaultLimit()
		c.Limit = &limit
	}
	if p.Quota.IsNull() {
		c.Quota = &ratelimit.Quota{}
	}
	return c, err
}

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
			return wrong(m.field, "must not be null")
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
