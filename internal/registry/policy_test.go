package registry_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func root() registry.Caller {
	return registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
}

func month(n int64) apikey.Bounds {
	return apikey.Bounds{Quota: ratelimit.Quota{Requests: n, Period: ratelimit.Month}}
}

// putPlan puts a plan that bounds a user.
func (b *bench) putPlan(t *testing.T, name string, n int64) *apikey.Plan {
	t.Helper()
	p, err := b.Registry.PutPlan(t.Context(), root(), apikey.Plan{Name: name, User: month(n)})
	if err != nil {
		t.Fatalf("put plan %s: %v", name, err)
	}
	return p
}

// setUser changes what is set for a user.
func (b *bench) setUser(t *testing.T, user string, c apikey.UserChange) *apikey.User {
	t.Helper()
	u, err := b.Registry.SetUser(t.Context(), root(), user, c, false)
	if err != nil {
		t.Fatalf("set %s: %v", user, err)
	}
	return u
}

// invalid fails the test unless err is a caller's mistake in a field, or nil if field is empty.
func invalid(t *testing.T, what string, err error, field string) {
	t.Helper()
	var wrong *apikey.FieldError
	switch {
	case field == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case field != "" && (!errors.As(err, &wrong) || wrong.Field != field || !errors.Is(err, apikey.ErrInvalid)):
		t.Errorf("%s: %v, want %s to be invalid", what, err, field)
	}
}

func TestAnAdminAloneSetsUsersAndPlans(t *testing.T) {
	b := newBench(t)
	b.putPlan(t, "pro", 1)
	b.putPlan(t, "secret", 1)
	quota := ratelimit.Quota{Requests: 5, Period: ratelimit.Lifetime}
	b.setUser(t, "u1", apikey.UserChange{Plan: ptr("pro"), Quota: &quota})
	b.setUser(t, "u2", apikey.UserChange{Suspended: ptr(true)})
	key := b.Issue(t, b.Token(t), func(k *apikey.Key) { k.Quota = quota })
	jwt := func(user string, scopes ...string) registry.Caller {
		return registry.Caller{UserID: user, Scopes: scopes}
	}
	for _, c := range []struct {
		name  string
		who   registry.Caller
		reads bool // its own user and plan
		admin bool
	}{
		{"an admin's key", b.caller(t, "root", admin), true, true},
		{"an admin without a key", root(), true, true},
		{"the user's key", b.caller(t, "u1", nil), true, false},
		{"the user without a key", jwt("u1", apikey.ScopeRead, apikey.ScopeWrite), true, false},
		{"the user without a scope", jwt("u1"), false, false},
		{"another user", jwt("u3", apikey.ScopeRead, apikey.ScopeWrite), false, false},
	} {
		allowed := func(what string, err error, want bool) {
			t.Helper()
			refused := errors.Is(err, apikey.ErrForbidden) || errors.Is(err, apikey.ErrNotFound)
			if want && err != nil || !want && !refused {
				t.Errorf("%s: %s: %v, want allowed %t", c.name, what, err, want)
			}
		}
		_, err := b.Registry.User(t.Context(), c.who, "u1")
		allowed("read u1", err, c.reads)
		_, err = b.Registry.User(t.Context(), c.who, "u2")
		allowed("read u2", err, c.admin)
		_, err = b.Registry.Plan(t.Context(), c.who, "pro")
		allowed("read pro", err, c.reads)
		_, err = b.Registry.Plan(t.Context(), c.who, "secret")
		allowed("read secret", err, c.admin)
		_, err = b.Registry.Plans(t.Context(), c.who)
		allowed("list plans", err, c.admin)
		_, err = b.Registry.PutPlan(t.Context(), c.who, apikey.Plan{Name: "pro", User: month(int64(b.Count()))})
		allowed("put pro", err, c.admin)
		_, err = b.Registry.SetUser(t.Context(), c.who, "u1", apikey.UserChange{MaxKeys: ptr(b.Count())}, false)
		allowed("set u1", err, c.admin)
		_, err = b.Registry.AddKeyCredits(t.Context(), c.who, key.ID, 1)
		allowed("credits of a key", err, c.admin)
		_, err = b.Registry.AddUserCredits(t.Context(), c.who, "u1", 1)
		allowed("credits of u1", err, c.admin)
	}
	// A key whose own plan it is may read it too.
	member := b.caller(t, "u3", func(k *apikey.Key) { k.Plan = "secret" })
	_, err := b.Registry.Plan(t.Context(), member, "secret")
	invalid(t, "the plan of the calling key", err, "")
	// An admin whose key was revoked meanwhile sets nothing.
	was := b.caller(t, "root", admin)
	if _, err := b.Registry.Revoke(t.Context(), root(), was.KeyID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Registry.SetUser(t.Context(), was, "u1", apikey.UserChange{MaxKeys: ptr(99)}, false); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("an admin's revoked key sets a user: %v", err)
	}
}

