package registry

import (
	"cmp"
	"context"
	"slices"

	"latchkey/internal/apikey"
)

// Update changes a key. It calls change with the stored key, and once more for each attempt. It
// returns ErrEnded for a revoked key. An admin may give the key to another user, who must have room
// for it.
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
		to, err := r.updated(own, from, c)
		if err != nil {
			return Write{}, false, err
		}
		if err := r.checkPlan(ctx, c); err != nil {
			return Write{}, false, err
		}
		if err := r.spread(ctx, from, to, c); err != nil {
			return Write{}, false, err
		}
		if c.ExpiresAt != nil {
			if err := r.checkLife(ctx, to); err != nil {
				return Write{}, false, err
			}
		}
		w := Write{To: to, Action: ActionUpdate}
		return w, true, r.transfer(ctx, from, &w)
	})
}

// updated returns the key that a change makes of from, or an error if the caller must not make it.
func (r *Registry) updated(own grantor, from *apikey.Key, c apikey.Change) (*apikey.Key, error) {
	to := *from
	if err := c.Apply(&to); err != nil {
		return nil, err
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
		return &to, nil
	}
	wide := to
	if wide.Shared.None() && !wide.SharesDefault {
		wide.Shared, wide.SharesDefault = own.family()
	}
	wider, err := own.mayChange(from, &wide)
	if wider { // it becomes a key that the caller could have made
		to = wide
	}
	return &to, err
}

// transfer checks whether a key may get the user that w gives it, and bounds the places of that user.
// The key keeps its tokens, its aliases, its limits and what it has spent.
func (r *Registry) transfer(ctx context.Context, from *apikey.Key, w *Write) error {
	userID := w.To.UserID
	if userID == from.UserID {
		return nil
	}
	if err := apikey.CheckUserID(userID); err != nil {
		return err
	}
	if err := r.checkSettable(ctx, userID); err != nil {
		return err
	}
	record, err := r.store.User(ctx, userID)
	if err != nil {
		return err
	}
	w.Action, w.Most = ActionTransfer, cmp.Or(orNone(record.User, userID).MaxKeys, r.options.MaxKeys)
	return nil
}
