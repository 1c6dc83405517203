package registry

import (
	"context"
	"errors"

	"latchkey/internal/apikey"
)

// Delete removes a key.
func (r *Registry) Delete(ctx context.Context, caller Caller, id string) error {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return err
	}
	for try := 1; ; try++ {
		record, own, err := r.target(ctx, caller, id)
		if try > 1 && errors.Is(err, apikey.ErrNotFound) {
			return nil // somebody else, or we, with a reply that was lost
		}
		if err != nil {
			return err
		}
		if err := caller.means(record.Key); err != nil {
			return err
		}
		err = r.write(ctx, Write{
			From: record.Key, Action: ActionDelete, By: caller.origin(), Caller: own.caller(),
			PlaceUntil: r.placeOf(own), Tidy: true, Former: record.FormerUse(r.now()),
		})
		if !errors.Is(err, apikey.ErrConflict) || try == rewrites {
			return err
		}
	}
}
