package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"latchkey/internal/apikey"
)

// Owner sums up the keys of one user.
type Owner struct {
	UserID string
	Keys   int // in any state
	Active int
	// LastUsed is the last use of any of the keys, or zero if none was used.
	LastUsed time.Time
}

// Owners returns a page of the users who have keys and whose ids begin with search, in the order of
// the bytes of their ids. It leaves out deleted keys. Only an admin may call it. It may miss a change
// of the last moments.
func (r *Registry) Owners(ctx context.Context, caller Caller, search, cursor string, limit int) (
	owners []Owner, next string, err error,
) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return nil, "", err
	}
	after, err := ownerAfter(search, cursor)
	if err != nil {
		return nil, "", err
	}
	keys, err := r.store.ListAll(ctx, "", maxSorted)
	if errors.Is(err, ErrTooMany) {
		return nil, "", errTooManyToSort(Query{All: true})
	}
	if err != nil {
		return nil, "", fmt.Errorf("list all keys: %w", err)
	}
	now := r.now()
	byOwner := make(map[string][]*apikey.Key)
	for _, k := range keys {
		if !k.Gone(now) && strings.HasPrefix(k.UserID, search) && k.UserID > after {
			byOwner[k.UserID] = append(byOwner[k.UserID], k)
		}
	}
	ids := slices.Sorted(maps.Keys(byOwner))
	if len(ids) > limit {
		ids = ids[:limit]
		next = ownerCursor(search, ids[limit-1])
	}
	var shown []*apikey.Key
	for _, id := range ids {
		shown = append(shown, byOwner[id]...)
	}
	meters, err := r.store.Meters(ctx, idsOf(shown))
	if err != nil {
		return nil, "", fmt.Errorf("read meters: %w", err)
	}
	for _, id := range ids {
		owner := Owner{UserID: id, Keys: len(byOwner[id])}
		for _, k := range byOwner[id] {
			if k.Status(now) == apikey.StatusActive {
				owner.Active++
			}
			owner.LastUsed = apikey.Later(owner.LastUsed, apikey.Record{Key: k, Meter: meters[k.ID]}.LastUsed())
		}
		owners = append(owners, owner)
	}
	return owners, next, nil
}

// ownerCursor returns the cursor of the page after the user id, in the list of the users whom search
// finds.
func ownerCursor(search, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(ownerQuery(search).fingerprint() + "." + id))
}

// ownerAfter returns the user id that a cursor names, or "" if it is empty.
func ownerAfter(search, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	query, id, _ := strings.Cut(string(raw), ".")
	if err != nil || query != ownerQuery(search).fingerprint() || apikey.CheckOwner(id) != nil {
		return "", apikey.Invalid("cursor", "must be the nextCursor of an earlier answer to the same search")
	}
	return id, nil
}

// ownerQuery stands for the list of users whom search finds. No list of keys has this order.
func ownerQuery(search string) Query { return Query{All: true, Sort: "userId", Search: search} }
