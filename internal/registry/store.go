package registry

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// Store is the part of the table that managing keys needs. It is safe for
// concurrent use. An error other than those named means that it is not known
// whether the change was made.
type Store interface {
	gate.Finder
	// Write makes changes of as many keys, all or nothing. No two of them may have an id or an
	// alias in common. Its errors are:
	//
	//   - ErrConflict: an id or a new alias is taken, the stored revision is not From's, or the key
	//     is revoked.
	//   - ErrCallerChanged: the stored revision of Caller is another, or it is revoked.
	//   - ErrTooManyKeys: the user already takes Most places.
	//   - ErrRepeated: there is a reply of that name that has not ended.
	//   - ErrUnwitnessed: the stored witness does not fit From and its Standing, or it belongs to an
	//     earlier life of a new key that has not ended. A Checked change never has this error.
	Write(ctx context.Context, changes ...Write) error
	// Trail returns up to limit entries of a key's trail, newest first: all when limit
	// is 0, none from lives before since, and from a place on where that is not empty.
	// next is where the rest begins; empty: there is none. It reads strongly
	// consistently.
	Trail(ctx context.Context, id string, since time.Time, from string, limit int) (entries []audit.Sealed, next string, err error)
	// UserTrail returns those of all of a user's keys, newest first, by
	// [TrailPosition]. It may miss what was done in the last moments.
	UserTrail(ctx context.Context, userID, from string, limit int) (entries []audit.Sealed, next string, err error)
	// Stored returns a key with its text as it stands in the table, or ErrNotFound.
	Stored(ctx context.Context, id string) (*apikey.Key, []byte, error)
	// Witness returns a key's witness, or the zero Witness if there is none.
	Witness(ctx context.Context, id string) (audit.Witness, error)
	// Reply returns what was stored with a Write under a name, or ErrNotFound.
	Reply(ctx context.Context, name string) (Reply, error)
	// List returns up to limit of a user's keys, newest first, from after on; it
	// may miss what changed in the last moments, and has no secrets in it.
	List(ctx context.Context, userID string, after Position, limit int) ([]*apikey.Key, error)
	// Records returns the keys that exist, by id, each with its meter. Each read is strongly
	// consistent, but they do not show one moment.
	Records(ctx context.Context, ids []string) (map[string]apikey.Record, error)
	// Meters returns what is counted under each id; one that has no meter is left
	// out. It reads strongly consistently.
	Meters(ctx context.Context, ids []string) (map[string]ratelimit.Meter, error)
	// Usage returns the recorded usage of a key for the days from one to another, in their order,
	// and the usage of former lives that Write was given.
	Usage(ctx context.Context, id string, from, to ratelimit.Date) ([]ratelimit.DayUsage, error)
	// Recount counts a user's places again. It leaves out places whose end has come, and keys that
	// DynamoDB has deleted after they expired.
	Recount(ctx context.Context, userID string, now time.Time) (Places, error)
}

// Write is a change of one key: of the key itself, of its aliases, and of how many
// keys its user has, which a key that becomes revoked or goes is no longer one of.
type Write struct {
	// From is the key as it was read; nil: it is not there yet. Only the revision
	// that it has is replaced.
	From *apikey.Key
	// To is what it is to be; nil: gone, but for its meter, so that nobody wins a
	// fresh limit by deleting. Its revision becomes the one after From's.
	To *apikey.Key
	// Most bounds how many places the user of a new key may take; 0: no bound.
	Most int
	// PlaceUntil is the time until which a revoked or deleted key takes its place. If it has
	// passed, the place is free at once.
	PlaceUntil time.Time
	// If Tidy is set, the store may read once more to drop ended places. If not, all revocations
	// take the same requests.
	Tidy bool
	// Action is what is done, and By who does it. Entry, which tells of it, is written
	// with it; nil: there is none.
	Action string
	By     Origin
	Entry  *audit.Sealed
	// Witness is the entry's. It replaces the stored witness, which must fit From, whose record has
	// this Standing. If Checked is set, it replaces any witness.
	Witness  *audit.Witness
	Standing audit.Standing
	Checked  bool
	// Former is the usage of a deleted key on its last day, or nil if it was not used.
	Former *ratelimit.DayUsage
	// Released is a key that once had aliases of To and owns none of them any more, or "".
	Released string
	// At is the time of the change. Items whose end has come by then count as deleted.
	At time.Time
	// Caller is the key that the caller came with, as it was read. The change is only made
	// while the key is of this revision and not revoked. If nil, the caller has no key.
	Caller *apikey.Key
	// Reply is stored with it; nil: there is none.
	Reply *Reply
}

// Position is a place in a user's list. The zero Position is its beginning.
type Position struct {
	CreatedAt time.Time
	ID        string
}

// String sorts as positions do.
func (p Position) String() string {
	return p.CreatedAt.UTC().Format(audit.TimeLayout) + "#" + p.ID
}

// cursor says where a page ends. It names no user, so that it leads nowhere but
// into the list of whoever presents it.
func (p Position) cursor() string { return base64.RawURLEncoding.EncodeToString([]byte(p.String())) }

func parseCursor(text string) (Position, error) {
	bad := apikey.Invalid("cursor", "must be the nextCursor of an earlier answer")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Position{}, bad
	}
	at, id, _ := strings.Cut(string(raw), "#")
	created, err := time.Parse(audit.TimeLayout, at)
	if err != nil || !apikey.ValidID(id) {
		return Position{}, bad
	}
	p := Position{CreatedAt: created, ID: id}
	if p.String() != string(raw) {
		return Position{}, bad
	}
	return p, nil
}
