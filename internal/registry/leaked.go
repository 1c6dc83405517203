package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
	together := writesTogether
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

const (
	// writesTogether is how many writes of a transaction the keys of a call may take. A transaction
	// takes a hundred.
	writesTogether = 90
	// writesOfKey is how many writes one key takes, besides its aliases.
	writesOfKey = 5
	// lanes is how many transactions are written at the same time. Those of one user are not, because
	// each changes the user's count of keys.
	lanes = 8
)

// endLeaked ends leaked tokens in transactions of at most so many writes. It returns the indexes of the
// leaks whose keys were changed by someone else meanwhile.
func (r *Registry) endLeaked(ctx context.Context, by Origin, all []*leakedKey, together int) (again []int, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	until, err := r.placesByPlan(ctx, all)
	if err != nil {
		return nil, err
	}
	lane := make(map[string]int)
	var queues [lanes][]*leakedKey
	for _, l := range all {
		user := l.from.UserID
		if _, ok := lane[user]; !ok {
			lane[user] = len(lane) % lanes
		}
		queues[lane[user]] = append(queues[lane[user]], l)
	}
	var failures [lanes]error
	var left [lanes][]int
	var group errgroup.Group
	for q := range queues {
		group.Go(func() (err error) {
			defer recovered("revoke leaked keys", &failures[q])
			for rest := queues[q]; len(rest) > 0; {
				n, writes := 0, 0
				for n < len(rest) && (n == 0 || writes+rest[n].weight() <= together) {
					writes += rest[n].weight()
					n++
				}
				some := rest[:n]
				rest = rest[n:]
				switch err := r.write(ctx, r.leakWrites(by, some, until)...); {
				case errors.Is(err, apikey.ErrConflict):
					for _, l := range some {
						left[q] = append(left[q], l.leaks...)
					}
				case err != nil: // one that fails must not save the others
					failures[q] = errors.Join(failures[q], err)
				}
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in failures
	return slices.Concat(left[:]...), errors.Join(failures[:]...)
}

// weight is how many writes of a transaction the change of a key takes at most.
func (l *leakedKey) weight() int { return writesOfKey + len(l.from.Secrets) }

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
