package registry_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func ptr[T any](v T) *T { return &v }

// to is a change that does not depend on what the key is.
func to(c apikey.Change) func(*apikey.Key) (apikey.Change, error) {
	return func(*apikey.Key) (apikey.Change, error) { return c, nil }
}

// caller issues a key and returns who comes with it.
func (b *bench) caller(t testing.TB, user string, edit func(*apikey.Key)) registry.Caller {
	t.Helper()
	k := b.Issue(t, b.Token(t), func(k *apikey.Key) {
		k.UserID, k.Scopes = user, apikey.Scopes{"tts", "tts:*", apikey.ScopeRead, apikey.ScopeWrite}
		if edit != nil {
			edit(k)
		}
	})
	return registry.Caller{KeyID: k.ID, UserID: k.UserID, Scopes: k.Scopes, Presented: &registry.Presented{Generation: k.Generation()}}
}

func admin(k *apikey.Key) { k.Scopes, k.Unlimited = apikey.Scopes{apikey.ScopeAdmin}, true }

func TestACallerGrantsAtMostWhatItHas(t *testing.T) {
	limits := func(k *apikey.Key) {
		k.Limit = ratelimit.Limit{Requests: 10, Window: time.Minute}
		k.ExpiresAt = apikeytest.Noon.Add(time.Hour)
		k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}
	limit := func(n int64, w time.Duration) apikey.Change {
		return apikey.Change{Limit: &ratelimit.Limit{Requests: n, Window: w}}
	}
	cidr := func(text string) apikey.Change {
		return apikey.Change{AllowedCIDRs: &[]netip.Prefix{netip.MustParsePrefix(text)}}
	}
	for _, c := range []struct {
		name   string
		change apikey.Change
		param  string // empty: allowed
	}{
		{"nothing", apikey.Change{}, ""},
		{"its own scope", apikey.Change{Scopes: &apikey.Scopes{"tts", "tts:fast", "tts:*"}}, ""},
		{"another scope", apikey.Change{Scopes: &apikey.Scopes{"stt"}}, "scopes"},
		{"a wider pattern", apikey.Change{Scopes: &apikey.Scopes{"tt*"}}, "scopes"},
		{"admin", apikey.Change{Scopes: &apikey.Scopes{apikey.ScopeAdmin}}, "scopes"},
		{"its own limit", limit(10, time.Minute), ""},
		{"more requests", limit(11, time.Minute), "rateLimit"},
		{"the same in half the time", limit(10, 30*time.Second), "rateLimit"},
		{"half in half the time", limit(5, 30*time.Second), ""},
		{"no limit", apikey.Change{Unlimited: ptr(true)}, "unlimited"},
		{"a limit, but not which", apikey.Change{Unlimited: ptr(false)}, ""},
		{"an earlier end", apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(time.Minute))}, ""},
		{"a later end", apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(2 * time.Hour))}, "expiresAt"},
		{"no end", apikey.Change{ExpiresAt: ptr(time.Time{})}, "expiresAt"},
		{"a narrower network", cidr("10.1.0.0/16"), ""},
		{"a wider network", cidr("0.0.0.0/0"), "allowedCidrs"},
		{"any network", apikey.Change{AllowedCIDRs: &[]netip.Prefix{}}, "allowedCidrs"},
	} {
		b := newBench(t)
		who := b.caller(t, "u1", limits)
		k, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, c.change)
		refused(t, "create with "+c.name, err, c.param)
		if err == nil && (k.Unlimited || !k.Limit.Within(ratelimit.Limit{Requests: 10, Window: time.Minute}) ||
			k.ExpiresAt.IsZero() || len(k.AllowedCIDRs) == 0) {
			t.Errorf("create with %s: got more than the caller has: %+v", c.name, k)
		}
		// It cannot raise its own key either.
		_, err = b.Registry.Update(t.Context(), who, who.KeyID, to(c.change))
		refused(t, "update own key with "+c.name, err, c.param)
		// An admin may do all of it.
		if _, _, err := b.Registry.Create(t.Context(), b.caller(t, "root", admin), "u1", apikey.Live, c.change); err != nil {
			t.Errorf("admin with %s: %v", c.name, err)
		}
	}
}

