package registry

import (
	"context"

	"latchkey/internal/apikey"
)

// Update makes a key what change says, given what it is. A revoked key stays as
// it is.
func (r *Registry) Update(ctx context.Context, caller Caller, id string, change func(*apikey.Key) (apikey.Change, error)) (apikey.Record, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return apikey.Record{}, err
	}
	return r.change(ctx, caller, ActionUpdate, id, func(own grantor, from *apikey.Key) (*apikey.Key, error) {
		if !from.RevokedAt.IsZero() {
			return nil, apikey.ErrEnded
		}
		c, err := change(from)
		if err != nil {
			return nil, err
		}
		if err := c.Check(r.now()); err != nil {
			return nil, err
		}
		to := *from
		if err := c.Apply(&to); err != nil {
			return nil, err
		}
		if to.Unlimited != from.Unlimited || to.Limit != from.Limit || to.Quota != from.Quota {
			to.CountsUntil = from.PlaceUntil(r.now(), r.options.Freshness)
		}
		if own.admin {
			hold(&to, c)
		}
		return &to, own.mayChange(from, &to)
	})
}
