package registry

import (
	"context"
	"errors"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// RevokeFound revokes the key of every token in a text, because having a token is the proof. A
// replaced token in its grace ends alone: the key and its new token go on.
//
// It returns nothing about the tokens. A known, unknown, live or ended token takes equally many
// requests to the table, and so does a text without a token. It returns a [apikey.FieldError] for a text
// with more than [apikey.MaxFound] tokens.
func (r *Registry) RevokeFound(ctx context.Context, by Origin, text string) error {
	found, err := r.options.Format.TokensIn(text)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		nobodys, err := r.options.Format.New(apikey.Live, r.options.Random)
		if err != nil {
			return err
		}
		found = []apikey.Credential{r.options.Format.Credential(nobodys.Reveal())}
	}
	var failed error
	for _, c := range found { // one that fails must not save the others
		failed = errors.Join(failed, r.revokeToken(ctx, by, c))
	}
	return failed
}

// revokeToken revokes one token with three requests to the table.
func (r *Registry) revokeToken(ctx context.Context, by Origin, c apikey.Credential) error {
	opened := -1
	find := func() (record apikey.Record, err error) {
		record, opened, err = r.byToken(ctx, c)
		return record, err
	}
	wrote := false
	_, err := r.replace(ctx, find, func(from *apikey.Key) (w Write, err error) {
		now := r.now()
		secret := from.Secrets[opened]
		if secret.Over(now) {
			return Write{}, nil
		}
		by.Actor = audit.Actor{Type: actorToken, ID: from.ID}
		w = Write{From: from, Action: ActionRevoke, By: by}
		w.To, err = r.revoked(from)
		if w.To != nil && !secret.NotAfter.IsZero() {
			w.To, w.Action = without(from, opened, now), ActionRevokeToken
		}
		wrote = w.To != nil
		return w, err
	})
	if wrote || err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return err
	}
	return r.revokeNothing(ctx, by, c)
}

// revokeNothing asks the table to revoke a key that it does not have, which it refuses. Then a
// token that revokes nothing takes as long as one that does.
func (r *Registry) revokeNothing(ctx context.Context, by Origin, c apikey.Credential) error {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return err
	}
	id, err := apikey.NewID(r.options.Random)
	if err != nil {
		return err
	}
	from := &apikey.Key{ID: id, UserID: id, Environment: apikey.Live, Limit: apikey.DefaultLimit(), Enabled: true, CreatedAt: r.now(), Secrets: []apikey.Secret{hasher.Hash(c.Token())}}
	from.Secrets[0].Alias = "" // nothing that another write could meet
	by.Actor = audit.Actor{Type: actorToken, ID: id}
	w := Write{From: from, Action: ActionRevoke, By: by, At: from.CreatedAt}
	if w.To, err = r.revoked(from); err != nil {
		return err
	}
	if err := r.seal(hasher.Notary(), &w, ""); err != nil {
		return err
	}
	if err := r.store.Write(ctx, w); !errors.Is(err, apikey.ErrConflict) {
		return err
	}
	return nil
}
