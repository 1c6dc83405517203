package registry

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
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

const positionTime = "2006-01-02T15:04:05.000Z"

// String sorts as positions do.
func (p Position) String() string {
	return p.CreatedAt.UTC().Format(positionTime) + "#" + p.ID
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
	created, err := time.Parse(positionTime, at)
	if err != nil || !apikey.ValidID(id) {
		return Position{}, bad
	}
	p := Position{CreatedAt: created, ID: id}
	if p.String() != string(raw) {
		return Position{}, bad
	}
	return p, nil
}

// Caller is who asks, as the gate has found, and on what condition. A user who
// came without a key, by a proof of their own, has no KeyID.
type Caller struct {
	KeyID  string
	UserID string
	Scopes apikey.Scopes
	// Presented says which of the key's tokens they came with; nil: it is not known.
	Presented *Presented
	// From says where the request came from; who made it stands above.
	From Origin
	// Match holds the revisions of a key for which a change of it is meant; nil: any.
	Match []int64
	// Once makes creating and rotating repeatable.
	Once Once
}

// Presented is a token of a key as the gate has found it, on a read that may be as old as
// FRESHNESS.
type Presented struct {
	Generation int64 // [apikey.Key.Generation] of the key that was read
	Replaced   bool  // see [apikey.Verdict]
}

func (c Caller) may(scope string) error {
	if c.Scopes.Allow(scope) || c.Scopes.Admin() {
		return nil
	}
	return &apikey.ScopeError{Scope: scope}
}

// Registry manages keys. Users see and touch only their own; everything else
// does not exist for them.
type Registry struct {
	Store  Store
	Hasher func(context.Context) (pepper.Hasher, error)
	// Reread is the gate's.
	Reread func(context.Context) (pepper.Hasher, error)
	Format apikey.Format
	Random io.Reader // fit for secrets
	Now    func() time.Time
	// MaxKeys is how many places of one user keys may take, unless an admin makes them: each key
	// takes one until nothing that it has spent counts any more.
	MaxKeys int
	// Freshness is for how long the gate trusts a read of a key: a key that has ended may spend
	// for as long.
	Freshness time.Duration
	// TrailKept is how long is kept what was done to keys.
	TrailKept time.Duration
	// Static returns the keys that stand in no table; nil: there are none.
	Static func(context.Context) ([]*apikey.Key, error)
	// Users is the most that users without a key may grant; nil: nothing. Its limit
	// bounds theirs on the average. It must not be an admin's.
	Users *apikey.Key
	// Pause waits; nil: by the real clock.
	Pause func(context.Context, time.Duration) error
}

// Create makes a key for userID (empty: the caller) and returns it with its
// token, which is never to be had again. What the caller leaves out is inherited
// where the default would reach beyond the caller's own key.
func (r *Registry) Create(ctx context.Context, caller Caller, userID string, env apikey.Environment, c apikey.Change) (*apikey.Key, apikey.Token, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return nil, apikey.Token{}, err
	}
	issued, err := r.once(ctx, caller, "create", func(q *request) (Issued, error) {
		return r.create(ctx, caller, userID, env, c, q)
	})
	return issued.Key, issued.Token, err
}

func (r *Registry) create(ctx context.Context, caller Caller, userID string, env apikey.Environment, c apikey.Change, q *request) (Issued, error) {
	if userID == "" {
		userID = caller.UserID
	}
	// Who has a key of latchkey's own user may make more of them.
	if userID != apikey.OwnUser || caller.UserID != apikey.OwnUser {
		if err := apikey.CheckUserID(userID); err != nil {
			return Issued{}, err
		}
	}
	if err := c.Check(r.now()); err != nil {
		return Issued{}, err
	}
	for try := 1; ; try++ {
		issued, err := r.tryCreate(ctx, caller, userID, env, c, q)
		if !errors.Is(err, apikey.ErrCallerChanged) || try == rewrites {
			return issued, err
		}
		if err := r.pause(ctx, rand.N(time.Duration(try)*5*time.Millisecond)); err != nil {
			return Issued{}, err
		}
	}
}

