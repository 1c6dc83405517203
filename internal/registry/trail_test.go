package registry_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/audit"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// told is an entry in short: who did what, and "field: before > after".
func tell(e audit.Entry) string {
	text := e.Actor.Type + " " + e.Actor.ID + " " + e.Action
	for _, field := range slices.Sorted(maps.Keys(e.Changes)) {
		text += fmt.Sprintf("; %s: %s > %s", field, e.Changes[field].Before, e.Changes[field].After)
	}
	return text
}

// trail is all of a key's, oldest first, which must be as it was written.
func (b *bench) trail(t *testing.T, id string) (all []string) {
	t.Helper()
	root := registry.Caller{KeyID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	page, err := b.Registry.Trail(t.Context(), root, id, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Backward(page.Entries) {
		all = append(all, tell(e))
	}
	if c, err := b.Registry.CheckTrail(t.Context(), id); err != nil || c.Standing != audit.Authentic || len(c.Entries) != len(all) {
		t.Errorf("%d of %d entries are in order, standing %d: %v", len(c.Entries), len(all), c.Standing, err)
	}
	return all
}

func TestEveryActionIsToldOf(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Pass(time.Second)
	}
	b.Configure(func(o *registry.Options) {
		o.Users = &apikey.Key{Scopes: apikey.Scopes{"tts"}, Limit: ratelimit.Limit{Requests: 60, Window: time.Minute}}
	})
	user := registry.Caller{UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}
	k, first, err := b.Registry.Create(t.Context(), user, "", apikey.Live, apikey.Change{Name: ptr("n"), Scopes: &apikey.Scopes{"tts"}})
	must(nil, err)
	must(b.Registry.Update(t.Context(), user, k.ID, to(apikey.Change{
		Name: ptr(""), AllowedCIDRs: &[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, ExpiresAt: ptr(apikeytest.Noon.Add(24 * time.Hour)),
		Metadata: &map[string]string{"team": "a", "box": "1"},
	})))
	must(b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{
		Enabled: ptr(false), Metadata: &map[string]string{"team": "b", "box": "1"}, Quota: &ratelimit.Quota{Requests: 9, Period: ratelimit.Day}, Unlimited: ptr(false),
	})))
	must(b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Enabled: ptr(true)})))
	must(b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Enabled: ptr(true)})))
	must(b.Registry.Rotate(t.Context(), root, k.ID, time.Hour))
	must(nil, b.Registry.RevokeFound(t.Context(), registry.Origin{SourceIP: "192.0.2.1"}, first.Reveal()))
	must(b.Registry.Rotate(t.Context(), root, k.ID, 0))
	must(nil, b.Registry.RevokeFound(t.Context(), registry.Origin{}, first.Reveal())) // it has ended: nothing is done
	revoked, _, err := b.Registry.RevokeUser(t.Context(), root, "u1", "", "")
	must(nil, err)
	if revoked != 1 {
		t.Errorf("%d revoked", revoked)
	}
	must(b.Registry.Revoke(t.Context(), root, k.ID, "")) // again: nothing is done
	must(nil, b.Registry.Delete(t.Context(), root, k.ID))

	key, byUser := "key "+root.KeyID+" ", "user u1 "
	want := []string{
		byUser + `create; enabled: null > true; environment: null > "live"; name: null > "n"; scopes: null > ["tts"]; shared: null > {"limits":[{"amount":60,"window":60}]}; tokens: null > 1; userId: null > "u1"`,
		byUser + `update; allowedCidrs: null > ["10.0.0.0/8"]; expiresAt: null > "2026-11-25T12:00:00.000Z"; metadata: null > {"box":"1","team":"a"}; name: "n" > null`,
		key + `update; enabled: true > false; metadata: {"team":"a"} > {"team":"b"}; quota: null > {"requests":9,"period":"day"}`,
		key + `update; enabled: false > true`,
		key + `update`,
		key + `rotate; previousKeyValidUntil: null > "2026-11-24T13:00:05.000Z"; tokens: 1 > 2`,
		"token " + k.ID + ` revoke-token; endedTokens: null > [{"validUntil":"2026-11-24T13:00:05.000Z"}]; previousKeyValidUntil: "2026-11-24T13:00:05.000Z" > null; tokens: 2 > 1`,
		key + `rotate; endedTokens: null > [{"validUntil":"2026-11-25T12:00:00.000Z"}]`,
		key + `revoke; revokedAt: null > "2026-11-24T12:00:09.240Z"`,
		key + `delete; allowedCidrs: ["10.0.0.0/8"] > null; enabled: true > null; environment: "live" > null; expiresAt: "2026-11-25T12:00:00.000Z" > null; ` +
			`metadata: {"box":"1","team":"b"} > null; quota: {"requests":9,"period":"day"} > null; ` +
			`revokedAt: "2026-11-24T12:00:09.240Z" > null; scopes: ["tts"] > null; shared: {"limits":[{"amount":60,"window":60}]} > null; tokens: 1 > null; userId: "u1" > null`,
	}
	if diff := cmp.Diff(want, b.trail(t, k.ID)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// Three tokens of one key: when the second came the first had 30 days to live, and both
	// ended when the third came.
	emergency, _, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{})
	must(nil, err)
	b.rotate(t, root, emergency.ID, 30*day)
	b.rotate(t, root, emergency.ID, 0)
	b.rotate(t, root, emergency.ID, time.Hour)
	must(b.Registry.EndGrace(t.Context(), root, emergency.ID))
	must(b.Registry.EndGrace(t.Context(), root, emergency.ID)) // again: nothing is done
	b.rotate(t, root, emergency.ID, time.Hour)
	must(b.Registry.Revoke(t.Context(), root, emergency.ID, " laptop was stolen "))
	must(b.Registry.Revoke(t.Context(), root, emergency.ID, "another")) // again: nothing is done
	want = []string{
		key + `rotate; previousKeyValidUntil: null > "2026-12-24T12:00:13.240Z"; tokens: 1 > 2`,
		key + `rotate; endedTokens: null > [{"validUntil":"2026-12-24T12:00:13.240Z"},{"validUntil":null}]; previousKeyValidUntil: "2026-12-24T12:00:13.240Z" > null; tokens: 2 > 1`,
		key + `rotate; previousKeyValidUntil: null > "2026-11-24T13:00:13.480Z"; tokens: 1 > 2`,
		key + `end-grace; endedTokens: null > [{"validUntil":"2026-11-24T13:00:13.480Z"}]; previousKeyValidUntil: "2026-11-24T13:00:13.480Z" > null; tokens: 2 > 1`,
		key + `rotate; previousKeyValidUntil: null > "2026-11-24T13:00:15.600Z"; tokens: 1 > 2`,
		key + `revoke; previousKeyValidUntil: "2026-11-24T13:00:15.600Z" > null; revocationReason: null > "laptop was stolen"; revokedAt: null > "2026-11-24T12:00:15.720Z"`,
	}
	if diff := cmp.Diff(want, b.trail(t, emergency.ID)[1:]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	one, two := "an-old-token-of-ours", "another-token-of-ours"
	b.importKey(t, registry.Import{ID: "c", Token: b.Parse(t, one)})
	b.importKey(t, registry.Import{ID: "c", Token: b.Parse(t, two), PublicKey: "pk_of-that-time0"})
	b.importKey(t, registry.Import{ID: "c", Token: b.Parse(t, two)}) // it is there: nothing is done
	id, err := b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(b.Parse(t, one)))
	must(nil, err)
	must(nil, b.Registry.RevokeFound(t.Context(), registry.Origin{}, one))
	want = []string{
		`cli import import; enabled: null > true; environment: null > "live"; tokens: null > 1; userId: null > "u1"`,
		`cli import import; publicKeys: null > 1; tokens: 1 > 2`,
		"token " + id + ` revoke; revokedAt: null > "2026-11-24T12:00:18.720Z"`,
	}
	if diff := cmp.Diff(want, b.trail(t, id)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	results := b.Registry.ImportAll(t.Context(), []registry.Import{
		{Token: b.Parse(t, "token-one-of-many-0"), UserID: "u3", Environment: apikey.Live}, {Token: b.Parse(t, "token-two-of-many-0"), UserID: "u3", Environment: apikey.Live},
	})
	made, err := b.Registry.Build(t.Context(), b.Token(t), "u3", apikey.Live, apikey.Change{})
	must(nil, err)
	must(nil, b.Registry.Install(t.Context(), "init", made))
	ids, err := b.Registry.Trails(t.Context(), "u3")
	if err != nil || len(ids) != 3 || results[0].Err != nil || results[1].Err != nil {
		t.Fatalf("%v, %v, %v", ids, results, err)
	}
	for _, id := range ids {
		command := "cli import import"
		if id == made.ID {
			command = "cli init create"
		}
		if all := b.trail(t, id); len(all) != 1 || !strings.HasPrefix(all[0], command+";") {
			t.Errorf("%s: %q", id, all)
		}
	}
}

