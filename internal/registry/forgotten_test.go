package registry_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// DynamoDB deletes late. An item whose end has come counts as deleted for every reader from that
// second on, and does not prevent a new item in its place.
func TestAKeyWhoseRetentionIsOverIsNotThere(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *bench, registry.Caller, string){
		"revoked": func(t *testing.T, b *bench, root registry.Caller, id string) {
			if _, err := b.Registry.Revoke(t.Context(), root, id, ""); err != nil {
				t.Fatal(err)
			}
		},
		"expired": func(t *testing.T, b *bench, root registry.Caller, id string) {
			soon := b.Clock.Time().Add(time.Millisecond)
			if _, err := b.Registry.Update(t.Context(), root, id, to(apikey.Change{ExpiresAt: &soon})); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			root := b.caller(t, "root", admin)
			token := b.Parse(t, "an-old-token-of-ours")
			in := registry.Import{ID: "c", Token: token, UserID: "u1", Environment: apikey.Live}
			b.importKey(t, in)
			id, err := b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(token))
			if err != nil {
				t.Fatal(err)
			}
			end(t, b, root, id)
			ended := b.Clock.Time()
			record, err := b.Registry.Find(t.Context(), root, id)
			if err != nil {
				t.Fatal(err)
			}
			gone := record.Key.Forgotten()
			if gone.Before(ended.Add(89 * 24 * time.Hour)) {
				t.Fatalf("it is forgotten at %s", gone)
			}
			owner := registry.Caller{UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}
			b.Configure(func(o *registry.Options) { o.Users = &apikey.Key{Scopes: apikey.Scopes{"tts"}} })
			looks := func() map[string]bool {
				there := make(map[string]bool)
				look := func(who string, err error) {
					t.Helper()
					if there[who] = !errors.Is(err, apikey.ErrNotFound); there[who] && err != nil && !errors.Is(err, apikey.ErrEnded) {
						t.Errorf("%s: %v", who, err)
					}
				}
				_, err := b.Registry.Find(t.Context(), root, id)
				look("get", err)
				_, err = b.Registry.Update(t.Context(), root, id, to(apikey.Change{Name: ptr("x")}))
				look("update", err)
				_, err = b.Registry.Trail(t.Context(), owner, id, "", 10)
				look("trail of its owner", err)
				_, err = b.Registry.Lookup(t.Context(), root, b.Format.Credential("an-old-token-of-ours"))
				look("lookup", err)
				_, err = b.Registry.Usage(t.Context(), root, id, registry.Days{From: b.Clock.Time(), To: b.Clock.Time()})
				look("usage", err)
				page, err := b.Registry.List(t.Context(), root, registry.Query{UserID: "u1", Limit: 10})
				if there["list"] = len(page.Keys) > 0; err != nil {
					t.Error(err)
				}
				records, _, err := b.Registry.Records(t.Context(), root, registry.Query{UserID: "u1", Limit: 10})
				if there["records"] = len(records) > 0; err != nil {
					t.Error(err)
				}
				code := b.Check(t, b.Gate(0), "an-old-token-of-ours").Code
				if there["gate"] = code != apikey.CodeUnknown; there["gate"] && code != apikey.CodeRevoked && code != apikey.CodeExpired {
					t.Errorf("it is %s", code)
				}
				return there
			}
			b.Clock.Pass(gone.Sub(b.Clock.Time()) - time.Millisecond)
			for who, there := range looks() {
				if !there {
					t.Errorf("%s does not find it, a millisecond before", who)
				}
			}
			b.Clock.Pass(time.Millisecond)
			for who, there := range looks() {
				if there {
					t.Errorf("%s finds it", who)
				}
			}
			if _, err := b.Registry.CheckTrail(t.Context(), id); err != nil {
				t.Errorf("verify: %v", err)
			}
			if n, err := b.Options.Store.Recount(t.Context(), "u1", b.Clock.Time()); n.Taken != 0 || err != nil {
				t.Errorf("%d live keys are counted, %v", n.Taken, err)
			}
			in.UserID = "u2"
			if did := b.importKey(t, in); did != registry.ImportCreated {
				t.Errorf("it is imported for somebody else: %s", did)
			}
			if v := b.Check(t, b.Gate(0), "an-old-token-of-ours"); !v.Valid() || v.Key.UserID != "u2" {
				t.Errorf("then it is %s", v.Code)
			}
			if _, err := b.Registry.CheckTrail(t.Context(), id); err != nil {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// A foreign token that was rotated out is free once its user is no longer told how it ended, even
// if its alias still exists. The former key then leaves the alias to its new owner.
func TestAnAliasPastItsEndBlocksNoImport(t *testing.T) {
	for name, together := range map[string]bool{"alone": false, "with others": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			root := b.caller(t, "root", admin)
			token := b.Parse(t, "an-old-token-of-ours")
			b.importKey(t, registry.Import{ID: "c", Token: token})
			first, err := b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(token))
			if err != nil {
				t.Fatal(err)
			}
			b.rotate(t, root, first, time.Hour)
			taken := func() error {
				entries := []registry.Import{{ID: "d", Token: token, UserID: "u2", Environment: apikey.Live}}
				if together {
					entries = append(entries, registry.Import{Token: b.Parse(t, fmt.Sprint("another-token-", b.Clock.Time().Unix())), UserID: "u3", Environment: apikey.Live})
				}
				results := b.Registry.ImportAll(t.Context(), entries)
				return results[0].Err
			}
			told := b.Clock.Time().Add(time.Hour + 30*24*time.Hour).Truncate(time.Second)
			b.Clock.Pass(told.Sub(b.Clock.Time()) - time.Second)
			if err := taken(); !errors.Is(err, apikey.ErrInvalid) {
				t.Errorf("before its end: %v", err)
			}
			if v := b.Check(t, b.Gate(0), "an-old-token-of-ours"); v.Code != apikey.CodeRevoked {
				t.Errorf("before its end it is %s", v.Code)
			}
			b.Clock.Pass(time.Second)
			if v := b.Check(t, b.Gate(0), "an-old-token-of-ours"); v.Code != apikey.CodeUnknown {
				t.Errorf("after its end it is %s", v.Code)
			}
			if err := taken(); err != nil {
				t.Errorf("after its end: %v", err)
			}
			// Changes of the first key do not affect the second.
			if _, err := b.Registry.Update(t.Context(), root, first, to(apikey.Change{Name: ptr("x")})); err != nil {
				t.Fatal(err)
			}
			if err := b.Registry.Delete(t.Context(), root, first); err != nil {
				t.Fatal(err)
			}
			if v := b.Check(t, b.Gate(0), "an-old-token-of-ours"); !v.Valid() || v.Key.UserID != "u2" {
				t.Errorf("the token of the second key: %s", v.Code)
			}
		})
	}
}
