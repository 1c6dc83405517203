package registry

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"latchkey/internal/apikey"
)

// lifeOf returns the bounds on the life of a key with a plan, which may be nil. The deployment's hold
// where the plan sets none.
func (r *Registry) lifeOf(p *apikey.Plan) apikey.Life {
	life := r.options.Life
	if p != nil {
		life.MaxDays = cmp.Or(p.Life.MaxDays, life.MaxDays)
		life.DefaultDays = cmp.Or(p.Life.DefaultDays, life.DefaultDays)
	}
	return life
}

// after returns the time so many days after t, or zero, which means never, for no days.
func after(t time.Time, days int) time.Time {
	if days == 0 {
		return time.Time{}
	}
	return t.AddDate(0, 0, days)
}

// endOf returns the expiry of a new key whose creator gives none: the default one, but no later than
// the plan or the deployment allows.
func endOf(created time.Time, life apikey.Life) time.Time {
	return apikey.Earlier(after(created, life.DefaultDays), after(created, life.MaxDays))
}

// checkEnd returns an error if a key lives longer than its plan or the deployment allows.
func checkEnd(k *apikey.Key, life apikey.Life) error {
	last := after(k.CreatedAt, life.MaxDays)
	if last.IsZero() || !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(last) {
		return nil
	}
	return apikey.Invalid("expiresAt", "must be at most %d days after the creation of the key: %s",
		life.MaxDays, last.UTC().Format(time.RFC3339))
}

// checkLife returns an error if a stored key lives longer than its plan or the deployment allows.
func (r *Registry) checkLife(ctx context.Context, k *apikey.Key) error {
	record, err := r.store.User(ctx, k.UserID)
	if err != nil {
		return fmt.Errorf("read what is set for a user: %w", err)
	}
	plan, err := r.planOf(ctx, k.Plan, record.User)
	if err != nil {
		return err
	}
	return checkEnd(k, r.lifeOf(plan))
}
