package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"latchkey/internal/apikey"
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
			return grantor{}, fmt.Errorf("%w: the user is suspended", apikey.ErrForbidden)
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

// maxKeys returns how many places the keys of the owner may take: most, unless another number is set
// for the owner.
func (g grantor) maxKeys(most int) int {
	return cmp.Or(g.users[len(g.users)-1].MaxKeys, most)
}
