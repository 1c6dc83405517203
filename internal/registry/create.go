package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"latchkey/internal/apikey"
)

// Create makes a key for a user, or for the caller if userID is empty. If env is empty, it is the
// environment of the caller's key, or live for an admin. Create returns the key with its token,
// which is stored nowhere. If the default of an omitted field exceeds the caller's rights, the new
// key gets the caller's value.
func (r *Registry) Create(
	ctx context.Context, caller Caller, userID string, env apikey.Environment, c apikey.Change,
) (*apikey.Key, apikey.Token, error) {
	if err := caller.may(apikey.ScopeWrite); err != nil {
		return nil, apikey.Token{}, err
	}
	q, err := r.newRequest(ctx, caller, "create")
	if err != nil {
		return nil, apikey.Token{}, err
	}
	issued, err := r.replay(ctx, q)
	if errors.Is(err, apikey.ErrNotFound) {
		if issued, err = r.create(ctx, caller, userID, env, c, q); err != nil {
			issued, err = r.replayAfter(ctx, q, err)
		}
	}
	return issued.Key, issued.Token, err
}

// create checks the input and creates a key. If the caller's own key changes meanwhile, it starts
// over.
func (r *Registry) create(
	ctx context.Context, caller Caller, userID string, env apikey.Environment, c apikey.Change, q *request,
) (issued Issued, err error) {
	userID = cmp.Or(userID, caller.UserID)
	// Only a key of latchkey's own user makes more keys for that user.
	if userID != apikey.OwnUser || caller.UserID != apikey.OwnUser {
		if err := apikey.CheckUserID(userID); err != nil {
			return Issued{}, err
		}
	}
	if err := c.Check(r.now()); err != nil {
		return Issued{}, err
	}
	err = r.retry(ctx, apikey.ErrCallerChanged, func() error {
		issued, err = r.tryCreate(ctx, caller, userID, env, c, q)
		return err
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// tryCreate creates a key within the present rights of the caller.
func (r *Registry) tryCreate(
	ctx context.Context, caller Caller, userID string, env apikey.Environment, c apikey.Change, q *request,
) (Issued, error) {
	own, err := r.own(ctx, caller)
	if err != nil {
		return Issued{}, err
	}
	if own, err = r.creator(ctx, caller, own, userID, c); err != nil {
		return Issued{}, err
	}
	most, given, life := 0, c, r.lifeOf(own.plan)
	if c.ExpiresAt == nil {
		end := endOf(r.now(), life)
		if !own.admin {
			end = apikey.Earlier(end, own.ExpiresAt)
		}
		c.ExpiresAt = &end
	}
	if !own.admin {
		inherit(&c, own)
		most = own.maxKeys(r.options.MaxKeys)
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
	if err := checkEnd(key, life); err != nil {
		return Issued{}, err
	}
	if own.admin {
		hold(key, given)
		share(nil, key)
	} else {
		key.Shared, key.SharesDefault = own.family()
	}
	if err := key.CheckShards(); err != nil {
		return Issued{}, err
	}
	if err := own.mayGrant(key); err != nil {
		return Issued{}, err
	}
	issued := Issued{Key: key, Token: token, At: key.CreatedAt}
	reply, err := q.seal(issued)
	if err != nil {
		return Issued{}, err
	}
	w := Write{To: key, Most: most, Action: ActionCreate, By: caller.origin(), Caller: own.caller(), Reply: reply}
	if !own.admin {
		w.Users = own.users
	}
	return issued, r.writePlaced(ctx, w)
}

// creator returns the rights of a caller to make a key for a user, with what is set for the user and
// the plan of the key.
func (r *Registry) creator(
	ctx context.Context, caller Caller, own grantor, userID string, c apikey.Change,
) (grantor, error) {
	plan := ""
	if c.Plan != nil {
		plan = *c.Plan
	}
	switch {
	case own.admin:
		if err := r.checkPlan(ctx, c); err != nil {
			return grantor{}, err
		}
		record, err := r.store.User(ctx, userID)
		if err != nil {
			return grantor{}, fmt.Errorf("read what is set for a user: %w", err)
		}
		own.users = []*apikey.User{orNone(record.User, userID)}
	case !caller.Owns(userID):
		return grantor{}, errNotOwner()
	case c.Plan != nil && plan != own.Plan:
		return grantor{}, apikey.Forbidden("plan", "may be set by an admin only")
	default:
		plan = own.Plan
		var err error
		if own, err = r.under(ctx, caller, own, userID); err != nil {
			return grantor{}, err
		}
	}
	var err error
	own.plan, err = r.planOf(ctx, plan, own.owner())
	return own, err
}

// writePlaced writes a key that is new, or that gets another user. If the user has too many, it counts
// them again. If they are still too many, it returns an [apikey.TooManyKeysError].
func (r *Registry) writePlaced(ctx context.Context, w Write) error {
	err := r.write(ctx, w)
	if !errors.Is(err, apikey.ErrTooManyKeys) {
		return err
	}
	places, err := r.store.Recount(ctx, w.To.UserID, r.now())
	if err != nil {
		return fmt.Errorf("recount keys: %w", err)
	}
	err = apikey.ErrTooManyKeys
	if places.Taken < w.Most {
		err = r.write(ctx, w)
	}
	if errors.Is(err, apikey.ErrTooManyKeys) {
		full := &apikey.TooManyKeysError{Until: places.roomAt(w.Most)}
		if w.From != nil {
			full.Field = "userId"
		}
		return full
	}
	return err
}

// Build returns the record for a token. It stores nothing and checks no rights. A foreign token
// gets a random id.
func (r *Registry) Build(
	ctx context.Context, token apikey.Token, userID string, env apikey.Environment, c apikey.Change,
) (*apikey.Key, error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return nil, err
	}
	k := &apikey.Key{
		ID: token.ID(), UserID: userID, Environment: env, Enabled: true, CreatedAt: r.now(),
		Secrets: []apikey.Secret{hasher.Hash(token)},
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
	return k, k.Spread()
}

// Install stores a key that [Registry.Build] has returned, for one of latchkey's commands.
func (r *Registry) Install(ctx context.Context, command string, k *apikey.Key) error {
	return r.write(ctx, Write{To: k, Action: ActionCreate, By: CommandLine(command)})
}
