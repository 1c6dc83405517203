package registry

import (
	"context"
	"errors"

	"latchkey/internal/apikey"
)

// Lookup finds the key that a token belongs to, also one that is over. ErrNotFound:
// to none in the table.
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

// byToken finds the key of a token, and which of its secrets that is.
func (r *Registry) byToken(ctx context.Context, c apikey.Credential) (apikey.Record, int, error) {
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
	record, err := r.read(ctx, id)
	if err != nil {
		return apikey.Record{}, -1, err
	}
	opened, _, err := hasher.MatchOrReread(ctx, r.options.Reread, record.Key, &c, r.now())
	if err == nil && opened < 0 {
		err = apikey.ErrNotFound
	}
	return record, opened, err
}
