package registry

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"latchkey/internal/apikey"
)

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
		if err := r.options.Pause(ctx, rand.N(time.Duration(try)*5*time.Millisecond)); err != nil {
			return apikey.Record{}, err
		}
	}
}

// means reports whether the caller's change is meant for this revision of k.
func (c Caller) means(k *apikey.Key) error {
	if c.Match != nil && !slices.Contains(c.Match, k.Rev) {
		return apikey.ErrPrecondition
	}
	return nil
}