// A user who holds two keys cannot join what one may to what the other may.
func TestAWiderKeyMustBeWithinTheCallersRights(t *testing.T) {
	b := newBench(t)
	wide := func(k *apikey.Key) {
		k.Scopes, k.Limit = apikey.Scopes{"stt"}, ratelimit.Limit{Requests: 10_000, Window: time.Minute}
		k.Quota = ratelimit.Quota{Requests: 100, Period: ratelimit.Day}
		k.ExpiresAt = apikeytest.Noon.Add(time.Hour)
		k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}
	b.Configure(func(o *registry.Options) {
		o.Users = &apikey.Key{Scopes: apikey.Scopes{"tts"}, Limit: apikey.DefaultLimit()}
	})
	key := b.caller(t, "u1", nil)
	user := registry.Caller{UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}
	for _, c := range []struct {
		name   string
		change apikey.Change
		param  string // empty: allowed
	}{
		{"no quota", apikey.Change{Quota: &ratelimit.Quota{}}, "scopes"},
		{"no end", apikey.Change{ExpiresAt: ptr(time.Time{})}, "scopes"},
		{"any network", apikey.Change{AllowedCIDRs: &[]netip.Prefix{}}, "scopes"},
		{"no quota, for fewer scopes", apikey.Change{Quota: &ratelimit.Quota{}, Scopes: &apikey.Scopes{}}, "rateLimit"},
		{"no quota, for all that is the caller's", apikey.Change{Quota: &ratelimit.Quota{}, Scopes: &apikey.Scopes{}, Limit: ptr(apikey.DefaultLimit())}, ""},
		{"a smaller quota", apikey.Change{Quota: &ratelimit.Quota{Requests: 50, Period: ratelimit.Day}}, ""},
		{"an earlier end", apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(time.Minute))}, ""},
		{"another name", apikey.Change{Name: ptr("other")}, ""},
	} {
		for who, caller := range map[string]registry.Caller{"another key": key, "its user": user} {
			_, err := b.Registry.Update(t.Context(), caller, b.caller(t, "u1", wide).KeyID, to(c.change))
			refused(t, who+" gives "+c.name, err, c.param)
		}
	}
}

// The gate admits a caller on an earlier read of its key. An admin may have reduced the rights of the
// key before the caller grants any.
func TestAKeyDoesNotGiveItselfBackWhatIsTakenFromIt(t *testing.T) {
	for _, c := range []struct {
		name        string
		taken, back apikey.Change
	}{
		{"its limit", apikey.Change{Limit: &ratelimit.Limit{Requests: 1, Window: time.Minute}}, apikey.Change{Limit: ptr(apikey.DefaultLimit())}},
		{"a scope", apikey.Change{Scopes: &apikey.Scopes{}}, apikey.Change{Scopes: &apikey.Scopes{"tts"}}},
		{"all, by disabling it", apikey.Change{Enabled: ptr(false)}, apikey.Change{Enabled: ptr(true)}},
		{"all, until later", apikey.Change{NotBefore: ptr(apikeytest.Noon.Add(time.Hour))}, apikey.Change{NotBefore: ptr(time.Time{})}},
	} {
		for looks := range 2 { // before its rights are read, and between that and its being read as the key to change
			b := newBench(t)
			who, root := b.caller(t, "u1", nil), b.caller(t, "root", admin)
			take := func() {
				b.Table.During = nil
				if _, err := b.Registry.Update(t.Context(), root, who.KeyID, to(c.taken)); err != nil {
					t.Fatal(err)
				}
			}
			if looks == 0 {
				take()
			}
			hasty := b.On(b.Table)
			if looks == 1 {
				b.Table.During = take
			}
			if _, err := hasty.Update(t.Context(), who, who.KeyID, to(c.back)); !errors.Is(err, apikey.ErrForbidden) {
				t.Errorf("%s, after %d looks: %v", c.name, looks, err)
			}
		}
	}
}