func TestAUserIsChangedOrReplaced(t *testing.T) {
	b := newBench(t)
	b.putPlan(t, "pro", 1)
	limits := []ratelimit.Limit{{Requests: 100, Window: time.Minute}, {Requests: 10, Window: time.Second}}
	none, err := b.Registry.User(t.Context(), root(), "u1")
	if diff := cmp.Diff(&apikey.User{ID: "u1"}, none); diff != "" || err != nil {
		t.Errorf("before anything is set: %v\n%s", err, diff)
	}
	if u, err := b.Registry.SetUser(t.Context(), root(), "u1", apikey.UserChange{Plan: ptr("")}, true); err != nil || u.Rev != 0 {
		t.Errorf("setting nothing has made a record: %+v, %v", u, err)
	}
	u := b.setUser(t, "u1", apikey.UserChange{
		Plan: ptr("pro"), Limits: &limits, MaxKeys: ptr(7), Scopes: &apikey.Scopes{"tts"}, Metadata: &map[string]string{"a": "b"},
	})
	if u.Limits[0].Window != time.Second || limits[0].Window != time.Minute {
		t.Errorf("the limits are %v of %v", u.Limits, limits)
	}
	b.Clock.Pass(time.Hour)
	changed := b.setUser(t, "u1", apikey.UserChange{Suspended: ptr(true)})
	if changed.Plan != "pro" || len(changed.Limits) != 2 || !changed.Suspended || changed.Rev != apikeytest.Noon.Add(time.Hour).Unix() {
		t.Errorf("changed: %+v", changed)
	}
	same := b.setUser(t, "u1", apikey.UserChange{Suspended: ptr(true), Plan: ptr("pro")})
	if same.Rev != changed.Rev || same.Seq != changed.Seq {
		t.Errorf("a change of nothing is stored: %+v", same)
	}
	whole, err := b.Registry.SetUser(t.Context(), root(), "u1", apikey.UserChange{MaxKeys: ptr(3)}, true)
	want := &apikey.User{ID: "u1", MaxKeys: 3, Rev: changed.Rev + 1, Seq: 2, Since: u.Since, Trail: whole.Trail}
	if diff := cmp.Diff(want, whole); diff != "" || err != nil {
		t.Errorf("replaced: %v\n%s", err, diff)
	}
	var told []string
	for _, e := range b.trail(t, apikey.UserSubject("u1")) {
		told = append(told, strings.TrimPrefix(e, "user root "))
	}
	if diff := cmp.Diff([]string{
		`set_plan; limits: null > [{"amount":10,"window":1},{"amount":100,"window":60}]; maxKeys: null > 7; ` +
			`metadata: null > {"a":"b"}; plan: null > "pro"; scopes: null > ["tts"]`,
		`suspend; suspended: null > true`,
		`resume; limits: [{"amount":10,"window":1},{"amount":100,"window":60}] > null; maxKeys: 7 > 3; ` +
			`metadata: {"a":"b"} > null; plan: "pro" > null; scopes: ["tts"] > null; suspended: true > null`,
	}, told); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
	plan := b.trail(t, apikey.PlanSubject("pro"))
	if len(plan) != 1 || !strings.HasSuffix(plan[0], `set_plan; user: null > {"quota":{"requests":1,"period":"month"}}`) {
		t.Errorf("trail of the plan: %v", plan)
	}
}

