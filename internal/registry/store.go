package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// Store is everything that a registry stores. These rules hold for every method:
//
//   - It must be safe for concurrent use.
//   - A reader may be called again after any error.
//   - An error of Write other than the named ones means that it is not known whether the change was
//     made.
//   - A read must see every earlier write, unless the method says otherwise.
//   - DynamoDB deletes late. A reader may return an item whose end has come, and the registry must
//     treat it as deleted.
//
// Package registrytest states these contracts as tests.
type Store interface {
	KeyStore
	PolicyStore
	TrailStore
	UsageStore
	ReplyStore
}

// KeyStore stores keys with their aliases, and counts the keys of each user.
type KeyStore interface {
	// Text is needed to seal a key.
	pepper.Texter
	// Find returns a key with its meter, both from one read, or ErrNotFound.
	Find(ctx context.Context, id string) (apikey.Record, error)
	// Resolve returns the id of the key to which an alias leads, or ErrNotFound. The alias may have
	// ended, and the key may be deleted.
	Resolve(ctx context.Context, alias string) (id string, err error)
	// Records returns the keys that exist, by id, each with its meter. It leaves out ids without a
	// key. The records may come from different moments.
	Records(ctx context.Context, ids []string) (map[string]apikey.Record, error)
	// List returns up to limit keys of a user, newest first, that follow after in this order. It
	// never returns keys of another user. It may miss the changes of the last moments. The keys
	// have no secrets.
	List(ctx context.Context, userID string, after Position, limit int) ([]*apikey.Key, error)
	// ListAll returns all keys of a user or, if userID is empty, of all users, each once and in no
	// order. It may miss the changes of the last moments. The keys have the fields by which they are
	// found and sorted, and no others: ID, UserID, Name, KeyPrefix, Enabled, NotBefore, ExpiresAt,
	// CreatedAt and RevokedAt. It returns ErrTooMany if there are more than most, or if it would have
	// to read several times as many items.
	ListAll(ctx context.Context, userID string, most int) ([]*apikey.Key, error)
	// Write makes all changes or none. No two of them may have an id or an alias in common. A
	// change of a stored key sets the revision of To to the one after From's. Write never replaces
	// a revoked key, but deletes it. It returns:
	//
	//   - ErrConflict if the id of a new key or a new alias is taken, if the stored key is not From at
	//     its revision, or if To would replace a revoked key. The same holds for a change of a user's
	//     record or of a plan, and if a plan of Plans has another revision.
	//   - ErrCallerChanged if the stored revision of Caller or of one of Users is another, or if Caller
	//     is revoked.
	//   - ErrTooManyKeys if the user already takes Most places.
	//   - ErrRepeated if a reply of that name is stored and has not ended.
	//   - ErrUnwitnessed if the stored witness does not fit From and its Standing, or if it belongs to
	//     an earlier life of a new key that has not ended. A Checked change never has this error.
	Write(ctx context.Context, changes ...Write) error
	// Places returns how many of a user's places are taken as they were last counted. The number may be
	// too large: see Recount.
	Places(ctx context.Context, userID string, now time.Time) (Places, error)
	// Recount counts a user's places again and stores the number. It leaves out places whose end
	// has come by now, and keys that DynamoDB has deleted after they expired.
	Recount(ctx context.Context, userID string, now time.Time) (Places, error)
}

// PolicyStore stores the records of users, and plans. Only [KeyStore.Write] adds to it. Neither is
// ever deleted.
type PolicyStore interface {
	// User returns what an operator has set for a user, with the user's meters, all from one read.
	// Its User is nil if there is no record. It returns the meters also without a record.
	User(ctx context.Context, userID string) (apikey.UserRecord, error)
	// Users returns what an operator has set for users, by their ids. It leaves out users without a
	// record. The records may come from different moments.
	Users(ctx context.Context, userIDs []string) (map[string]*apikey.User, error)
	// Plan returns the plan of a name, or ErrNotFound.
	Plan(ctx context.Context, name string) (*apikey.Plan, error)
	// Plans returns all plans, by name. It may miss a plan that was first stored in the last
	// moments.
	Plans(ctx context.Context) ([]*apikey.Plan, error)
	// PlanUsers returns up to limit ids of users who have a plan and follow after, in the order of
	// their bytes. It returns fewer only if there are no more. It may miss the changes of the last
	// moments.
	PlanUsers(ctx context.Context, plan, after string, limit int) (ids []string, err error)
	// UserText and PlanText return the stored text of a record, without the seal, which is computed
	// over this text. They do no I/O.
	UserText(u *apikey.User) ([]byte, error)
	PlanText(p *apikey.Plan) ([]byte, error)
	// StoredPolicy returns the record of a user or of a plan with its stored text, as the audit
	// subject that [apikey.UserSubject] or [apikey.PlanSubject] names. It returns ErrNotFound if
	// there is none. A record that the store cannot have written is an [audit.Break].
	StoredPolicy(ctx context.Context, subject string) (audit.Subject, error)
}

