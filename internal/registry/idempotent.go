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

// Idempotency makes a create, a rotation or an addition of credits an idempotent request: the caller may repeat it, and
// gets the first answer again. A caller cannot tell a lost answer from a lost request. The zero
// Idempotency asks for none of this.
type Idempotency struct {
	Key  string // the Idempotency-Key, which the caller has chosen
	Body []byte // the content of the request
}

// The length of an Idempotency-Key, in characters.
const (
	MinIdempotencyKey = 16
	MaxIdempotencyKey = 255
)

// replyRetention is how long a reply is stored.
const replyRetention = 24 * time.Hour

// Reply is the stored answer to an idempotent request. Opening it takes the pepper and the caller's
// Idempotency-Key. The table has neither.
type Reply struct {
	Name   string // a hash of the caller and of the Idempotency-Key
	Asked  []byte // a fingerprint of the operation and the body
	Pepper string // the name of the pepper that it is sealed with
	Sealed []byte
	At     time.Time
	Until  time.Time // the end of its retention
}

// reply is the sealed text of a Reply. Its JSON names are stored. Credits have no token.
type reply struct {
	Key          apikey.Key
	Token        string `json:",omitempty"`
	Previous, At time.Time
	User         *apikey.User `json:",omitempty"` // to whom credits were added
}

// request is an idempotent request. A nil request is one that is not idempotent.
type request struct {
	Reply     // without an answer yet
	caller    Caller
	operation string
	hasher    pepper.Hasher
	random    io.Reader
}

// newRequest returns the idempotent request of a caller, or nil if it has no Idempotency-Key.
func (r *Registry) newRequest(ctx context.Context, caller Caller, operation string) (*request, error) {
	key := caller.Idempotency.Key
	if key == "" {
		return nil, nil
	}
	invisible := strings.IndexFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) >= 0
	if len(key) < MinIdempotencyKey || len(key) > MaxIdempotencyKey || invisible {
		return nil, apikey.Invalid("Idempotency-Key",
			"must be %d to %d visible ASCII characters without space", MinIdempotencyKey, MaxIdempotencyKey)
	}
	hasher, err := r.hasher(ctx)
	if err != nil {
		return nil, err
	}
	q := &request{caller: caller, operation: operation, hasher: hasher, random: r.options.Random}
	by := caller.UserID
	if caller.Subject != "" {
		by += "\x00" + caller.Subject // one member of an owner gets no token that another one was issued
	}
	q.Name = hasher.RequestName(caller.KeyID, by, key)
	q.Asked = hasher.Fingerprint(operation, string(caller.Idempotency.Body))
	return q, nil
}

// replay returns the stored answer to q. It returns ErrNotFound if q is nil or has no stored
// answer, and ErrReused if the Idempotency-Key was used for another request.
func (r *Registry) replay(ctx context.Context, q *request) (Issued, error) {
	answer, err := r.answer(ctx, q)
	if err != nil {
		return Issued{}, err
	}
	token, err := r.options.Format.Parse(answer.Token)
	if err != nil {
		return Issued{}, fmt.Errorf("open a reply: %w", err)
	}
	issued := Issued{Key: &answer.Key, Token: token, Previous: answer.Previous, At: answer.At}
	// Callers who rotate their own key may retry with the replaced token, because only this
	// answer has the new one.
	if q.operation != rotationOf(q.caller.KeyID) {
		if err := r.mayRepeat(ctx, q.caller, issued.Key.UserID); err != nil {
			return Issued{}, err
		}
	}
	return issued, nil
}

// mayRepeat returns an error if a caller may change no keys of a user any more.
func (r *Registry) mayRepeat(ctx context.Context, caller Caller, userID string) error {
	own, err := r.own(ctx, caller)
	switch {
	case err != nil:
		return err
	case !own.admin && !caller.Owns(userID):
		return errNotOwner()
	}
	_, err = r.under(ctx, caller, own, userID)
	return err
}

// answer opens the stored answer to q, as replay does.
func (r *Registry) answer(ctx context.Context, q *request) (reply, error) {
	if q == nil {
		return reply{}, apikey.ErrNotFound
	}
	stored, err := r.store.Reply(ctx, q.Name)
	if err != nil {
		return reply{}, err
	}
	if !r.now().Before(stored.Until) {
		return reply{}, apikey.ErrNotFound
	}
	if string(stored.Asked) != string(q.Asked) {
		return reply{}, apikey.ErrReused
	}
	return r.unseal(ctx, q, stored)
}

// replayAfter returns the stored answer to a request that has failed, or the failure if there is
// none. The same request may have succeeded at the same time, or this one may have succeeded
// although its answer was lost.
func (r *Registry) replayAfter(ctx context.Context, q *request, failure error) (Issued, error) {
	issued, err := r.replay(ctx, q)
	if errors.Is(err, apikey.ErrNotFound) {
		return Issued{}, failure
	}
	return issued, err
}

// unseal opens a stored reply. If its pepper is missing, it rereads the deployment's secret.
func (r *Registry) unseal(ctx context.Context, q *request, stored Reply) (answer reply, err error) {
	plain, err := q.hasher.Unseal(stored.Pepper, q.caller.Idempotency.Key, stored.Sealed, q.bound())
	if errors.Is(err, pepper.ErrCannotJudge) {
		newest, rereadErr := r.options.Reread(ctx)
		if rereadErr != nil {
			return reply{}, fmt.Errorf("load the secret: %w", rereadErr)
		}
		plain, err = newest.Unseal(stored.Pepper, q.caller.Idempotency.Key, stored.Sealed, q.bound())
	}
	if err != nil {
		return reply{}, fmt.Errorf("open a reply: %w", err)
	}
	if err := json.Unmarshal(plain, &answer); err != nil {
		return reply{}, errors.New("open a reply: it cannot be read") // the error could quote the token
	}
	return answer, nil
}

// seal returns the reply to store with the change that has issued i, or nil if q is nil.
func (q *request) seal(i Issued) (*Reply, error) {
	if q == nil {
		return nil, nil
	}
	return q.sealAnswer(reply{Key: public(i.Key), Token: i.Token.Reveal(), Previous: i.Previous, At: i.At})
}

// public returns k without what no caller gets.
func public(k *apikey.Key) apikey.Key {
	shown := *k
	shown.Secrets, shown.PublicAliases, shown.Trail = nil, nil, audit.Head{}
	return shown
}

// sealAnswer returns the reply to store with the change that a is the answer to, or nil if q is nil.
func (q *request) sealAnswer(a reply) (*Reply, error) {
	if q == nil {
		return nil, nil
	}
	plain, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode a reply: %w", err)
	}
	sealed := q.Reply
	sealed.At, sealed.Until = a.At, a.At.Add(replyRetention)
	sealed.Pepper, sealed.Sealed, err = q.hasher.Seal(q.random, q.caller.Idempotency.Key, plain, q.bound())
	return &sealed, err
}

// bound is the text that a reply is sealed to: the caller, and the name and content of the request.
// A reply that is copied to the place of another request does not open there.
func (q *request) bound() []byte { return append([]byte(q.Name+"\x00"), q.Asked...) }
