package registrytest

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// NewUser returns the record of a user with every field set but the plan's revision.
func NewUser(id string) *apikey.User {
	return &apikey.User{
		ID: id, Plan: "pro", Suspended: true, Bounds: newBounds(1, ratelimit.Month), MaxKeys: 7,
		Scopes: apikey.Scopes{"tts"}, Metadata: map[string]string{"team": "a"}, Rev: 1795507200, Since: Morning(),
	}
}

// NewPlan returns a plan with every field set.
func NewPlan(name string) *apikey.Plan {
	return &apikey.Plan{
		Name: name, Scopes: apikey.Scopes{"tts", "keys:read"},
		Key: newBounds(1, ratelimit.Day), User: newBounds(10, ratelimit.Lifetime),
		Life: apikey.Life{MaxDays: 30, DefaultDays: 10, IdleDays: 5}, Rev: 1795507200, Since: Morning(),
	}
}

func newBounds(n int64, p ratelimit.Period) apikey.Bounds {
	return apikey.Bounds{
		Limits: []ratelimit.Limit{{Requests: n, Window: time.Second}, {Requests: 9 * n, Window: time.Minute}},
		Quota:  ratelimit.Quota{Requests: 1000 * n, Period: p},
	}
}

// userWrite returns the change of a user's record. from is nil for a new record.
func userWrite(from, to *apikey.User) registry.Write {
	return registry.Write{User: &registry.Replacement[apikey.User]{From: from, To: to}, At: Morning()}
}

// planWrite is userWrite for a plan.
func planWrite(from, to *apikey.Plan) registry.Write {
	return registry.Write{Plan: &registry.Replacement[apikey.Plan]{From: from, To: to}, At: Morning()}
}

