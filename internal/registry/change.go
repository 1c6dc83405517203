package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
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
			to.CountsUntil = from.PlaceUntil(r.now(), r.Freshness)
		}
		if own.admin {
			hold(&to, c)
		}
		return &to, own.mayChange(from, &to)
	})
}

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

// Delete removes a key.
func (r *Registry) Delete(ctx context.Context, caller Caller, id string) error {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return err
	}
	for try := 1; ; try++ {
		record, own, err := r.target(ctx, caller, id)
		if try > 1 && errors.Is(err, apikey.ErrNotFound) {
			return nil // somebody else, or we, with a reply that was lost
		}
		if err != nil {
			return err
		}
		if err := caller.means(record.Key); err != nil {
			return err
		}
		err = r.write(ctx, Write{
			From: record.Key, Action: ActionDelete, By: caller.origin(), Caller: own.caller(),
			PlaceUntil: r.placeOf(own), Tidy: true, Former: record.FormerUse(r.now()),
		})
		if !errors.Is(err, apikey.ErrConflict) || try == rewrites {
			return err
		}
	}
}

// rewrites bounds how often a change starts over because another came first.
const rewrites = 10

// change replaces a key of the caller's by what edit makes of it, until nobody
// else has changed it in between. edit returns nil where there is nothing to do.
func (r *Registry) change(ctx context.Context, caller Caller, action, id string, edit func(own grantor, from *apikey.Key) (*apikey.Key, error)) (apikey.Record, error) {
	return r.changeWith(ctx, caller, id, func(own grantor, from *apikey.Key) (Write, error) {
		to, err := edit(own, from)
		return Write{To: to, Action: action}, err
	})
}

// changeWith is change, for an edit that writes more than the key.
func (r *Registry) changeWith(ctx context.Context, caller Caller, id string, edit func(own grantor, from *apikey.Key) (Write, error)) (apikey.Record, error) {
	var own grantor
	find := func() (record apikey.Record, err error) {
		record, own, err = r.target(ctx, caller, id)
		return record, err
	}
	return r.replace(ctx, find, func(from *apikey.Key) (Write, error) {
		if err := caller.means(from); err != nil {
			return Write{}, err
		}
		w, err := edit(own, from)
		w.From, w.By, w.Caller, w.PlaceUntil, w.Tidy = from, caller.origin(), own.caller(), r.placeOf(own), true
		return w, err
	})
}

// replace finds a key and makes the change that edit wants, if any, until nobody
// else has changed it in between. edit leaves the key that it is given alone.
func (r *Registry) replace(ctx context.Context, find func() (apikey.Record, error), edit func(*apikey.Key) (Write, error)) (apikey.Record, error) {
	for try := 1; ; try++ {
		record, err := find()
		if err != nil {
			return apikey.Record{}, err
		}
		w, err := edit(record.Key)
		if err != nil || w.To == nil {
			return record, err
		}
		err = r.write(ctx, w)
		record.Key = w.To
		if !errors.Is(err, apikey.ErrConflict) || try == rewrites {
			return record, err
		}
		if err := r.pause(ctx, rand.N(time.Duration(try)*5*time.Millisecond)); err != nil {
			return apikey.Record{}, err
		}
	}
}

// placeOf returns until when a key that g ends takes its place at least: another one that g grants
// in its place may have the whole limit of g at once.
func (r *Registry) placeOf(g grantor) time.Time {
	if g.admin || g.Key == nil || g.Unlimited {
		return time.Time{}
	}
	return g.Terms().Until(r.now().Add(r.Freshness))
}

// write stores changes of keys, each with its audit entry. A change also drops from its key what
// was to be forgotten long ago.
//
// A key that was altered, put back or stripped of its trail outside the service can still be
// changed and, above all, revoked. The entry then states the flaw, so that the new seal does not
// hide it.
func (r *Registry) write(ctx context.Context, changes ...Write) error {
	hasher, err := r.Hasher(ctx)
	if err != nil {
		return fmt.Errorf("load the secret: %w", err)
	}
	for i := range changes {
		w := &changes[i]
		if w.ends() {
			w.PlaceUntil = apikey.Later(w.PlaceUntil, w.From.PlaceUntil(r.now(), r.Freshness))
		}
		w.At = r.now()
		if w.From != nil && w.To != nil {
			w.To.Secrets = tidy(w.To.Secrets, w.At)
			w.To.KeyPrefix = r.keyPrefix(w.To, apikey.Token{})
		}
		if w.From != nil {
			if w.Standing, err = hasher.Standing(r.Store, w.From); err != nil {
				return err
			}
		}
		flaw := ""
		if w.From != nil && w.Standing == audit.Altered {
			if flaw, err = r.flaw(ctx, w.From.ID); err != nil {
				return err
			}
			w.Checked = true
		}
		if err := r.seal(hasher.Notary(), w, flaw); err != nil {
			return err
		}
	}
	err = r.Store.Write(ctx, changes...)
	if !errors.Is(err, apikey.ErrUnwitnessed) {
		return err
	}
	if len(changes) > 1 {
		return apikey.ErrConflict // one at a time, each has an error of its own
	}
	w := &changes[0]
	flaw, err := r.flaw(ctx, w.Witness.Subject)
	if err != nil {
		return err
	}
	w.Checked = true
	if err := r.seal(hasher.Notary(), w, flaw); err != nil {
		return err
	}
	return r.Store.Write(ctx, *w)
}

// flaw returns the problem that CheckTrail finds with a key, or "".
func (r *Registry) flaw(ctx context.Context, id string) (string, error) {
	_, err := r.CheckTrail(ctx, id)
	var found *audit.Break
	switch {
	case errors.As(err, &found):
		return fmt.Sprintf("was written although entry %s %s", found.Place, found.Problem), nil
	case errors.Is(err, apikey.ErrNotFound):
		return "", nil
	}
	return "", err
}

// means reports whether the caller's change is meant for this revision of k.
func (c Caller) means(k *apikey.Key) error {
	if c.Match != nil && !slices.Contains(c.Match, k.Rev) {
		return apikey.ErrPrecondition
	}
	return nil
}

func (r *Registry) pause(ctx context.Context, d time.Duration) error {
	if r.Pause != nil {
		return r.Pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
