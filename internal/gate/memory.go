package gate

import (
	"errors"
	"fmt"
	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// memory is what a gate remembers of the table. Unknown names have a place of
// their own, so that garbage cannot push out good keys.
type memory struct {
	mu      sync.Mutex
	keys    *simplelru.LRU[string, *found] // never changed once stored
	unknown *simplelru.LRU[string, Instant]
	aliases *simplelru.LRU[string, lead]
	meters  *simplelru.LRU[string, Instant] // when those were read whose keys are not in the table
	alone   Instant                         // since when static keys are limited without the table
	hits    int64
}

// found is a key that was read for a token, with the ages of the reads.
type found struct {
	key      *apikey.Key // nil: there is none
	read     Instant
	alias    Instant   // when its alias was read; zero: it was found without one
	own      bool      // the key was read within this check
	sure     bool      // so was the alias, if there is one
	now      time.Time // when it is being looked at
	opened   int       // the secret that the token belongs to, or -1
	rehashed bool      // or tried to: once a read is enough
}

// age returns the age of the older of its reads.
func (f *found) age(now Instant) time.Duration {
	age := now.since(f.read)
	if f.alias != (Instant{}) {
		age = max(age, now.since(f.alias))
	}
	return age
}

// lead is where an alias was read to lead.
type lead struct {
	id   string
	read Instant
}

func newMemory(size int) *memory {
	keys, err := simplelru.NewLRU[string, *found](size, nil)
	if err != nil {
		panic(err) // size is not positive: a caller's bug
	}
	unknown, _ := simplelru.NewLRU[string, Instant](size, nil)
	aliases, _ := simplelru.NewLRU[string, lead](size, nil)
	meters, _ := simplelru.NewLRU[string, Instant](size, nil)
	return &memory{keys: keys, unknown: unknown, aliases: aliases, meters: meters}
}

// recall reports whether a read of a key that is younger than maxAge is known, and
// leaves it in f.
func (m *memory) recall(id string, maxAge time.Duration, now Instant, f *found) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.keys.Get(id); ok {
		if now.since(known.read) >= maxAge {
			return false
		}
		*f = *known
	} else if read, ok := m.unknown.Get(id); ok && now.since(read) < maxAge {
		*f = found{read: read}
	} else {
		return false
	}
	m.hits++
	return true
}

// remember stores a read of a key, unless a read that was begun later is stored already.
func (m *memory) remember(id string, f found) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if newest, ok := m.keys.Peek(id); ok && f.read.before(newest.read) {
		return
	}
	if newest, ok := m.unknown.Peek(id); ok && f.read.before(newest) {
		return
	}
	f.own, f.sure = false, false
	if f.key == nil {
		m.keys.Remove(id)
		m.unknown.Add(id, f.read)
	} else {
		m.unknown.Remove(id)
		m.keys.Add(id, &f)
	}
}

// replace keeps f in place of the read that it was made of.
func (m *memory) replace(f found) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if newest, ok := m.keys.Peek(f.key.ID); ok && newest.read == f.read {
		f.own, f.sure, f.alias = false, false, Instant{}
		m.keys.Add(f.key.ID, &f)
	}
}

// lead returns where an alias leads. An alias that leads nowhere has no id.
func (m *memory) lead(alias string) (lead, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.aliases.Get(alias); ok {
		return l, true
	}
	read, ok := m.unknown.Get(alias)
	return lead{read: read}, ok
}

// setLead keeps where an alias leads, unless a read that was begun later is
// remembered already.
func (m *memory) setLead(alias string, l lead) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if newest, ok := m.aliases.Peek(alias); ok && l.read.before(newest.read) {
		return
	}
	if newest, ok := m.unknown.Peek(alias); ok && l.read.before(newest) {
		return
	}
	if l.id == "" {
		m.aliases.Remove(alias)
		m.unknown.Add(alias, l.read)
	} else {
		m.unknown.Remove(alias)
		m.aliases.Add(alias, l)
	}
}

// meter returns the time of the last read of a meter whose key is not in the table.
func (m *memory) meter(id string) (Instant, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.meters.Get(id)
}

func (m *memory) setMeter(id string, read Instant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meters.Add(id, read)
}

// isAlone reports whether static keys are limited without the table now.
func (m *memory) isAlone(now Instant) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alone != (Instant{}) && now.since(m.alone) < localFor
}

func (m *memory) setAlone(since Instant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alone = since
}

// MemoryHits is how many reads of a key were saved by remembering it, or that
// there is none: it only grows.
func (g *Gate) MemoryHits() int64 {
	g.memory.mu.Lock()
	defer g.memory.mu.Unlock()
	return g.memory.hits
}

// find stores the key behind a token in l, from memory if the read is younger than l.maxAge. The
// key of a foreign token is remembered for longer, unless l.again is set. If the remembered key
// does not fit the token, the token is refused, and a refusal takes a second look.
func (g *Gate) find(io *patience, h pepper.Hasher, t apikey.Token, l *look, arrival time.Time) error {
	if t.Native() {
		return g.findID(io, t.ID(), l, arrival)
	}
	leads, own, err := g.resolve(io, h.Alias(t), l, arrival)
	if err != nil {
		return err
	}
	if leads.id == "" {
		l.found = found{read: leads.read, own: own, sure: own, now: g.time(arrival)}
		return nil
	}
	err = g.findID(io, leads.id, l, arrival)
	l.alias, l.sure = leads.read, l.own && own
	return err
}

func (g *Gate) findID(io *patience, id string, l *look, arrival time.Time) error {
	now := g.instant(arrival)
	if !g.memory.recall(id, l.maxAge, now, &l.found) {
		l.found = found{read: now, own: true, sure: true}
		io.looked++
		record, err := g.table.Find(io, id)
		switch {
		case err == nil && record.Key.Gone(g.time(arrival)):
		case err == nil:
			l.key = record.Key
			g.limiter.Observe(id, record.Meter)
		case !errors.Is(err, apikey.ErrNotFound):
			return fmt.Errorf("find key: %w", err)
		}
		g.memory.remember(id, l.found)
	}
	l.now = g.time(arrival)
	return nil
}

// resolve returns where an alias leads, and whether that was read now.
func (g *Gate) resolve(io *patience, alias string, l *look, arrival time.Time) (lead, bool, error) {
	now := g.instant(arrival)
	known, ok := g.memory.lead(alias)
	if ok && (now.since(known.read) < l.maxAge || known.id != "" && !l.again) {
		return known, false, nil
	}
	id, err := g.table.Resolve(io, alias)
	if err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return lead{}, false, fmt.Errorf("find alias: %w", err)
	}
	read := lead{id, now}
	g.memory.setLead(alias, read)
	return read, true, nil
}
