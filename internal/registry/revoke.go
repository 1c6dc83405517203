package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/apikey"
)

// Revoke ends a key for good. The reason may be empty; see [apikey.CheckReason]. Revoking a key again
// changes nothing, so the first reason stays.
func (r *Registry) Revoke(ctx context.Context, caller Caller, id, reason string) (apikey.Record, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return apikey.Record{}, err
	}
	reason, err := apikey.CheckReason(reason)
	if err != nil {
		return apikey.Record{}, err
	}
	why := apikey.Revocation{Reason: reason}
	return r.change(ctx, caller, id, func(_ grantor, from *apikey.Key) (Write, bool, error) {
		return Write{To: revoked(from, r.now(), why), Action: ActionRevoke}, from.RevokedAt.IsZero(), nil
	})
}

// revoked returns k as it is after it was revoked.
func revoked(k *apikey.Key, now time.Time, why apikey.Revocation) *apikey.Key {
	to := *k
	to.RevokedAt, to.Revocation = now, why
	return &to
}

// revokedAtOnce is how many keys one call of RevokeUser reads. If others change the keys meanwhile, each
// revocation takes three requests to the table, and a call must end within [apikey.Patience] on a slow
// table too.
const revokedAtOnce = 25

// RevokeUser ends all keys of a user, newest first, some with each call. The reason may be empty, as for
// Revoke. It returns how many it has revoked, and the cursor for the next call, or "" after the last
// keys. The caller's own key comes last, since there is no next call without it. A call that failed may
// be repeated. Like List, it may miss a key that was created in the last moments.
func (r *Registry) RevokeUser(ctx context.Context, caller Caller, userID, reason, cursor string) (
	n int, next string, err error,
) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return 0, "", err
	}
	if reason, err = apikey.CheckReason(reason); err != nil {
		return 0, "", err
	}
	why := apikey.Revocation{Reason: reason}
	if err := apikey.CheckOwner(userID); err != nil {
		return 0, "", err
	}
	own, err := r.own(ctx, caller)
	if err != nil {
		return 0, "", err
	}
	page, err := r.List(ctx, caller, Query{UserID: userID, Cursor: cursor, Limit: revokedAtOnce})
	if err != nil {
		return 0, "", err
	}
	var ids []string
	for _, k := range page.Keys {
		if k.RevokedAt.IsZero() && k.ID != caller.KeyID {
			ids = append(ids, k.ID)
		}
	}
	n, ids, err = r.revokeTogether(ctx, caller, own, userID, ids, why)
	if err != nil {
		return 0, "", err
	}
	if page.Next == "" && caller.UserID == userID && caller.KeyID != "" {
		ids = append(ids, caller.KeyID)
	}
	for _, id := range ids {
		changed := false
		_, err := r.change(ctx, caller, id, func(_ grantor, from *apikey.Key) (Write, bool, error) {
			changed = from.RevokedAt.IsZero() && from.UserID == userID
			return Write{To: revoked(from, r.now(), why), Action: ActionRevoke}, changed, nil
		})
		if err != nil && !errors.Is(err, apikey.ErrNotFound) { // another caller may have deleted it
			return 0, "", err
		}
		if err == nil && changed {
			n++
		}
	}
	return n, page.Next, nil
}

// revokeTogether revokes keys of a user in few transactions. It returns how many, and the ids of those
// that must be revoked one by one, since others have changed keys of their transaction meanwhile. The
// caller must be an admin, whose own key is not among them.
func (r *Registry) revokeTogether(
	ctx context.Context, caller Caller, own grantor, userID string, ids []string, why apikey.Revocation,
) (n int, rest []string, err error) {
	records, err := r.store.Records(ctx, ids)
	if err != nil {
		return 0, nil, fmt.Errorf("read a user's keys: %w", err)
	}
	var live []*apikey.Key
	for _, id := range ids {
		k := records[id].Key
		if k == nil || k.Gone(r.now()) || !k.RevokedAt.IsZero() || k.UserID != userID {
			continue
		}
		if err := caller.means(k); err != nil {
			return 0, nil, err
		}
		live = append(live, k)
	}
	// One item of each transaction is the condition on the caller's key.
	for _, some := range grouped(live, func(k *apikey.Key) *apikey.Key { return k }, itemsTogether-1) {
		var writes []Write
		for _, k := range some {
			writes = append(writes, Write{
				From: k, To: revoked(k, r.now(), why), Action: ActionRevoke, By: caller.origin(), Tidy: true,
			})
		}
		writes[0].Caller = own.caller()
		switch err := r.write(ctx, writes...); {
		case errors.Is(err, apikey.ErrConflict):
			for _, k := range some {
				rest = append(rest, k.ID)
			}
		case err != nil:
			return 0, nil, err
		default:
			n += len(some)
		}
	}
	return n, rest, nil
}
