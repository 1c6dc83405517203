package migrate

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
)

// firsts remembers what the first line of a key has said of it, for the others
// to agree with. It keeps hashes, of a seed of its own: files are large, and hold
// secrets.
type firsts struct {
	seed maphash.Seed
	said map[uint64]saying
}

type saying struct {
	value uint64
	line  int
}

func newFirsts() firsts {
	return firsts{seed: maphash.MakeSeed(), said: make(map[uint64]saying)}
}

func (f firsts) hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	for _, p := range parts {
		_, _ = h.WriteString(p)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// agree reports where a line of the key called id contradicts an earlier one, and
// remembers one that does not. A line may leave out what the first of its key has
// said; what that one has left out is settled by it. A token without an id is a
// key of its own.
func (f firsts) agree(token, id string, said map[string]string, line int) error {
	owner := "id " + id
	if id == "" {
		owner = "token " + token
	}
	first, known := f.said[f.hash(owner)]
	if known {
		for _, name := range slices.Sorted(maps.Keys(said)) {
			settled, ok := f.said[f.hash(owner, name)]
			if !ok || settled.value != f.hash(said[name]) {
				return wrong(name, fmt.Sprintf("differs from that of line %d, which is the first of this key", first.line))
			}
		}
	}
	place, value := f.hash("token", token), saying{f.hash(owner), line}
	if other, ok := f.said[place]; ok && other.value != value.value {
		return wrong("key", fmt.Sprintf("belongs to the key of line %d already", other.line))
	} else if !ok {
		f.said[place] = value
	}
	if !known {
		f.said[f.hash(owner)] = saying{line: line}
		for name, value := range said {
			f.said[f.hash(owner, name)] = saying{f.hash(value), line}
		}
	}
	return nil
}

// knows reports whether there was a line of the key called id.
func (f firsts) knows(id string) bool {
	_, ok := f.said[f.hash("id "+id)]
	return ok
}