func TestWhatIsSetForUsersAndPlansIsChecked(t *testing.T) {
	b := newBench(t)
	b.putPlan(t, "pro", 1)
	line := func(n int64, w time.Duration) ratelimit.Limit { return ratelimit.Limit{Requests: n, Window: w} }
	limits := func(l ...ratelimit.Limit) apikey.UserChange { return apikey.UserChange{Limits: &l} }
	quota := func(n int64, p ratelimit.Period) apikey.UserChange {
		return apikey.UserChange{Quota: &ratelimit.Quota{Requests: n, Period: p}}
	}
	for _, c := range []struct {
		name, user, field string
		change            apikey.UserChange
	}{
		{"four limits", "u1", "", limits(line(1, time.Second), line(2, 2*time.Second), line(3, 3*time.Second), line(3, 4*time.Second))},
		{"five limits", "u1", "limits", limits(line(1, 1e9), line(1, 2e9), line(1, 3e9), line(1, 4e9), line(1, 5e9))},
		{"an amount of nothing", "u1", "limits.amount", limits(line(0, time.Second))},
		{"too large an amount", "u1", "limits.amount", limits(line(apikey.MaxRequests+1, time.Second))},
		{"a window of nothing", "u1", "limits.window", limits(line(1, 0))},
		{"too long a window", "u1", "limits.window", limits(line(1, 25*time.Hour))},
		{"half a second", "u1", "limits.window", limits(line(1, 1500*time.Millisecond))},
		{"a window twice", "u1", "limits.window", limits(line(1, time.Second), line(2, time.Second))},
		{"limits that contradict", "u1", "limits.amount", limits(line(10, time.Minute), line(11, time.Second))},
		{"a lifetime", "u1", "", quota(1, ratelimit.Lifetime)},
		{"a quota of nothing", "u1", "quota.requests", quota(0, ratelimit.Day)},
		{"too large a quota", "u1", "quota.requests", quota(apikey.MaxQuota+1, ratelimit.Day)},
		{"an unknown period", "u1", "quota.period", quota(1, "year")},
		{"a missing plan", "u1", "plan", apikey.UserChange{Plan: ptr("prof")}},
		{"no name of a plan", "u1", "plan", apikey.UserChange{Plan: ptr("Pro")}},
		{"fewer keys than none", "u1", "maxKeys", apikey.UserChange{MaxKeys: ptr(-1)}},
		{"too many keys", "u1", "maxKeys", apikey.UserChange{MaxKeys: ptr(apikey.MaxMaxKeys + 1)}},
		{"a scope that is none", "u1", "scopes", apikey.UserChange{Scopes: &apikey.Scopes{"A B"}}},
		{"much metadata", "u1", "metadata", apikey.UserChange{Metadata: &map[string]string{"a": strings.Repeat("x", 3000)}}},
		{"a reserved user", "latchkey:admin", "userId", apikey.UserChange{MaxKeys: ptr(1)}},
		{"nobody", "Anonymous", "userId", apikey.UserChange{MaxKeys: ptr(1)}},
		{"no user", "", "userId", apikey.UserChange{MaxKeys: ptr(1)}},
		{"space around a user", " u1", "userId", apikey.UserChange{MaxKeys: ptr(1)}},
		{"an invisible character", "u\u200b1", "userId", apikey.UserChange{MaxKeys: ptr(1)}},
		{"a user with the signs of a subject", "user#1#2", "", apikey.UserChange{MaxKeys: ptr(1)}},
	} {
		_, err := b.Registry.SetUser(t.Context(), root(), c.user, c.change, false)
		invalid(t, c.name, err, c.field)
	}
	wide, narrow := []ratelimit.Limit{line(1, time.Second)}, []ratelimit.Limit{line(0, time.Second)}
	for field, p := range map[string]apikey.Plan{
		"":                    {Name: "a.b_c-9", Scopes: apikey.Scopes{"tts"}},
		"name":                {Name: "a b", Scopes: apikey.Scopes{"tts"}},
		"key":                 {Name: "empty"},
		"scopes":              {Name: "p", Scopes: apikey.Scopes{""}},
		"key.limits.amount":   {Name: "p", Key: apikey.Bounds{Limits: narrow}, User: apikey.Bounds{Limits: wide}},
		"user.limits.amount":  {Name: "p", Key: apikey.Bounds{Limits: wide}, User: apikey.Bounds{Limits: narrow}},
		"user.quota.requests": {Name: "p", User: month(-1)},
		"maxDays":             {Name: "p", Life: apikey.Life{MaxDays: -1}},
		"idleDays":            {Name: "p", Life: apikey.Life{IdleDays: apikey.MaxLifeDays + 1}},
		"defaultDays":         {Name: "p", Life: apikey.Life{MaxDays: 1, DefaultDays: 2}},
	} {
		_, err := b.Registry.PutPlan(t.Context(), root(), p)
		invalid(t, fmt.Sprintf("plan %+v", p), err, field)
	}
	for _, name := range []string{"", strings.Repeat("a", 65), "Pro", "a/b", "é"} {
		_, err := b.Registry.PutPlan(t.Context(), root(), apikey.Plan{Name: name, User: month(1)})
		invalid(t, "plan "+name, err, "name")
	}
}