// tryCreate creates a key within the present rights of the caller.
func (r *Registry) tryCreate(ctx context.Context, caller Caller, userID string, env apikey.Environment, c apikey.Change, q *request) (Issued, error) {
	own, err := r.own(ctx, caller)
	if err != nil {
		return Issued{}, err
	}
	most, given := 0, c
	if !own.admin {
		if userID != caller.UserID {
			return Issued{}, apikey.Forbidden("userId", "must be your own")
		}
		inherit(&c, own)
		most = r.MaxKeys
		env = cmp.Or(env, own.Environment)
	}
	env = cmp.Or(env, apikey.Live)
	token, err := r.Format.New(env, r.Random)
	if err != nil {
		return Issued{}, err
	}
	key, err := r.Build(ctx, token, userID, env, c)
	if err != nil {
		return Issued{}, err
	}
	if err := own.mayGrant(key); err != nil {
		return Issued{}, err
	}
	if own.admin {
		hold(key, given)
	}
	issued := Issued{Key: key, Token: token, At: key.CreatedAt}
	w := Write{To: key, Most: most, Action: ActionCreate, By: caller.origin(), Caller: own.caller()}
	if w.Reply, err = q.seal(issued); err != nil {
		return Issued{}, err
	}
	err = r.write(ctx, w)
	if errors.Is(err, apikey.ErrTooManyKeys) {
		places, recountErr := r.Store.Recount(ctx, userID, r.now())
		if recountErr != nil {
			return Issued{}, fmt.Errorf("recount keys: %w", recountErr)
		}
		if places.Taken < most {
			err = r.write(ctx, w)
		}
		if errors.Is(err, apikey.ErrTooManyKeys) {
			err = &apikey.TooManyKeysError{Until: places.roomAt(most)}
		}
	}
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// Build makes the record for a token, without storing it or asking who may.
func (r *Registry) Build(ctx context.Context, token apikey.Token, userID string, env apikey.Environment, c apikey.Change) (*apikey.Key, error) {
	hasher, err := r.Hasher(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the secret: %w", err)
	}
	k := &apikey.Key{
		ID: token.ID(), UserID: userID, Environment: env, Limit: apikey.DefaultLimit(), Enabled: true,
		CreatedAt: r.now(), Secrets: []apikey.Secret{hasher.Hash(token)},
	}
	if !token.Native() {
		if k.ID, err = apikey.NewID(r.Random); err != nil {
			return nil, err
		}
	}
	k.KeyPrefix = r.keyPrefix(k, token)
	if err := c.Apply(k); err != nil {
		return nil, err
	}
	return k, nil
}

// Install stores a key that [Registry.Build] has made, for one of latchkey's
// commands.
func (r *Registry) Install(ctx context.Context, command string, k *apikey.Key) error {
	return r.write(ctx, Write{To: k, Action: ActionCreate, By: CommandLine(command)})
}

// Find returns one key and what it spent.
func (r *Registry) Find(ctx context.Context, caller Caller, id string) (apikey.Record, error) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return apikey.Record{}, err
	}
	return r.find(ctx, caller, id)
}

