package registry

import (
	"fmt"
	"strings"
	"testing"

	"latchkey/internal/apikey"
)

func TestKeysAreGroupedByTheItemsThatTheirEndWrites(t *testing.T) {
	key := func(user string, aliases int) *apikey.Key {
		k := &apikey.Key{UserID: user, Secrets: []apikey.Secret{{}}}
		for n := range aliases {
			k.Secrets = append(k.Secrets, apikey.Secret{Alias: fmt.Sprint(n)})
		}
		return k
	}
	many := func(n int, k *apikey.Key) (all []*apikey.Key) {
		for range n {
			all = append(all, k)
		}
		return all
	}
	one := key("a", 0) // three items, and one for the user
	for name, c := range map[string]struct {
		keys []*apikey.Key
		most int
		want string
	}{
		"none":                       {nil, 100, ""},
		"one":                        {many(1, one), 100, "1"},
		"one user, all together":     {many(33, one), 100, "33"},
		"one user, one too many":     {many(34, one), 100, "33 1"},
		"one user, one item less":    {many(33, one), 99, "32 1"},
		"one user, three groups":     {many(65, one), 99, "32 32 1"},
		"each user has a count":      {append(many(16, one), many(17, key("b", 0))...), 100, "32 1"},
		"two users in turn":          {[]*apikey.Key{one, key("b", 0), one, key("b", 0)}, 7, "2 2"},
		"aliases":                    {many(20, key("a", 2)), 100, "19 1"},
		"one at a time":              {many(3, one), 1, "1 1 1"},
		"more items than fit":        {append(many(1, key("a", 120)), many(2, one)...), 100, "1 2"},
		"more items than fit, later": {append(many(2, one), many(1, key("a", 120))...), 100, "2 1"},
	} {
		var sizes []string
		total := 0
		for _, g := range grouped(c.keys, func(k *apikey.Key) *apikey.Key { return k }, c.most) {
			sizes, total = append(sizes, fmt.Sprint(len(g))), total+len(g)
		}
		if got := strings.Join(sizes, " "); got != c.want || total != len(c.keys) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
