package gate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// lru is a slow cache of one kind of names: the one that was used last is at its end.
type lru struct {
	names []string
	reads map[string]entry[int]
}

func (l *lru) use(name string) {
	l.names = append(slices.DeleteFunc(l.names, func(n string) bool { return n == name }), name)
}

func (l *lru) remove(name string) {
	l.names = slices.DeleteFunc(l.names, func(n string) bool { return n == name })
	delete(l.reads, name)
}

// A cache remembers what a slow one does, whatever was used last.
func TestCache(t *testing.T) {
	const size = 3
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		c := newCache[int](size)
		known, unknown := &lru{reads: map[string]entry[int]{}}, &lru{reads: map[string]entry[int]{}}
		for step := range 200 {
			name := fmt.Sprint("name", random.IntN(5))
			if random.IntN(2) == 0 {
				var want *entry[int]
				for _, l := range []*lru{unknown, known} {
					if e, ok := l.reads[name]; ok {
						want = &e
						l.use(name)
					}
				}
				got := c.get(name)
				if (got == nil) != (want == nil) || got != nil && *got != *want {
					t.Fatalf("seed %d, step %d: %v, want %v", seed, step, got, want)
				}
				continue
			}
			e := entry[int]{value: random.IntN(3), read: moment{mono: time.Duration(random.IntN(step + 1))}}
			c.put(name, e.value, e.read)
			here, other := known, unknown
			if e.value == 0 {
				here, other = other, here
			}
			older := func(l *lru) bool { old, ok := l.reads[name]; return ok && e.read.mono < old.read.mono }
			if older(here) || older(other) {
				continue
			}
			other.remove(name)
			here.reads[name] = e
			if here.use(name); len(here.names) > size {
				here.remove(here.names[0])
			}
		}
	}
}
