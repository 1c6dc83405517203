package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/apikey"
)

// noPlan stands for the plan of a key that has none, where equally many requests must be sent.
const noPlan = "-"

// placeByPlan returns until when a key that ends now takes its place by what its plan allows it. It
// takes two requests to the table, whether there is a plan or not.
func (r *Registry) placeByPlan(ctx context.Context, k *apikey.Key) (time.Time, error) {
	record, err := r.store.User(ctx, k.UserID)
	if err != nil {
		return time.Time{}, fmt.Errorf("read what is set for a user: %w", err)
	}
	p, err := r.store.Plan(ctx, cmp.Or(k.Plan, orNone(record.User, k.UserID).Plan, noPlan))
	if err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return time.Time{}, err
	}
	return k.PlaceUnder(p, r.now(), r.options.Freshness), nil
}

// placeOfEnd returns until when a key that g ends takes its place at least: by what g could grant in
// its place, and by what its plan allows it.
func (r *Registry) placeOfEnd(ctx context.Context, g grantor, k *apikey.Key) (time.Time, error) {
	until := r.placeOf(g)
	if g.admin {
		return until, nil
	}
	name := cmp.Or(k.Plan, g.owner().Plan)
	if name == "" {
		return until, nil
	}
	p, err := r.store.Plan(ctx, name)
	switch {
	case errors.Is(err, apikey.ErrNotFound): // it must still be possible to end the key
		return until, nil
	case err != nil:
		return until, err
	}
	return apikey.Later(until, k.PlaceUnder(p, r.now(), r.options.Freshness)), nil
}
