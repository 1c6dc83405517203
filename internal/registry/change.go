package registry

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"latchkey/internal/apikey"
)

// An edit returns the change to make to a key, and false if there is nothing to change. It must not
// modify from. own are the present rights of the caller.
type edit func(own grantor, from *apikey.Key) (w Write, changed bool, err error)

// change reads a key that the caller may change, and writes what do returns. If another change
// comes first, it starts over. It returns the key as it is then.
func (r *Registry) change(ctx context.Context, caller Caller, id string, do edit) (record apikey.Record, err error) {
	err = r.retry(ctx, apikey.ErrConflict, func() error {
		record, err = r.tryChange(ctx, caller, id, do)
		return err
	})
	return record, err
}

// tryChange is one attempt of change. It returns ErrConflict if another change came first.
func (r *Registry) tryChange(ctx context.Context, caller Caller, id string, do edit) (apikey.Record, error) {
	record, own, err := r.target(ctx, caller, id)
	if err != nil {
		return apikey.Record{}, err
	}
	from := record.Key
	if err := caller.means(from); err != nil {
		return record, err
	}
	w, changed, err := do(own, from)
	if err != nil || !changed {
		return record, err
	}
	w.From, w.By, w.Caller, w.Tidy = from, caller.origin(), own.caller(), true
	if w.Ends() {
		if w.PlaceUntil, err = r.placeOfEnd(ctx, own, from); err != nil {
			return record, err
		}
	}
	w.Users = own.users
	record.Key = w.To
	return record, r.writePlaced(ctx, w)
}

// rewrites bounds how often a change starts over because another came first.
const rewrites = 10

// retry calls attempt until it does not return the error transient, at most rewrites times. It
// pauses between two attempts.
func (r *Registry) retry(ctx context.Context, transient error, attempt func() error) error {
	for try := 1; ; try++ {
		err := attempt()
		if !errors.Is(err, transient) || try == rewrites {
			return err
		}
		if err := r.options.Pause(ctx, rand.N(time.Duration(try)*5*time.Millisecond)); err != nil {
			return err
		}
	}
}

// target reads the key to change, and the rights of the caller. If the caller changes its own key,
// both come from one read.
func (r *Registry) target(ctx context.Context, caller Caller, id string) (apikey.Record, grantor, error) {
	if id == caller.KeyID {
		record, err := r.find(ctx, caller, id)
		if err != nil {
			return apikey.Record{}, grantor{}, err
		}
		own, err := r.grantor(caller, record.Key)
		if err == nil {
			own, err = r.under(ctx, caller, own, record.Key.UserID)
		}
		return record, own, err
	}
	own, err := r.own(ctx, caller)
	if err != nil {
		return apikey.Record{}, grantor{}, err
	}
	record, err := r.find(ctx, caller, id)
	if err == nil {
		own, err = r.under(ctx, caller, own, record.Key.UserID)
	}
	if err == nil {
		own, err = r.planned(ctx, own, record.Key)
	}
	return record, own, err
}

// means returns ErrPrecondition if the caller's change is meant for other revisions than k has.
func (c Caller) means(k *apikey.Key) error {
	if c.Match != nil && !slices.Contains(c.Match, k.Rev) {
		return apikey.ErrPrecondition
	}
	return nil
}
