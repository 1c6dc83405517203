package registry_test

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// give gives a key to another user.
func give(userID string) func(*apikey.Key) (apikey.Change, error) {
	return to(apikey.Change{UserID: &userID})
}

// ids returns the keys that a user lists.
func (b *bench) ids(t *testing.T, userID string) (all []string) {
	t.Helper()
	page, err := b.Registry.List(t.Context(), registry.Caller{UserID: userID, Scopes: apikey.Scopes{apikey.ScopeRead}}, registry.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range page.Keys {
		all = append(all, k.ID)
	}
	return all
}

// places returns how many places a user takes.
func (b *bench) places(t *testing.T, userID string) int {
	t.Helper()
	p, err := b.Options.Store.Recount(t.Context(), userID, b.Clock.Time().Add(-time.Hour)) // as counted, not as listed
	if err != nil {
		t.Fatal(err)
	}
	return p.Taken
}

// actions returns the actions in the trail of a user, newest first, each with its key.
func (b *bench) actions(t *testing.T, userID string) (all []string) {
	t.Helper()
	page, err := b.Registry.UserTrail(t.Context(), registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}, registry.TrailQuery{UserID: userID, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entries {
		all = append(all, e.Action+" "+e.Subject)
	}
	return all
}

// A key with another user is the same key: with its tokens, what it has spent, and what an admin has
// set. Its place, its entry in the index and its trail follow.
func TestAnAdminGivesAKeyToAnotherUser(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 2 })
	root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	foreign := b.Foreign()
	b.importKey(t, registry.Import{Token: foreign, UserID: "alice", Environment: apikey.Live, Change: apikey.Change{Enabled: ptr(true), Limit: &ratelimit.Limit{Requests: 10, Window: time.Minute}}})
	id := b.ids(t, "alice")[0]
	g := b.Gate(0)
	for range 4 {
		if v := b.Check(t, g, foreign.Reveal()); !v.Valid() {
			t.Fatal(v.Code)
		}
	}
	before, err := b.Options.Store.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(time.Second)
	r, err := b.Registry.Update(t.Context(), root, id, give("bob"))
	if err != nil || r.Key.UserID != "bob" {
		t.Fatalf("%+v, %v", r.Key, err)
	}
	if !slices.Equal(r.Key.Held, before.Key.Held) || len(r.Key.Held) == 0 || r.Key.CreatedAt != before.Key.CreatedAt {
		t.Errorf("it is another key: %+v", r.Key)
	}
	b.Clock.Pass(time.Second)
	v := b.Check(t, g, foreign.Reveal())
	if !v.Valid() || v.Key.UserID != "bob" || v.Status.Remaining != 5 {
		t.Errorf("its token: %s, of %s, %d left", v.Code, v.Key.UserID, v.Status.Remaining)
	}
	if alice, bob := b.ids(t, "alice"), b.ids(t, "bob"); len(alice) != 0 || !slices.Equal(bob, []string{id}) {
		t.Errorf("alice lists %v, and bob %v", alice, bob)
	}
	if alice, bob := b.places(t, "alice"), b.places(t, "bob"); alice != 0 || bob != 1 {
		t.Errorf("alice takes %d places, and bob %d", alice, bob)
	}
	for _, user := range []string{"alice", "bob"} {
		_, err := b.Registry.Find(t.Context(), registry.Caller{UserID: user, Scopes: apikey.Scopes{apikey.ScopeRead}}, id)
		if (user == "bob") != (err == nil) {
			t.Errorf("%s reads it: %v", user, err)
		}
	}
	if got := b.actions(t, "alice"); !slices.Equal(got, []string{"transfer " + id, "import " + id}) {
		t.Errorf("alice's trail: %v", got)
	}
	if got := b.actions(t, "bob"); !slices.Equal(got, []string{"transfer " + id}) {
		t.Errorf("bob's trail: %v", got)
	}
	if c, err := b.Registry.CheckTrail(t.Context(), id); err != nil {
		t.Errorf("verify: %v, %v", c.Standing, err)
	}
	// The next change is bob's alone, and the way back is another transfer.
	b.Clock.Pass(time.Second)
	if _, err := b.Registry.Update(t.Context(), root, id, to(apikey.Change{Name: ptr("x")})); err != nil {
		t.Error(err)
	}
	b.Clock.Pass(time.Second)
	if _, err := b.Registry.Update(t.Context(), root, id, give("alice")); err != nil {
		t.Error(err)
	}
	if got := b.actions(t, "alice"); !slices.Equal(got, []string{"transfer " + id, "transfer " + id, "import " + id}) {
		t.Errorf("alice's trail: %v", got)
	}
	if got := b.actions(t, "bob"); !slices.Equal(got, []string{"transfer " + id, "update " + id, "transfer " + id}) {
		t.Errorf("bob's trail: %v", got)
	}
	if alice, bob := b.places(t, "alice"), b.places(t, "bob"); alice != 1 || bob != 0 {
		t.Errorf("back: alice takes %d places, and bob %d", alice, bob)
	}
	if ids, err := b.Registry.Trails(t.Context(), "bob"); err != nil || !slices.Equal(ids, []string{id}) {
		t.Errorf("bob's trails: %v, %v", ids, err)
	}
	if c, err := b.Registry.CheckTrail(t.Context(), id); err != nil {
		t.Errorf("verify: %v, %v", c.Standing, err)
	}
	// The user that it has already is no change of the user.
	if _, err := b.Registry.Update(t.Context(), root, id, give("alice")); err != nil || b.actions(t, "alice")[0] != "update "+id {
		t.Errorf("to the same: %v, %v", err, b.actions(t, "alice")[0])
	}
}