// Twenty-five keys with an alias each, of as many users, are as much as one
// transaction takes.
func TestManyImportedAtOnceAreToldOf(t *testing.T) {
	b := newBench(t)
	var entries []registry.Import
	for n := range registry.MaxTogether {
		entries = append(entries, registry.Import{Token: b.Parse(t, fmt.Sprintf("token-of-many-%04d", n)), UserID: fmt.Sprint("u", n), Environment: apikey.Live})
	}
	for n, r := range b.Registry.ImportAll(t.Context(), entries) {
		ids, err := b.Registry.Trails(t.Context(), fmt.Sprint("u", n))
		if r.Err != nil || err != nil || len(ids) != 1 || len(b.trail(t, ids[0])) != 1 {
			t.Errorf("%d: %v, %v, %v", n, ids, r.Err, err)
		}
	}
}

// Whatever is lost on the way, a change that was made is told of once, and one that
// was not is not.
func TestAnActionIsToldOfOnceOrWasNotDone(t *testing.T) {
	everyFault(t, func(t *testing.T, b *bench, root registry.Caller, inject func()) {
		inject()
		k, _, err := b.Registry.Create(t.Context(), asking(root, name, "x"), "u1", apikey.Live, apikey.Change{})
		inject()
		if err != nil {
			if k, _, err = b.Registry.Create(t.Context(), asking(root, name, "x"), "u1", apikey.Live, apikey.Change{}); err != nil {
				t.Fatal(err)
			}
		}
		if all := b.trail(t, k.ID); len(all) != 1 {
			t.Errorf("after create: %q", all)
		}
		seen := 1
		for what, do := range map[string]func() error{
			"update": func() error {
				_, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Name: ptr("x")}))
				return err
			},
			"rotate": func() error { _, err := b.Registry.Rotate(t.Context(), root, k.ID, 0); return err },
		} {
			inject()
			err := do()
			inject()
			record, findErr := b.Options.Store.Find(t.Context(), k.ID)
			if findErr != nil {
				t.Fatal(findErr)
			}
			all := b.trail(t, k.ID)
			if int64(len(all)) != record.Key.Rev+1 || len(all) > seen+1 || err == nil && len(all) != seen+1 {
				t.Errorf("after %s (%v): revision %d, %q", what, err, record.Key.Rev, all)
			}
			seen = len(all)
		}
		for what, do := range map[string]func() error{
			"revoke": func() error { _, err := b.Registry.Revoke(t.Context(), root, k.ID, ""); return err },
		} {
			inject()
			_ = do() // it may not be known
			inject()
			if err := do(); err != nil {
				t.Fatal(err)
			}
			if all := b.trail(t, k.ID); len(all) != seen+1 {
				t.Errorf("after %s, and again: %q", what, all)
			}
			seen++
		}
		inject()
		_ = b.Registry.Delete(t.Context(), root, k.ID)
		inject()
		if err := b.Registry.Delete(t.Context(), root, k.ID); err != nil && !errors.Is(err, apikey.ErrNotFound) {
			t.Fatal(err)
		}
		if all := b.trail(t, k.ID); len(all) != seen+1 {
			t.Errorf("after delete, and again: %q", all)
		}
	})
}

