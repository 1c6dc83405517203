package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// TrailPage is one page of a trail. Next is empty on the last.
type TrailPage struct {
	Entries []audit.Entry
	Next    string
}

// Trail returns a page of a key's audit entries, newest first. Only an admin may read the entries
// of a deleted key, also if another key has its id now. Only an admin may read those of a user's
// record or of a plan, whose audit subject is id.
func (r *Registry) Trail(ctx context.Context, caller Caller, id, cursor string, limit int) (TrailPage, error) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return TrailPage{}, err
	}
	from, err := readCursor(cursor, func(text string) error {
		_, err := audit.ParsePlace(text)
		return err
	})
	if err != nil {
		return TrailPage{}, err
	}
	record, err := r.find(ctx, caller, id)
	gone := errors.Is(err, apikey.ErrNotFound) && caller.Scopes.Admin() && (apikey.ValidID(id) || isPolicy(id))
	if err != nil && !gone {
		return TrailPage{}, err
	}
	var since time.Time
	if !caller.Scopes.Admin() {
		since = record.Key.CreatedAt
	}
	entries, next, err := r.store.Trail(ctx, id, since, from, limit)
	if err != nil {
		return TrailPage{}, err
	}
	if gone && cursor == "" && len(entries) == 0 {
		return TrailPage{}, apikey.ErrNotFound
	}
	return r.trailPage(entries, next)
}

// isPolicy reports whether an audit subject is a user's record or a plan.
func isPolicy(subject string) bool {
	_, isUser := apikey.SubjectUser(subject)
	_, isPlan := apikey.SubjectPlan(subject)
	return isUser || isPlan
}

// UserTrail returns a page of the audit entries of a user's record and of all keys of the user,
// newest first. Those of plans belong to [apikey.PlansOwner]. If userID is
// empty, it is the caller. It includes deleted keys. It may miss the entries of the last moments.
func (r *Registry) UserTrail(ctx context.Context, caller Caller, userID, cursor string, limit int) (TrailPage, error) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return TrailPage{}, err
	}
	if userID == "" {
		userID = caller.UserID
	}
	if err := apikey.CheckOwner(userID); err != nil {
		return TrailPage{}, err
	}
	from, err := readCursor(cursor, checkTrailPosition)
	if err != nil {
		return TrailPage{}, err
	}
	entries, next, err := r.store.UserTrail(ctx, userID, from, limit)
	if err != nil {
		return TrailPage{}, err
	}
	return r.trailPage(entries, next)
}

// trailPage opens the entries whose retention is not over.
func (r *Registry) trailPage(entries []audit.Sealed, next string) (TrailPage, error) {
	page := TrailPage{Entries: []audit.Entry{}}
	if next != "" {
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(next))
	}
	now := r.now()
	for _, sealed := range entries {
		if !now.Before(sealed.Until) {
			continue
		}
		e, err := sealed.Open()
		if err != nil {
			return TrailPage{}, err
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

// readCursor returns the place in the store at which the page of a cursor begins. check refuses a
// text that is no such place.
func readCursor(cursor string, check func(string) error) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || check(string(raw)) != nil {
		return "", apikey.Invalid("cursor", "must be the nextCursor of an earlier answer")
	}
	return string(raw), nil
}

// TrailPosition returns the place of an entry among all entries of its owner. Places sort by time.
func TrailPosition(s audit.Sealed) string {
	return fmt.Sprintf("%s#%s#%s", s.At.UTC().Format(audit.TimeLayout), s.Subject, s.Place)
}

// checkTrailPosition returns an error if text is not the TrailPosition of any entry.
func checkTrailPosition(text string) error {
	part := strings.Split(text, "#") // the subject may have this character too
	last := len(part) - 2
	if last < 2 {
		return apikey.ErrInvalid
	}
	at, err := time.Parse(audit.TimeLayout, part[0])
	if err != nil {
		return err
	}
	place, err := audit.ParsePlace(strings.Join(part[last:], "#"))
	subject := strings.Join(part[1:last], "#")
	if err != nil || TrailPosition(audit.Sealed{Place: place, Subject: subject, At: at}) != text {
		return apikey.ErrInvalid
	}
	if !isPolicy(subject) && !apikey.ValidID(subject) {
		return apikey.ErrInvalid
	}
	return nil
}

// Trails returns the audit subjects of a user's record and keys, sorted. It includes deleted keys
// whose audit entries are still stored.
func (r *Registry) Trails(ctx context.Context, userID string) ([]string, error) {
	if err := apikey.CheckOwner(userID); err != nil {
		return nil, err
	}
	keys, err := r.store.List(ctx, userID, Position{}, math.MaxInt32)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	entries, _, err := r.store.UserTrail(ctx, userID, "", 0)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool)
	for _, k := range keys {
		ids[k.ID] = true
	}
	for _, e := range entries {
		ids[e.Subject] = true
	}
	// The entries of the record may be over.
	if record, err := r.store.User(ctx, userID); err != nil {
		return nil, err
	} else if record.User != nil {
		ids[apikey.UserSubject(userID)] = true
	}
	return slices.Sorted(maps.Keys(ids)), nil
}
