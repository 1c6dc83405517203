package registry

import (
	"context"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
)

// Bounds of a rotation.
const (
	DefaultGrace = 24 * time.Hour
	MaxGrace     = 30 * 24 * time.Hour
)

// Issued is a key with the token that was just made for it, which is never to be
// had again.
type Issued struct {
	Key   *apikey.Key
	Token apikey.Token
	// Previous is until when the tokens that it replaced work.
	Previous time.Time
	// At is when that was.
	At time.Time
}

// settles is how long a new secret is kept back, so that there is no environment
// left that could refuse it on a read from before.
const settles = gate.MismatchAge + 20*time.Millisecond

// Settle waits until no instance refuses a token by a read that it began before now.
func (r *Registry) Settle(ctx context.Context) error { return r.options.Pause(ctx, settles) }

// Rotate gives a key another secret. The tokens that it has work until grace is
// over. A grace of zero ends all of them, also those that an earlier rotation left in
// their grace: they work for no longer than a read of the key is trusted.
// A foreign token is replaced by a native one.
//
// ErrTwoSecrets: grace is not zero, and an older token is still in its grace. ErrEnded:
// the key is revoked or has expired.
func (r *Registry) Rotate(ctx context.Context, caller Caller, id string, grace time.Duration) (Issued, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return Issued{}, err
	}
	if grace < 0 || grace > MaxGrace {
		return Issued{}, apikey.Invalid("gracePeriod", "must be between 0 and %d seconds", int64(MaxGrace/time.Second))
	}
	issued, err := r.once(ctx, caller, rotationOf(id), func(q *request) (Issued, error) {
		return r.rotate(ctx, caller, id, grace, q)
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, r.options.Pause(ctx, settles)
}

// rotationOf names the operation among idempotent requests.
func rotationOf(id string) string { return "rotate " + id }

func (r *Registry) rotate(ctx context.Context, caller Caller, id string, grace time.Duration, q *request) (issued Issued, err error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return Issued{}, err
	}
	_, err = r.changeWith(ctx, caller, id, func(own grantor, from *apikey.Key) (Write, error) {
		now := r.now()
		if !from.RevokedAt.IsZero() || from.Expired(now) {
			return Write{}, apikey.ErrEnded
		}
		// Whoever gets a token gets all that its key may do.
		if from.ID != own.ID {
			if err := own.mayGrant(from); err != nil {
				return Write{}, err
			}
		}
		token, err := r.options.Format.Next(from.Environment, from.ID, r.options.Random)
		if err != nil {
			return Write{}, err
		}
		to := *from
		to.Rev++
		if to.Secrets, err = rotated(from.Secrets, hasher.Hash(token), grace, now); err != nil {
			return Write{}, err
		}
		to.KeyPrefix = r.keyPrefix(&to, token)
		to.PresentSince = now
		if was := time.UnixMilli(from.Generation()); !now.After(was) { // clocks differ
			to.PresentSince = was.UTC().Add(time.Millisecond)
		}
		issued = Issued{Key: &to, Token: token, Previous: apikey.Earlier(now.Add(grace), to.ExpiresAt), At: now}
		w := Write{To: &to, Action: ActionRotate}
		w.Reply, err = q.seal(issued)
		return w, err
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
	return r.change(ctx, caller, ActionEndGrace, id, func(_ grantor, from *apikey.Key) (*apikey.Key, error) {
		now := r.now()
		if from.PreviousUntil(now).IsZero() {
			return nil, nil
		}
		to := from
		for n, s := range from.Secrets {
			if s.InGrace(now) {
				to = without(to, n, now)
			}
		}
		return to, nil
	})
}

// without is k with secret n ended at once.
func without(k *apikey.Key, n int, now time.Time) *apikey.Key {
	to := *k
	to.Secrets = slices.Clone(k.Secrets)
	to.Secrets[n].NotAfter, to.Secrets[n].Ended = now, true
	return &to
}

// mostEnded bounds how many ended secrets of a key are stored, by the time at which they ended.
// Many tokens of a key that was imported end at one time.
const mostEnded = 10

// tidy ends for good what is over, and forgets what has been for long. The alias
// of a foreign token goes with it.
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
