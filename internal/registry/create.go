package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"latchkey/internal/apikey"
)

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
		if err := r.options.Pause(ctx, rand.N(time.Duration(try)*5*time.Millisecond)); err != nil {
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
		most = r.options.MaxKeys
		env = cmp.Or(env, own.Environment)
	}
	env = cmp.Or(env, apikey.Live)
	token, err := r.options.Format.New(env, r.options.Random)
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
		places, recountErr := r.store.Recount(ctx, userID, r.now())
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
	hasher, err := r.hasher(ctx)
	if err != nil {
		return nil, err
	}
	k := &apikey.Key{
		ID: token.ID(), UserID: userID, Environment: env, Limit: apikey.DefaultLimit(), Enabled: true,
		CreatedAt: r.now(), Secrets: []apikey.Secret{hasher.Hash(token)},
	}
	if !token.Native() {
		if k.ID, err = apikey.NewID(r.options.Random); err != nil {
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
