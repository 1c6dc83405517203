package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// right is one field that bounds the use of a key. Together, the rights bound every request that a
// key admits. If all rights of a key are within those of another, it admits no request that the
// other refuses.
type right struct {
	field string
	// within reports whether the right of k does not exceed the grantor's.
	within func(k *apikey.Key, g grantor) bool
	// has describes the right of the grantor. If nil, only an admin may grant the right.
	has func(g grantor) string
	// fixed says that a caller without admin rights never widens the right of a stored key, whatever
	// the caller's own rights are.
	fixed bool
	// counted says that a meter counts the right. A caller never widens such a right of its own key,
	// not even to what it has: another meter would begin with nothing spent.
	counted bool
	// set reports whether c sets the right, and widest whether nothing of k is withheld by it.
	// If nil, the right is never set by a change, or never held by an admin.
	set    func(c apikey.Change) bool
	widest func(k *apikey.Key) bool
}

// rights are in the order in which they are refused. The environment is a further right, which no
// change sets: see mayTouch. So are the shared bounds, which this package alone sets: see family. A
// caller's key is enabled and active by now, so Enabled and NotBefore are only compared with those of
// the key before the change.
var rights = [...]right{
	{
		field:  "scopes",
		within: func(k *apikey.Key, g grantor) bool { return g.Scopes.AllowAll(k.Scopes) },
		has:    func(g grantor) string { return "must be within " + g.have("scopes", listed(g.Scopes)) },
		set:    func(c apikey.Change) bool { return c.Scopes != nil },
		widest: func(*apikey.Key) bool { return false },
	},
	{
		field:  "unlimited",
		within: func(k *apikey.Key, g grantor) bool { return !k.Unlimited || g.before && g.Unlimited },
	},
	{
		field:  "plan",
		within: samePlan,
		fixed:  true,
		set:    func(c apikey.Change) bool { return c.Plan != nil },
		widest: func(k *apikey.Key) bool { return k.Plan == "" },
	},
	{
		field:  "rateLimit",
		within: func(k *apikey.Key, g grantor) bool { return k.Unlimited || g.coversLimit(k) },
		has: func(g grantor) string {
			limit := described(g.OwnLimit())
			if g.average {
				limit += " on average"
			}
			return "must be within " + g.have("limit", limit)
		},
		counted: true,
		set:     func(c apikey.Change) bool { return c.Limit != nil || c.Unlimited != nil },
		widest:  func(k *apikey.Key) bool { return k.Unlimited },
	},
	{
		field:  "limits",
		within: func(k *apikey.Key, g grantor) bool { return k.Unlimited || g.coversLimits(k) },
		has: func(g grantor) string {
			if g.before {
				return "may be added or made smaller only: a limit and its window stay, unless an admin changes them"
			}
			texts := make([]string, len(g.Limits))
			for i, l := range g.Limits {
				texts[i] = described(l)
			}
			return "must be within " + g.have("limits", listed(texts))
		},
		fixed:  true,
		set:    func(c apikey.Change) bool { return c.Limits != nil },
		widest: func(k *apikey.Key) bool { return len(k.Limits) == 0 },
	},
	{
		field:  "quota",
		within: func(k *apikey.Key, g grantor) bool { return g.coversQuota(k.Quota) },
		has: func(g grantor) string {
			return "must be within " + g.have("quota", fmt.Sprintf("%d requests per %s", g.Quota.Requests, g.Quota.Period))
		},
		counted: true,
		set:     func(c apikey.Change) bool { return c.Quota != nil },
		widest:  func(k *apikey.Key) bool { return k.Quota == ratelimit.Quota{} },
	},
	{
		field: "expiresAt",
		within: func(k *apikey.Key, g grantor) bool {
			return g.ExpiresAt.IsZero() || !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(g.ExpiresAt)
		},
		has: func(g grantor) string {
			return "must not be after " + g.have("expiry", g.ExpiresAt.UTC().Format(time.RFC3339))
		},
		set:    func(c apikey.Change) bool { return c.ExpiresAt != nil },
		widest: func(k *apikey.Key) bool { return k.ExpiresAt.IsZero() },
	},
	{
		field:  "allowedCidrs",
		within: func(k *apikey.Key, g grantor) bool { return narrower(k.AllowedCIDRs, g.AllowedCIDRs) },
		has:    func(g grantor) string { return "must be within " + g.have("networks", listed(g.AllowedCIDRs)) },
		set:    func(c apikey.Change) bool { return c.AllowedCIDRs != nil },
		widest: func(k *apikey.Key) bool { return len(k.AllowedCIDRs) == 0 },
	},
	{
		field:  "enabled",
		within: func(k *apikey.Key, g grantor) bool { return !g.before || g.Enabled || !k.Enabled },
		set:    func(c apikey.Change) bool { return c.Enabled != nil },
		widest: func(k *apikey.Key) bool { return k.Enabled },
	},
	{
		field:  "notBefore",
		within: func(k *apikey.Key, g grantor) bool { return !g.before || !k.NotBefore.Before(g.NotBefore) },
		set:    func(c apikey.Change) bool { return c.NotBefore != nil },
		widest: func(k *apikey.Key) bool { return k.NotBefore.IsZero() },
	},
}