func TestATrailHoldsNoSecret(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	foreign := "an-old-token-of-ours"
	b.importKey(t, registry.Import{Token: b.Parse(t, foreign), PublicKey: "pk_of-that-time0"})
	id, err := b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(b.Parse(t, foreign)))
	if err != nil {
		t.Fatal(err)
	}
	k, token, err := b.Registry.Create(t.Context(), asking(root, name, "x"), "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	canaries := map[string]string{
		"foreign token": foreign, "token": token.Reveal()[24:], "public key": "pk_of-that-time0", "request's name": name,
		"alias": b.Hasher.Alias(b.Parse(t, foreign)), "public alias": b.Hasher.PublicAlias("pk_of-that-time0"), "master": apikeytest.Master,
	}
	for _, id := range []string{id, k.ID} {
		record, err := b.Options.Store.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for n, s := range record.Key.Secrets {
			canaries[fmt.Sprint("hash ", n, " of ", id)] = base64.StdEncoding.EncodeToString(s.Hash)
			canaries[fmt.Sprint("hexadecimal hash ", n, " of ", id)] = hex.EncodeToString(s.Hash)
		}
		canaries["hash's algorithm"] = "hmac-sha256"
		issued := b.rotate(t, root, id, time.Hour)
		canaries["new token of "+id] = issued.Token.Reveal()[24:]
		if err := b.Registry.Delete(t.Context(), root, id); err != nil {
			t.Fatal(err)
		}
		entries, _, err := b.Options.Store.Trail(t.Context(), id, time.Time{}, "", 0)
		if err != nil || len(entries) != 3 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		for _, e := range entries {
			for what, text := range canaries {
				if strings.Contains(e.Text, text) {
					t.Errorf("the %s is in %s", what, e.Text)
				}
			}
		}
	}
}

