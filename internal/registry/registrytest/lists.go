package registrytest

import (
	"cmp"
	"slices"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// found returns the fields of k that ListAll returns.
func found(k *apikey.Key) *apikey.Key {
	return &apikey.Key{
		ID: k.ID, UserID: k.UserID, Name: k.Name, KeyPrefix: k.KeyPrefix, Enabled: k.Enabled,
		NotBefore: k.NotBefore, ExpiresAt: k.ExpiresAt, CreatedAt: k.CreatedAt, RevokedAt: k.RevokedAt,
	}
}

var listContracts = []contract{
	{"ListAll returns all keys of a user or of all users, by what they are found", func(t *testing.T, s Store) {
		byUser := make(map[string][]*apikey.Key)
		for n := range 7 {
			k := NewKey(n, "u"+strconv.Itoa(n%2))
			if n == 3 {
				k.RevokedAt = Morning()
			}
			Create(t, s, k, 0)
			byUser[k.UserID] = append(byUser[k.UserID], found(k))
			byUser[""] = append(byUser[""], found(k))
		}
		// The index has these too.
		entry := audit.Sealed{
			Subject: NewKey(0, "").ID, Owner: "u0", At: Morning(), Until: Morning().AddDate(1, 0, 0), Text: "{}", Sum: []byte{1},
		}
		must(t, s.Write(t.Context(), registry.Write{To: NewKey(8, "u2"), Entry: &entry}))
		byUser[""] = append(byUser[""], found(NewKey(8, "u2")))
		plan := &apikey.Plan{Name: "pro", Rev: 1}
		must(t, s.Write(t.Context(), registry.Write{Plan: &registry.Replacement[apikey.Plan]{To: plan}}))
		user := &apikey.User{ID: "u3", Plan: "pro", Rev: 2}
		must(t, s.Write(t.Context(), registry.Write{User: &registry.Replacement[apikey.User]{To: user}}))
		for _, userID := range []string{"u0", "u1", "u3", "", "nobody"} {
			keys, err := s.ListAll(t.Context(), userID, 100)
			must(t, err)
			slices.SortFunc(keys, func(a, b *apikey.Key) int { return cmp.Compare(a.ID, b.ID) })
			if diff := gocmp.Diff(byUser[userID], keys); diff != "" {
				t.Errorf("keys of %q (-want +got):\n%s", userID, diff)
			}
		}
	}},
	{"ListAll returns ErrTooMany instead of a part", func(t *testing.T, s Store) {
		for n := range 5 {
			Create(t, s, NewKey(n, "u1"), 0)
		}
		for _, userID := range []string{"u1", ""} {
			if keys, err := s.ListAll(t.Context(), userID, 5); err != nil || len(keys) != 5 {
				t.Errorf("of %q, 5 at most: %d keys, %v", userID, len(keys), err)
			}
			keys, err := s.ListAll(t.Context(), userID, 4)
			fails(t, "4 at most", err, registry.ErrTooMany)
			if len(keys) != 0 {
				t.Errorf("%d keys and an error", len(keys))
			}
		}
		// The audit entries of all users count too.
		for n := range int64(30) {
			from, to := NewKey(0, "u1"), NewKey(0, "u1")
			from.Rev = n
			to.Rev = n
			entry := audit.Sealed{
				Place: audit.Place{Life: to.CreatedAt, Seq: n}, Subject: to.ID, Owner: "u1",
				At: Morning(), Until: Morning().AddDate(1, 0, 0), Text: "{}", Sum: []byte{1},
			}
			must(t, s.Write(t.Context(), registry.Write{From: from, To: to, Entry: &entry}))
		}
		_, err := s.ListAll(t.Context(), "", 5)
		fails(t, "many entries", err, registry.ErrTooMany)
		for userID, most := range map[string]int{"": 10, "u1": 5} {
			if keys, err := s.ListAll(t.Context(), userID, most); err != nil || len(keys) != 5 {
				t.Errorf("beside entries, of %q: %d keys, %v", userID, len(keys), err)
			}
		}
	}},
	{"Users returns the records of users by their ids", func(t *testing.T, s Store) {
		want := make(map[string]*apikey.User)
		for _, id := range []string{"u1", "u2", "übel#1"} {
			u := &apikey.User{ID: id, Suspended: id == "u2", MaxKeys: 3, Rev: 1, Since: Morning()}
			must(t, s.Write(t.Context(), registry.Write{User: &registry.Replacement[apikey.User]{To: u}}))
			want[id] = u
		}
		must(t, s.Touch(t.Context(), apikey.UserMeter("u9", ""), Morning())) // no record
		users, err := s.Users(t.Context(), []string{"u1", "u2", "übel#1", "u9", "nobody"})
		must(t, err)
		if diff := gocmp.Diff(want, users); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if none, err := s.Users(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("of nobody: %v, %v", none, err)
		}
	}},
	{"Usages returns what Usage returns for each key", func(t *testing.T, s Store) {
		ids := []string{NewKey(1, "").ID, NewKey(2, "").ID, NewKey(3, "").ID}
		days := []ratelimit.DayUsage{
			{Day: 20261031, Used: 7}, {Day: 20261101, Used: 8}, {Day: 20261130, Used: 9}, {Day: 20261201, Used: 10},
		}
		must(t, s.RecordUsage(t.Context(), ids[0], days))
		must(t, s.RecordUsage(t.Context(), ids[1], days[2:3]))
		former := &ratelimit.DayUsage{Day: 20261124, Former: 3}
		k := NewKey(2, "u1")
		Create(t, s, k, 0)
		must(t, s.Write(t.Context(), registry.Write{From: k, Delete: true, Former: former}))
		for _, span := range [][2]ratelimit.Date{{20261101, 20261130}, {20261031, 20261201}, {20261102, 20261102}} {
			all, err := s.Usages(t.Context(), ids, span[0], span[1])
			must(t, err)
			for _, id := range ids {
				want, err := s.Usage(t.Context(), id, span[0], span[1])
				must(t, err)
				if diff := gocmp.Diff(want, all[id]); diff != "" {
					t.Errorf("%v of %s (-Usage +Usages):\n%s", span, id, diff)
				}
			}
		}
		all, err := s.Usages(t.Context(), ids, 20261031, 20261201)
		if err != nil || len(all) != 2 || len(all[ids[0]]) != 4 || len(all[ids[1]]) != 2 {
			t.Errorf("%v, %v", all, err)
		}
	}},
}