// grantor is the most that a caller may grant: the rights of the caller's key or, without a key,
// those that users may grant.
type grantor struct {
	*apikey.Key
	average bool // the limit bounds the average rate alone
	admin   bool // the caller may grant anything
	// users are what is set for the caller's user and for the owner of the key, if the caller is no
	// admin. The owner comes last. See under.
	users []*apikey.User
	// plan is the plan of the key to change, or nil if it has none. See planned.
	plan *apikey.Plan
	// before is set if the rights are those of the changed key before the change.
	before bool
}

// caller returns the key that the caller came with, or nil if they came without one.
func (g grantor) caller() *apikey.Key {
	if g.Key == nil || g.Key.ID == "" {
		return nil
	}
	return g.Key
}

// have describes a right of the grantor, for the caller that owns it.
func (g grantor) have(what, value string) string {
	if g.average {
		return "the " + what + " that users may grant: " + value
	}
	return "the " + what + " of your own key: " + value
}

// mostListed bounds how many entries of a list an error repeats.
const mostListed = 10

// listed returns a text of the first entries of a list.
func listed[T any](all []T) string {
	if len(all) == 0 {
		return "none"
	}
	var texts []string
	for _, one := range all[:min(len(all), mostListed)] {
		texts = append(texts, fmt.Sprint(one))
	}
	text := strings.Join(texts, ", ")
	if more := len(all) - mostListed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// described returns the text of a limit.
func described(l ratelimit.Limit) string {
	return fmt.Sprintf("%d requests in %d seconds", l.Requests, int64(l.Window/time.Second))
}

// mayGrant returns an error that names the first right of k that exceeds g.
func (g grantor) mayGrant(k *apikey.Key) error {
	if g.admin {
		return nil
	}
	if err := g.mayTouch(k); err != nil {
		return err
	}
	for _, r := range rights {
		if !r.within(k, g) {
			return r.refused(g)
		}
	}
	return nil
}

// mayChange returns an error if the caller must not change from into to, and whether to has wider
// rights than from. A caller without admin rights never widens a right that an admin has set, nor one
// of its own key. It leaves every key within its earlier rights, or within the caller's own.
func (g grantor) mayChange(from, to *apikey.Key) (wider bool, err error) {
	if g.admin {
		return false, nil
	}
	if err := g.mayTouch(from); err != nil {
		return false, err
	}
	if from.UserID != to.UserID {
		return false, apikey.Forbidden("userId", "may be changed by an admin only")
	}
	if err := g.keepsLimit(from, to); err != nil {
		return false, err
	}
	before := grantor{Key: from, before: true, users: g.users, plan: g.plan}
	for _, r := range rights {
		switch {
		case r.within(to, before):
			continue
		case r.fixed:
			return false, r.refused(before)
		case slices.Contains(from.Held, r.field):
			return false, apikey.Forbidden(r.field, "was set by an admin: only an admin may widen it")
		case !r.within(to, g) || r.counted && g.ID == from.ID:
			return false, r.refused(g)
		}
		wider = true
	}
	if wider {
		return true, g.mayGrant(to)
	}
	return false, nil
}

// mayTouch returns an error if k is of another environment than the caller's key.
func (g grantor) mayTouch(k *apikey.Key) error {
	if g.Environment == "" || k.Environment == g.Environment {
		return nil
	}
	return apikey.Forbidden("environment", "must be "+g.have("environment", string(g.Environment)))
}

// refused returns the error for a right that exceeds those of g.
func (r right) refused(g grantor) error {
	if r.has == nil {
		return apikey.Forbidden(r.field, "may be set by an admin only")
	}
	return apikey.Forbidden(r.field, r.has(g))
}

// hold notes which rights of k an admin has set by c: only an admin widens these from now on.
// A right that an admin has made as wide as can be is not held any more.
func hold(k *apikey.Key, c apikey.Change) {
	held := slices.Clone(k.Held)
	for _, r := range rights {
		if r.set == nil || !r.set(c) {
			continue
		}
		held = slices.DeleteFunc(held, func(field string) bool { return field == r.field })
		if !r.widest(k) {
			held = append(held, r.field)
		}
	}
	k.Held = held
}

// narrower reports whether each network of inner is within one of outer. An empty list means any
// source: every list is within it, and it is within no other list.
func narrower(inner, outer []netip.Prefix) bool {
	if len(outer) == 0 {
		return true
	}
	for _, p := range inner {
		covered := false
		for _, o := range outer {
			covered = covered || o.Bits() <= p.Bits() && o.Contains(p.Addr())
		}
		if !covered {
			return false
		}
	}
	return len(inner) > 0
}
