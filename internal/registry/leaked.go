package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/pepper"
)

// Leak is a token that a scanner has found in public, with the place where it was found, which may be
// empty.
type Leak struct {
	Credential apikey.Credential
	Source     string
}

// Leaked is the result of one [Leak].
type Leaked struct {
	// KeyID names the key that the token opens or has opened. It is empty if there is none: nothing is
	// done about such a token, even if it has the id of a key.
	KeyID string
	// Static says that the key is one of the configuration, which only the operator can end.
	Static bool
	// Revoked says that the token worked until now. A token in its grace has ended alone, and any
	// other one has ended its key.
	Revoked bool
}

// RevokeLeaked revokes the keys of tokens that a scanner has found in public, with the reason
// [apikey.Leaked]. Only the token itself proves a leak: a text with the id of a key does nothing. A
// replaced token in its grace ends alone. A key that has ended already stays as it is, so a repeated
// report changes nothing.
//
// It returns a result for each leak, in their order. After an error, keys may have been revoked. The
// caller must then repeat the whole call.
func (r *Registry) RevokeLeaked(ctx context.Context, by Origin, scanner string, leaks []Leak) ([]Leaked, error) {
	by.Actor = audit.Actor{Type: actorScanner, ID: scanner}
	results := make([]Leaked, len(leaks))
	todo := make([]int, len(leaks))
	for n := range todo {
		todo[n] = n
	}
	together := itemsTogether
	err := r.retry(ctx, apikey.ErrConflict, func() error {
		ends, err := r.leakedKeys(ctx, leaks, todo, results)
		if err != nil {
			return err
		}
		todo, err = r.endLeaked(ctx, by, ends, together)
		for _, e := range ends {
			for _, n := range e.leaks {
				results[n].Revoked = !slices.Contains(todo, n)
			}
		}
		together = 1 // so that a key that cannot be written does not hold up another one
		if err == nil && len(todo) > 0 {
			err = apikey.ErrConflict
		}
		return err
	})
	return results, err
}

// leakedKey is a key with leaked tokens that still work.
type leakedKey struct {
	from    *apikey.Key
	secrets []int // that the tokens match
	leaks   []int // the indexes of the leaks
	source  string
}

// leakedKeys finds the keys of those leaks whose indexes are in todo, and sets the results of all that
// lead to a key. It returns the keys that must be changed.
func (r *Registry) leakedKeys(ctx context.Context, leaks []Leak, todo []int, results []Leaked) ([]*leakedKey, error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return nil, err
	}
	static, err := r.static(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := r.idsOfTokens(ctx, hasher, leaks, todo)
	if err != nil {
		return nil, err
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(ids)))
	distinct = slices.DeleteFunc(distinct, func(id string) bool { return id == "" })
	records, err := r.store.Records(ctx, distinct)
	if err != nil {
		return nil, fmt.Errorf("find leaked keys: %w", err)
	}
	found := make(map[string]*leakedKey)
	var all []*leakedKey
	for i, n := range todo {
		c := leaks[n].Credential.Alone()
		if k := static.Find(&c); k != nil {
			results[n] = Leaked{KeyID: k.ID, Static: true}
			continue
		}
		record, ok := records[ids[i]]
		if now := r.now(); !ok || record.Key.Gone(now) {
			continue
		}
		k := record.Key
		secret, used, err := hasher.MatchOrReread(ctx, r.options.Reread, k, &c, r.now())
		if err != nil {
			return nil, err
		}
		if hasher = used; secret < 0 {
			continue
		}
		results[n].KeyID = k.ID
		if k.Secrets[secret].Over(r.now()) || !k.RevokedAt.IsZero() {
			continue
		}
		if found[k.ID] == nil {
			found[k.ID] = &leakedKey{from: k}
			all = append(all, found[k.ID])
		}
		l := found[k.ID]
		l.secrets, l.leaks, l.source = append(l.secrets, secret), append(l.leaks, n), cmp.Or(l.source, leaks[n].Source)
	}
	return all, nil
}

// aliasesAtOnce is how many aliases are read at the same time.
const aliasesAtOnce = 32

