package registrytest

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

var keyContracts = []contract{
	{"Find returns a key as it was created", func(t *testing.T, s Store) {
		for _, k := range []*apikey.Key{
			NewKey(1, "u1"),
			{ID: "least00000000000", UserID: "u1", Environment: apikey.Live, CreatedAt: Morning(), Limit: apikey.DefaultLimit()},
			{ID: "nolimit000000000", UserID: "u1", Environment: apikey.Live, CreatedAt: Morning()},
			{
				ID: "lifetime00000000", UserID: "u1", Environment: apikey.Live, CreatedAt: Morning(),
				Quota: ratelimit.Quota{Requests: 7, Period: ratelimit.Lifetime},
			},
		} {
			Create(t, s, k, 0)
			got, err := s.Find(t.Context(), k.ID)
			must(t, err)
			if diff := cmp.Diff(k, got.Key, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("found key (-created +found):\n%s", diff)
			}
		}
	}},
	{"Readers return ErrNotFound or leave out what is not stored", func(t *testing.T, s Store) {
		const id = "0000000000000001"
		absent := func(when string) {
			t.Helper()
			_, err := s.Find(t.Context(), id)
			fails(t, "Find "+when, err, apikey.ErrNotFound)
			_, _, err = s.Stored(t.Context(), id)
			fails(t, "Stored "+when, err, apikey.ErrNotFound)
			if records, err := s.Records(t.Context(), []string{id}); err != nil || len(records) != 0 {
				t.Errorf("Records %s: %v, %v", when, records, err)
			}
		}
		absent("of an empty store")
		_, err := s.Resolve(t.Context(), "nobody")
		fails(t, "Resolve", err, apikey.ErrNotFound)
		_, err = s.Reply(t.Context(), "nothing")
		fails(t, "Reply", err, apikey.ErrNotFound)
		if m, err := s.Meter(t.Context(), id); err != nil || !m.LastUsed.IsZero() || m.Used != 0 {
			t.Errorf("Meter: %+v, %v", m, err)
		}
		if w, err := s.Witness(t.Context(), id); err != nil || w.There() {
			t.Errorf("Witness: %+v, %v", w, err)
		}
		if keys, err := s.List(t.Context(), "u1", registry.Position{}, 10); err != nil || len(keys) != 0 {
			t.Errorf("List: %v, %v", keys, err)
		}
		if p, err := s.Recount(t.Context(), "u1", Morning()); err != nil || p.Taken != 0 {
			t.Errorf("Recount: %+v, %v", p, err)
		}
		if p, err := s.Places(t.Context(), "u1", Morning()); err != nil || p.Taken != 0 {
			t.Errorf("Places: %+v, %v", p, err)
		}
		must(t, s.Touch(t.Context(), id, Morning()))
		absent("of a meter without a key")
	}},
	{"Records returns keys and meters by id", func(t *testing.T, s Store) {
		var ids []string
		for n := range 3 {
			Create(t, s, NewKey(n, "u1"), 0)
			ids = append(ids, NewKey(n, "u1").ID)
		}
		must(t, s.Touch(t.Context(), ids[1], Morning()))
		records, err := s.Records(t.Context(), append([]string{"0000000000000009"}, ids...))
		must(t, err)
		for n, id := range ids {
			if r, ok := records[id]; !ok || r.Key.ID != id || r.Meter.LastUsed.IsZero() == (n == 1) {
				t.Errorf("%s: %+v", id, r)
			}
		}
		if len(records) != len(ids) {
			t.Errorf("%d records of %d keys", len(records), len(ids))
		}
	}},
	{"List returns the keys of one user, newest first and without secrets", func(t *testing.T, s Store) {
		for n := range 7 {
			Create(t, s, NewKey(n, "u"+strconv.Itoa(n%2)), 0)
		}
		var after registry.Position
		var pages []string
		for {
			keys, err := s.List(t.Context(), "u0", after, 3)
			must(t, err)
			var page []string
			for _, k := range keys {
				page = append(page, strings.TrimLeft(k.ID, "0"))
				after = registry.Position{CreatedAt: k.CreatedAt, ID: k.ID}
			}
			pages = append(pages, strings.Join(page, " "))
			if len(keys) < 3 {
				break
			}
		}
		if diff := cmp.Diff([]string{"6 4 2", ""}, pages); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
		keys, err := s.List(t.Context(), "u1", registry.Position{}, 1)
		if err != nil || len(keys) != 1 {
			t.Fatalf("list: %d keys, %v", len(keys), err)
		}
		want := NewKey(5, "u1")
		// No list shows these. A change is judged by the key itself.
		want.Secrets, want.PublicAliases, want.Held, want.CountsUntil = nil, nil, nil, time.Time{}
		want.Limits, want.Plan, want.SharesDefault = nil, "", false
		want.Shared, want.Revocation = apikey.Bounds{}, apikey.Revocation{}
		if diff := cmp.Diff(want, keys[0], cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("listed key (-created +listed):\n%s", diff)
		}
	}},
	{"Stored returns the text that Text returns for the key", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		Create(t, s, k, 0)
		stored, text, err := s.Stored(t.Context(), k.ID)
		must(t, err)
		want, err := s.Text(stored, stored.Rev)
		if err != nil || string(text) != string(want) || len(text) == 0 {
			t.Errorf("stored %s\ntext   %s, %v", text, want, err)
		}
		k.Trail.Seal = []byte("a seal")
		if sealed, err := s.Text(k, k.Rev); err != nil || string(sealed) != string(want) {
			t.Errorf("the seal is part of the text that it is computed over: %s, %v", sealed, err)
		}
		k.Name = "another"
		if other, err := s.Text(k, k.Rev); err != nil || string(other) == string(want) {
			t.Errorf("another key has the same text, %v", err)
		}
	}},
	{"Rehash replaces one secret, unless the key has changed", func(t *testing.T, s Store) {
		Create(t, s, NewKey(1, "u1"), 0)
		stored := func() *apikey.Key {
			r, err := s.Find(t.Context(), NewKey(1, "u1").ID)
			must(t, err)
			return r.Key
		}
		rehashed := func(from *apikey.Key, hash string) *apikey.Key {
			to := *from
			to.Secrets = slices.Clone(from.Secrets)
			to.Secrets[0].Hash, to.Secrets[0].Pepper = []byte(hash), "abcdef09"
			return &to
		}
		old := stored()
		must(t, s.Rehash(t.Context(), old, rehashed(old, "new"), 0))
		got := stored()
		if diff := cmp.Diff(rehashed(old, "new"), got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("rehashed key (-want +got):\n%s", diff)
		}
		if err := s.Rehash(t.Context(), old, rehashed(old, "late"), 0); err == nil {
			t.Error("a secret that was replaced meanwhile was rehashed")
		}
		changed := *got
		must(t, Update(t, s, &changed))
		if err := s.Rehash(t.Context(), got, rehashed(got, "late"), 0); err == nil {
			t.Error("a key that changed meanwhile was rehashed")
		}
		if hash := stored().Secrets[0].Hash; string(hash) != "new" {
			t.Errorf("the hash is %q", hash)
		}
	}},
}
