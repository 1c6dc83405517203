package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/pepper"
)

// Once lets a caller make a request again and be answered as before, since nobody
// can tell a reply that was lost from a request that was. The zero Once does not.
type Once struct {
	Key  string // the caller's own name for the request
	Body []byte // what is asked for
}

// Bounds of a request's name, and how long its reply is remembered.
const (
	MinOnceKey = 16
	MaxOnceKey = 255
	onceFor    = 24 * time.Hour
)

// Reply is what a request was answered, as it is stored. Opening it takes the
// pepper and the caller's own name for the request, neither of which is in the
// table.
type Reply struct {
	Name   string // of the caller and the request, and tells neither
	Asked  []byte // a fingerprint of what was asked for
	Pepper string // the name of the pepper that it is sealed with
	Sealed []byte
	At     time.Time
	Until  time.Time // it is forgotten
}

// reply is what is sealed.
type reply struct {
	Key          apikey.Key
	Token        string
	Previous, At time.Time
}

// request is one that may be made again; nil: it may not.
type request struct {
	Reply  // without an answer yet
	key    string
	hasher pepper.Hasher
	random io.Reader
}

// bound is the text that a reply is sealed to: the caller, and the name and content of the request.
// A reply that is copied to the place of another request does not open there.
func (q *request) bound() []byte { return append([]byte(q.Name+"\x00"), q.Asked...) }

// once answers a request as it was answered before, or does what it asks for. do
// has to store what the request seals together with what it does.
func (r *Registry) once(ctx context.Context, caller Caller, what string, do func(*request) (Issued, error)) (Issued, error) {
	key := caller.Once.Key
	if key == "" {
		return do(nil)
	}
	if len(key) < MinOnceKey || len(key) > MaxOnceKey || strings.IndexFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) >= 0 {
		return Issued{}, apikey.Invalid("Idempotency-Key", "must be %d to %d visible ASCII characters without space", MinOnceKey, MaxOnceKey)
	}
	hasher, err := r.hasher(ctx)
	if err != nil {
		return Issued{}, err
	}
	q := &request{key: key, hasher: hasher, random: r.options.Random}
	q.Name = hasher.RequestName(caller.KeyID, caller.UserID, key)
	q.Asked = hasher.Fingerprint(what, string(caller.Once.Body))
	replied := func() (Issued, error) {
		issued, err := r.replied(ctx, q)
		// Callers who rotate their own key may retry with the replaced token, because only this
		// answer has the new one.
		if err == nil && what != rotationOf(caller.KeyID) {
			_, err = r.own(ctx, caller)
		}
		if err != nil {
			return Issued{}, err
		}
		return issued, nil
	}
	if issued, err := replied(); !errors.Is(err, apikey.ErrNotFound) {
		return issued, err
	}
	issued, err := do(q)
	if err == nil {
		return issued, nil
	}
	// The same may have been asked twice at once, and it may have been done although
	// that could not be told: then the reply is there now.
	if issued, again := replied(); !errors.Is(again, apikey.ErrNotFound) {
		return issued, again
	}
	return Issued{}, err
}

// replied is how a request was answered before, or ErrNotFound.
func (r *Registry) replied(ctx context.Context, q *request) (Issued, error) {
	stored, err := r.store.Reply(ctx, q.Name)
	if err == nil && !r.now().Before(stored.Until) {
		err = apikey.ErrNotFound
	}
	if err != nil {
		return Issued{}, err
	}
	if string(stored.Asked) != string(q.Asked) {
		return Issued{}, apikey.ErrReused
	}
	open := func(h pepper.Hasher) ([]byte, error) { return h.Unseal(stored.Pepper, q.key, stored.Sealed, q.bound()) }
	plain, err := open(q.hasher)
	if errors.Is(err, pepper.ErrCannotJudge) {
		newest, rereadErr := r.options.Reread(ctx)
		if rereadErr != nil {
			return Issued{}, fmt.Errorf("load the secret: %w", rereadErr)
		}
		plain, err = open(newest)
	}
	if err != nil {
		return Issued{}, fmt.Errorf("open a reply: %w", err)
	}
	var answer reply
	if err := json.Unmarshal(plain, &answer); err != nil {
		return Issued{}, errors.New("open a reply: it cannot be read") // what it says is secret
	}
	token, err := r.options.Format.Parse(answer.Token)
	if err != nil {
		return Issued{}, fmt.Errorf("open a reply: %w", err)
	}
	return Issued{Key: &answer.Key, Token: token, Previous: answer.Previous, At: answer.At}, nil
}

// seal is the reply to store with what was done.
func (q *request) seal(i Issued) (*Reply, error) {
	if q == nil {
		return nil, nil
	}
	k := *i.Key
	k.Secrets, k.PublicAliases, k.Trail = nil, nil, audit.Head{}
	plain, err := json.Marshal(reply{Key: k, Token: i.Token.Reveal(), Previous: i.Previous, At: i.At})
	if err != nil {
		return nil, fmt.Errorf("encode a reply: %w", err)
	}
	sealed := q.Reply
	sealed.At, sealed.Until = i.At, i.At.Add(onceFor)
	sealed.Pepper, sealed.Sealed, err = q.hasher.Seal(q.random, q.key, plain, q.bound())
	return &sealed, err
}
