package registrytest

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// together returns the changes that create keys.
func together(keys ...*apikey.Key) (all []registry.Write) {
	for _, k := range keys {
		all = append(all, registry.Write{To: k})
	}
	return all
}

var writeContracts = []contract{
	{"Write creates a key with its aliases and its place, or nothing of it", func(t *testing.T, s Store) {
		first := NewKey(1, "u1")
		Create(t, s, first, 2)
		sameID := NewKey(1, "u2")
		sameID.Secrets[0].Alias = "another"
		fails(t, "the same id", s.Write(t.Context(), registry.Write{To: sameID, Most: 2}), apikey.ErrConflict)
		_, err := s.Resolve(t.Context(), "another")
		fails(t, "the alias of a key that was not created", err, apikey.ErrNotFound)
		sameAlias := NewKey(2, "u1")
		sameAlias.Secrets = first.Secrets
		fails(t, "the same alias", s.Write(t.Context(), registry.Write{To: sameAlias, Most: 2}), apikey.ErrConflict)
		// Neither takes a place.
		Create(t, s, NewKey(3, "u1"), 2)
		third := registry.Write{To: NewKey(4, "u1"), Most: 2}
		fails(t, "a third key of two", s.Write(t.Context(), third), apikey.ErrTooManyKeys)
		if id, err := s.Resolve(t.Context(), first.Aliases()[0].Name); err != nil || id != first.ID {
			t.Errorf("resolve = %q, %v", id, err)
		}
	}},
	{"Write gives a key to another user, with its place, or not", func(t *testing.T, s Store) {
		Create(t, s, NewKey(1, "u1"), 2)
		Create(t, s, NewKey(2, "u2"), 2)
		give := func(n int, from, to string, most int) error {
			r, err := s.Find(t.Context(), NewKey(n, from).ID)
			must(t, err)
			k := *r.Key
			k.UserID = to
			return s.Write(t.Context(), registry.Write{From: r.Key, To: &k, Most: most, At: Morning().Add(time.Minute)})
		}
		fails(t, "a second key of one", give(1, "u1", "u2", 1), apikey.ErrTooManyKeys)
		for _, user := range []string{"u1", "u2"} {
			if p, err := s.Recount(t.Context(), user, Morning()); err != nil || p.Taken != 1 {
				t.Errorf("refused: %s takes %+v, %v", user, p, err)
			}
		}
		must(t, give(1, "u1", "u2", 2))
		must(t, give(2, "u2", "u1", 2))
		must(t, give(2, "u1", "u2", 2))
		for user, want := range map[string]int{"u1": 0, "u2": 2} {
			p, err := s.Recount(t.Context(), user, Morning().Add(80*time.Second)) // the index may lag yet
			if err != nil || p.Taken != want {
				t.Errorf("%s takes %+v, %v", user, p, err)
			}
			if p, err = s.Recount(t.Context(), user, Morning().Add(time.Hour)); err != nil || p.Taken != want {
				t.Errorf("later: %s takes %+v, %v", user, p, err)
			}
			if keys, err := s.List(t.Context(), user, registry.Position{}, 10); err != nil || len(keys) != want {
				t.Errorf("%s lists %d keys, %v", user, len(keys), err)
			}
		}
		third := registry.Write{To: NewKey(3, "u2"), Most: 2}
		fails(t, "a third key of two", s.Write(t.Context(), third), apikey.ErrTooManyKeys)
	}},
	{"Write makes all changes or none", func(t *testing.T, s Store) {
		var keys []*apikey.Key
		for n := range registry.MaxTogether {
			keys = append(keys, NewKey(n, "u"+strconv.Itoa(n%3)))
		}
		Create(t, s, keys[7], 0)
		fails(t, "one is stored already", s.Write(t.Context(), together(keys...)...), apikey.ErrConflict)
		other := NewKey(100, "u1")
		other.Secrets = keys[15].Secrets
		must(t, s.Write(t.Context(), together(keys[15], NewKey(101, "u1"))...))
		fails(t, "an alias is another's", s.Write(t.Context(), together(NewKey(102, "u1"), other)...), apikey.ErrConflict)
		for n, want := range map[int]error{
			0: apikey.ErrNotFound, 7: nil, 15: nil, 101: nil, 100: apikey.ErrNotFound, 102: apikey.ErrNotFound,
		} {
			_, err := s.Find(t.Context(), NewKey(n, "").ID)
			fails(t, "key "+strconv.Itoa(n), err, want)
		}
		all := append(append([]*apikey.Key{}, keys[:7]...), append(keys[8:15:15], keys[16:]...)...)
		must(t, s.Write(t.Context(), together(all...)...))
		// Each user is counted: there is room for one more, and for no other.
		for user, have := range map[string]int{"u0": 7, "u1": 8, "u2": 6} {
			Create(t, s, NewKey(200+have*10+len(user)+int(user[1]), user), have+1)
			one := registry.Write{To: NewKey(300+int(user[1]), user), Most: have + 1}
			fails(t, user, s.Write(t.Context(), one), apikey.ErrTooManyKeys)
		}
	}},
	{"Of many that create at the same time, as many succeed as there are places", func(t *testing.T, s Store) {
		const most, asked = 3, 8
		created := 0
		for _, err := range concurrently(asked, func(n int) error {
			return s.Write(t.Context(), registry.Write{To: NewKey(n, "u1"), Most: most})
		}) {
			if err == nil {
				created++
			} else {
				fails(t, "create", err, apikey.ErrTooManyKeys)
			}
		}
		if created != most {
			t.Errorf("%d keys were created, %d allowed", created, most)
		}
	}},
	{"Write replaces only the revision that was read", func(t *testing.T, s Store) {
		Create(t, s, NewKey(1, "u1"), 0)
		mine, yours := NewKey(1, "u1"), NewKey(1, "u1")
		mine.Name, yours.Name = "mine", "yours"
		must(t, Update(t, s, mine))
		fails(t, "a lost update", Update(t, s, yours), apikey.ErrConflict)
		fails(t, "a lost deletion", s.Write(t.Context(), registry.Write{From: yours, Delete: true}), apikey.ErrConflict)
		got, err := s.Find(t.Context(), mine.ID)
		must(t, err)
		if got.Key.Name != "mine" || got.Key.Rev != 1 || mine.Rev != 1 {
			t.Errorf("stored %q rev %d, want mine rev %d", got.Key.Name, got.Key.Rev, mine.Rev)
		}
		fails(t, "an update of no key", Update(t, s, NewKey(9, "u1")), apikey.ErrConflict)
	}},
	{"Of many that change one revision at the same time, one succeeds", func(t *testing.T, s Store) {
		Create(t, s, NewKey(1, "u1"), 0)
		changed := 0
		for _, err := range concurrently(6, func(int) error { return Update(t, s, NewKey(1, "u1")) }) {
			if err == nil {
				changed++
			} else if !errors.Is(err, apikey.ErrConflict) {
				t.Error(err)
			}
		}
		if changed != 1 {
			t.Errorf("%d of 6 succeeded", changed)
		}
	}},
	{"A revoked or deleted key leaves one place, and a revoked key does not change", func(t *testing.T, s Store) {
		revoked, deleted, both := NewKey(1, "u1"), NewKey(2, "u1"), NewKey(3, "u1")
		for _, k := range []*apikey.Key{revoked, deleted, both} {
			Create(t, s, k, 3)
		}
		for _, k := range []*apikey.Key{revoked, both} {
			k.RevokedAt = Morning()
			must(t, Update(t, s, k))
		}
		fails(t, "a change of a revoked key", Update(t, s, revoked), apikey.ErrConflict)
		for _, k := range []*apikey.Key{deleted, both} {
			must(t, s.Write(t.Context(), registry.Write{From: k, Delete: true}))
		}
		for n := range 3 {
			Create(t, s, NewKey(10+n, "u1"), 3)
		}
		fourth := registry.Write{To: NewKey(20, "u1"), Most: 3}
		fails(t, "a fourth key of three", s.Write(t.Context(), fourth), apikey.ErrTooManyKeys)
		_, err := s.Resolve(t.Context(), deleted.Aliases()[0].Name)
		fails(t, "the alias of a deleted key", err, apikey.ErrNotFound)
	}},
	{"An ended key takes its place until PlaceUntil", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		Create(t, s, k, 1)
		until := Morning().Add(time.Hour)
		must(t, s.Write(t.Context(), registry.Write{From: k, Delete: true, PlaceUntil: until, At: Morning()}))
		second := registry.Write{To: NewKey(2, "u1"), Most: 1}
		fails(t, "a second key before that", s.Write(t.Context(), second), apikey.ErrTooManyKeys)
		if p, err := s.Recount(t.Context(), "u1", Morning()); err != nil || p.Taken != 1 || len(p.Ends) != 1 {
			t.Errorf("recount before that: %+v, %v", p, err)
		}
		for at, want := range map[time.Time]int{Morning(): 1, until.Add(time.Second): 0} {
			if p, err := s.Places(t.Context(), "u1", at); err != nil || p.Taken != want || len(p.Ends) != want {
				t.Errorf("places at %s: %+v, %v", at, p, err)
			}
		}
		if p, err := s.Recount(t.Context(), "u1", until.Add(time.Second)); err != nil || p.Taken != 0 || len(p.Ends) != 0 {
			t.Errorf("recount after that: %+v, %v", p, err)
		}
		must(t, s.Write(t.Context(), second))
	}},
	{"Write needs either a key to store or a deletion", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		Create(t, s, k, 0)
		for _, w := range []registry.Write{{From: k}, {From: k, To: k, Delete: true}} {
			if err := s.Write(t.Context(), w); err == nil {
				t.Errorf("with Delete %t: no error", w.Delete)
			}
		}
		_, err := s.Find(t.Context(), k.ID)
		must(t, err)
	}},
	{"Write makes a change only while the caller's key is as it was read", func(t *testing.T, s Store) {
		caller := NewKey(1, "u1")
		Create(t, s, caller, 0)
		must(t, s.Write(t.Context(), registry.Write{To: NewKey(2, "u1"), Caller: caller}))
		read := *caller
		must(t, Update(t, s, caller))
		write := registry.Write{To: NewKey(3, "u1"), Caller: &read}
		fails(t, "with an earlier revision", s.Write(t.Context(), write), apikey.ErrCallerChanged)
		caller.RevokedAt = Morning()
		must(t, Update(t, s, caller))
		write.Caller = caller
		fails(t, "with a revoked key", s.Write(t.Context(), write), apikey.ErrCallerChanged)
		_, err := s.Find(t.Context(), write.To.ID)
		fails(t, "the key", err, apikey.ErrNotFound)
	}},
	{"A reply is stored with its change, and no other until it has ended", func(t *testing.T, s Store) {
		reply := func(sealed string, at time.Time) *registry.Reply {
			return &registry.Reply{
				Name: "n", Asked: []byte("a"), Pepper: "p", Sealed: []byte(sealed), At: at, Until: at.Add(24 * time.Hour),
			}
		}
		sealed := func() string {
			r, err := s.Reply(t.Context(), "n")
			must(t, err)
			return string(r.Sealed)
		}
		must(t, s.Write(t.Context(), registry.Write{To: NewKey(1, "u1"), Reply: reply("first", Morning())}))
		again := registry.Write{To: NewKey(2, "u1"), Reply: reply("second", Morning().Add(time.Hour))}
		fails(t, "the same name", s.Write(t.Context(), again), apikey.ErrRepeated)
		_, err := s.Find(t.Context(), again.To.ID)
		fails(t, "the key", err, apikey.ErrNotFound)
		if got := sealed(); got != "first" {
			t.Errorf("the reply is %q", got)
		}
		again.Reply = reply("third", Morning().Add(24*time.Hour))
		must(t, s.Write(t.Context(), again))
		if got := sealed(); got != "third" {
			t.Errorf("the reply is %q", got)
		}
	}},
	{"The meter of a deleted key stays", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		Create(t, s, k, 0)
		limiter := ratelimit.New(s, Morning, 10)
		if d, err := limiter.Take(t.Context(), k.ID, k.Terms(), 3, time.Time{}); err != nil || !d.Admitted {
			t.Fatalf("take: %+v, %v", d, err)
		}
		must(t, s.Write(t.Context(), registry.Write{From: k, Delete: true}))
		Create(t, s, NewKey(1, "u1"), 0)
		got, err := s.Find(t.Context(), k.ID)
		must(t, err)
		if left := ratelimit.StatusOf(got.Meter, k.Terms(), Morning()).Remaining; left != 2 {
			t.Errorf("a recreated key has %d left, want the 2 that were left", left)
		}
	}},
}

// concurrently calls do n times at the same time, and returns the errors.
func concurrently(n int, do func(n int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	return errs
}
