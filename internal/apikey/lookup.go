package apikey

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/audit"
)

// Lookup finds the key that a token belongs to, also one that is over. ErrNotFound:
// to none in the table.
func (r *Registry) Lookup(ctx context.Context, caller Caller, c Credential) (Record, error) {
	if err := caller.may(ScopeAdmin); err != nil {
		return Record{}, err
	}
	if c.code != "" {
		return Record{}, invalid("key", "is not an API key")
	}
	record, _, err := r.byToken(ctx, c)
	return record, err
}

// RevokeToken ends the key of a token that somebody has found: that they have it
// is proof enough. One that was replaced, and is only in its grace, ends alone: the
// key goes on with the new one. It changes nothing, and says nothing, for what is
// not the token of a key in the table.
func (r *Registry) RevokeToken(ctx context.Context, by Origin, c Credential) error {
	if c.code != "" {
		return nil
	}
	var err error
	opened := -1
	find := func() (record Record, err error) {
		record, opened, err = r.byToken(ctx, c)
		return record, err
	}
	_, err = r.replace(ctx, find, func(from *Key) (Write, error) {
		now := r.now()
		secret := from.Secrets[opened]
		if secret.over(now) {
			return Write{}, nil
		}
		by.Actor = audit.Actor{Type: actorToken, ID: from.ID}
		w := Write{From: from, Action: ActionRevoke, By: by}
		w.To, err = r.revoked(from)
		if w.To != nil && !secret.NotAfter.IsZero() {
			w.To, w.Action = from.without(opened, now), ActionRevokeToken
		}
		return w, err
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// byToken finds the key of a token, and which of its secrets that is.
func (r *Registry) byToken(ctx context.Context, c Credential) (Record, int, error) {
	hasher, err := r.Hasher(ctx)
	if err != nil {
		return Record{}, -1, fmt.Errorf("load the secret: %w", err)
	}
	id := c.token.ID()
	if !c.token.Native() {
		if id, err = r.Store.Resolve(ctx, hasher.Alias(c.token)); err != nil {
			return Record{}, -1, err
		}
	}
	record, err := r.Store.Find(ctx, id)
	if err != nil {
		return Record{}, -1, err
	}
	opened := -1
	err = judging(ctx, hasher, r.Reread, func(h Hasher) (err error) {
		opened, err = found{key: record.Key, now: r.now()}.opens(h, c)
		return err
	})
	if err == nil && opened < 0 {
		err = ErrNotFound
	}
	return record, opened, err
}

// judging does what takes a pepper, where it cannot be done with h also with what
// the secret holds by now: another environment may have read of a pepper first.
func judging(ctx context.Context, h Hasher, reread func(context.Context) (Hasher, error), do func(Hasher) error) error {
	err := do(h)
	if !errors.Is(err, ErrCannotJudge) {
		return err
	}
	if h, err = reread(ctx); err != nil {
		return fmt.Errorf("load the secret: %w", err)
	}
	return do(h)
}