func TestOnlyTheOwnerAndAnAdminReadATrail(t *testing.T) {
	b := newBench(t)
	root, other := b.caller(t, "root", admin), b.caller(t, "u2", nil)
	owner := b.caller(t, "u1", nil)
	blind := owner
	blind.Scopes = apikey.Scopes{"tts"}
	revoked := b.caller(t, "u1", nil).KeyID
	if _, err := b.Registry.Revoke(t.Context(), root, revoked, ""); err != nil {
		t.Fatal(err)
	}
	// Deleted, and imported anew, for somebody else.
	in := registry.Import{ID: "c", Token: b.Parse(t, "an-old-token-of-ours"), UserID: "u2", Environment: apikey.Live}
	b.importKey(t, in)
	again, err := b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(in.Token))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Registry.Delete(t.Context(), root, again); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(time.Second)
	in.UserID = "u1"
	b.importKey(t, in)
	gone := b.issueByCreate(t, root)
	if err := b.Registry.Delete(t.Context(), root, gone); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		who  registry.Caller
		id   string
		want int // entries; -1: not found, -2: forbidden
	}{
		{"an owner, of a revoked key", owner, revoked, 1},
		{"an admin, of another's", root, revoked, 1},
		{"another user", other, revoked, -1},
		{"an owner without keys:read", blind, revoked, -2},
		{"an owner, of what was imported anew", owner, again, 1},
		{"who owned it before", other, again, -1},
		{"an admin, of what was imported anew", root, again, 3},
		{"an owner, of a deleted key", owner, gone, -1},
		{"an admin, of a deleted key", root, gone, 2},
		{"an admin, of no key", root, "0000000000000000", -1},
		{"an admin, of no id", root, "no id", -1},
	} {
		page, err := b.Registry.Trail(t.Context(), c.who, c.id, "", 100)
		switch got := len(page.Entries); {
		case c.want == -1 && !errors.Is(err, apikey.ErrNotFound), c.want == -2 && !errors.Is(err, apikey.ErrForbidden), c.want >= 0 && (err != nil || got != c.want):
			t.Errorf("%s: %d entries, %v", c.name, got, err)
		}
	}
	for _, who := range []registry.Caller{owner, other, blind} {
		if _, err := b.Registry.UserTrail(t.Context(), who, registry.TrailQuery{Limit: 10}); !errors.Is(err, apikey.ErrForbidden) {
			t.Errorf("%s reads the trail of a user: %v", who.UserID, err)
		}
	}
	if _, err := b.Registry.UserTrail(t.Context(), root, registry.TrailQuery{UserID: " u1", Limit: 10}); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("of no user: %v", err)
	}
	// The entries in the index are in no list of keys.
	for _, user := range []string{"u1", "u2", " audit u1"} {
		page, err := b.Registry.List(t.Context(), root, registry.Query{UserID: user, Limit: 100})
		if invalid := user == " audit u1"; errors.Is(err, apikey.ErrInvalid) != invalid {
			t.Errorf("the keys of %q: %v", user, err)
		}
		for _, k := range page.Keys {
			if k.ID == "" || k.UserID != user {
				t.Errorf("%q has the key %q of %q", user, k.ID, k.UserID)
			}
		}
	}
}

