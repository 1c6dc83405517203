package gate

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"latchkey/internal/apikey"
)

// memory holds the reads of the table that a gate remembers.
type memory struct {
	keys    *cache[*subject]
	users   *cache[*apikey.User] // what an operator has set for users, most of whom have no record
	plans   *cache[*apikey.Plan]
	aliases *cache[string] // the id of the key to which an alias leads
	meters  *cache[bool]   // when meters were read whose keys are not in the table
	missing *cache[bool]   // when it was logged that a plan is missing
	hits    atomic.Int64   // reads of keys that were saved
	// patiences are of checks that never waited. Making one costs more than the rest of its use.
	patiences sync.Pool
	alone     atomic.Pointer[moment] // since when static keys are limited without the table
}

func newMemory(size int) *memory {
	return &memory{
		keys: newCache[*subject](size), users: newCache[*apikey.User](size), plans: newCache[*apikey.Plan](size),
		aliases: newCache[string](size), meters: newCache[bool](size), missing: newCache[bool](size),
	}
}

// isAlone reports whether static keys are limited without the table now.
func (m *memory) isAlone(now moment) bool {
	since := m.alone.Load()
	return since != nil && now.since(since) < localFor
}

// MemoryHits returns how many reads of a key were saved because memory had it, or had that it does
// not exist. It only grows.
func (g *Gate) MemoryHits() int64 { return g.memory.hits.Load() }

// cache remembers reads by name. The zero T stands for a name that does not exist. Such names have
// a place of their own, so garbage cannot push out others. It is safe for concurrent use.
type cache[T comparable] struct {
	mu      sync.Mutex
	known   *simplelru.LRU[string, *entry[T]] // pointers, so that all caches share one code
	unknown *simplelru.LRU[string, *entry[T]]
	// newest is the read of a known name that was used last, so that a busy name needs no search.
	newest     *entry[T]
	newestName string
}

// entry is a read. It is never changed.
type entry[T any] struct {
	value T
	read  moment // when it began
}

// newCache returns a cache of size names that exist, and as many that do not. It panics if size is
// not positive.
func newCache[T comparable](size int) *cache[T] {
	known, err := simplelru.NewLRU[string, *entry[T]](size, nil)
	if err != nil {
		panic(err) // a caller's bug
	}
	unknown, _ := simplelru.NewLRU[string, *entry[T]](size, nil)
	return &cache[T]{known: known, unknown: unknown}
}

// get returns the read of a name, or nil if there was none.
func (c *cache[T]) get(name string) *entry[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newest != nil && c.newestName == name {
		return c.newest
	}
	e, ok := c.known.Get(name)
	if !ok {
		e, _ = c.unknown.Get(name)
		return e
	}
	c.newest, c.newestName = e, name
	return e
}

// younger returns the read of a name if it is younger than age, and nil otherwise.
func (c *cache[T]) younger(name string, age time.Duration, now *moment) *entry[T] {
	if e := c.get(name); e != nil && now.since(&e.read) < age {
		return e
	}
	return nil
}

// put remembers a read, unless memory has one that began later.
func (c *cache[T]) put(name string, value T, read moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var none T
	here, other := c.known, c.unknown
	if value == none {
		here, other = other, here
	}
	for _, names := range []*simplelru.LRU[string, *entry[T]]{here, other} {
		if e, ok := names.Peek(name); ok && read.before(&e.read) {
			return
		}
	}
	c.newest = nil
	other.Remove(name)
	here.Add(name, &entry[T]{value, read})
}
