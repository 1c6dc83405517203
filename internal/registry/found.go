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
// requests to the table, and so does a text without a token. It returns an [apikey.FieldError] for
// a text with more than [apikey.MaxFound] tokens.
func (r *Registry) RevokeFound(ctx context.Context, by Origin, text string) error {
	found, err := r.options.Format.TokensIn(text)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		unknown, err := r.options.Format.New(apikey.Live, r.options.Random)
		if err != nil {
			return err
		}
		found = []apikey.Credential{r.options.Format.Credential(unknown.Reveal())}
	}
	var failed error
	for _, c := range found { // one that fails must not save the others
		failed = errors.Join(failed, r.revokeToken(ctx, by, c))
	}
	return failed
}

// revokeToken revokes one token with five requests to the table.
func (r *Registry) revokeToken(ctx context.Context, by Origin, c apikey.Credential) error {
	wrote := false
	err := r.retry(ctx, apikey.ErrConflict, func() (err error) {
		wrote, err = r.tryRevokeToken(ctx, by, c)
		return err
	})
	if wrote || err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return err
	}
	return r.revokeNothing(ctx, by, c)
}

// tryRevokeToken is one attempt of revokeToken. It reports whether there was anything to revoke, so
// that it asked the table to write.
func (r *Registry) tryRevokeToken(ctx context.Context, by Origin, c apikey.Credential) (wrote bool, err error) {
	record, n, err := r.byToken(ctx, c)
	if err != nil {
		return false, err
	}
	from, now := record.Key, r.now()
	secret := from.Secrets[n]
	if secret.Over(now) || !from.RevokedAt.IsZero() {
		return false, nil
	}
	until, err := r.placeByPlan(ctx, from)
	if err != nil {
		return false, err
	}
	by.Actor = audit.Actor{Type: actorToken, ID: from.ID}
	w := Write{From: from, To: revoked(from, now, apikey.Revocation{}), Action: ActionRevoke, By: by, PlaceUntil: until}
	if !secret.NotAfter.IsZero() {
		w.To, w.Action = without(from, n, now), ActionRevokeToken
	}
	return true, r.write(ctx, w)
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
	from := &apikey.Key{
		ID: id, UserID: id, Environment: apikey.Live, Limit: apikey.DefaultLimit(), Enabled: true,
		CreatedAt: r.now(), Secrets: []apikey.Secret{hasher.Hash(c.Token())},
	}
	from.Secrets[0].Alias = "" // so that no other write is in its way
	if _, err := r.placeByPlan(ctx, from); err != nil {
		return err
	}
	by.Actor = audit.Actor{Type: actorToken, ID: id}
	to := revoked(from, from.CreatedAt, apikey.Revocation{})
	w := Write{From: from, To: to, Action: ActionRevoke, By: by, At: from.CreatedAt}
	if err := r.seal(hasher.Notary(), &w, ""); err != nil {
		return err
	}
	if err := r.store.Write(ctx, w); !errors.Is(err, apikey.ErrConflict) {
		return err
	}
	return nil
}
