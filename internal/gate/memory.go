package gate

import (
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"latchkey/internal/apikey"
)

// memory holds the reads of the table that a gate remembers.
type memory struct {
	keys    *cache[remembered]
	aliases *cache[string]          // the id of the key to which an alias leads
	meters  *cache[bool]            // when meters were read whose keys are not in the table
	hits    atomic.Int64            // reads of keys that were saved
	alone   atomic.Pointer[Instant] // since when static keys are limited without the table
}

// remembered is a key in memory.
type remembered struct {
	key      *apikey.Key // it is never changed
	rehashed bool
}

func newMemory(size int) *memory {
	return &memory{keys: newCache[remembered](size), aliases: newCache[string](size), meters: newCache[bool](size)}
}

// isAlone reports whether static keys are limited without the table now.
func (m *memory) isAlone(now Instant) bool {
	since := m.alone.Load()
	return since != nil && now.since(*since) < localFor
}

// MemoryHits returns how many reads of a key were saved because memory had it, or had that it does
// not exist. It only grows.
func (g *Gate) MemoryHits() int64 { return g.memory.hits.Load() }

// cache remembers reads by name. The zero T stands for a name that does not exist. Such names have
// a place of their own, so garbage cannot push out others. It is safe for concurrent use.
type cache[T comparable] struct {
	mu      sync.Mutex
	known   *simplelru.LRU[string, entry[T]]
	unknown *simplelru.LRU[string, Instant]
}

type entry[T any] struct {
	value T
	read  Instant
}

// newCache returns a cache of size names that exist, and as many that do not. It panics if size is
// not positive.
func newCache[T comparable](size int) *cache[T] {
	known, err := simplelru.NewLRU[string, entry[T]](size, nil)
	if err != nil {
		panic(err) // a caller's bug
	}
	unknown, _ := simplelru.NewLRU[string, Instant](size, nil)
	return &cache[T]{known: known, unknown: unknown}
}

// get returns the value of a name and when its read began. ok is false if there was no read.
func (c *cache[T]) get(name string) (value T, read Instant, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.known.Get(name); ok {
		return e.value, e.read, true
	}
	read, ok = c.unknown.Get(name)
	return value, read, ok
}

// put remembers a read, unless memory has one that began later.
func (c *cache[T]) put(name string, value T, read Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if newest, ok := c.known.Peek(name); ok && read.before(newest.read) {
		return
	}
	if newest, ok := c.unknown.Peek(name); ok && read.before(newest) {
		return
	}
	var none T
	if value == none {
		c.known.Remove(name)
		c.unknown.Add(name, read)
		return
	}
	c.unknown.Remove(name)
	c.known.Add(name, entry[T]{value, read})
}