func TestWhoMayGetAKey(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 2 })
	root, user := b.caller(t, "root", admin), b.caller(t, "u1", nil)
	for range 2 {
		b.Issue(t, b.Token(t), func(k *apikey.Key) { k.UserID = "full" })
	}
	b.Issue(t, b.Token(t), func(k *apikey.Key) { k.UserID = "Ame\u0301lie" })
	if _, err := b.Registry.SetUser(t.Context(), root, "roomy", apikey.UserChange{MaxKeys: ptr(3)}, false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.Issue(t, b.Token(t), func(k *apikey.Key) { k.UserID = "roomy" })
	}
	for _, c := range []struct {
		name, user string
		who        registry.Caller
		want       error
	}{
		{"a user who is not known", "new", root, nil},
		{"a user with as many keys as users may have", "full", root, apikey.ErrTooManyKeys},
		{"a user with more room", "roomy", root, nil},
		{"the last room is taken", "roomy", root, apikey.ErrTooManyKeys},
		{"nobody", "", root, apikey.ErrInvalid},
		{"a reserved user", "anonymous", root, apikey.ErrInvalid},
		{"latchkey's own", apikey.OwnUser, root, apikey.ErrInvalid},
		{"invisible characters", "al\u200bice", root, apikey.ErrInvalid},
		{"a user that only looks like one with keys", "Am\u00e9lie", root, apikey.ErrInvalid},
		{"by its user", "new", user, apikey.ErrForbidden},
		{"to the same, by its user", "u1", user, nil},
	} {
		k := b.Issue(t, b.Token(t), nil)
		_, err := b.Registry.Update(t.Context(), c.who, k.ID, give(c.user))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		var full *apikey.TooManyKeysError
		if err != nil && !isField(err, "userId") && !(errors.As(err, &full) && full.Field == "userId") {
			t.Errorf("%s: userId is not named: %v", c.name, err)
		}
		if r, err := b.Options.Store.Find(t.Context(), k.ID); err != nil || c.want != nil && r.Key.UserID != "u1" {
			t.Errorf("%s: it is %s's, %v", c.name, r.Key.UserID, err)
		}
		if err := b.Registry.Delete(t.Context(), root, k.ID); err != nil && c.user != "roomy" {
			t.Error(err)
		}
	}
	k := b.Issue(t, b.Token(t), nil)
	if _, err := b.Registry.Revoke(t.Context(), root, k.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Registry.Update(t.Context(), root, k.ID, give("new")); !errors.Is(err, apikey.ErrEnded) {
		t.Errorf("a revoked key: %v", err)
	}
	b.Configure(func(o *registry.Options) { o.MaxKeys = 50 })
	// A key that is made has its user from the request, not from the change.
	if k, _, err := b.Registry.Create(t.Context(), user, "", "", apikey.Change{UserID: ptr("other")}); err != nil || k.UserID != "u1" {
		t.Errorf("a new key is %+v, %v", k, err)
	}
}

// Admins who give one key to many users at once, while it is used and its users make keys, give it to
// one user at a time. All places are counted.
func TestAKeyIsGivenToOneUserAtATime(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys, o.Pause = 40, nil })
	root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	k, token, err := b.Registry.Create(t.Context(), root, "u0", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	const users, each = 4, 3
	var all sync.WaitGroup
	for n := range users {
		all.Go(func() {
			g := b.Gate(0)
			for range each {
				user := "u" + strconv.Itoa(n)
				_, err := b.Registry.Update(t.Context(), root, k.ID, give(user))
				if err != nil && !errors.Is(err, apikey.ErrConflict) {
					t.Error(err)
				}
				if v := b.Check(t, g, token.Reveal()); !v.Valid() {
					t.Errorf("its token: %s", v.Code)
				}
				if _, _, err := b.Registry.Create(t.Context(), root, user, apikey.Live, apikey.Change{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	taken, listed, with := 0, 0, 0
	for n := range users {
		user := "u" + strconv.Itoa(n)
		taken += b.places(t, user)
		listed += len(b.ids(t, user))
		if slices.Contains(b.ids(t, user), k.ID) {
			with++
		}
	}
	if want := users*each + 1; taken != want || listed != want || with != 1 {
		t.Errorf("%d places are taken and %d keys are listed, want %d; %d users have the key", taken, listed, want, with)
	}
	if _, err := b.Registry.CheckTrail(t.Context(), k.ID); err != nil {
		t.Errorf("verify: %v", err)
	}
}

// A key that was just given to another user acts for its former one no more, also where an instance
// has not seen that yet.
func TestAKeyThatHasMovedMakesNoKeysForItsFormerUser(t *testing.T) {
	b := newBench(t)
	key := b.caller(t, "u1", nil)
	if err := b.create(t, key, "u1"); err != nil {
		t.Fatal(err)
	}
	other := b.Issue(t, b.Token(t), nil).ID
	if _, err := b.Registry.Update(t.Context(), root(), key.KeyID, give("u2")); err != nil {
		t.Fatal(err)
	}
	if err := b.create(t, key, "u1"); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("create: %v", err)
	}
	if _, err := b.Registry.Rotate(t.Context(), key, other, 0); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("rotate: %v", err)
	}
	if err := b.create(t, key, "u2"); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("create for the new user, for whom it was not admitted: %v", err)
	}
	key.UserID = "u2"
	if err := b.create(t, key, "u2"); err != nil {
		t.Errorf("once it is known: %v", err)
	}
}
