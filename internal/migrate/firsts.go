package migrate

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
)

// firsts remembers the fields that the first line of each key states, and the key of each token.
// It keeps only hashes, with a seed of its own, because files are large and hold secrets.
type firsts struct {
	seed   maphash.Seed
	stated map[uint64]statement
}

// statement is the hash of a value, and the line that states it.
type statement struct {
	value uint64
	line  int
}

func newFirsts() firsts {
	return firsts{seed: maphash.MakeSeed(), stated: make(map[uint64]statement)}
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

// agree returns an error if a line contradicts an earlier one. Otherwise it remembers the line. id
// names the key to which token belongs; if empty, the token is a key of its own. A later line of a
// key may omit the fields that the first line has stated, and may not state others.
func (f firsts) agree(token, id string, stated map[string]string, line int) error {
	owner := "id " + id
	if id == "" {
		owner = "token " + token
	}
	first, known := f.stated[f.hash(owner)]
	if known {
		for _, name := range slices.Sorted(maps.Keys(stated)) {
			settled, ok := f.stated[f.hash(owner, name)]
			if !ok || settled.value != f.hash(stated[name]) {
				return wrong(name, fmt.Sprintf("differs from that of line %d, which is the first of this key; "+
					"write the same, or leave it out", first.line))
			}
		}
	}
	place, value := f.hash("token", token), statement{f.hash(owner), line}
	if other, ok := f.stated[place]; ok && other.value != value.value {
		return wrong("key", fmt.Sprintf("belongs to the key of line %d already; remove one of the two lines", other.line))
	} else if !ok {
		f.stated[place] = value
	}
	if !known {
		f.stated[f.hash(owner)] = statement{line: line}
		for name, value := range stated {
			f.stated[f.hash(owner, name)] = statement{f.hash(value), line}
		}
	}
	return nil
}

// knows reports whether a line of the key called id was remembered.
func (f firsts) knows(id string) bool {
	_, ok := f.stated[f.hash("id "+id)]
	return ok
}