func (b *bench) issueByCreate(t *testing.T, who registry.Caller) string {
	t.Helper()
	k, _, err := b.Registry.Create(t.Context(), who, "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	return k.ID
}

func TestATrailIsReadInPages(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	ids := []string{b.issueByCreate(t, root), b.issueByCreate(t, root)}
	var want []string
	for n := range 10 {
		b.Clock.Pass(time.Second)
		id := ids[n%2]
		if _, err := b.Registry.Update(t.Context(), root, id, to(apikey.Change{Name: ptr(fmt.Sprint(n))})); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf(`%s "%d"`, id, n))
	}
	if err := b.Registry.Delete(t.Context(), root, ids[0]); err != nil {
		t.Fatal(err)
	}
	read := func(limit int, page func(cursor string) (registry.TrailPage, error)) (all []string) {
		for cursor := ""; ; {
			p, err := page(cursor)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Entries) > limit || len(p.Entries) == 0 {
				t.Errorf("a page of %d, for %d", len(p.Entries), limit)
			}
			for _, e := range p.Entries {
				if e.Action == registry.ActionUpdate {
					all = append(all, e.Subject+" "+string(e.Changes["name"].After))
				}
			}
			if cursor = p.Next; cursor == "" {
				slices.Reverse(all)
				return all
			}
		}
	}
	for _, limit := range []int{1, 2, 3, 6, 7, 13, 100} {
		got := read(limit, func(cursor string) (registry.TrailPage, error) {
			return b.Registry.UserTrail(t.Context(), root, registry.TrailQuery{UserID: "u1", Cursor: cursor, Limit: limit})
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the user's by %d: -want +got:\n%s", limit, diff)
		}
		for n, id := range ids {
			var own []string
			for i := n; i < len(want); i += 2 {
				own = append(own, want[i])
			}
			got := read(limit, func(cursor string) (registry.TrailPage, error) {
				return b.Registry.Trail(t.Context(), root, id, cursor, limit)
			})
			if diff := cmp.Diff(own, got); diff != "" {
				t.Errorf("the key's by %d: -want +got:\n%s", limit, diff)
			}
		}
	}
	page, err := b.Registry.UserTrail(t.Context(), root, registry.TrailQuery{UserID: "u1", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, cursor := range []string{"x", "=", page.Next + "A", encode("2026-11-24T12:00:00.000Z"), encode("\x00"), encode(strings.Repeat("9", 200)), page.Next[:len(page.Next)-4]} {
		if _, err := b.Registry.UserTrail(t.Context(), root, registry.TrailQuery{UserID: "u1", Cursor: cursor, Limit: 1}); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
		if _, err := b.Registry.Trail(t.Context(), root, ids[1], cursor, 1); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

// DynamoDB deletes an expired entry late.
func TestAnExpiredEntryIsNotReturned(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	id := b.issueByCreate(t, root)
	b.Clock.Pass(100 * 24 * time.Hour)
	if _, err := b.Registry.Update(t.Context(), root, id, to(apikey.Change{Name: ptr("x")})); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pass time.Duration
		want int
	}{{264 * 24 * time.Hour, 2}, {24 * time.Hour, 1}, {99 * 24 * time.Hour, 1}, {24 * time.Hour, 0}} {
		b.Clock.Pass(c.pass)
		one, err := b.Registry.Trail(t.Context(), root, id, "", 10)
		all, userErr := b.Registry.UserTrail(t.Context(), root, registry.TrailQuery{UserID: "u1", Limit: 10})
		if err != nil || userErr != nil || len(one.Entries) != c.want || len(all.Entries) != c.want {
			t.Errorf("%s: %d and %d entries, want %d (%v, %v)", b.Clock.Time(), len(one.Entries), len(all.Entries), c.want, err, userErr)
		}
		if _, err := b.Registry.CheckTrail(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

// An entry holds both values of a description whole. The largest entry is bounded, because every
// field is, so that it fits in a few write units.
func TestAnEntryIsBounded(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	id := b.issueByCreate(t, root)
	long := strings.Repeat("ä", apikey.MaxDescription)
	for _, c := range []struct{ to, before, after string }{
		{"short", `null`, `"short"`},
		{long, `"short"`, `"` + long + `"`},
		{long[2:] + "x", `"` + long + `"`, `"` + long[2:] + `x"`},
		{"", `"` + long[2:] + `x"`, `null`},
	} {
		if _, err := b.Registry.Update(t.Context(), root, id, to(apikey.Change{Description: &c.to})); err != nil {
			t.Fatal(err)
		}
		page, err := b.Registry.Trail(t.Context(), root, id, "", 1)
		if err != nil {
			t.Fatal(err)
		}
		got := page.Entries[0].Changes["description"]
		if string(got.Before) != c.before || string(got.After) != c.after {
			t.Errorf("to %.20q: %s > %s", c.to, got.Before, got.After)
		}
	}
	fill := func(n int, s string) apikey.Change {
		scopes, networks := apikey.Scopes{}, []netip.Prefix{}
		for i := range apikey.MaxScopes {
			scopes = append(scopes, fmt.Sprintf("%s%0*d", s, apikey.MaxAllScopes/apikey.MaxScopes-2, i))
		}
		for i := range apikey.MaxCIDRs {
			networks = append(networks, netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(n), 15: byte(i)}), 128))
		}
		return apikey.Change{
			Name: ptr(strings.Repeat(s, apikey.MaxName)), Description: ptr(strings.Repeat(s, apikey.MaxDescription)), Scopes: &scopes,
			AllowedCIDRs: &networks, Metadata: &map[string]string{"m": strings.Repeat(s, apikey.MaxMetadata-1)},
		}
	}
	for n, s := range []string{"a", "b"} {
		if _, err := b.Registry.Update(t.Context(), root, id, to(fill(n, s))); err != nil {
			t.Fatal(err)
		}
	}
	entries, _, err := b.Options.Store.Trail(t.Context(), id, time.Time{}, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(entries[0].Text); size > 24<<10 || !strings.Contains(entries[0].Text, strings.Repeat("b", apikey.MaxMetadata-1)) {
		t.Errorf("%d bytes", size)
	}
}

// The entry goes with the change: it costs no request of its own.
func TestATrailCostsNoRequest(t *testing.T) {
	options := dynamotest.Options(t)
	options.Transport = http.DefaultTransport
	table := dynamo.Open(options)
	b := newBenchBefore(t, table)
	root := b.caller(t, "root", admin)
	id := b.issueByCreate(t, root)
	writes := table.Writes()
	if _, err := b.Registry.Update(t.Context(), root, id, to(apikey.Change{Name: ptr("x")})); err != nil {
		t.Fatal(err)
	}
	if n := table.Writes() - writes; n != 2 { // the fence and the change
		t.Errorf("%d writes", n)
	}
}

// A hash that is upgraded on use is sealed with the rest of its record. A record that was altered
// before gets no new seal, so the alteration still shows.
func TestAnUpgradedHashIsSealed(t *testing.T) {
	for name, c := range map[string]struct {
		alter    func(*apikey.Key) // nil: nothing
		rehashed int
	}{
		"as it was written":     {nil, 2},
		"with more scopes":      {func(k *apikey.Key) { k.Scopes = apikey.Scopes{"*"} }, 0},
		"with another owner":    {func(k *apikey.Key) { k.UserID = "u9" }, 0},
		"with a hash put in":    {func(k *apikey.Key) { k.Secrets[0].Hash = hash("a-token-of-somebody")[:] }, 0},
		"with a seal taken off": {func(k *apikey.Key) { k.Trail.Seal = nil }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			tokens := []string{"an-old-token-of-ours", "another-token-of-ours"}
			for _, token := range tokens {
				b.importKey(t, registry.Import{ID: "c", Hash: hash(token)})
			}
			id, err := b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(b.Parse(t, tokens[0])))
			if err != nil {
				t.Fatal(err)
			}
			if c.alter != nil {
				record, err := b.Options.Store.Find(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				to := *record.Key
				to.Secrets = slices.Clone(to.Secrets)
				c.alter(&to)
				if err := b.Options.Store.Write(t.Context(), registry.Write{From: record.Key, To: &to}); err != nil {
					t.Fatal(err)
				}
			}
			for _, token := range tokens {
				b.Check(t, b.Gate(0), token)
			}
			if b.Table.Rehashed != c.rehashed {
				t.Errorf("%d hashes are replaced, want %d", b.Table.Rehashed, c.rehashed)
			}
			checked, err := b.Registry.CheckTrail(t.Context(), id)
			var broken *audit.Break
			if c.alter == nil && (err != nil || checked.Standing != audit.Authentic) || c.alter != nil && !errors.As(err, &broken) {
				t.Errorf("standing %d, %v", checked.Standing, err)
			}
			if c.alter != nil {
				return
			}
			record, err := b.Options.Store.Find(t.Context(), id)
			if err != nil || record.Key.Secrets[0].Algorithm != "hmac-sha256" || record.Key.Secrets[1].Algorithm != "hmac-sha256" {
				t.Errorf("the hashes are as before: %v", err)
			}
		})
	}
}

// Two tokens of one key that are used at the same time leave one seal that fits.
func TestHashesThatAreUpgradedAtOnceAreSealed(t *testing.T) {
	b := newBench(t)
	b.RealTime = true
	var tokens []string
	for n := range 8 {
		tokens = append(tokens, fmt.Sprintf("one-of-many-tokens-%d", n))
		b.importKey(t, registry.Import{ID: "c", Hash: hash(tokens[n]), Change: apikey.Change{Limit: &ratelimit.Limit{Requests: 1000, Window: time.Minute}}})
	}
	id, err := b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(b.Parse(t, tokens[0])))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, token := range tokens {
		wg.Go(func() {
			if _, err := b.Gate(0).Check(t.Context(), gate.Request{Credential: b.Format.Credential(token), Cost: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if c, err := b.Registry.CheckTrail(t.Context(), id); err != nil || c.Standing != audit.Authentic {
		t.Errorf("standing %d, %v", c.Standing, err)
	}
}

func TestATrailIsReadByAction(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	id := b.issueByCreate(t, root)
	for n := range 30 {
		b.Clock.Pass(time.Second)
		var err error
		if n%7 > 2 {
			_, err = b.Registry.Rotate(t.Context(), root, id, 0)
		} else {
			_, err = b.Registry.Update(t.Context(), root, id, to(apikey.Change{Name: ptr(fmt.Sprint(n))}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	all, err := b.Registry.UserTrail(t.Context(), root, registry.TrailQuery{UserID: "u1", Limit: 100})
	for _, e := range all.Entries {
		if e.Action == registry.ActionRotate {
			want = append(want, e.At.String())
		}
	}
	if err != nil || len(want) != 16 {
		t.Fatalf("%d rotations, %v", len(want), err)
	}
	for _, limit := range []int{1, 2, 3, 4, 5, 100} {
		var got []string
		for q := (registry.TrailQuery{UserID: "u1", Action: registry.ActionRotate, Limit: limit}); ; {
			page, err := b.Registry.UserTrail(t.Context(), root, q)
			if err != nil || len(page.Entries) > limit {
				t.Fatalf("%d entries for %d, %v", len(page.Entries), limit, err)
			}
			for _, e := range page.Entries {
				got = append(got, e.At.String())
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %d: -want +got:\n%s", limit, diff)
		}
	}
	page, err := b.Registry.UserTrail(t.Context(), root, registry.TrailQuery{UserID: "u1", Action: registry.ActionDelete, Limit: 1})
	if err != nil || len(page.Entries) > 0 || page.Next != "" {
		t.Errorf("an action that nobody did: %+v, %v", page, err)
	}
}

// The name belongs to the key that acted, and not to one that has its id later.
func TestATrailNamesTheKeyThatActed(t *testing.T) {
	b := newBench(t)
	named := func(name string) func(*apikey.Key) {
		return func(k *apikey.Key) { admin(k); k.Name = name }
	}
	ops, gone, again := b.caller(t, "root", named("ops")), b.caller(t, "root", named("gone")), b.caller(t, "root", named("before"))
	id := b.issueByCreate(t, ops)
	for _, who := range []registry.Caller{gone, again} {
		if _, err := b.Registry.Update(t.Context(), who, id, to(apikey.Change{Name: ptr(who.KeyID)})); err != nil {
			t.Fatal(err)
		}
		if err := b.Registry.Delete(t.Context(), ops, who.KeyID); err != nil {
			t.Fatal(err)
		}
	}
	b.Clock.Pass(time.Second)
	late := &apikey.Key{ID: again.KeyID, UserID: "root", Name: "after", Environment: apikey.Live, Limit: apikey.DefaultLimit(), Enabled: true, CreatedAt: b.Clock.Time()}
	if err := b.Options.Store.Write(t.Context(), registry.Write{To: late}); err != nil {
		t.Fatal(err)
	}
	page, err := b.Registry.UserTrail(t.Context(), ops, registry.TrailQuery{UserID: "u1", Limit: 10})
	if err != nil || len(page.Entries) != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	want := map[string]string{ops.KeyID: "ops", gone.KeyID: "", again.KeyID: ""}
	for _, e := range page.Entries {
		if got := page.ActorName(e); got != want[e.Actor.ID] {
			t.Errorf("%s: named %q, want %q", e.Actor.ID, got, want[e.Actor.ID])
		}
	}
}

func TestAllTrailsAreReadTogether(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	var ids []string
	for _, user := range []string{"u1", "u2", "u3"} {
		k, _, err := b.Registry.Create(t.Context(), root, user, apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, k.ID)
	}
	for n := range 12 {
		b.Clock.Pass(time.Second)
		if _, err := b.Registry.Update(t.Context(), root, ids[n%3], to(apikey.Change{Name: ptr(fmt.Sprint(n))})); err != nil {
			t.Fatal(err)
		}
	}
	b.Clock.Pass(time.Second)
	// The entry of a transfer is in the trails of two users.
	if _, err := b.Registry.Update(t.Context(), root, ids[0], to(apikey.Change{UserID: ptr("u4")})); err != nil {
		t.Fatal(err)
	}
	b.setUser(t, "u5", apikey.UserChange{Suspended: ptr(true)})
	var want []string // of the users one by one
	for _, user := range []string{"u1", "u2", "u3", "u4", "u5"} {
		page, err := b.Registry.UserTrail(t.Context(), root, registry.TrailQuery{UserID: user, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			want = append(want, e.At.Format(audit.TimeLayout)+" "+e.Subject+" "+tell(e))
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	for _, c := range []struct {
		limit  int
		action string
	}{{1, ""}, {2, ""}, {5, ""}, {100, ""}, {1, registry.ActionUpdate}, {5, registry.ActionUpdate}, {100, registry.ActionUpdate}} {
		var got, expected []string
		for _, text := range want {
			if strings.Contains(text, " "+c.action) {
				expected = append(expected, text)
			}
		}
		for q := (registry.TrailQuery{All: true, Action: c.action, Limit: c.limit}); ; {
			page, err := b.Registry.UserTrail(t.Context(), root, q)
			if err != nil || len(page.Entries) > c.limit || len(got) > len(want) {
				t.Fatalf("%d entries for %d, after %d, %v", len(page.Entries), c.limit, len(got), err)
			}
			for _, e := range page.Entries {
				text := e.At.Format(audit.TimeLayout) + " " + e.Subject + " " + tell(e)
				if n := len(got); n > 0 && got[n-1] < text[:len(audit.TimeLayout)] {
					t.Errorf("by %d: %s comes after %s", c.limit, text, got[n-1])
				}
				got = append(got, text)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(expected, got); diff != "" || len(got) < 12 {
			t.Errorf("by %d, %s: -want +got:\n%s", c.limit, c.action, diff)
		}
	}
}