// TrailStore stores the audit entries and the witness of each key, user and plan. An id is a key's,
// or the audit subject of a user or a plan. Only [KeyStore.Write] adds to
// it.
type TrailStore interface {
	// Trail returns up to limit entries of a key's trail, newest first, or all if limit is 0. It
	// leaves out lives that began before since. If from is not empty, it begins at that place. It
	// returns the place of the next entry, or "" if there is none. An entry that the store cannot
	// have written is an [audit.Break].
	Trail(ctx context.Context, id string, since time.Time, from string, limit int) (
		entries []audit.Sealed, next string, err error)
	// UserTrail returns the entries of a user's record and of all of the user's keys as Trail does, in
	// the order of their [TrailPosition]. It may miss the entries of the last moments.
	UserTrail(ctx context.Context, userID, from string, limit int) (entries []audit.Sealed, next string, err error)
	// AllTrails returns the places of all entries of all trails, each once and in no order. It may miss
	// the entries of the last moments. It returns ErrTooMany if there are more than most, or if it
	// would have to read several times as many items.
	AllTrails(ctx context.Context, most int) ([]TrailPlace, error)
	// Entries returns the entries at some places, in no order. It leaves out places without an entry.
	Entries(ctx context.Context, places []TrailPlace) ([]audit.Sealed, error)
	// Stored returns a key with its stored text, or ErrNotFound. A record that the store cannot
	// have written is an [audit.Break].
	Stored(ctx context.Context, id string) (*apikey.Key, []byte, error)
	// Witness returns a key's witness, or the zero Witness if there is none.
	Witness(ctx context.Context, id string) (audit.Witness, error)
}

// UsageStore stores the usage of keys and their refusals. The gate, its limiter and its tally write
// to it.
type UsageStore interface {
	// Meters returns the meter of each id. It leaves out ids without a meter.
	Meters(ctx context.Context, ids []string) (map[string]ratelimit.Meter, error)
	// Usage returns the recorded usage of a key from one day to another, both included, in their
	// order. It leaves out days without usage. It includes the usage of former lives.
	Usage(ctx context.Context, id string, from, to ratelimit.Date) ([]ratelimit.DayUsage, error)
	// Usages returns what Usage does for many keys, by id. It leaves out keys without usage. The
	// usage of two keys may come from different moments.
	Usages(ctx context.Context, ids []string, from, to ratelimit.Date) (map[string][]ratelimit.DayUsage, error)
	// Refused returns the refused requests with keys, by id, from one day to another, both included. It
	// leaves out keys without refusals, and refusals of another life of a key.
	Refused(ctx context.Context, keys []*apikey.Key, from, to ratelimit.Date) (map[string]apikey.Refusals, error)
	// OlderUses returns when a token of a key was last used that a rotation had replaced, by the key's
	// id. It leaves out keys without such a use. The use may be of a former life of the key, and the
	// token may have ended.
	OlderUses(ctx context.Context, ids []string) (map[string]time.Time, error)
}

// ReplyStore stores the answers to idempotent requests. Only [KeyStore.Write] adds to it.
type ReplyStore interface {
	// Reply returns the reply of that name, or ErrNotFound.
	Reply(ctx context.Context, name string) (Reply, error)
}

// ErrTooMany is the error of a list that would have to read more than it may.
var ErrTooMany = errors.New("too many items to read")

// Write is one change to a key. It also updates the key's aliases and its user's count of keys. If
// User or Plan is set, it is a change to the record of a user or to a plan instead. From and To are
// then nil, and Delete, Most, Former and Released do not apply.
type Write struct {
	// User is the change to a user's record, and Plan the change to a plan.
	User *Replacement[apikey.User]
	Plan *Replacement[apikey.Plan]
	// From is the key as it was read. It is replaced or deleted only while the stored key has its
	// revision. If nil, the key is new.
	From *apikey.Key
	// To is the key to store. It is nil if and only if Delete is set.
	To *apikey.Key
	// Delete says that From is deleted. Its meter stays, so recreating a key does not reset its
	// limit.
	Delete bool
	// Most is how many places the user of a key that is new, or new to the user, may take. Zero sets
	// no bound.
	Most int
	// PlaceUntil is the time until which a revoked or deleted key takes its place. If it has
	// passed, the place is free at once.
	PlaceUntil time.Time
	// If Tidy is set, the store may read once more to drop ended places. If not, all revocations
	// take the same requests.
	Tidy bool
	// Action and By say what was done, and who did it. The registry writes them to Entry.
	Action string
	By     Origin
	// Why is the reason for which tokens end alone. It is zero if none was given.
	Why apikey.Revocation
	// Entry is the audit entry of the change. If nil, none is stored.
	Entry *audit.Sealed
	// Witness is the witness of Entry. It replaces the stored witness, which must fit From, whose
	// record has this Standing. If Checked is set, it replaces any witness.
	Witness  *audit.Witness
	Standing audit.Standing
	Checked  bool
	// Former is the usage of a deleted key on its last day, or nil if it was not used.
	Former *ratelimit.DayUsage
	// Released is a key that once had aliases of To and owns none of them any more, or "".
	Released string
	// At is the time of the change. Items whose end has come by then count as deleted.
	At time.Time
	// Users are what was set for users when it was read, with the revision 0 if nothing was. The
	// change is made only while each has this revision.
	Users []*apikey.User
	// Plans are plans as they were read. The change is made only while each has this revision.
	Plans []*apikey.Plan
	// Caller is the caller's key as it was read. The change is made only while the stored key has
	// this revision and is not revoked. If nil, the caller has no key.
	Caller *apikey.Key
	// Reply is stored with the change. If nil, no reply is stored.
	Reply *Reply
	// After is closed when the change may be made. The store may get ready before that. If nil, the change
	// may be made at once.
	After <-chan struct{}
}