// What is set for an id bounds its keys. It must not be set for an id that only looks like it.
func TestAUserWithoutKeysWhoLooksLikeOneWithKeysIsRefused(t *testing.T) {
	b := newBench(t)
	const composed, decomposed = "jos\u00e9", "jose\u0301"
	set := func(user string) error {
		_, err := b.Registry.SetUser(t.Context(), root(), user, apikey.UserChange{Suspended: ptr(true), MaxKeys: ptr(b.Count())}, false)
		return err
	}
	invalid(t, "a user without keys", set(composed), "")
	b.caller(t, decomposed, nil)
	invalid(t, "the one without keys", set(composed), "userId")
	invalid(t, "the one with keys", set(decomposed), "")
	b.caller(t, composed, nil)
	invalid(t, "when both have keys", set(composed), "")
	// An earlier version has accepted this id.
	invalid(t, "an illegible user without keys", set("a\u202eb"), "userId")
	b.caller(t, "a\u202eb", nil)
	invalid(t, "an illegible user with keys", set("a\u202eb"), "")
}

func TestAChangeOfAUserOrAPlanIsMeantForARevision(t *testing.T) {
	b := newBench(t)
	meant := func(revs ...int64) registry.Caller {
		who := root()
		who.Match = revs
		return who
	}
	put := func(who registry.Caller, n int64) (*apikey.Plan, error) {
		return b.Registry.PutPlan(t.Context(), who, apikey.Plan{Name: "pro", User: month(n)})
	}
	set := func(who registry.Caller, n int) (*apikey.User, error) {
		return b.Registry.SetUser(t.Context(), who, "u1", apikey.UserChange{MaxKeys: &n}, false)
	}
	p, err := put(meant(0), 1)
	invalid(t, "a plan that is missing", err, "")
	u, err := set(meant(0), 1)
	invalid(t, "a user for whom nothing is set", err, "")
	for _, revs := range [][]int64{{0}, {p.Rev - 1, p.Rev + 1}} {
		if _, err := put(meant(revs...), 2); !errors.Is(err, apikey.ErrPrecondition) {
			t.Errorf("put for %v: %v", revs, err)
		}
		if _, err := set(meant(revs...), 2); !errors.Is(err, apikey.ErrPrecondition) {
			t.Errorf("set for %v: %v", revs, err)
		}
	}
	if _, err := put(meant(7, p.Rev), 2); err != nil {
		t.Errorf("put: %v", err)
	}
	if _, err := set(meant(u.Rev), 2); err != nil {
		t.Errorf("set: %v", err)
	}
}

