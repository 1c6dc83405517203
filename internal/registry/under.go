package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// under returns the rights of a caller to change a key of owner, under what is set for the caller's
// user and for owner. It changes nothing for an admin. [Write.Users] makes sure that the same is set
// when the change is written.
//
// The scopes that are set for a user bound a user who comes without a key. A key has its own scopes.
func (r *Registry) under(ctx context.Context, caller Caller, own grantor, owner string) (grantor, error) {
	if own.admin {
		return own, nil
	}
	own.users = nil
	for _, id := range slices.Compact([]string{caller.UserID, owner}) {
		record, err := r.store.User(ctx, id)
		if err != nil {
			return grantor{}, fmt.Errorf("read what is set for a user: %w", err)
		}
		u := orNone(record.User, id)
		if u.Suspended {
			return grantor{}, errSuspended()
		}
		own.users = append(own.users, u)
		if own.average && len(u.Scopes) > 0 {
			narrowed := *own.Key
			narrowed.Scopes = own.Scopes.Within(u.Scopes)
			own.Key = &narrowed
		}
	}
	return own, nil
}

// planned returns the rights of a caller to change k, whose plan may bound it. A plan is read only if k
// has no limit that bounds it whatever its plan is.
func (r *Registry) planned(ctx context.Context, own grantor, k *apikey.Key) (grantor, error) {
	if own.admin || k.Limit != (ratelimit.Limit{}) || k.ID == own.ID {
		return own, nil
	}
	var err error
	own.plan, err = r.planOf(ctx, k.Plan, own.owner())
	return own, err
}

// planOf returns the plan of a key of a user: the one of that name or, if it is empty, that of the
// user. It returns nil if there is none. A plan that is not found is an error, and never no plan.
func (r *Registry) planOf(ctx context.Context, name string, u *apikey.User) (*apikey.Plan, error) {
	if name == "" && u != nil {
		name = u.Plan
	}
	if name == "" {
		return nil, nil
	}
	p, err := r.store.Plan(ctx, name)
	if errors.Is(err, apikey.ErrNotFound) {
		return nil, fmt.Errorf("the plan %s is not stored", name)
	}
	return p, err
}

// checkPlan returns an error for a plan that a change names and that is not stored.
func (r *Registry) checkPlan(ctx context.Context, c apikey.Change) error {
	if c.Plan == nil || *c.Plan == "" {
		return nil
	}
	_, err := r.store.Plan(ctx, *c.Plan)
	if errors.Is(err, apikey.ErrNotFound) {
		return apikey.Invalid("plan", "does not exist: create the plan first")
	}
	return err
}

// owner returns what is set for the owner of the key to change, or nil if it was not read.
func (g grantor) owner() *apikey.User {
	if len(g.users) == 0 {
		return nil
	}
	return g.users[len(g.users)-1]
}

// maxKeys returns how many places the keys of the owner may take: most, unless another number is set
// for the owner.
func (g grantor) maxKeys(most int) int {
	return cmp.Or(g.owner().MaxKeys, most)
}