var policyContracts = []contract{
	{"User and Plan return records as they were written", func(t *testing.T, s Store) {
		const odd = "an odd user#id: ü"
		for _, u := range []*apikey.User{NewUser("u1"), NewUser(odd), {ID: "least", Rev: 1, Since: Morning()}} {
			must(t, s.Write(t.Context(), userWrite(nil, u)))
			got, err := s.User(t.Context(), u.ID)
			must(t, err)
			if diff := cmp.Diff(u, got.User); diff != "" || len(got.Meters) != 0 {
				t.Errorf("the record of a user (-written +found):\n%s", diff)
			}
		}
		for _, p := range []*apikey.Plan{NewPlan("pro"), {Name: "least", Rev: 1, Since: Morning()}} {
			must(t, s.Write(t.Context(), planWrite(nil, p)))
			got, err := s.Plan(t.Context(), p.Name)
			must(t, err)
			if diff := cmp.Diff(p, got); diff != "" {
				t.Errorf("plan (-written +found):\n%s", diff)
			}
		}
	}},
	{"A user without a record is no error, and a plan that is missing is ErrNotFound", func(t *testing.T, s Store) {
		must(t, s.Write(t.Context(), userWrite(nil, NewUser("u1"))))
		Create(t, s, NewKey(1, "u2"), 0)
		if got, err := s.User(t.Context(), "u2"); err != nil || got.User != nil || len(got.Meters) != 0 {
			t.Errorf("User: %+v, %v", got, err)
		}
		_, err := s.Plan(t.Context(), "pro")
		fails(t, "Plan", err, apikey.ErrNotFound)
		for _, subject := range []string{apikey.UserSubject("u2"), apikey.PlanSubject("pro")} {
			_, err := s.StoredPolicy(t.Context(), subject)
			fails(t, "StoredPolicy of "+subject, err, apikey.ErrNotFound)
		}
	}},
	{"Write replaces only the revision of a record that was read", func(t *testing.T, s Store) {
		user, plan := NewUser("u1"), NewPlan("pro")
		must(t, s.Write(t.Context(), userWrite(nil, user), planWrite(nil, plan)))
		fails(t, "the user again", s.Write(t.Context(), userWrite(nil, NewUser("u1"))), apikey.ErrConflict)
		fails(t, "the plan again", s.Write(t.Context(), planWrite(nil, NewPlan("pro"))), apikey.ErrConflict)
		user2, plan2 := *user, *plan
		user2.Rev, user2.Suspended, plan2.Rev, plan2.Key = user.Rev+5, false, plan.Rev+7, apikey.Bounds{}
		must(t, s.Write(t.Context(), userWrite(user, &user2), planWrite(plan, &plan2)))
		fails(t, "a lost update of the user", s.Write(t.Context(), userWrite(user, &user2)), apikey.ErrConflict)
		fails(t, "a lost update of the plan", s.Write(t.Context(), planWrite(plan, &plan2)), apikey.ErrConflict)
		got, err := s.User(t.Context(), "u1")
		if err != nil || got.User.Rev != user2.Rev || got.User.Suspended {
			t.Errorf("user: %+v, %v", got.User, err)
		}
		if got, err := s.Plan(t.Context(), "pro"); err != nil || got.Rev != plan2.Rev || !got.Key.None() {
			t.Errorf("plan: %+v, %v", got, err)
		}
	}},
	{"Write makes a change only while its plans and the caller's key are as they were read", func(t *testing.T, s Store) {
		caller, plan := NewKey(1, "root"), NewPlan("pro")
		Create(t, s, caller, 0)
		must(t, s.Write(t.Context(), planWrite(nil, plan)))
		w := userWrite(nil, NewUser("u1"))
		w.Plans, w.Caller = []*apikey.Plan{plan}, caller
		must(t, s.Write(t.Context(), w))
		later := *plan
		later.Rev++
		must(t, s.Write(t.Context(), planWrite(plan, &later)))
		w = userWrite(nil, NewUser("u2"))
		w.Plans, w.Caller = []*apikey.Plan{plan}, caller
		fails(t, "with an earlier plan", s.Write(t.Context(), w), apikey.ErrConflict)
		w.Plans = []*apikey.Plan{NewPlan("missing")}
		fails(t, "with a missing plan", s.Write(t.Context(), w), apikey.ErrConflict)
		read := *caller
		must(t, Update(t, s, caller))
		w.Plans, w.Caller = nil, &read
		fails(t, "with an earlier key of the caller", s.Write(t.Context(), w), apikey.ErrCallerChanged)
		if got, err := s.User(t.Context(), "u2"); err != nil || got.User != nil {
			t.Errorf("user: %+v, %v", got.User, err)
		}
	}},
	{"Write makes a change only while what is set for its users is as it was read", func(t *testing.T, s Store) {
		user, other := NewUser("u1"), NewUser("u2")
		must(t, s.Write(t.Context(), userWrite(nil, user), userWrite(nil, other)))
		none := &apikey.User{ID: "u3"}
		write := registry.Write{To: NewKey(1, "u1"), Users: []*apikey.User{user, none}}
		must(t, s.Write(t.Context(), write))
		later := *user
		later.Rev++
		must(t, s.Write(t.Context(), userWrite(user, &later)))
		write.To = NewKey(2, "u1")
		fails(t, "with an earlier revision", s.Write(t.Context(), write), apikey.ErrCallerChanged)
		write.Users = []*apikey.User{&later, {ID: "u2"}}
		fails(t, "with one that is set by now", s.Write(t.Context(), write), apikey.ErrCallerChanged)
		write.Users = []*apikey.User{NewUser("u3")}
		fails(t, "with one that is not stored", s.Write(t.Context(), write), apikey.ErrCallerChanged)
		_, err := s.Find(t.Context(), write.To.ID)
		fails(t, "the key", err, apikey.ErrNotFound)
	}},
	{"Plans returns all plans by name, and no list of keys shows a record", func(t *testing.T, s Store) {
		for _, name := range []string{"pro", "a", "basic"} {
			must(t, s.Write(t.Context(), planWrite(nil, NewPlan(name))))
		}
		must(t, s.Write(t.Context(), userWrite(nil, NewUser("u1"))))
		var names []string
		for try := 0; try < 100 && len(names) < 3; try++ { // it may miss the last moments
			plans, err := s.Plans(t.Context())
			must(t, err)
			names = nil
			for _, p := range plans {
				names = append(names, p.Name)
			}
		}
		if diff := cmp.Diff([]string{"a", "basic", "pro"}, names); diff != "" {
			t.Errorf("plans (-want +got):\n%s", diff)
		}
		for _, user := range []string{"u1", "plans", apikey.PlansOwner} {
			if keys, err := s.List(t.Context(), user, registry.Position{}, 10); err != nil || len(keys) != 0 {
				t.Errorf("the list of %s: %v, %v", user, keys, err)
			}
		}
	}},
	{"PlanUsers returns the users of a plan in pages", func(t *testing.T, s Store) {
		for n, id := range []string{"b", "é", "a#1", "c"} {
			u := NewUser(id)
			if n == 3 {
				u.Plan = "basic"
			}
			must(t, s.Write(t.Context(), userWrite(nil, u)))
		}
		must(t, s.Write(t.Context(), userWrite(nil, &apikey.User{ID: "none", Rev: 1, Since: Morning()})))
		var pages []string
		for try := 0; try < 100 && len(pages) < 3; try++ { // it may miss the last moments
			pages = nil
			for after := ""; len(pages) < 9; {
				ids, err := s.PlanUsers(t.Context(), "pro", after, 2)
				must(t, err)
				pages = append(pages, ids...)
				if len(ids) < 2 {
					break
				}
				after = ids[len(ids)-1]
			}
		}
		if diff := cmp.Diff([]string{"a#1", "b", "é"}, pages); diff != "" {
			t.Errorf("users (-want +got):\n%s", diff)
		}
	}},
	{"StoredPolicy returns the text that UserText and PlanText return", func(t *testing.T, s Store) {
		user, plan := NewUser("u1"), NewPlan("pro")
		must(t, s.Write(t.Context(), userWrite(nil, user), planWrite(nil, plan)))
		user.Trail, plan.Trail = audit.Head{Seal: []byte("a seal")}, audit.Head{Seal: []byte("a seal")}
		for subject, text := range map[string]func() ([]byte, error){
			apikey.UserSubject("u1"):  func() ([]byte, error) { return s.UserText(user) },
			apikey.PlanSubject("pro"): func() ([]byte, error) { return s.PlanText(plan) },
		} {
			stored, err := s.StoredPolicy(t.Context(), subject)
			must(t, err)
			want, err := text()
			if err != nil || string(stored.Record) != string(want) || stored.ID != subject || !stored.Life.Equal(Morning()) {
				t.Errorf("%s: stored %s\ntext   %s, %v", subject, stored.Record, want, err)
			}
			user.Rev, plan.Rev = user.Rev+1, plan.Rev+1
			if other, err := text(); err != nil || string(other) == string(want) {
				t.Errorf("%s: another record has the same text, %v", subject, err)
			}
			user.Rev, plan.Rev = user.Rev-1, plan.Rev-1
		}
	}},
	{"A record's entries and witness are stored as those of a key", func(t *testing.T, s Store) {
		n := audit.NewNotary([]byte("the key of a trail"))
		user := NewUser("u1")
		write := func(to *apikey.User, stored *apikey.User) error {
			w := userWrite(stored, to)
			w.At = Morning().Add(time.Duration(to.Seq) * time.Minute)
			entry := audit.Entry{At: w.At, Action: "set_user", Subject: apikey.UserSubject(to.ID), Owner: to.ID}
			sealed, head, witness, err := n.Append(to.Trail, to.Place(), entry, time.Hour)
			must(t, err)
			to.Trail, w.Entry, w.Witness = head, &sealed, &witness
			return s.Write(t.Context(), w)
		}
		must(t, write(user, nil))
		second := *user
		second.Seq, second.Rev = 1, user.Rev+1
		must(t, write(&second, user))
		entries, _, err := s.Trail(t.Context(), apikey.UserSubject("u1"), time.Time{}, "", 0)
		if err != nil || numbers(entries) != "1 0" || entries[0].Subject != "user#u1" || entries[0].Owner != "u1" {
			t.Errorf("trail: %+v, %v", entries, err)
		}
		if w, err := s.Witness(t.Context(), apikey.UserSubject("u1")); err != nil || w.Seq != 1 || w.Subject != "user#u1" {
			t.Errorf("witness: %+v, %v", w, err)
		}
		trail := 0
		for try := 0; try < 100 && trail < 2; try++ {
			of, _, err := s.UserTrail(t.Context(), "u1", "", 0)
			must(t, err)
			trail = len(of)
		}
		if trail != 2 {
			t.Errorf("the user's trail has %d entries", trail)
		}
		// The record is altered outside the service, without an entry.
		altered := second
		altered.Seq, altered.Rev = 2, second.Rev+1
		must(t, s.Write(t.Context(), userWrite(&second, &altered)))
		third := altered
		third.Seq, third.Rev = 3, altered.Rev+1
		fails(t, "a change of an altered record", write(&third, &altered), apikey.ErrUnwitnessed)
	}},
	{"Of many that write one revision of a record at the same time, one succeeds", func(t *testing.T, s Store) {
		user := NewUser("u1")
		for round := range 2 {
			from := user
			if round == 0 {
				from = nil
			}
			changed := 0
			for _, err := range concurrently(6, func(n int) error {
				to := *NewUser("u1")
				to.Rev, to.Plan = user.Rev+int64(round), "plan-"+strconv.Itoa(n)
				return s.Write(t.Context(), userWrite(from, &to))
			}) {
				if err == nil {
					changed++
				} else {
					fails(t, "write", err, apikey.ErrConflict)
				}
			}
			if changed != 1 {
				t.Errorf("round %d: %d of 6 succeeded", round, changed)
			}
		}
	}},
}
