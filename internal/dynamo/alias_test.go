package dynamo_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

// The alias of a token goes with its key, however the end of that moves, or before,
// once it is told no longer what became of the token. Then the token is free.
func TestAnAliasIsForgottenInTime(t *testing.T) {
	o := dynamotest.Options(t)
	table := dynamo.Open(o)
	k := registrytest.NewKey(1, "u1")
	k.ExpiresAt, k.Secrets[1].Alias = time.Time{}, "another-alias"
	k.CreatedAt = morning.Add(-100 * 24 * time.Hour)
	told := k.Secrets[1].NotAfter.Add(30 * 24 * time.Hour).Unix()
	registrytest.Create(t, table, k, 2)
	expects := func(step string, want ...int64) {
		t.Helper()
		for i, alias := range []string{"alias-of-1", "another-alias"} {
			if got, _ := ttlOf(t, o, "alias#"+alias, "alias"); got != want[i] {
				t.Errorf("%s: %s goes at %d, want %d", step, alias, got, want[i])
			}
		}
	}
	change := func(edit func(*apikey.Key)) {
		t.Helper()
		from := *k
		edit(k)
		if err := table.Write(t.Context(), registry.Write{From: &from, To: k}); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(end time.Time) int64 { return end.Add(apikey.Retention).Unix() }

	expects("made", 0, told)
	change(func(k *apikey.Key) { k.ExpiresAt = morning.Add(-80 * 24 * time.Hour) })
	expects("with an end", gone(k.ExpiresAt), gone(k.ExpiresAt))
	change(func(k *apikey.Key) { k.ExpiresAt = time.Time{} })
	expects("without it again", 0, told)
	change(func(k *apikey.Key) {
		k.Secrets = append([]apikey.Secret{}, k.Secrets...)
		k.Secrets[0].NotAfter = morning.Add(time.Hour)
	})
	expects("replaced", k.Secrets[0].NotAfter.Add(30*24*time.Hour).Unix(), told)
	change(func(k *apikey.Key) { k.RevokedAt = morning.Add(-89 * 24 * time.Hour) })
	expects("revoked", gone(k.RevokedAt), gone(k.RevokedAt))

	forget(t, o, "alias#alias-of-1", "alias")
	if _, err := table.Resolve(t.Context(), "alias-of-1"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("a forgotten alias: %v", err)
	}
}

// Earlier versions stored no end with an alias. It is judged by its key, and a change of that key
// deletes it, unless it is another key's by now.
func TestAnAliasWithoutAnEndIsJudgedByItsKey(t *testing.T) {
	for name, again := range map[string]bool{"its token is imported anew": true, "its key is changed": false} {
		t.Run(name, func(t *testing.T) {
			o := dynamotest.Options(t)
			now := morning
			r := newRegistry(t, o, func() time.Time { return now })
			root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
			format, err := apikey.NewFormat("sk")
			if err != nil {
				t.Fatal(err)
			}
			token, err := format.Parse("an-old-token-of-ours")
			if err != nil {
				t.Fatal(err)
			}
			in := registry.Import{ID: "c", Token: token, UserID: "u1", Environment: apikey.Live}
			if _, err := r.Import(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			ids, err := r.Trails(t.Context(), "u1")
			if err != nil || len(ids) != 1 {
				t.Fatalf("%v, %v", ids, err)
			}
			record, err := r.Find(t.Context(), root, ids[0])
			if err != nil {
				t.Fatal(err)
			}
			pk := "alias#" + record.Key.Secrets[0].Alias
			if _, err := r.Rotate(t.Context(), root, ids[0], time.Hour); err != nil {
				t.Fatal(err)
			}
			i := raw(t, o, pk, "alias")
			delete(i, "ttl")
			put(t, o, i)
			rename := func() {
				t.Helper()
				if _, err := r.Update(t.Context(), root, ids[0], func(*apikey.Key) (apikey.Change, error) { return apikey.Change{Name: ptr("x")}, nil }); err != nil {
					t.Fatal(err)
				}
			}
			in.ID, in.UserID = "d", "u2"
			now = now.Add(30 * 24 * time.Hour)
			if _, err := r.Import(t.Context(), in); !errors.Is(err, apikey.ErrInvalid) {
				t.Errorf("before its end: %v", err)
			}
			now = now.Add(time.Hour)
			if !again {
				if rename(); raw(t, o, pk, "alias") != nil {
					t.Error("it is not deleted")
				}
				return
			}
			if did, err := r.Import(t.Context(), in); did != registry.ImportCreated || err != nil {
				t.Errorf("after its end: %s, %v", did, err)
			}
			holder := raw(t, o, pk, "alias")
			if rename(); holder["keyId"] == nil || !reflect.DeepEqual(raw(t, o, pk, "alias"), holder) {
				t.Error("a change of the key that had it takes it away")
			}
		})
	}
}