// Replacement is a record as it was read, and the record to store. From is nil if none is stored. To
// has its own revision, which must be above From's.
type Replacement[T any] struct{ From, To *T }

// Before returns the place of the last entry of the subject's trail, and false if the subject is
// new.
func (w *Write) Before() (p audit.Place, stored bool) {
	switch {
	case w.User != nil && w.User.From != nil:
		return w.User.From.Place(), true
	case w.Plan != nil && w.Plan.From != nil:
		return w.Plan.From.Place(), true
	case w.From != nil:
		return audit.Place{Life: w.From.CreatedAt, Seq: w.From.Rev}, true
	}
	return audit.Place{}, false
}

// policy reports whether w changes a user's record or a plan instead of a key.
func (w *Write) policy() bool { return w.User != nil || w.Plan != nil }

// Ends reports whether w revokes a key, which is done once, or deletes one that was not revoked.
func (w *Write) Ends() bool {
	switch {
	case w.From == nil: // also if a policy is changed
		return false
	case w.Delete:
		return w.From.RevokedAt.IsZero()
	}
	return !w.To.RevokedAt.IsZero()
}

// moves reports whether w gives a key to another user.
func (w *Write) moves() bool { return w.From != nil && !w.Delete && w.From.UserID != w.To.UserID }

// FormerOwner returns the user from whom w takes a key, or "".
func (w *Write) FormerOwner() string {
	if !w.policy() && w.moves() {
		return w.From.UserID
	}
	return ""
}

// Taken says how a change affects the places of a user.
type Taken struct {
	UserID string
	By     int64 // +1 for a key that the user gets, -1 for one that ends or leaves
	// Until is the time until which an ended key takes its place. It is zero if the place is free at
	// once.
	Until time.Time
	// At is when the index of the user's keys begins to change, or zero if the change frees a place.
	At time.Time
}

// Takes returns how a change affects the places of users: of none, of one or, if a key gets another
// user, of two.
func (w *Write) Takes() []Taken {
	switch {
	case w.policy():
		return nil
	case w.From == nil:
		return []Taken{{UserID: w.To.UserID, By: 1, At: w.To.CreatedAt}}
	case w.moves():
		return []Taken{{UserID: w.From.UserID, By: -1, At: w.At}, {UserID: w.To.UserID, By: 1, At: w.At}}
	case !w.Ends():
		return nil
	case w.PlaceUntil.After(w.At):
		return []Taken{{UserID: w.From.UserID, By: -1, Until: w.PlaceUntil}}
	}
	return []Taken{{UserID: w.From.UserID, By: -1}}
}

// Position is a place in a user's list of keys. The zero Position is the beginning of the list.
type Position struct {
	CreatedAt time.Time
	ID        string
}

// String returns a text for p. The texts of positions sort as their keys were created.
func (p Position) String() string {
	return p.CreatedAt.UTC().Format(audit.TimeLayout) + "#" + p.ID
}

// cursor returns the text of p for the caller. It names no user, so it can only lead into the list
// that the caller may read.
func (p Position) cursor() string { return base64.RawURLEncoding.EncodeToString([]byte(p.String())) }

// parseCursor returns the position whose cursor is text.
func parseCursor(text string) (Position, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Position{}, errBadCursor()
	}
	return parsePosition(string(raw))
}

// parsePosition returns the position whose text is text.
func parsePosition(text string) (Position, error) {
	at, id, _ := strings.Cut(text, "#")
	created, err := time.Parse(audit.TimeLayout, at)
	if err != nil || !apikey.ValidID(id) {
		return Position{}, errBadCursor()
	}
	p := Position{CreatedAt: created, ID: id}
	if p.String() != text {
		return Position{}, errBadCursor()
	}
	return p, nil
}

// errBadCursor is the error for a cursor that no answer had.
func errBadCursor() error {
	return apikey.Invalid("cursor", "must be the nextCursor of an earlier answer")
}
