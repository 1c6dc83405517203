package registry

import (
	"context"
	"fmt"
	"slices"

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
	if err != nil {
		return record, err
	}
	all, err := r.withShards(ctx, []apikey.Record{record})
	return all[0], err
}

// withShards returns records with the meters of their keys' further shards.
func (r *Registry) withShards(ctx context.Context, records []apikey.Record) ([]apikey.Record, error) {
	var ids []string
	missing := func(i int) []string {
		if k := records[i].Key; len(records[i].FirstMeters()) == 1 {
			return k.Shards.Others(k.ID)
		}
		return nil
	}
	for i := range records {
		ids = append(ids, missing(i)...)
	}
	if len(ids) == 0 {
		return records, nil
	}
	meters, err := r.store.Meters(ctx, ids)
	if err != nil {
		return records, fmt.Errorf("read the meters of keys: %w", err)
	}
	records = slices.Clone(records)
	for i := range records {
		for _, id := range missing(i) {
			if m, used := meters[id]; used {
				records[i].More = append(slices.Clip(records[i].More), apikey.NamedMeter{ID: id, Meter: m})
			}
		}
	}
	return records, nil
}

// StatusOf returns the window status that the meters of a record show. An unlimited key has no
// meter, and the zero Status.
func (r *Registry) StatusOf(record apikey.Record) ratelimit.Status {
	if record.Key.Unlimited {
		return ratelimit.Status{}
	}
	part := ratelimit.Part{Terms: record.Key.Terms(), Shards: record.Key.Shards}
	return ratelimit.StatusOfShards(record.FirstMeters(), part, r.now())
}
