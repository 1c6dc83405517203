package registry

import (
	"cmp"
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
	actors  map[string]*apikey.Key
}

// ActorName returns the name of the key that made a change. It is empty if the key has no name or is
// gone, if the caller may not read it, and if another caller than a key made the change.
func (p TrailPage) ActorName(e audit.Entry) string {
	k := p.actors[e.Actor.ID]
	if k == nil || !byKey(e.Actor) || k.CreatedAt.After(e.At) {
		return ""
	}
	return k.Name
}

// byKey reports whether the id of an actor is a key's.
func byKey(a audit.Actor) bool { return a.Type == actorKey || a.Type == actorToken }

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
	return r.trailPage(ctx, caller, entries, next)
}

// isPolicy reports whether an audit subject is a user's record or a plan.
func isPolicy(subject string) bool {
	_, isUser := apikey.SubjectUser(subject)
	_, isPlan := apikey.SubjectPlan(subject)
	return isUser || isPlan
}

// TrailQuery says which audit entries to return.
type TrailQuery struct {
	UserID string // the caller's if empty
	// All asks for the entries of all users and plans. UserID must be empty.
	All    bool
	Action string // any if empty
	Cursor string // TrailPage.Next of the page before, or empty for the first
	Limit  int    // must be positive
}

// UserTrail returns a page of the audit entries of a user's record and of all keys of the user, or of all
// users, newest first. Those of plans belong to [apikey.PlansOwner]. It includes deleted keys. It may miss
// the entries of the last moments. If few entries have the action of the query, the page may be short
// and have a cursor.
func (r *Registry) UserTrail(ctx context.Context, caller Caller, q TrailQuery) (TrailPage, error) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return TrailPage{}, err
	}
	userID := cmp.Or(q.UserID, caller.UserID)
	if err := apikey.CheckOwner(userID); err != nil {
		return TrailPage{}, err
	}
	from, err := readCursor(q.Cursor, checkTrailPosition)
	if err != nil {
		return TrailPage{}, err
	}
	if q.All {
		page, err := r.allTrails(ctx, q, from)
		if err != nil {
			return TrailPage{}, err
		}
		return r.withActors(ctx, caller, page)
	}
	page := TrailPage{Entries: []audit.Entry{}}
	for read := 0; ; {
		entries, next, err := r.store.UserTrail(ctx, userID, from, q.Limit)
		if err != nil {
			return TrailPage{}, err
		}
		if err := r.fill(&page, q, entries); err != nil {
			return TrailPage{}, err
		}
		read += len(entries)
		if page.Next == "" {
			page.Next = trailCursor(next)
		}
		if q.Action == "" || next == "" || len(page.Entries) == q.Limit || read >= readAhead {
			return r.withActors(ctx, caller, page)
		}
		page.Next, from = "", next
	}
}

// fill adds the entries to a page that a query asks for. If they do not fit, the page gets the cursor
// of the first one that is left out.
func (r *Registry) fill(page *TrailPage, q TrailQuery, entries []audit.Sealed) error {
	for _, sealed := range r.unforgotten(entries) {
		e, err := sealed.Open()
		switch {
		case err != nil:
			return err
		case q.Action != "" && e.Action != q.Action:
		case len(page.Entries) == q.Limit:
			page.Next = trailCursor(TrailPosition(sealed))
			return nil
		default:
			page.Entries = append(page.Entries, e)
		}
	}
	return nil
}

// trailPage opens the entries whose retention is not over.
func (r *Registry) trailPage(
	ctx context.Context, caller Caller, entries []audit.Sealed, next string,
) (TrailPage, error) {
	page := TrailPage{Entries: []audit.Entry{}, Next: trailCursor(next)}
	for _, sealed := range r.unforgotten(entries) {
		e, err := sealed.Open()
		if err != nil {
			return TrailPage{}, err
		}
		page.Entries = append(page.Entries, e)
	}
	return r.withActors(ctx, caller, page)
}

// unforgotten returns the entries whose retention is not over.
func (r *Registry) unforgotten(entries []audit.Sealed) []audit.Sealed {
	now := r.now()
	return slices.DeleteFunc(entries, func(e audit.Sealed) bool { return !now.Before(e.Until) })
}

// withActors adds the keys to a page that made its changes and that the caller may read.
func (r *Registry) withActors(ctx context.Context, caller Caller, page TrailPage) (TrailPage, error) {
	var ids []string
	for _, e := range page.Entries {
		if byKey(e.Actor) && apikey.ValidID(e.Actor.ID) {
			ids = append(ids, e.Actor.ID)
		}
	}
	if len(ids) == 0 {
		return page, nil
	}
	slices.Sort(ids)
	records, err := r.store.Records(ctx, slices.Compact(ids))
	if err != nil {
		return TrailPage{}, fmt.Errorf("read the keys of a trail: %w", err)
	}
	page.actors = make(map[string]*apikey.Key, len(records))
	for id, record := range records {
		if k := record.Key; !k.Gone(r.now()) && (caller.Owns(k.UserID) || caller.Scopes.Admin()) {
			page.actors[id] = k
		}
	}
	return page, nil
}

// trailCursor returns the cursor of a place in the store, or "" if there is none.
func trailCursor(next string) string { return base64.RawURLEncoding.EncodeToString([]byte(next)) }

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