// idsOfTokens returns the id of the key to which each of the tokens leads, in the order of todo. It may
// be empty.
func (r *Registry) idsOfTokens(ctx context.Context, hasher pepper.Hasher, leaks []Leak, todo []int) ([]string, error) {
	ids := make([]string, len(todo))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(aliasesAtOnce)
	for i, n := range todo {
		token := leaks[n].Credential.Token()
		if token.Native() {
			ids[i] = token.ID()
			continue
		}
		group.Go(func() (err error) {
			defer recovered("find an alias", &err)
			ids[i], err = r.store.Resolve(ctx, hasher.Alias(token))
			if errors.Is(err, apikey.ErrNotFound) {
				ids[i], err = "", nil
			}
			return err
		})
	}
	return ids, group.Wait()
}

// recovered turns a panic of a goroutine into an error, because it would end the process.
func recovered(doing string, err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("%s: panic: %T", doing, cause)
	}
}

// groupsAtOnce is how many groups of leaked keys are fenced and written at the same time.
const groupsAtOnce = 4

// endLeaked ends leaked tokens in transactions of at most so many items. It returns the indexes of the
// leaks whose keys were changed by someone else meanwhile.
//
// A transaction waits for the one before it that has keys of the same user, since both write the user's
// count of keys. The fences of its keys do not wait.
func (r *Registry) endLeaked(ctx context.Context, by Origin, all []*leakedKey, together int) (again []int, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	until, err := r.placesByPlan(ctx, all)
	if err != nil {
		return nil, err
	}
	var (
		mu       sync.Mutex // guards again and failures
		failures []error
		group    errgroup.Group
	)
	group.SetLimit(groupsAtOnce)
	last := make(map[string]chan struct{}) // by user: closed when the user's last group was written
	for _, some := range grouped(all, func(l *leakedKey) *apikey.Key { return l.from }, together) {
		writes := r.leakWrites(by, some, until)
		done := make(chan struct{})
		for i := range writes {
			writes[i].After = last[writes[i].From.UserID]
		}
		for _, l := range some {
			last[l.from.UserID] = done
		}
		group.Go(func() error {
			defer close(done)
			err := r.writeLeaked(ctx, writes)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, apikey.ErrConflict):
				for _, l := range some {
					again = append(again, l.leaks...)
				}
			case err != nil: // one that fails must not save the others
				failures = append(failures, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in failures
	return again, errors.Join(failures...)
}

// writeLeaked is write, and turns a panic into an error.
func (r *Registry) writeLeaked(ctx context.Context, writes []Write) (err error) {
	defer recovered("revoke leaked keys", &err)
	return r.write(ctx, writes...)
}

// leakWrites returns the changes that end leaked tokens.
func (r *Registry) leakWrites(by Origin, all []*leakedKey, until map[string]time.Time) []Write {
	writes := make([]Write, 0, len(all))
	for _, l := range all {
		now := r.now()
		why := apikey.Revocation{Reason: apikey.Leaked, Source: l.source}
		w := Write{From: l.from, To: l.from, Action: ActionRevokeToken, By: by, Why: why}
		for _, n := range l.secrets {
			if l.from.Secrets[n].NotAfter.IsZero() {
				w.To, w.Action = revoked(l.from, now, why), ActionRevoke
				w.PlaceUntil = until[l.from.ID]
				break
			}
			w.To = without(w.To, n, now)
		}
		writes = append(writes, w)
	}
	return writes
}

// placesByPlan is placeByPlan for many keys, by their ids.
func (r *Registry) placesByPlan(ctx context.Context, all []*leakedKey) (map[string]time.Time, error) {
	var userIDs []string
	for _, l := range all {
		userIDs = append(userIDs, l.from.UserID)
	}
	slices.Sort(userIDs)
	users, err := r.store.Users(ctx, slices.Compact(userIDs))
	if err != nil {
		return nil, fmt.Errorf("read what is set for users: %w", err)
	}
	plans := make(map[string]*apikey.Plan)
	ends := make(map[string]time.Time, len(all))
	for _, l := range all {
		k := l.from
		name := cmp.Or(k.Plan, orNone(users[k.UserID], k.UserID).Plan)
		p, known := plans[name]
		if !known && name != "" {
			if p, err = r.store.Plan(ctx, name); err != nil && !errors.Is(err, apikey.ErrNotFound) {
				return nil, err
			}
			plans[name] = p
		}
		ends[k.ID] = k.PlaceUnder(p, r.now(), r.options.Freshness)
	}
	return ends, nil
}
