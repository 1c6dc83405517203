package registry

import (
	"context"
	"errors"

	"latchkey/internal/apikey"
)

// Lookup returns the key that a token belongs to, even if the token or the key has ended. It
// returns ErrNotFound if the token belongs to no stored key.
func (r *Registry) Lookup(ctx context.Context, caller Caller, c apikey.Credential) (apikey.Record, error) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return apikey.Record{}, err
	}
	if c.Code() != "" {
		return apikey.Record{}, apikey.Invalid("key", "is not an API key")
	}
	record, _, err := r.byToken(ctx, c)
	return record, err
}

// byToken returns the key of a token, and the index of the secret that the token matches. It
// returns ErrNotFound if there is none.
func (r *Registry) byToken(ctx context.Context, c apikey.Credential) (record apikey.Record, secret int, err error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return apikey.Record{}, -1, err
	}
	// A native token has no alias, and an unknown token has no key. Both are still read, so that
	// the requests do not reveal which it is.
	id, err := r.store.Resolve(ctx, hasher.Alias(c.Token()))
	if err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return apikey.Record{}, -1, err
	}
	if c.Token().Native() {
		id = c.Token().ID()
	}
	record, err = r.read(ctx, id)
	if err != nil {
		return apikey.Record{}, -1, err
	}
	secret, _, err = hasher.MatchOrReread(ctx, r.options.Reread, record.Key, &c, r.now())
	if err == nil && secret < 0 {
		err = apikey.ErrNotFound
	}
	return record, secret, err
}
