package registry

import (
	"context"
	"errors"

	"latchkey/internal/apikey"
)

// Plan returns a plan. It returns ErrNotFound unless the caller is an admin, or the plan is that of
// the caller's key or user.
func (r *Registry) Plan(ctx context.Context, caller Caller, name string) (*apikey.Plan, error) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return nil, err
	}
	if !apikey.ValidPlanName(name) {
		return nil, apikey.ErrNotFound
	}
	if !caller.Scopes.Admin() {
		own, err := r.hasPlan(ctx, caller, name)
		if err != nil {
			return nil, err
		}
		if !own {
			return nil, apikey.ErrNotFound
		}
	}
	return r.store.Plan(ctx, name)
}

// hasPlan reports whether a plan is that of the caller's key or user.
func (r *Registry) hasPlan(ctx context.Context, caller Caller, name string) (bool, error) {
	record, err := r.store.User(ctx, caller.UserID)
	if err != nil || record.User != nil && record.User.Plan == name {
		return err == nil, err
	}
	if caller.KeyID == "" {
		return false, nil
	}
	key, err := r.read(ctx, caller.KeyID)
	if errors.Is(err, apikey.ErrNotFound) {
		return false, nil
	}
	return err == nil && key.Key.Plan == name, err
}

// Plans returns all plans, by name. Only an admin may call it. It may miss a plan that was first
// stored in the last moments.
func (r *Registry) Plans(ctx context.Context, caller Caller) ([]*apikey.Plan, error) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return nil, err
	}
	return r.store.Plans(ctx)
}

// PutPlan stores a plan as a whole. It stores nothing if that changes nothing. Of p, Rev, Seq, Since
// and Trail are not used. Only an admin may call it.
func (r *Registry) PutPlan(ctx context.Context, caller Caller, p apikey.Plan) (stored *apikey.Plan, err error) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	p.Key.Limits, p.User.Limits = apikey.SortLimits(p.Key.Limits), apikey.SortLimits(p.User.Limits)
	err = r.retry(ctx, apikey.ErrConflict, func() error {
		stored, err = r.tryPutPlan(ctx, caller, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}

// tryPutPlan is one attempt of PutPlan. It returns ErrConflict if another change came first.
func (r *Registry) tryPutPlan(ctx context.Context, caller Caller, to apikey.Plan) (*apikey.Plan, error) {
	own, err := r.own(ctx, caller)
	if err != nil {
		return nil, err
	}
	from, err := r.store.Plan(ctx, to.Name)
	if err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return nil, err
	}
	now := r.now()
	before := int64(0)
	to.Seq, to.Since = 0, now
	if from != nil {
		before, to.Seq, to.Since = from.Rev, from.Seq+1, from.Since
	}
	if err := caller.meansRev(before); err != nil {
		return nil, err
	}
	if from != nil && from.Same(&to) {
		return from, nil
	}
	to.Rev = max(before+1, now.Unix())
	return &to, r.write(ctx, Write{
		Plan: &Replacement[apikey.Plan]{From: from, To: &to}, Action: ActionSetPlan,
		By: caller.origin(), Caller: own.caller(),
	})
}
