package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
)

// Bounds of a rotation. A grace may also be zero.
const (
	DefaultGrace = 24 * time.Hour
	MaxGrace     = 30 * 24 * time.Hour
)

// Issued is a key with the token that was just made for it. The token is stored nowhere, so it
// cannot be read again.
type Issued struct {
	Key   *apikey.Key
	Token apikey.Token
	// Previous is the time until which the replaced tokens work. It is zero for a new key.
	Previous time.Time
	// At is the time of the creation or rotation.
	At time.Time
}

// settles is how long a new token is withheld. After that, no instance refuses it by an earlier
// read.
const settles = gate.MismatchAge + 20*time.Millisecond

// Settle waits until no instance refuses a token by a read that it began before now.
func (r *Registry) Settle(ctx context.Context) error { return r.options.Pause(ctx, settles) }

// Rotate gives a key a new secret. The present tokens of the key work until grace has passed. A
// grace of zero ends all of them, and those in the grace of an earlier rotation too. They then work
// for no longer than a read of the key is trusted. A native token replaces a foreign one.
//
// Rotate returns ErrTwoSecrets if grace is not zero and an older token is still in its grace. It
// returns ErrEnded if the key is revoked or has expired.
func (r *Registry) Rotate(ctx context.Context, caller Caller, id string, grace time.Duration) (Issued, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return Issued{}, err
	}
	if grace < 0 || grace > MaxGrace {
		return Issued{}, apikey.Invalid("gracePeriod", "must be between 0 and %d seconds", int64(MaxGrace/time.Second))
	}
	q, err := r.newRequest(ctx, caller, rotationOf(id))
	if err != nil {
		return Issued{}, err
	}
	issued, err := r.replay(ctx, q)
	if errors.Is(err, apikey.ErrNotFound) {
		if issued, err = r.rotate(ctx, caller, id, grace, q); err != nil {
			issued, err = r.replayAfter(ctx, q, err)
		}
	}
	if err != nil {
		return Issued{}, err
	}
	return issued, r.Settle(ctx)
}

// rotationOf names the operation among idempotent requests.
func rotationOf(id string) string { return "rotate " + id }

// rotate writes one rotation: [Write] says what that stores, and q the reply that is stored with
// it.
func (r *Registry) rotate(
	ctx context.Context, caller Caller, id string, grace time.Duration, q *request,
) (issued Issued, err error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return Issued{}, err
	}
	_, err = r.change(ctx, caller, id, func(own grantor, from *apikey.Key) (w Write, changed bool, err error) {
		now := r.now()
		if !from.RevokedAt.IsZero() || from.Expired(now) {
			return Write{}, false, apikey.ErrEnded
		}
		// The holder of a token may do all that its key may do.
		if from.ID != own.ID {
			if err := own.mayGrant(from); err != nil {
				return Write{}, false, err
			}
		}
		token, err := r.options.Format.Next(from.Environment, from.ID, r.options.Random)
		if err != nil {
			return Write{}, false, err
		}
		to := *from
		to.Rev++
		if to.Secrets, err = rotated(from.Secrets, hasher.Hash(token), grace, now); err != nil {
			return Write{}, false, err
		}
		to.KeyPrefix = r.keyPrefix(&to, token)
		to.PresentSince = now
		if was := time.UnixMilli(from.Generation()); !now.After(was) { // clocks differ
			to.PresentSince = was.UTC().Add(time.Millisecond)
		}
		issued = Issued{Key: &to, Token: token, Previous: apikey.Earlier(now.Add(grace), to.ExpiresAt), At: now}
		reply, err := q.seal(issued)
		return Write{To: &to, Action: ActionRotate, Reply: reply}, true, err
	})
	return issued, err
}

// rotated returns a key's secrets with next after them. Those that had no end are one
// generation, and end after grace. Two generations may open a key: ErrTwoSecrets refuses a
// third. A grace of zero ends every older secret now, and is never refused.
func rotated(secrets []apikey.Secret, next apikey.Secret, grace time.Duration, now time.Time) ([]apikey.Secret, error) {
	secrets = slices.Clone(secrets)
	for i := range secrets {
		switch s := &secrets[i]; {
		case s.Over(now):
		case grace == 0:
			s.NotAfter, s.Ended = now, true
		case s.NotAfter.IsZero():
			s.NotAfter = now.Add(grace)
		default:
			return nil, apikey.ErrTwoSecrets
		}
	}
	return append(secrets, next), nil
}

// EndGrace ends every token that a rotation replaced, now. The present tokens stay. It changes
// nothing if there is no replaced token that still works.
func (r *Registry) EndGrace(ctx context.Context, caller Caller, id string) (apikey.Record, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return apikey.Record{}, err
	}
	return r.change(ctx, caller, id, func(_ grantor, from *apikey.Key) (Write, bool, error) {
		now := r.now()
		if from.PreviousUntil(now).IsZero() {
			return Write{}, false, nil
		}
		to := from
		for n, s := range from.Secrets {
			if s.InGrace(now) {
				to = without(to, n, now)
			}
		}
		return Write{To: to, Action: ActionEndGrace}, true, nil
	})
}

// without returns k with secret n ended at the time now.
func without(k *apikey.Key, n int, now time.Time) *apikey.Key {
	to := *k
	to.Secrets = slices.Clone(k.Secrets)
	to.Secrets[n].NotAfter, to.Secrets[n].Ended = now, true
	return &to
}

// mostEnded bounds how many ended secrets of a key are stored, by the time at which they ended.
// Many tokens of a key that was imported end at one time.
const mostEnded = 10

// tidy returns secrets with those that are over marked as ended for good, and without those that
// ended long ago. The alias of a foreign token is deleted with its secret.
func tidy(secrets []apikey.Secret, now time.Time) []apikey.Secret {
	kept, ends := make([]apikey.Secret, 0, len(secrets)), make(map[int64]bool)
	for _, s := range slices.Backward(secrets) { // newest first
		if s.Over(now) {
			end := s.NotAfter.UnixMilli()
			if !ends[end] && len(ends) == mostEnded || s.Forgotten(now) {
				continue
			}
			ends[end], s.Ended = true, true
		}
		kept = append(kept, s)
	}
	slices.Reverse(kept)
	return kept
}

// keyPrefix returns the first characters of the present token of k: those of token or, if token is
// the zero Token, those that k has. It drops the prefix that earlier versions gave to imported
// keys, since none of their tokens has it.
func (r *Registry) keyPrefix(k *apikey.Key, token apikey.Token) string {
	native := r.options.Format.KeyPrefix(k.Environment, k.ID)
	switch newest := len(k.Secrets) - 1; {
	case newest >= 0 && k.Secrets[newest].Alias == "":
		return native
	case token.Reveal() != "":
		return apikey.Beginning(token.Reveal())
	case k.KeyPrefix == native:
		return ""
	}
	return k.KeyPrefix
}