func TestAKeyThatIsNotActiveGrantsNothing(t *testing.T) {
	for name, end := range map[string]func(*apikey.Key){
		"revoked":  func(k *apikey.Key) { k.RevokedAt = apikeytest.Noon },
		"disabled": func(k *apikey.Key) { k.Enabled = false },
		"expired":  func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon },
		"inactive": func(k *apikey.Key) { k.NotBefore = apikeytest.Noon.Add(time.Second) },
	} {
		for _, admins := range []bool{false, true} {
			b := newBench(t)
			other := b.caller(t, "u1", nil)
			who := b.caller(t, "u1", func(k *apikey.Key) {
				if admins {
					admin(k)
				}
				end(k)
			})
			_, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{})
			_, rotateErr := b.Registry.Rotate(t.Context(), who, other.KeyID, 0)
			_, updateErr := b.Registry.Update(t.Context(), who, other.KeyID, to(apikey.Change{Name: ptr("x")}))
			for _, err := range []error{err, rotateErr, updateErr} {
				if !errors.Is(err, apikey.ErrForbidden) {
					t.Errorf("%s, admin %t: %v", name, admins, err)
				}
			}
		}
	}
}

func refused(t *testing.T, what string, err error, param string) {
	t.Helper()
	var field *apikey.FieldError
	switch {
	case param == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case param != "" && (!errors.As(err, &field) || field.Field != param || !errors.Is(err, apikey.ErrForbidden)):
		t.Errorf("%s: %v, want %s forbidden", what, err, param)
	}
}

func TestUsersSeeAndTouchOnlyTheirOwn(t *testing.T) {
	b := newBench(t)
	mine, yours, root := b.caller(t, "u1", nil), b.caller(t, "u2", nil), b.caller(t, "root", admin)
	for _, c := range []struct {
		name string
		who  registry.Caller
		want error
	}{{"its owner", yours, nil}, {"another user", mine, apikey.ErrNotFound}, {"an admin", root, nil}} {
		_, err := b.Registry.Find(t.Context(), c.who, yours.KeyID)
		if !errors.Is(err, c.want) {
			t.Errorf("%s finds: %v", c.name, err)
		}
		_, err = b.Registry.Update(t.Context(), c.who, yours.KeyID, to(apikey.Change{Name: ptr("x")}))
		if !errors.Is(err, c.want) {
			t.Errorf("%s updates: %v", c.name, err)
		}
	}
	if _, err := b.Registry.Revoke(t.Context(), mine, yours.KeyID, ""); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("revoke another's: %v", err)
	}
	if err := b.Registry.Delete(t.Context(), mine, yours.KeyID); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("delete another's: %v", err)
	}
	if _, err := b.Registry.List(t.Context(), mine, registry.Query{UserID: "u2", Limit: 10}); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("list another's: %v", err)
	}
	if _, _, err := b.Registry.Create(t.Context(), mine, "u2", apikey.Live, apikey.Change{}); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("create for another: %v", err)
	}
	reader := mine
	reader.Scopes = apikey.Scopes{apikey.ScopeRead}
	if _, err := b.Registry.Revoke(t.Context(), reader, mine.KeyID, ""); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("revoke with keys:read: %v", err)
	}
}

