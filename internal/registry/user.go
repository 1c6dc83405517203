package registry

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/text/unicode/norm"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// User returns what an operator has set for a user: the caller if userID is empty. A user for whom
// nothing was set has the revision 0. Only an admin may read another user's.
func (r *Registry) User(ctx context.Context, caller Caller, userID string) (*apikey.User, error) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return nil, err
	}
	userID, err := caller.readable(userID)
	if err != nil {
		return nil, err
	}
	record, err := r.store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	return orNone(record.User, userID), nil
}

// orNone returns u, or the user for whom nothing is set if u is nil.
func orNone(u *apikey.User, userID string) *apikey.User {
	if u == nil {
		return &apikey.User{ID: userID}
	}
	return u
}

// SetUser changes what is set for a user. If replace is set, each omitted field becomes empty. It
// stores nothing if that changes nothing. Only an admin may call it.
func (r *Registry) SetUser(
	ctx context.Context, caller Caller, userID string, c apikey.UserChange, replace bool,
) (*apikey.User, error) {
	if replace {
		c = c.Whole()
	}
	return r.UpdateUser(ctx, caller, userID, func(*apikey.User) (apikey.UserChange, error) { return c, nil })
}

// UpdateUser is SetUser for a change that depends on what is set. It calls change with that, and
// once more for each attempt.
func (r *Registry) UpdateUser(
	ctx context.Context, caller Caller, userID string, change func(*apikey.User) (apikey.UserChange, error),
) (*apikey.User, error) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return nil, err
	}
	if err := r.checkSettable(ctx, userID); err != nil {
		return nil, err
	}
	return r.changeUser(ctx, caller, userID, nil, func(from *apikey.User) (*apikey.User, string, error) {
		c, err := change(from)
		if err != nil {
			return nil, "", err
		}
		if err := c.Check(); err != nil {
			return nil, "", err
		}
		to := *from
		c.Apply(&to)
		return &to, actionOn(from, &to), nil
	})
}

// checkSettable returns an error if nothing may be set for a user. A user whose id no key may be
// made for any more may have keys of an earlier version, which must be suspendable. What is set for an
// id without keys that only looks like one with keys would bound nobody.
func (r *Registry) checkSettable(ctx context.Context, userID string) error {
	if err := apikey.CheckOwner(userID); err != nil {
		return err
	}
	err := apikey.CheckUserID(userID)
	composed, decomposed := norm.NFC.String(userID), norm.NFD.String(userID)
	if apikey.ReservedUserID(userID) || err == nil && composed == decomposed {
		return err
	}
	for _, id := range []string{userID, composed, decomposed} {
		keys, listErr := r.store.List(ctx, id, Position{}, 1)
		switch {
		case listErr != nil:
			return listErr
		case len(keys) == 0:
		case id == userID:
			return nil
		case err == nil:
			return apikey.Invalid("userId", "has no keys, and an id that looks the same has: "+
				"the accents of the two are encoded differently, so copy the id from the list of keys")
		}
	}
	return err
}

// actionOn returns the action of a change of a user.
func actionOn(from, to *apikey.User) string {
	switch {
	case !from.Suspended && to.Suspended:
		return ActionSuspend
	case from.Suspended && !to.Suspended:
		return ActionResume
	case from.Plan != to.Plan:
		return ActionSetPlan
	}
	return ActionSetUser
}

// A userEdit returns the user to store, and the action of the change. It must not modify from.
type userEdit func(from *apikey.User) (to *apikey.User, action string, err error)

// changeUser reads a user's record, and writes what do returns, with the reply to q unless that is
// nil. If another change comes first, it starts over.
func (r *Registry) changeUser(
	ctx context.Context, caller Caller, userID string, q *request, do userEdit,
) (u *apikey.User, err error) {
	err = r.retry(ctx, apikey.ErrConflict, func() error {
		u, err = r.tryChangeUser(ctx, caller, userID, q, do)
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// tryChangeUser is one attempt of changeUser. It returns ErrConflict if another change came first.
func (r *Registry) tryChangeUser(
	ctx context.Context, caller Caller, userID string, q *request, do userEdit,
) (*apikey.User, error) {
	own, err := r.own(ctx, caller)
	if err != nil {
		return nil, err
	}
	record, err := r.store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	from := orNone(record.User, userID)
	if err := caller.meansRev(from.Rev); err != nil {
		return nil, err
	}
	to, action, err := do(from)
	if err != nil || from.Same(to) {
		return from, err
	}
	plans, err := r.plansOf(ctx, from, to)
	if err != nil {
		return nil, err
	}
	now := r.now()
	if to.Seq++; record.User == nil {
		to.Seq, to.Since = 0, now
	}
	to.Rev = max(from.Rev+1, now.Unix())
	for _, p := range plans {
		to.Rev = max(to.Rev, p.Rev+1)
	}
	answered := *to
	answered.Trail = audit.Head{}
	reply, err := q.sealAnswer(reply{User: &answered, At: now})
	if err != nil {
		return nil, err
	}
	return to, r.write(ctx, Write{
		User: &Replacement[apikey.User]{From: record.User, To: to}, Plans: plans, Action: action,
		By: caller.origin(), Caller: own.caller(), Reply: reply,
	})
}

// plansOf returns the plans of a user before and after a change. The change must only be written
// while they have these revisions: the revision of the user is above theirs.
func (r *Registry) plansOf(ctx context.Context, from, to *apikey.User) (plans []*apikey.Plan, err error) {
	names := []string{to.Plan}
	if from.Plan != to.Plan {
		names = append(names, from.Plan)
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		p, err := r.store.Plan(ctx, name)
		missing := errors.Is(err, apikey.ErrNotFound)
		switch {
		case missing && name == to.Plan && name != from.Plan:
			return nil, apikey.Invalid("plan", "must be a plan that exists: put the plan first")
		case missing:
			continue // it was removed outside the service
		case err != nil:
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// meansRev returns ErrPrecondition if the caller's change is meant for other revisions than rev.
func (c Caller) meansRev(rev int64) error {
	if c.Match != nil && !slices.Contains(c.Match, rev) {
		return apikey.ErrPrecondition
	}
	return nil
}
