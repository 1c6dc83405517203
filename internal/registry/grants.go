package registry

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Grants are what a caller may do, and the most that it may grant to a new key of its own user. They
// come from the rights by which [Registry.Create] judges the caller.
type Grants struct {
	// Admin and Read follow from the scopes of the caller. Write is false if the caller may change no
	// key, and then all fields below are zero.
	Admin, Read, Write bool
	Scopes             apikey.Scopes
	// Limit bounds the rateLimit of a key. The zero Limit allows any. For a user without a key, it
	// bounds the average rate alone.
	Limit  ratelimit.Limit
	Limits []ratelimit.Limit
	Quota  ratelimit.Quota // any if zero
	// Plan is the plan that the key names. If empty, the plan of the user applies. Only an admin names
	// another one.
	Plan         string
	AllowedCIDRs []netip.Prefix // any if empty
	ExpiresAt    time.Time      // the latest expiry; any if zero
	Environments []apikey.Environment
	// MaxKeys is how many places the keys of the user may take, and KeysLeft how many are free. If
	// MaxKeys is zero, there is no bound.
	MaxKeys, KeysLeft int
	Life              apikey.Life
}

// Grants returns what the caller may do and grant. A caller who may not change keys gets no error.
func (r *Registry) Grants(ctx context.Context, caller Caller) (Grants, error) {
	most := Grants{Admin: caller.Scopes.Admin(), Read: caller.may(apikey.ScopeRead) == nil}
	if caller.may(apikey.ScopeWrite) != nil {
		return most, nil
	}
	own, err := r.own(ctx, caller)
	if err == nil {
		own, err = r.creator(ctx, caller, own, caller.UserID, apikey.Change{})
	}
	if errors.Is(err, apikey.ErrForbidden) {
		return most, nil
	}
	if err != nil {
		return Grants{}, err
	}
	most.Write, most.Life, most.Environments = true, r.lifeOf(own.plan), apikey.Environments()
	if own.admin {
		most.Scopes = apikey.Scopes{"*", "keys:*"}
		return most, nil
	}
	own.most(&most)
	if most.MaxKeys = own.maxKeys(r.options.MaxKeys); most.MaxKeys == 0 {
		return most, nil
	}
	most.KeysLeft, err = r.placesLeft(ctx, caller.UserID, most.MaxKeys)
	return most, err
}

// most sets in m the most that g grants, as the rights judge it.
func (g grantor) most(m *Grants) {
	m.Scopes, m.Plan, m.Quota = g.Scopes, g.Plan, g.Quota
	m.AllowedCIDRs, m.ExpiresAt = g.AllowedCIDRs, g.ExpiresAt
	if g.boundsLimit() {
		m.Limit = g.Limit
	}
	if !g.Unlimited {
		m.Limits = g.Limits
	}
	if g.Environment != "" {
		m.Environments = []apikey.Environment{g.Environment}
	}
}

// placesLeft returns how many of most places of a user are free. If none is, it counts them again, as
// the creation of a key does.
func (r *Registry) placesLeft(ctx context.Context, userID string, most int) (int, error) {
	places, err := r.store.Places(ctx, userID, r.now())
	if err != nil {
		return 0, fmt.Errorf("read key count: %w", err)
	}
	if places.Taken >= most {
		if places, err = r.store.Recount(ctx, userID, r.now()); err != nil {
			return 0, fmt.Errorf("recount keys: %w", err)
		}
	}
	return max(0, most-places.Taken), nil
}