// A cursor of one user's list, given by another user, leads into the other's.
func TestACursorLeadsNowhereElse(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	for _, user := range []string{"u1", "u1", "u1", "u2", "u2"} {
		b.Clock.Pass(time.Second)
		if _, _, err := b.Registry.Create(t.Context(), root, user, apikey.Live, apikey.Change{}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := b.Registry.List(t.Context(), root, registry.Query{UserID: "u1", Limit: 1})
	if err != nil || len(page.Keys) != 1 || page.Next == "" {
		t.Fatalf("first page: %d keys, next %q, %v", len(page.Keys), page.Next, err)
	}
	seen := 1
	for cursor := page.Next; cursor != ""; {
		page, err = b.Registry.List(t.Context(), root, registry.Query{UserID: "u1", Limit: 1, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		seen, cursor = seen+len(page.Keys), page.Next
		foreign, err := b.Registry.List(t.Context(), root, registry.Query{UserID: "u2", Limit: 10, Cursor: cmpOr(cursor, page.Next)})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range foreign.Keys {
			if k.UserID != "u2" {
				t.Errorf("u2's list shows a key of %s", k.UserID)
			}
		}
	}
	if seen != 3 {
		t.Errorf("paged over %d of 3 keys", seen)
	}
	for _, bad := range []string{"x", "e30", "MjAyNi0xMS0yNFQxMjowMDowMC4wMDBaI3U", strings.Repeat("A", 300)} {
		if _, err := b.Registry.List(t.Context(), root, registry.Query{Limit: 1, Cursor: bad}); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestRevokingIsForGood(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	k, _, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	var first time.Time
	for range 2 {
		r, err := b.Registry.Revoke(t.Context(), root, k.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		if first.IsZero() {
			first = r.Key.RevokedAt
		}
		if !r.Key.RevokedAt.Equal(first) || r.Key.Status(b.Clock.Time()) != apikey.StatusRevoked {
			t.Errorf("revoked at %v, then %v", first, r.Key.RevokedAt)
		}
		b.Clock.Pass(time.Second)
	}
	if _, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Enabled: ptr(true)})); !errors.Is(err, apikey.ErrEnded) {
		t.Errorf("update of a revoked key: %v", err)
	}
}

func TestAUserHoldsOnlySoMany(t *testing.T) {
	b := newBench(t)
	who := b.caller(t, "u1", nil) // the first of three
	var last *apikey.Key
	for range 2 {
		k, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		last = k
	}
	if _, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("a fourth of three: %v", err)
	}
	if _, err := b.Registry.Revoke(t.Context(), who, last.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("while what the revoked one has spent counts: %v", err)
	}
	b.Clock.Pass(70 * time.Second)
	if _, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{}); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
}

// A user without a key grants what all users may, and no more.
func TestAUserWithoutAKeyGrantsWhatUsersMay(t *testing.T) {
	alice := registry.Caller{UserID: "alice", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}
	limit := func(n int64, w time.Duration) apikey.Change {
		return apikey.Change{Limit: &ratelimit.Limit{Requests: n, Window: w}}
	}
	for _, c := range []struct {
		name   string
		change apikey.Change
		param  string // empty: allowed
	}{
		{"nothing", apikey.Change{}, ""},
		{"scopes of users", apikey.Change{Scopes: &apikey.Scopes{"tts", "stt:fast", "stt:*"}}, ""},
		{"another scope", apikey.Change{Scopes: &apikey.Scopes{"tts", "llm"}}, "scopes"},
		{"its own right to manage keys", apikey.Change{Scopes: &apikey.Scopes{apikey.ScopeWrite}}, "scopes"},
		{"everything", apikey.Change{Scopes: &apikey.Scopes{"*"}}, "scopes"},
		{"admin", apikey.Change{Scopes: &apikey.Scopes{apikey.ScopeAdmin}}, "scopes"},
		{"the most", limit(30, time.Minute), ""},
		{"more", limit(31, time.Minute), "rateLimit"},
		{"the same on the average", limit(1800, time.Hour), ""},
		{"more on the average", limit(1, time.Second), "rateLimit"},
		{"no limit", apikey.Change{Unlimited: ptr(true)}, "unlimited"},
		{"a quota", apikey.Change{Quota: &ratelimit.Quota{Requests: 5, Period: ratelimit.Day}}, ""},
		{"an end", apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(time.Hour))}, ""},
		{"networks", apikey.Change{AllowedCIDRs: &[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, ""},
	} {
		b := newBench(t)
		b.Configure(func(o *registry.Options) {
			o.Users = &apikey.Key{Scopes: apikey.Scopes{"tts", "stt:*"}, Limit: ratelimit.Limit{Requests: 30, Window: time.Minute}}
		})
		k, _, err := b.Registry.Create(t.Context(), alice, "", apikey.Live, c.change)
		refused(t, "create with "+c.name, err, c.param)
		if err == nil && (k.UserID != "alice" || k.Unlimited || c.change.Limit == nil && k.Limit.Requests != 0 ||
			!slices.Equal(k.Shared.Limits, []ratelimit.Limit{{Requests: 30, Window: time.Minute}})) {
			t.Errorf("create with %s: %+v", c.name, k)
		}
		mine, _, err := b.Registry.Create(t.Context(), alice, "alice", apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Registry.Update(t.Context(), alice, mine.ID, to(c.change))
		refused(t, "update with "+c.name, err, c.param)
		// If the registry has no Users, users may grant nothing.
		b.Configure(func(o *registry.Options) { o.Users = nil })
		if _, _, err := b.Registry.Create(t.Context(), alice, "", apikey.Live, c.change); !errors.Is(err, apikey.ErrForbidden) {
			t.Errorf("create with %s, when users may nothing: %v", c.name, err)
		}
		root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
		if _, _, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, c.change); err != nil {
			t.Errorf("an admin without a key, with %s: %v", c.name, err)
		}
	}
}

func TestAUserWithoutAKeyTouchesOnlyTheirOwn(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) {
		o.Users = &apikey.Key{Limit: ratelimit.Limit{Requests: 60, Window: time.Minute}}
	})
	user := func(id string, scopes ...string) registry.Caller { return registry.Caller{UserID: id, Scopes: scopes} }
	alice, bob := user("alice", apikey.ScopeRead, apikey.ScopeWrite), user("bob", apikey.ScopeRead, apikey.ScopeWrite)
	root := user("root", apikey.ScopeAdmin)
	// Keys that an admin made count as well; the bound is three.
	for _, who := range []registry.Caller{root, alice, root} {
		if _, _, err := b.Registry.Create(t.Context(), who, "alice", apikey.Live, apikey.Change{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Registry.Create(t.Context(), alice, "", apikey.Live, apikey.Change{}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("a fourth of three: %v", err)
	}
	k, _, err := b.Registry.Create(t.Context(), root, "alice", apikey.Live, apikey.Change{})
	if err != nil {
		t.Errorf("an admin is not bound: %v", err)
	}
	if _, _, err := b.Registry.Create(t.Context(), bob, "alice", apikey.Live, apikey.Change{}); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("a key for another: %v", err)
	}
	for _, c := range []struct {
		name string
		who  registry.Caller
		want error
	}{{"another", bob, apikey.ErrNotFound}, {"its user", alice, nil}, {"an admin", root, nil}} {
		_, found := b.Registry.Find(t.Context(), c.who, k.ID)
		_, updated := b.Registry.Update(t.Context(), c.who, k.ID, to(apikey.Change{Name: ptr("x")}))
		if !errors.Is(found, c.want) || !errors.Is(updated, c.want) {
			t.Errorf("%s: find %v, update %v; want %v", c.name, found, updated, c.want)
		}
	}
	if _, err := b.Registry.Revoke(t.Context(), bob, k.ID, ""); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("revoke another's: %v", err)
	}
	if err := b.Registry.Delete(t.Context(), alice, k.ID); err != nil {
		t.Errorf("delete one's own: %v", err)
	}
}
