package registry

import (
	"context"
	"slices"

	"latchkey/internal/apikey"
)

// Update changes a key. It calls change with the stored key, and once more for each attempt. It
// returns ErrEnded for a revoked key.
func (r *Registry) Update(
	ctx context.Context, caller Caller, id string, change func(*apikey.Key) (apikey.Change, error),
) (apikey.Record, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return apikey.Record{}, err
	}
	return r.change(ctx, caller, id, func(own grantor, from *apikey.Key) (Write, bool, error) {
		if !from.RevokedAt.IsZero() {
			return Write{}, false, apikey.ErrEnded
		}
		c, err := change(from)
		if err != nil {
			return Write{}, false, err
		}
		if err := c.Check(r.now()); err != nil {
			return Write{}, false, err
		}
		to := *from
		if err := c.Apply(&to); err != nil {
			return Write{}, false, err
		}
		if c.UserID != nil {
			to.UserID = *c.UserID
		}
		if to.Unlimited != from.Unlimited || to.Limit != from.Limit || to.Quota != from.Quota ||
			!slices.Equal(to.Limits, from.Limits) {
			to.CountsUntil = from.PlaceUntil(r.now(), r.options.Freshness)
		}
		if own.admin {
			hold(&to, c)
			share(from, &to)
			return Write{To: &to, Action: ActionUpdate}, true, nil
		}
		wide := to
		if wide.Shared.None() && !wide.SharesDefault {
			wide.Shared, wide.SharesDefault = own.family()
		}
		wider, err := own.mayChange(from, &wide)
		if wider { // it becomes a key that the caller could have made
			to = wide
		}
		return Write{To: &to, Action: ActionUpdate}, true, err
	})
}