func (r *Registry) find(ctx context.Context, caller Caller, id string) (apikey.Record, error) {
	if !apikey.ValidID(id) {
		return apikey.Record{}, apikey.ErrNotFound
	}
	record, err := r.read(ctx, id)
	if err != nil {
		return apikey.Record{}, err
	}
	if record.Key.UserID != caller.UserID && !caller.Scopes.Admin() {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return record, nil
}

// read finds a key in the table. A key whose retention is over counts as deleted.
func (r *Registry) read(ctx context.Context, id string) (apikey.Record, error) {
	record, err := r.Store.Find(ctx, id)
	if err == nil && record.Key.Gone(r.now()) {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return record, err
}

// Query says which keys to list. Limit must be positive.
type Query struct {
	UserID string        // empty: the caller's
	Status apikey.Status // empty: any
	Cursor string
	Limit  int
}

// Page is one page of a list. Next is empty on the last.
type Page struct {
	Keys []*apikey.Key
	Next string
}

// readAhead bounds how many keys are read for one page when few of them have
// the status that is asked for: then the page comes short, with a cursor.
const readAhead = 1000

// List returns keys of one user, newest first.
func (r *Registry) List(ctx context.Context, caller Caller, q Query) (Page, error) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return Page{}, err
	}
	if q.UserID == "" {
		q.UserID = caller.UserID
	}
	if q.UserID != caller.UserID && !caller.Scopes.Admin() {
		return Page{}, apikey.Forbidden("userId", "must be your own")
	}
	if err := apikey.CheckOwner(q.UserID); err != nil {
		return Page{}, err
	}
	var after Position
	if q.Cursor != "" {
		var err error
		if after, err = parseCursor(q.Cursor); err != nil {
			return Page{}, err
		}
	}
	page := Page{Keys: []*apikey.Key{}}
	now := r.now()
	for read := 0; read < readAhead; {
		// One more than fits tells whether there is another page.
		want := q.Limit + 1
		keys, err := r.Store.List(ctx, q.UserID, after, want)
		if err != nil {
			return Page{}, fmt.Errorf("list keys: %w", err)
		}
		for _, k := range keys {
			if !k.Gone(now) && (q.Status == "" || k.Status(now) == q.Status) {
				if len(page.Keys) == q.Limit {
					page.Next = after.cursor()
					return page, nil
				}
				page.Keys = append(page.Keys, k)
			}
			after = Position{CreatedAt: k.CreatedAt, ID: k.ID}
		}
		if len(keys) < want {
			return page, nil
		}
		read += len(keys)
	}
	page.Next = after.cursor()
	return page, nil
}

// own returns the present rights of the caller. [Write.Caller] makes sure that they are the same
// when a change is written.
func (r *Registry) own(ctx context.Context, caller Caller) (grantor, error) {
	switch {
	case caller.KeyID != "":
	case caller.Scopes.Admin():
		return grantor{Key: &apikey.Key{Scopes: caller.Scopes, Unlimited: true}, admin: true}, nil
	case r.Users == nil:
		return grantor{}, apikey.ErrForbidden
	default:
		return grantor{Key: r.Users, average: true}, nil
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

// grantor judges the caller again by k, the present state of the key that the request came with.
// See manages.
func (r *Registry) grantor(caller Caller, k *apikey.Key) (grantor, error) {
	if err := r.manages(caller, k); err != nil {
		return grantor{}, err
	}
	return grantor{Key: k, admin: caller.Scopes.Admin()}, nil
}

// remembered is how long ago a token may have ended that an instance still takes for one
// that works.
const remembered = time.Minute

// manages returns an error if a caller must not change keys, by k, the present state of the key
// that the request came with. The gate admitted the request by an earlier read. Since then, k may
// have ended, and must not enable itself again or live on in another key. Or k may have lost
// keys:write or keys:admin. Or a rotation may have replaced the token, whose holder must not get at
// the new one.
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

// target reads the key to change, and the rights of the caller. If the caller changes its own key,
// both come from one read.
func (r *Registry) target(ctx context.Context, caller Caller, id string) (apikey.Record, grantor, error) {
	if id == caller.KeyID {
		record, err := r.find(ctx, caller, id)
		if err != nil {
			return apikey.Record{}, grantor{}, err
		}
		own, err := r.grantor(caller, record.Key)
		return record, own, err
	}
	own, err := r.own(ctx, caller)
	if err != nil {
		return apikey.Record{}, grantor{}, err
	}
	record, err := r.find(ctx, caller, id)
	return record, own, err
}

// StatusOf returns the window status that the meter of a record shows. An unlimited key has no
// meter, and the zero Status.
func (r *Registry) StatusOf(record apikey.Record) ratelimit.Status {
	if record.Key.Unlimited {
		return ratelimit.Status{}
	}
	return ratelimit.StatusOf(record.Meter, record.Key.Terms(), r.now())
}

// now has the resolution that is stored.
func (r *Registry) now() time.Time { return r.Now().UTC().Truncate(time.Millisecond) }
