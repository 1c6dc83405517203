package registry_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/registry"
)

// crowd stores n keys of a user, which were created a second after each other. edit may change each.
func (b *bench) crowd(t testing.TB, user string, n int, edit func(n int, k *apikey.Key)) []*apikey.Key {
	t.Helper()
	keys := make([]*apikey.Key, n)
	for i := range keys {
		keys[i] = &apikey.Key{
			ID: fmt.Sprintf("%s%014d", (user + "xx")[:2], i), UserID: user, Name: fmt.Sprintf("Key %d", i), Environment: apikey.Live,
			Limit: apikey.DefaultLimit(), Enabled: true, KeyPrefix: "sk_live_" + (user + "xx")[:2] + "00",
			// Some were created at the same moment.
			CreatedAt: apikeytest.Noon.Add(-time.Duration(i/3) * time.Second),
		}
		if edit != nil {
			edit(i, keys[i])
		}
	}
	for batch := range slices.Chunk(keys, 50) {
		var writes []registry.Write
		for _, k := range batch {
			writes = append(writes, registry.Write{To: k})
		}
		if err := b.Options.Store.Write(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// pages returns the ids on all pages of a list.
func (b *bench) pages(t testing.TB, who registry.Caller, q registry.Query) (ids []string) {
	t.Helper()
	for {
		records, next, err := b.Registry.Records(t.Context(), who, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			ids = append(ids, r.Key.ID)
		}
		if q.Cursor = next; next == "" {
			return ids
		}
		if len(records) != q.Limit {
			t.Fatalf("a page of %d keys is not the last, want %d", len(records), q.Limit)
		}
	}
}

var boss = registry.Caller{UserID: "boss", Scopes: apikey.Scopes{apikey.ScopeAdmin}}

// Policy: the pages of a list have each key that fits exactly once and in its order, however many keys
// there are.
func TestManyKeysAreListedWithoutLossOrRepetition(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	b := newBench(t)
	const many = 2500
	used := make(map[string]time.Time)
	keys := b.crowd(t, "aa", many, func(n int, k *apikey.Key) {
		if n%10 == 0 {
			k.ExpiresAt = apikeytest.Noon.Add(time.Duration(n) * time.Hour)
		}
	})
	others := b.crowd(t, "bb", 120, nil)
	for i, k := range slices.Concat(keys, others) {
		if i%5 == 0 {
			at := apikeytest.Noon.Add(time.Duration(i%7) * time.Minute) // some are the same
			used[k.ID] = at
			if err := b.Meters.Touch(t.Context(), k.ID, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.Clock.Pass(time.Hour)
	now := b.Clock.Time()

	newest := func(a, b *apikey.Key) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	}
	byUse := func(a, b *apikey.Key) int {
		return cmp.Or(used[b.ID].Compare(used[a.ID]), newest(a, b))
	}
	week := now.AddDate(0, 0, 7)
	for _, c := range []struct {
		q     registry.Query
		fits  func(*apikey.Key) bool
		order func(a, b *apikey.Key) int
	}{
		{registry.Query{All: true}, nil, newest},
		{registry.Query{UserID: "aa"}, func(k *apikey.Key) bool { return k.UserID == "aa" }, newest},
		{registry.Query{All: true, Sort: registry.SortLastUsed}, nil, byUse},
		{registry.Query{UserID: "aa", Sort: registry.SortSpent}, func(k *apikey.Key) bool { return k.UserID == "aa" }, newest},
		{registry.Query{All: true, NeverUsed: true}, func(k *apikey.Key) bool { return used[k.ID].IsZero() }, newest},
		{registry.Query{All: true, ExpiresBefore: week, Sort: registry.SortLastUsed}, func(k *apikey.Key) bool {
			return !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(week) && k.ExpiresAt.After(now)
		}, byUse},
		{registry.Query{UserID: "aa", Search: "kEY 12"}, func(k *apikey.Key) bool {
			return k.UserID == "aa" && strings.HasPrefix(k.Name, "Key 12")
		}, newest},
	} {
		var fitting []*apikey.Key
		for _, k := range slices.Concat(keys, others) {
			if c.fits == nil || c.fits(k) {
				fitting = append(fitting, k)
			}
		}
		slices.SortFunc(fitting, c.order)
		var want []string
		for _, k := range fitting {
			want = append(want, k.ID)
		}
		c.q.Limit = 100
		if c.q.Sort != "" || c.q.NeverUsed { // each page reads all meters
			c.q.Limit = 500
		}
		if len(want) < 5 {
			t.Fatalf("%+v: only %d keys fit", c.q, len(want))
		}
		if diff := gocmp.Diff(want, b.pages(t, boss, c.q)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.q, diff)
		}
	}
}

// lagging is a store whose index has old for keys that changed.
type lagging struct {
	registry.Store
	old []*apikey.Key
}

func (l *lagging) ListAll(_ context.Context, userID string, most int) (keys []*apikey.Key, err error) {
	for _, k := range l.old {
		if userID == "" || k.UserID == userID {
			keys = append(keys, k)
		}
	}
	if len(keys) > most {
		return nil, registry.ErrTooMany
	}
	return keys, nil
}

// Policy: a list shows keys in their present state, and never a key that was deleted, that another user
// owns, or that does not fit any more.
func TestASortedListSurvivesALateIndex(t *testing.T) {
	b := newBench(t)
	names := []string{"stays", "deleted", "moved", "renamed", "revoked", "forgotten"}
	keys := b.crowd(t, "aa", len(names), func(n int, k *apikey.Key) {
		if k.Name = names[n]; k.Name == "forgotten" {
			k.CreatedAt = k.CreatedAt.AddDate(-1, 0, 0)
		}
	})
	old := make([]*apikey.Key, len(keys))
	for i, k := range keys {
		clone := *k
		old[i] = &clone
	}
	change := func(n int, edit func(*apikey.Key)) {
		t.Helper()
		k := *keys[n]
		edit(&k)
		if err := b.Options.Store.Write(t.Context(), registry.Write{From: keys[n], To: &k}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Options.Store.Write(t.Context(), registry.Write{From: keys[1], Delete: true}); err != nil {
		t.Fatal(err)
	}
	change(2, func(k *apikey.Key) { k.UserID = "bb" })
	change(3, func(k *apikey.Key) { k.Name = "other" })
	change(4, func(k *apikey.Key) { k.RevokedAt = b.Clock.Time() })
	change(5, func(k *apikey.Key) { k.RevokedAt = b.Clock.Time().Add(-apikey.Retention - time.Hour) })
	b.Configure(func(o *registry.Options) { o.Store = &lagging{o.Store, old} })

	owner := registry.Caller{UserID: "aa", Scopes: apikey.Scopes{apikey.ScopeRead}}
	for _, c := range []struct {
		who  registry.Caller
		q    registry.Query
		want string
	}{
		{owner, registry.Query{Sort: registry.SortLastUsed}, "stays revoked other"},
		{owner, registry.Query{Sort: registry.SortSpent}, "stays revoked other"},
		{owner, registry.Query{NeverUsed: true}, "stays revoked other"},
		{owner, registry.Query{Search: "re"}, "revoked"},
		{owner, registry.Query{Sort: registry.SortSpent, Status: apikey.StatusActive}, "stays other"},
		{boss, registry.Query{All: true}, "moved stays revoked other"}, // an admin may see it
	} {
		c.q.Limit = 10
		records, _, err := b.Registry.Records(t.Context(), c.who, c.q)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range records {
			got = append(got, r.Key.Name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, want %q", c.q, got, c.want)
		}
	}
}

// Policy: a list of more keys than it may read is refused, and names the field.
func TestAListOfTooManyKeysIsRefused(t *testing.T) {
	b := newBench(t)
	old := make([]*apikey.Key, 20_001)
	for i := range old {
		old[i] = &apikey.Key{ID: fmt.Sprintf("%016d", i), UserID: "aa", CreatedAt: apikeytest.Noon, Enabled: true}
	}
	b.Configure(func(o *registry.Options) { o.Store = &lagging{o.Store, old} })
	refused := func(what string, err error) {
		t.Helper()
		var field *apikey.FieldError
		if !errors.As(err, &field) || !errors.Is(err, apikey.ErrInvalid) || field.Field != "userId" || !strings.Contains(err.Error(), "20000") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, q := range []registry.Query{{All: true}, {UserID: "aa", NeverUsed: true}, {UserID: "aa", Sort: registry.SortSpent}} {
		q.Limit = 10
		_, _, err := b.Registry.Records(t.Context(), boss, q)
		refused(fmt.Sprintf("%+v", q), err)
	}
	_, _, err := b.Registry.Owners(t.Context(), boss, "", "", 10)
	refused("the users", err)
	// The list that needs no sorting has no such bound.
	if _, _, err := b.Registry.Records(t.Context(), boss, registry.Query{UserID: "aa", Limit: 10}); err != nil {
		t.Error(err)
	}
}

// A deleted key counts for no user.
func TestUsersAreListedByTheirKeys(t *testing.T) {
	b := newBench(t)
	forget := func(k *apikey.Key) {
		k.RevokedAt = apikeytest.Noon.Add(-apikey.Retention - time.Hour)
		k.CreatedAt = k.RevokedAt
	}
	b.crowd(t, "bb", 3, func(n int, k *apikey.Key) { k.Enabled = n > 0 })
	b.crowd(t, "aa", 2, func(n int, k *apikey.Key) {
		if n == 0 {
			forget(k)
		}
	})
	b.crowd(t, "cc", 1, func(_ int, k *apikey.Key) { forget(k) })
	if err := b.Meters.Touch(t.Context(), "bb00000000000002", b.Clock.Time()); err != nil {
		t.Fatal(err)
	}
	// A former key of the same id was used, and this one was not.
	if err := b.Meters.Touch(t.Context(), "aa00000000000001", apikeytest.Noon.AddDate(0, 0, -9)); err != nil {
		t.Fatal(err)
	}
	got, next, err := b.Registry.Owners(t.Context(), boss, "", "", 2)
	want := []registry.Owner{{UserID: "aa", Keys: 1, Active: 1}, {UserID: "bb", Keys: 3, Active: 2, LastUsed: b.Clock.Time()}}
	if diff := gocmp.Diff(want, got); diff != "" || next != "" || err != nil {
		t.Errorf("next %q, %v (-want +got):\n%s", next, err, diff)
	}
	if _, _, err := b.Registry.Owners(t.Context(), registry.Caller{UserID: "aa", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}, "", "", 2); err == nil {
		t.Error("a user without admin rights lists the users")
	}
}
