package registry

import (
	"context"
	"errors"

	"latchkey/internal/apikey"
)

// Delete deletes a key. Its meter and its trail stay.
func (r *Registry) Delete(ctx context.Context, caller Caller, id string) error {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return err
	}
	tried := false
	return r.retry(ctx, apikey.ErrConflict, func() error {
		record, own, err := r.target(ctx, caller, id)
		if tried && errors.Is(err, apikey.ErrNotFound) {
			return nil // another caller deleted it, or an earlier attempt whose reply was lost
		}
		if err != nil {
			return err
		}
		if err := caller.means(record.Key); err != nil {
			return err
		}
		w := Write{
			From: record.Key, Delete: true, Action: ActionDelete, By: caller.origin(), Caller: own.caller(), Users: own.users,
			Tidy: true, Former: record.FormerUse(r.now()),
		}
		if w.Ends() {
			if w.PlaceUntil, err = r.placeOfEnd(ctx, own, record.Key); err != nil {
				return err
			}
		}
		tried = true
		return r.write(ctx, w)
	})
}
