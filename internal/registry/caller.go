package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/apikey"
)

// Caller is the one who asks, as the gate has found, with the conditions of the request. A user who
// came without a key has no KeyID.
type Caller struct {
	KeyID  string
	UserID string
	Scopes apikey.Scopes
	// Subject is the person who acts for UserID, if UserID is another owner such as an organisation.
	// It is empty if UserID itself acts.
	Subject string
	// Groups are the groups of a user who came without a key. The user acts for their teams too.
	Groups []string
	// Presented says which token of the key the caller presented. If nil, it is not known.
	Presented *Presented
	// From says where the request came from. Its Actor is not used.
	From Origin
	// Match are the revisions of a key for which a change is meant. If nil, it is meant for any.
	Match []int64
	// Idempotency makes a create or a rotation an idempotent request.
	Idempotency Idempotency
}

// Presented is a token of a key as the gate has found it, on a read that may be as old as
// FRESHNESS.
type Presented struct {
	Generation int64 // [apikey.Key.Generation] of the key that was read
	Replaced   bool  // see [apikey.Verdict]
}

// may returns an error if the caller has neither a scope nor keys:admin.
func (c Caller) may(scope string) error {
	if c.Scopes.Allow(scope) || c.Scopes.Admin() {
		return nil
	}
	return &apikey.ScopeError{Scope: scope}
}

// Owns reports whether the caller acts for a user without admin rights: as that user, or as a member
// of that team.
func (c Caller) Owns(userID string) bool {
	if userID == c.UserID {
		return true
	}
	group, ok := apikey.TeamOf(userID)
	return ok && slices.Contains(c.Groups, group)
}

// errNotOwner is the refusal of a userId for which the caller does not act.
func errNotOwner() error {
	return apikey.Forbidden("userId", "must be your own, or team: and a group that you are in")
}

// readable returns the user whose keys the caller may read: userID, or the caller if it is empty.
func (c Caller) readable(userID string) (string, error) {
	userID = cmp.Or(userID, c.UserID)
	if !c.Owns(userID) && !c.Scopes.Admin() {
		return "", errNotOwner()
	}
	return userID, apikey.CheckOwner(userID)
}

// listable returns the user whose keys q asks for, or "" for all users.
func (c Caller) listable(q Query) (string, error) {
	switch {
	case !q.All:
		return c.readable(q.UserID)
	case !c.Scopes.Admin():
		return "", errNotOwner()
	}
	return "", nil
}

// own returns the present rights of the caller. [Write.Caller] makes sure that they are the same
// when a change is written.
func (r *Registry) own(ctx context.Context, caller Caller) (grantor, error) {
	switch {
	case caller.KeyID != "":
	case caller.Scopes.Admin():
		return r.ownAdmin(ctx, caller)
	case r.options.Users == nil:
		return grantor{}, apikey.ErrForbidden
	default:
		return grantor{Key: r.options.Users, average: true}, nil
	}
	record, err := r.read(ctx, caller.KeyID)
	if errors.Is(err, apikey.ErrNotFound) {
		return grantor{}, fmt.Errorf("%w: the calling key is gone", apikey.ErrForbidden)
	}
	if err != nil {
		return grantor{}, fmt.Errorf("find the calling key: %w", err)
	}
	return r.grantor(caller, record.Key)
}

// ownAdmin is own for an admin who came without a key. No gate has judged whether such a user is
// suspended.
func (r *Registry) ownAdmin(ctx context.Context, caller Caller) (grantor, error) {
	record, err := r.store.User(ctx, caller.UserID)
	if err != nil {
		return grantor{}, fmt.Errorf("read what is set for a user: %w", err)
	}
	if orNone(record.User, caller.UserID).Suspended {
		return grantor{}, errSuspended()
	}
	return grantor{Key: &apikey.Key{Scopes: caller.Scopes, Unlimited: true}, admin: true}, nil
}

// errSuspended is the refusal of a change by, or for, a suspended user.
func errSuspended() error { return fmt.Errorf("%w: the user is suspended", apikey.ErrForbidden) }

// grantor judges the caller again by k, the present state of the key that the request came with.
// See manages.
func (r *Registry) grantor(caller Caller, k *apikey.Key) (grantor, error) {
	if err := r.manages(caller, k); err != nil {
		return grantor{}, err
	}
	return grantor{Key: k, admin: caller.Scopes.Admin()}, nil
}

// remembered bounds how long after its end an instance may still accept a token.
const remembered = time.Minute

// manages returns an error if a caller must not change keys, by k, the present state of the key
// that the request came with. The gate admitted the request by an earlier read. Since then, k may
// have ended, and must not enable itself again or live on in another key. Or k may have another
// user, and acts for the former one no more. Or k may have lost keys:write or keys:admin. Or a
// rotation may have replaced the token, whose holder must not get at the new one.
func (r *Registry) manages(caller Caller, k *apikey.Key) error {
	now := r.now()
	if k.Status(now) != apikey.StatusActive {
		return fmt.Errorf("%w: the calling key is not active any more", apikey.ErrForbidden)
	}
	needed := apikey.ScopeWrite
	if caller.Scopes.Admin() {
		needed = apikey.ScopeAdmin
	}
	if err := (Caller{Scopes: k.Scopes}).may(needed); err != nil {
		return err
	}
	if k.UserID != caller.UserID && !caller.Scopes.Admin() {
		return fmt.Errorf("%w: the calling key has another user now", apikey.ErrForbidden)
	}
	p := caller.Presented
	switch {
	case p != nil && (p.Replaced || p.Generation < k.Generation()):
		return apikey.ErrReplaced
	case p != nil && p.Generation == k.Generation():
		return nil
	}
	// An authorizer of an earlier version does not say which token was presented, and an earlier
	// keys function drops fields of the record that it does not know.
	for _, s := range k.Secrets {
		if !s.NotAfter.IsZero() && now.Sub(s.NotAfter) < remembered {
			return errors.New("it is not known whether the calling token was replaced")
		}
	}
	return nil
}
