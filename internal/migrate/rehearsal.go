package migrate

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/registry"
)

// Rehearse returns a registry that imports as r does, but writes nothing to the table. Its writes
// stay in memory, about a kilobyte for each key. It can do nothing but import, and panics otherwise.
func Rehearse(r *registry.Registry) *registry.Registry {
	return r.WithStore(func(table registry.Store) registry.Store {
		return &rehearsalStore{table: table, keys: make(map[string]*apikey.Key), aliases: make(map[string]string)}
	})
}

type rehearsalStore struct {
	registry.Store // nil, so that a call that no import makes cannot write
	table          registry.Store

	mu      sync.Mutex
	keys    map[string]*apikey.Key
	aliases map[string]string
}

func (s *rehearsalStore) Find(ctx context.Context, id string) (apikey.Record, error) {
	s.mu.Lock()
	k := s.keys[id]
	s.mu.Unlock()
	if k != nil {
		clone := *k
		return apikey.Record{Key: &clone}, nil
	}
	return s.table.Find(ctx, id)
}

func (s *rehearsalStore) Resolve(ctx context.Context, alias string) (string, error) {
	s.mu.Lock()
	id, ok := s.aliases[alias]
	s.mu.Unlock()
	if ok {
		return id, nil
	}
	return s.table.Resolve(ctx, alias)
}

// Text, Stored, Trail and Witness read the table. A registry needs them to seal a change.
func (s *rehearsalStore) Text(k *apikey.Key, rev int64) ([]byte, error) { return s.table.Text(k, rev) }

func (s *rehearsalStore) Stored(ctx context.Context, id string) (*apikey.Key, []byte, error) {
	return s.table.Stored(ctx, id)
}

func (s *rehearsalStore) Trail(ctx context.Context, id string, since time.Time, from string, limit int) (
	[]audit.Sealed, string, error) {
	return s.table.Trail(ctx, id, since, from, limit)
}

func (s *rehearsalStore) Witness(ctx context.Context, id string) (audit.Witness, error) {
	return s.table.Witness(ctx, id)
}

// Write keeps one change. It refuses several with a conflict, so that the registry writes them one
// after another.
func (s *rehearsalStore) Write(ctx context.Context, changes ...registry.Write) error {
	if len(changes) != 1 {
		return apikey.ErrConflict
	}
	from, to := changes[0].From, changes[0].To
	at := changes[0].At
	record, err := s.Find(ctx, to.ID)
	if err == nil && record.Key.Gone(at) {
		err = apikey.ErrNotFound
	}
	switch {
	case from == nil && !errors.Is(err, apikey.ErrNotFound):
		return cmp.Or(err, apikey.ErrConflict)
	case from != nil && (err != nil || record.Key.Rev != from.Rev):
		return cmp.Or(err, apikey.ErrConflict)
	case from != nil:
		to.Rev = from.Rev + 1
	}
	return s.put(ctx, to, at)
}

// put keeps a key, unless one of its aliases belongs to another key.
func (s *rehearsalStore) put(ctx context.Context, k *apikey.Key, at time.Time) error {
	aliases := k.Aliases()
	for _, alias := range aliases {
		if taken, err := s.taken(ctx, alias.Name, k.ID, at); taken || err != nil {
			return cmp.Or(err, apikey.ErrConflict)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clone := *k
	clone.Secrets = slices.Clone(k.Secrets)
	s.keys[k.ID] = &clone
	for _, alias := range aliases {
		s.aliases[alias.Name] = k.ID
	}
	return nil
}

// taken reports whether an alias belongs to another key than id.
func (s *rehearsalStore) taken(ctx context.Context, alias, id string, at time.Time) (bool, error) {
	other, err := s.Resolve(ctx, alias)
	if err == nil && other != id {
		var record apikey.Record
		if record, err = s.Find(ctx, other); err == nil {
			return record.Key.Owns(alias, at), nil
		}
	}
	if errors.Is(err, apikey.ErrNotFound) {
		err = nil
	}
	return false, err
}
