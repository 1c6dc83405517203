package apikey

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// memory is what a gate remembers of the table. Unknown names have a place of
// their own, so that garbage cannot push out good keys.
type memory struct {
	mu      sync.Mutex
	keys    *simplelru.LRU[string, found]
	unknown *simplelru.LRU[string, Instant]
	aliases *simplelru.LRU[string, string]  // alias to id, until the two do not fit
	meters  *simplelru.LRU[string, Instant] // when those were read whose keys are not in the table
	local   Instant                         // until when static keys are limited without the table
	hits    int64
}

// found is one read of a key.
type found struct {
	key      *Key // nil: there is none
	read     Instant
	now      time.Time // when it is being looked at
	rehashed bool      // or tried to: once a read is enough
}

func newMemory(size int) *memory {
	keys, err := simplelru.NewLRU[string, found](size, nil)
	if err != nil {
		panic(err) // size is not positive: a caller's bug
	}
	unknown, _ := simplelru.NewLRU[string, Instant](size, nil)
	aliases, _ := simplelru.NewLRU[string, string](size, nil)
	meters, _ := simplelru.NewLRU[string, Instant](size, nil)
	return &memory{keys: keys, unknown: unknown, aliases: aliases, meters: meters}
}

// find returns the key behind a token, from memory if what is remembered is
// younger than maxAge.
func (g *Gate) find(io *patience, h Hasher, t Token, maxAge time.Duration, floor time.Time) (found, error) {
	if t.Native() {
		return g.findID(io, t.ID(), maxAge, floor)
	}
	alias := h.Alias(t)
	id, f, err := g.resolve(io, alias, maxAge, floor)
	if err != nil || id == "" {
		return f, err
	}
	f, err = g.findID(io, id, maxAge, floor)
	if err == nil && f.key == nil {
		g.memory.mu.Lock()
		g.memory.aliases.Remove(alias) // its key was deleted
		g.memory.mu.Unlock()
	}
	return f, err
}

// forget makes the next find ask anew which key a foreign token belongs to: its
// alias may have gone with its secret, and be another key's by now. It reports
// whether anything was remembered.
func (g *Gate) forget(h Hasher, t Token) bool {
	if t.Native() {
		return false
	}
	alias := h.Alias(t)
	g.memory.mu.Lock()
	defer g.memory.mu.Unlock()
	return g.memory.aliases.Remove(alias)
}

func (g *Gate) findID(io *patience, id string, maxAge time.Duration, floor time.Time) (found, error) {
	now := g.now(floor)
	g.memory.mu.Lock()
	f, ok := g.memory.keys.Get(id)
	if !ok {
		f.read, ok = g.memory.unknown.Get(id)
	}
	if ok = ok && now.since(f.read) < maxAge; ok {
		g.memory.hits++
	}
	g.memory.mu.Unlock()
	if ok {
		f.now = now.Wall
		return f, nil
	}

	f = found{read: g.now(floor)}
	io.looked++
	record, err := g.table.Find(io, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return found{}, fmt.Errorf("find key: %w", err)
	}
	g.memory.mu.Lock()
	defer g.memory.mu.Unlock()
	if err != nil {
		g.memory.keys.Remove(id)
		g.memory.unknown.Add(id, f.read)
	} else {
		f.key = record.Key
		g.memory.unknown.Remove(id)
		g.memory.keys.Add(id, f)
		g.limiter.Observe(id, record.Meter)
	}
	f.now = g.now(floor).Wall
	return f, nil
}

// MemoryHits is how many reads of a key were saved by remembering it, or that
// there is none: it only grows.
func (g *Gate) MemoryHits() int64 {
	g.memory.mu.Lock()
	defer g.memory.mu.Unlock()
	return g.memory.hits
}

// resolve returns the id behind an alias, or what is known of there being none.
func (g *Gate) resolve(io *patience, alias string, maxAge time.Duration, floor time.Time) (string, found, error) {
	g.memory.mu.Lock()
	id, ok := g.memory.aliases.Get(alias)
	read, unknown := g.memory.unknown.Get(alias)
	g.memory.mu.Unlock()
	if ok {
		return id, found{}, nil
	}
	if unknown && g.age(read, floor) < maxAge {
		return "", found{read: read}, nil
	}
	read = g.now(floor)
	id, err := g.table.Resolve(io, alias)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", found{}, fmt.Errorf("find alias: %w", err)
	}
	g.memory.mu.Lock()
	defer g.memory.mu.Unlock()
	if err != nil {
		g.memory.unknown.Add(alias, read)
		return "", found{read: read}, nil
	}
	g.memory.aliases.Add(alias, id)
	return id, found{}, nil
}
