package registry

import (
	"context"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Find returns a key with its meter. It returns ErrNotFound for the key of a user for whom the
// caller does not act, unless the caller has keys:admin.
func (r *Registry) Find(ctx context.Context, caller Caller, id string) (apikey.Record, error) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return apikey.Record{}, err
	}
	return r.find(ctx, caller, id)
}

// find is Find without the check of the scope.
func (r *Registry) find(ctx context.Context, caller Caller, id string) (apikey.Record, error) {
	if !apikey.ValidID(id) {
		return apikey.Record{}, apikey.ErrNotFound
	}
	record, err := r.read(ctx, id)
	if err != nil {
		return apikey.Record{}, err
	}
	if !caller.Owns(record.Key.UserID) && !caller.Scopes.Admin() {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return record, nil
}

// read returns a stored key. A key whose retention is over counts as deleted.
func (r *Registry) read(ctx context.Context, id string) (apikey.Record, error) {
	record, err := r.store.Find(ctx, id)
	if err == nil && record.Key.Gone(r.now()) {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return record, err
}

// StatusOf returns the window status that the meter of a record shows. An unlimited key has no
// meter, and the zero Status.
func (r *Registry) StatusOf(record apikey.Record) ratelimit.Status {
	if record.Key.Unlimited {
		return ratelimit.Status{}
	}
	return ratelimit.StatusOf(record.Meter, record.Key.Terms(), r.now())
}
