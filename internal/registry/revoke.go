package registry

import (
	"context"
	"errors"

	"latchkey/internal/apikey"
)

// Revoke ends a key for good. Revoking it again changes nothing.
func (r *Registry) Revoke(ctx context.Context, caller Caller, id string) (apikey.Record, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return apikey.Record{}, err
	}
	return r.change(ctx, caller, ActionRevoke, id, func(_ grantor, from *apikey.Key) (*apikey.Key, error) { return r.revoked(from) })
}

// revoked is k, ended for good; nil if it is already.
func (r *Registry) revoked(k *apikey.Key) (*apikey.Key, error) {
	if !k.RevokedAt.IsZero() {
		return nil, nil
	}
	to := *k
	to.RevokedAt = r.now()
	return &to, nil
}

// revokedAtOnce is how many keys of a user one call looks at: it must be over in
// a few seconds.
const revokedAtOnce = 50

// RevokeUser ends all keys of a user, newest first, some with each call: next is
// the cursor for the one after, or empty when all have been seen. A call that
// failed may be made again. A key that was made in the last moments may be
// missed, as by List.
func (r *Registry) RevokeUser(ctx context.Context, caller Caller, userID, cursor string) (revoked int, next string, err error) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return 0, "", err
	}
	if err := apikey.CheckOwner(userID); err != nil {
		return 0, "", err
	}
	if _, err := r.own(ctx, caller); err != nil {
		return 0, "", err
	}
	page, err := r.List(ctx, caller, Query{UserID: userID, Cursor: cursor, Limit: revokedAtOnce})
	if err != nil {
		return 0, "", err
	}
	ids := make([]string, 0, len(page.Keys)+1)
	for _, k := range page.Keys {
		if k.RevokedAt.IsZero() && k.ID != caller.KeyID {
			ids = append(ids, k.ID)
		}
	}
	if page.Next == "" && caller.UserID == userID && caller.KeyID != "" {
		ids = append(ids, caller.KeyID) // last, since without it there is no next call
	}
	for _, id := range ids {
		found := false
		_, err := r.change(ctx, caller, ActionRevoke, id, func(_ grantor, from *apikey.Key) (*apikey.Key, error) {
			to, err := r.revoked(from)
			found = to != nil && from.UserID == userID
			if !found {
				return nil, err
			}
			return to, err
		})
		if err != nil && !errors.Is(err, apikey.ErrNotFound) { // deleted meanwhile
			return 0, "", err
		}
		if err == nil && found {
			revoked++
		}
	}
	return revoked, page.Next, nil
}