// policyOf returns the revision by which the terms of a user's first meter are known.
func (b *bench) termsRev(t *testing.T, user string) int64 {
	t.Helper()
	u, err := b.Table.User(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	if u.User == nil || u.User.Plan == "" {
		return 0
	}
	p, err := b.Table.Plan(t.Context(), u.User.Plan)
	if err != nil {
		t.Fatal(err)
	}
	return max(u.User.Rev, p.Rev)
}

// The terms of a user's meter never go back, whatever the order of changes and whatever the clock
// shows.
func TestTheRevisionOfTermsNeverGoesBack(t *testing.T) {
	for seed := range uint64(8) {
		b := newBench(t)
		random := rand.New(rand.NewPCG(seed, 0))
		b.putPlan(t, "a", 1)
		b.putPlan(t, "b", 1)
		b.setUser(t, "u1", apikey.UserChange{Plan: ptr("a")})
		before := b.termsRev(t, "u1")
		for range 40 {
			what, n := random.IntN(6), int64(b.Count())+1
			grows := true
			switch what {
			case 0:
				b.setUser(t, "u1", apikey.UserChange{Plan: ptr("a"), MaxKeys: ptr(int(n))})
			case 1:
				b.setUser(t, "u1", apikey.UserChange{Plan: ptr("b"), MaxKeys: ptr(int(n))})
			case 2:
				b.setUser(t, "u1", apikey.UserChange{MaxKeys: ptr(int(n))})
			case 3, 4:
				name := []string{"a", "b"}[what-3]
				was, err := b.Table.Plan(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				if p := b.putPlan(t, name, n); p.Rev <= was.Rev {
					t.Fatalf("seed %d: plan %s: revision %d after %d", seed, name, p.Rev, was.Rev)
				}
				grows = false // the other plan, or the user's revision is above it
			case 5: // clocks differ
				b.Clock.Pass(time.Duration(random.IntN(3)-1) * 100 * time.Millisecond)
				grows = false
			}
			after := b.termsRev(t, "u1")
			if after < before || grows && after == before {
				t.Fatalf("seed %d, step %d: revision %d after %d", seed, what, after, before)
			}
			before = after
		}
	}
}

// A plan that changes while it is given to a user, or taken from one, is below the user's revision.
func TestAPlanThatChangesMeanwhileIsReadAgain(t *testing.T) {
	for _, changed := range []string{"old", "new"} {
		b := newBench(t)
		b.putPlan(t, "old", 1)
		b.putPlan(t, "new", 1)
		b.setUser(t, "u1", apikey.UserChange{Plan: ptr("old")})
		r := b.On(&once{Store: b.Options.Store, do: func() {
			for n := range int64(9) {
				b.putPlan(t, changed, 10+n)
			}
		}})
		u, err := r.SetUser(t.Context(), root(), "u1", apikey.UserChange{Plan: ptr("new")}, false)
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.Table.Plan(t.Context(), changed)
		if err != nil || u.Rev <= p.Rev || u.Plan != "new" {
			t.Errorf("the %s plan: %d, user: %d, %v", changed, p.Rev, u.Rev, err)
		}
	}
}

func TestUsersAndPlansChangedAtOnceLoseNothing(t *testing.T) {
	b := newBench(t)
	b.RealTime = true
	b.Configure(func(o *registry.Options) { o.Pause = nil })
	b.putPlan(t, "pro", 1)
	const at = 6
	var wg sync.WaitGroup
	for n := range at {
		wg.Go(func() {
			name := fmt.Sprint("n", n)
			for _, err := range []error{
				b.tryMetadata(t.Context(), name), b.tryCredit(t.Context()),
			} {
				if err != nil && !errors.Is(err, apikey.ErrConflict) && !errors.Is(err, apikey.ErrInvalid) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	c, err := b.Registry.CheckTrail(t.Context(), apikey.UserSubject("u1"))
	u, _ := b.Registry.User(t.Context(), root(), "u1")
	if err != nil || int64(len(c.Entries)) != u.Seq+1 || c.Standing != audit.Authentic {
		t.Errorf("%d entries of %d changes, %v", len(c.Entries), u.Seq+1, err)
	}
}

func (b *bench) tryMetadata(ctx context.Context, name string) error {
	_, err := b.Registry.SetUser(ctx, root(), "u1", apikey.UserChange{Metadata: &map[string]string{"last": name}}, false)
	return err
}

func (b *bench) tryCredit(ctx context.Context) error {
	_, err := b.Registry.SetUser(ctx, root(), "u1", apikey.UserChange{Quota: &ratelimit.Quota{Requests: 5, Period: ratelimit.Lifetime}}, false)
	if err == nil {
		_, err = b.Registry.AddUserCredits(ctx, root(), "u1", 1)
	}
	return err
}

func TestPlansAreListedByName(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"pro", "a", "basic"} {
		b.putPlan(t, name, 1)
	}
	var names []string
	for try := 0; try < 100 && len(names) < 3; try++ {
		plans, err := b.Registry.Plans(t.Context(), root())
		if err != nil {
			t.Fatal(err)
		}
		names = nil
		for _, p := range plans {
			names = append(names, p.Name)
		}
	}
	if diff := cmp.Diff([]string{"a", "basic", "pro"}, names); diff != "" {
		t.Error(diff)
	}
	if _, err := b.Registry.Plan(t.Context(), root(), "missing"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("a missing plan: %v", err)
	}
	page, err := b.Registry.UserTrail(t.Context(), root(), registry.TrailQuery{UserID: apikey.PlansOwner, Limit: 2})
	for try := 0; try < 100 && err == nil && page.Next == ""; try++ {
		page, err = b.Registry.UserTrail(t.Context(), root(), registry.TrailQuery{UserID: apikey.PlansOwner, Limit: 2})
	}
	if err != nil || len(page.Entries) != 2 || page.Entries[0].Owner != apikey.PlansOwner {
		t.Fatalf("the trail of plans: %+v, %v", page, err)
	}
	if page, err := b.Registry.UserTrail(t.Context(), root(), registry.TrailQuery{UserID: apikey.PlansOwner, Cursor: page.Next, Limit: 2}); err != nil || len(page.Entries) != 1 {
		t.Errorf("the rest: %+v, %v", page, err)
	}
}

// The trail of a user has the entries of the record, also if the id has the signs of a subject.
func TestTheTrailOfAUserHasTheRecordsEntries(t *testing.T) {
	b := newBench(t)
	for _, user := range []string{"u1", "plan#x", "a#b#c"} {
		k, _, err := b.Registry.Create(t.Context(), root(), user, apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Pass(time.Second)
		b.setUser(t, user, apikey.UserChange{MaxKeys: ptr(1)})
		b.Clock.Pass(time.Second)
		b.setUser(t, user, apikey.UserChange{MaxKeys: ptr(2)})
		var page registry.TrailPage
		for try := 0; try < 100 && len(page.Entries) < 3; try++ {
			if page, err = b.Registry.UserTrail(t.Context(), root(), registry.TrailQuery{UserID: user, Limit: 10}); err != nil {
				t.Fatal(err)
			}
		}
		if len(page.Entries) != 3 || page.Entries[0].Subject != apikey.UserSubject(user) || page.Entries[2].Subject != k.ID {
			t.Errorf("%s: %+v", user, page.Entries)
		}
		first, err := b.Registry.UserTrail(t.Context(), root(), registry.TrailQuery{UserID: user, Limit: 1})
		if err != nil || first.Next == "" {
			t.Fatalf("%s: %+v, %v", user, first, err)
		}
		if rest, err := b.Registry.UserTrail(t.Context(), root(), registry.TrailQuery{UserID: user, Cursor: first.Next, Limit: 10}); err != nil || len(rest.Entries) != 2 {
			t.Errorf("%s: the rest: %+v, %v", user, rest, err)
		}
		subjects, err := b.Registry.Trails(t.Context(), user)
		if diff := cmp.Diff([]string{k.ID, apikey.UserSubject(user)}, sorted(subjects), cmp.Transformer("sort", sorted)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", user, err, diff)
		}
	}
}
