package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"latchkey/internal/apikey"
)

// Query says which keys to list. A field that is zero selects no keys, unless its comment says
// otherwise.
type Query struct {
	UserID string // the caller's if empty
	// All asks for the keys of all users. Only an admin may set it, and UserID must be empty.
	All    bool
	Status apikey.Status // any if empty
	Sort   Sort          // SortCreated if empty
	// Search is how the name, in any case of its letters, or the id or the KeyPrefix begins.
	Search string
	// ExpiresBefore selects keys that have not expired, but will before this time.
	ExpiresBefore time.Time
	// UnusedSince selects keys that were not used at this time or later.
	UnusedSince time.Time
	NeverUsed   bool
	// Rotating selects keys with a replaced token that still works.
	Rotating bool

	Cursor string // Next of the page before, or empty for the first
	Limit  int    // must be positive
}

// Sort is the order of a list of keys. Keys that are equal by it are sorted as by SortCreated.
type Sort string

const (
	SortCreated  Sort = "created"  // the newest first
	SortLastUsed Sort = "lastUsed" // the last used first, and those that were never used last
	SortSpent    Sort = "spent"    // the largest part spent of any limit or quota first
)

// Sorts returns every order of a list.
func Sorts() []Sort { return []Sort{SortCreated, SortLastUsed, SortSpent} }

// simple reports whether the index alone finds the keys in their order.
func (q Query) simple() bool {
	return q == Query{UserID: q.UserID, Status: q.Status, Sort: q.Sort, Cursor: q.Cursor, Limit: q.Limit} &&
		(q.Sort == "" || q.Sort == SortCreated)
}

// byUse reports whether a meter decides if a key is in the list.
func (q Query) byUse() bool { return q.NeverUsed || !q.UnusedSince.IsZero() }

// admits reports whether the record of k fits q, as far as the index has it, and whether k does not
// count as deleted.
func (q Query) admits(k *apikey.Key, now time.Time) bool {
	switch {
	case k.Gone(now), q.Status != "" && k.Status(now) != q.Status:
		return false
	case !q.ExpiresBefore.IsZero() && (k.ExpiresAt.IsZero() || k.Expired(now) || !k.ExpiresAt.Before(q.ExpiresBefore)):
		return false
	}
	return q.finds(k)
}

// finds reports whether Search finds k.
func (q Query) finds(k *apikey.Key) bool {
	return q.Search == "" || strings.HasPrefix(k.ID, q.Search) || strings.HasPrefix(k.KeyPrefix, q.Search) ||
		strings.HasPrefix(folded(k.Name), folded(q.Search))
}

// folded returns text in one case of its letters, with one encoding of its accents.
func folded(text string) string { return norm.NFC.String(strings.ToLower(text)) }

// admitsUse reports whether the use of a key fits q.
func (q Query) admitsUse(r apikey.Record) bool {
	used := r.LastUsed()
	switch {
	case q.NeverUsed && !used.IsZero():
		return false
	case !q.UnusedSince.IsZero() && !used.Before(q.UnusedSince):
		return false
	}
	return true
}

// admitsRecord reports whether a key in its present state fits q, whose UserID must be set unless All
// is. The index lags, so another user may own the key by now.
func (q Query) admitsRecord(r apikey.Record, now time.Time) bool {
	return (q.All || r.Key.UserID == q.UserID) && q.admits(r.Key, now) && q.admitsUse(r) &&
		(!q.Rotating || !r.Key.PreviousUntil(now).IsZero())
}

// place is the place of a key in a sorted list: those of a higher rank come first, and of equal ones
// the newest.
type place struct {
	Position
	rank int64
}

func (p place) compare(other place) int {
	return cmp.Or(
		cmp.Compare(other.rank, p.rank),
		other.CreatedAt.Compare(p.CreatedAt),
		strings.Compare(other.ID, p.ID),
	)
}

// cursor returns the text of p for the caller. It is of use for the same list only.
func (q Query) cursor(p place) string {
	text := q.fingerprint() + "." + strconv.FormatInt(p.rank, 36) + "." + p.Position.String()
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// after returns the place that the cursor of q names, and false if q has no cursor.
func (q Query) after() (p place, ok bool, err error) {
	if q.Cursor == "" {
		return place{}, false, nil
	}
	bad := apikey.Invalid("cursor", "must be the nextCursor of an earlier answer to the same query: "+
		"repeat sort, userId and every filter, or leave the cursor out to begin again")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
	if err != nil {
		return place{}, false, bad
	}
	parts := strings.SplitN(string(raw), ".", 3)
	if len(parts) != 3 {
		return place{}, false, bad
	}
	if p.rank, err = strconv.ParseInt(parts[1], 36, 64); err != nil {
		return place{}, false, bad
	}
	if p.Position, err = parsePosition(parts[2]); err != nil || q.cursor(p) != q.Cursor {
		return place{}, false, bad
	}
	return p, true, nil
}

// fingerprint returns a short text that differs between lists of other keys or of another order. It
// protects nothing: a caller may make any cursor, and sees only what the list has.
func (q Query) fingerprint() string {
	q.Cursor, q.Limit = "", 0
	q.Sort = cmp.Or(q.Sort, SortCreated)
	text, err := json.Marshal(q)
	if err != nil {
		panic(err) // cannot happen: every field can be encoded
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
