package registry

import (
	"slices"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// lines returns limits that a key of the owner keeps to: its own or, if it has no rateLimit, also
// those of its plan and those that it shares. It returns none only if a plan or the owner has a quota
// alone.
func (g grantor) lines(k *apikey.Key) []ratelimit.Limit {
	all := ownBounds(k).Limits
	if k.Limit != (ratelimit.Limit{}) {
		return all
	}
	for _, p := range k.Parts(g.owner(), g.plan) {
		if !p.Terms.Limit.None() {
			all = append(all, p.Terms.Limit)
		}
	}
	return all
}

// shared reports whether what is set for the owner, or for all users of the plan, bounds the rate of
// all keys of the owner together.
func (g grantor) shared() bool {
	u := g.owner()
	return u != nil && len(u.Limits) > 0 || g.plan != nil && len(g.plan.User.Limits) > 0
}

// boundsLimit reports whether the rateLimit of g bounds a new key's. It does not if the plan and
// the shared bounds hold for both.
func (g grantor) boundsLimit() bool {
	switch {
	case g.Unlimited:
		return false
	case g.average:
		return !g.shared()
	}
	return g.Limit != ratelimit.Limit{}
}

// coversLimit reports whether k keeps to the rateLimit of g.
func (g grantor) coversLimit(k *apikey.Key) bool {
	switch {
	case g.before && !g.Unlimited:
		return g.coveredLimit(k.Limit)
	case !g.boundsLimit():
		return true
	case g.average:
		return slices.ContainsFunc(g.lines(k), func(l ratelimit.Limit) bool { return l.NoFaster(g.Limit) })
	}
	return within(g.Limit, g.lines(k))
}

// coveredLimit reports whether a rateLimit may take the place of that of g, whose first meter counts
// both. No limit of another meter may: it would begin with nothing spent.
func (g grantor) coveredLimit(l ratelimit.Limit) bool {
	none := ratelimit.Limit{}
	switch {
	case g.Limit != none:
		return l != none && l.Within(g.Limit)
	case l == none:
		return true
	}
	all := g.lines(g.Key)
	return len(all) == 0 || slices.ContainsFunc(all, l.Within)
}

// coversLimits reports whether k keeps to each of the further limits of g. A stored key keeps the
// meters of its limits, so each window stays.
func (g grantor) coversLimits(k *apikey.Key) bool {
	if g.Unlimited {
		return true
	}
	return !slices.ContainsFunc(g.Limits, func(outer ratelimit.Limit) bool {
		if !g.before {
			return !within(outer, g.lines(k))
		}
		return !slices.ContainsFunc(k.Limits, func(l ratelimit.Limit) bool {
			return l.Window == outer.Window && l.Requests <= outer.Requests
		})
	})
}

// coversQuota reports whether the quota q does not exceed that of g. The quota of a stored key keeps
// its period: beside a plan, another one is counted by a meter with nothing spent.
func (g grantor) coversQuota(q ratelimit.Quota) bool {
	if g.before && g.Quota != (ratelimit.Quota{}) && q.Period != g.Quota.Period {
		return false
	}
	return q.Within(g.Quota)
}

// within reports whether one of the limits is within outer.
func within(outer ratelimit.Limit, limits []ratelimit.Limit) bool {
	return slices.ContainsFunc(limits, func(l ratelimit.Limit) bool { return l.Within(outer) })
}

// keepsLimit returns an error if a change takes the rateLimit of a key away although the caller has
// one. A plan may then allow the key more than the caller.
func (g grantor) keepsLimit(from, to *apikey.Key) error {
	none := ratelimit.Limit{}
	if from.Limit == none || to.Limit != none || to.Unlimited || g.average || g.Limit == none {
		return nil
	}
	return apikey.Forbidden("rateLimit", "must not be removed: your own key has the limit "+described(g.Limit))
}

// samePlan reports whether k has the plan of g. A user without a key also grants a key whose plan an
// admin has set, if its rateLimit bounds it.
func samePlan(k *apikey.Key, g grantor) bool {
	return k.Plan == g.Plan || g.average && k.Limit != (ratelimit.Limit{})
}

// inherit sets the omitted fields of a new key whose usual default would exceed the rights that its
// creator may grant.
func inherit(c *apikey.Change, from grantor) {
	c.Plan = &from.Plan
	if unlimited := c.Unlimited != nil && *c.Unlimited; !unlimited { // it has no bounds, and is refused as such
		inheritLimits(c, from)
		if c.Quota == nil {
			c.Quota = &from.Quota
		}
	}
	if c.AllowedCIDRs == nil {
		c.AllowedCIDRs = &from.AllowedCIDRs
	}
	if c.ExpiresAt == nil {
		c.ExpiresAt = &from.ExpiresAt
	}
}

// inheritLimits sets the omitted limits of a new key, unless the given ones are within those of its
// creator.
func inheritLimits(c *apikey.Change, from grantor) {
	var given []ratelimit.Limit
	if c.Limits != nil {
		given = *c.Limits
	}
	none := ratelimit.Limit{}
	omitted := c.Limit == nil || *c.Limit == none
	if omitted && from.Limit != none && !from.average && !within(from.Limit, given) {
		limit := apikey.DefaultLimit()
		if !limit.Within(from.Limit) {
			limit = from.Limit
		}
		c.Limit, omitted = &limit, false
	}
	if c.Limits != nil || len(from.Limits) == 0 {
		return
	}
	if !omitted {
		given = append(given, *c.Limit)
	}
	missing := slices.DeleteFunc(slices.Clone(from.Limits), func(l ratelimit.Limit) bool { return within(l, given) })
	c.Limits = &missing
}

// family returns the shared bounds of a key that g makes, and whether it shares the default limit. A
// key and all keys that it makes, directly or not, share the same bounds: see share.
func (g grantor) family() (apikey.Bounds, bool) {
	switch {
	case !g.Shared.None() || g.SharesDefault:
		return g.Shared, g.SharesDefault
	case g.Unlimited:
		return apikey.Bounds{}, false
	}
	return ownBounds(g.Key), g.Limit == ratelimit.Limit{}
}

// ownBounds returns the bounds of a key alone, without those of its plan.
func ownBounds(k *apikey.Key) apikey.Bounds {
	b := apikey.Bounds{Limits: slices.Clone(k.Limits), Quota: k.Quota}
	if k.Limit != (ratelimit.Limit{}) {
		b.Limits = apikey.SortLimits(append(b.Limits, k.Limit))
	}
	return b
}

// makes reports whether a key may make others within its own bounds.
func makes(k *apikey.Key) bool {
	return k.Scopes.Allow(apikey.ScopeWrite) && !k.Scopes.Admin() && !k.Unlimited
}

// share gives a key that an admin has changed, from what it was, the shared bounds that it needs. A
// key that may make others shares its own bounds with them. The shared bounds of another key follow
// where the admin gives it more than they allow. from is nil for a new key.
func share(from, to *apikey.Key) {
	if from == nil {
		from = &apikey.Key{}
	}
	limited := from.Limit != to.Limit || from.Unlimited != to.Unlimited || !slices.Equal(from.Limits, to.Limits)
	quotaed := from.Quota != to.Quota
	shares := !to.Shared.None() || to.SharesDefault
	switch {
	case to.Unlimited:
		to.Shared, to.SharesDefault = apikey.Bounds{}, false
		return
	case makes(to) && (limited || quotaed || !shares):
		to.Shared, to.SharesDefault = ownBounds(to), to.Limit == ratelimit.Limit{}
		return
	}
	if limited && exceedsShared(to) {
		to.Shared.Limits, to.SharesDefault = ownBounds(to).Limits, false
	}
	if quotaed && !to.Quota.Within(to.Shared.Quota) {
		to.Shared.Quota = to.Quota
	}
}

// exceedsShared reports whether k has limits of its own, and shares one that they are not within.
func exceedsShared(k *apikey.Key) bool {
	shared := k.Shared.Limits
	if k.SharesDefault {
		shared = append(slices.Clone(shared), apikey.DefaultLimit())
	}
	own := ownBounds(k).Limits
	return len(own) > 0 && slices.ContainsFunc(shared, func(outer ratelimit.Limit) bool { return !within(outer, own) })
}
