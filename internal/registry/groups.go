package registry

import (
	"slices"
	"strings"

	"latchkey/internal/apikey"
)

const (
	// itemsTogether is how many items a transaction takes.
	itemsTogether = 100
	// itemsOfKey is how many items the end of a key writes besides its aliases: the key, the audit entry
	// and the witness. The count of the user's keys is one more for all keys of the user.
	itemsOfKey = 3
)

// grouped divides keys, or what has a key, into groups. One transaction of at most so many items can end
// a group, but a group has at least one key, however many items that takes. The keys of a user follow
// each other. It sorts all.
func grouped[T any](all []T, key func(T) *apikey.Key, most int) (groups [][]T) {
	slices.SortStableFunc(all, func(a, b T) int { return strings.Compare(key(a).UserID, key(b).UserID) })
	begin, items, user := 0, 0, ""
	for n, one := range all {
		k := key(one)
		needed := itemsOfKey + len(k.Aliases())
		if n == begin || k.UserID != user {
			needed++
		}
		if n > begin && items+needed > most {
			groups = append(groups, all[begin:n])
			begin, items, needed = n, 0, itemsOfKey+len(k.Aliases())+1
		}
		items, user = items+needed, k.UserID
	}
	if begin < len(all) {
		groups = append(groups, all[begin:])
	}
	return groups
}
