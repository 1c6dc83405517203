package httpapi

import (
	"time"

	"latchkey/internal/api"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// grantsOf returns what a caller may do and grant, as the API writes it.
func grantsOf(g registry.Grants) *api.Grants {
	out := &api.Grants{
		Admin: g.Admin, Write: g.Write, Read: g.Read,
		Scopes: append([]string{}, g.Scopes...), AnyScope: g.Scopes.Allow("*"),
		Limits: linesOf(g.Limits), Quota: plainQuota(g.Quota), Plan: g.Plan,
		AllowedCIDRs: []string{}, ExpiresAt: stamp(g.ExpiresAt), Environments: []api.Environment{},
		MaxKeys: int64(g.MaxKeys), MaxDays: int64(g.Life.MaxDays), DefaultDays: int64(g.Life.DefaultDays),
	}
	if l := g.Limit; l != (ratelimit.Limit{}) {
		out.RateLimit = api.NotNull(api.RateLimit{Requests: l.Requests, Window: int64(l.Window / time.Second)})
	}
	for _, e := range g.Environments {
		out.Environments = append(out.Environments, api.Environment(e))
	}
	for _, p := range g.AllowedCIDRs {
		out.AllowedCIDRs = append(out.AllowedCIDRs, p.String())
	}
	if g.MaxKeys > 0 {
		left := int64(g.KeysLeft)
		out.KeysLeft = &left
	}
	return out
}
