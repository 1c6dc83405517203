package gate_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

const day = 24 * time.Hour

// person issues a key of a user of its own. It returns a request with the key.
func (b *bench) person(t testing.TB, edit func(*apikey.Key)) (*apikey.Key, gate.Request) {
	t.Helper()
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) {
		k.UserID = "owner-" + token.ID()
		if edit != nil {
			edit(k)
		}
	})
	return k, gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
}

func (b *bench) judge(t testing.TB, g *gate.Gate, r gate.Request) apikey.Verdict {
	t.Helper()
	v, err := g.Check(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRulesOfUsersAndPlans(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	noon := apikeytest.Noon
	b.SetPlan(t, "speech", func(p *apikey.Plan) { p.Scopes = apikey.Scopes{"tts:*", "keys:read"} })
	b.SetPlan(t, "brief", func(p *apikey.Plan) { p.Life.IdleDays = 2 })
	b.SetPlan(t, "plain", func(*apikey.Plan) {})
	scopes := func(k *apikey.Key) { k.Scopes = apikey.Scopes{"tts:fast", "stt"} }
	old := func(k *apikey.Key) { k.CreatedAt = noon.Add(-2 * day) }
	suspended := func(u *apikey.User) { u.Suspended = true }
	planned := func(name string) func(*apikey.User) { return func(u *apikey.User) { u.Plan = name } }
	on := func(name string, edits ...func(*apikey.Key)) func(*apikey.Key) {
		return func(k *apikey.Key) {
			k.Plan = name
			for _, edit := range edits {
				edit(k)
			}
		}
	}
	for _, c := range []struct {
		name  string
		key   func(*apikey.Key)
		user  func(*apikey.User) // nil: no record
		scope string
		want  apikey.Code
	}{
		{"a user without a record", nil, nil, "", apikey.CodeValid},
		{"a user with a record", nil, func(*apikey.User) {}, "", apikey.CodeValid},
		{"suspended", nil, suspended, "", apikey.CodeUserSuspended},
		{"suspended, with an unlimited key", func(k *apikey.Key) { k.Unlimited = true }, suspended, "", apikey.CodeUserSuspended},
		{"revoked comes first", func(k *apikey.Key) { k.RevokedAt = noon }, suspended, "", apikey.CodeRevoked},
		{"then disabled", func(k *apikey.Key) { k.Enabled = false }, suspended, "", apikey.CodeDisabled},
		{"then suspended, before inactive", func(k *apikey.Key) { k.NotBefore = noon.Add(day) }, suspended, "", apikey.CodeUserSuspended},
		{"then expired, before idle", on("brief", old, func(k *apikey.Key) { k.ExpiresAt = noon }), nil, "", apikey.CodeExpired},
		{"then idle, before the environment", on("brief", old, func(k *apikey.Key) { k.Environment = apikey.Test }), nil, "", apikey.CodeIdle},
		{"idle by the plan of the key", on("brief", old), nil, "", apikey.CodeIdle},
		{"idle by the plan of the user", old, planned("brief"), "", apikey.CodeIdle},
		{"not idle by the plan of the key, which counts", on("plain", old), planned("brief"), "", apikey.CodeValid},
		{"almost idle", on("brief", func(k *apikey.Key) { k.CreatedAt = noon.Add(time.Second - 2*day) }), nil, "", apikey.CodeValid},
		{"rotated lately", on("brief", old, func(k *apikey.Key) { k.PresentSince = noon.Add(-day) }), nil, "", apikey.CodeValid},
		{"active lately", on("brief", old, func(k *apikey.Key) { k.NotBefore = noon.Add(-day) }), nil, "", apikey.CodeValid},
		{"a scope of key and plan", on("speech", scopes), nil, "tts:fast", apikey.CodeValid},
		{"a scope of the plan alone", on("speech", scopes), nil, "tts:slow", apikey.CodeInsufficientScope},
		{"a scope of the key alone", on("speech", scopes), nil, "stt", apikey.CodeInsufficientScope},
		{"a scope of the key alone, by the user's plan", scopes, planned("speech"), "stt", apikey.CodeInsufficientScope},
		{"a plan without a ceiling", on("plain", scopes), planned("speech"), "stt", apikey.CodeValid},
		{"no scope is asked for", on("speech", scopes), nil, "", apikey.CodeValid},
	} {
		k, r := b.person(t, c.key)
		if c.user != nil {
			b.SetUser(t, k.UserID, c.user)
		}
		r.Scope = c.scope
		g := b.Gate(time.Second)
		for range 2 { // cold, and from memory
			v := b.judge(t, g, r)
			if v.Code != c.want || v.Key == nil {
				t.Errorf("%s: %s, want %s", c.name, v.Code, c.want)
			}
			if hint := v.Message(); c.want == apikey.CodeUserSuspended && hint != (apikey.Verdict{Code: apikey.CodeRevoked}).Message() {
				t.Errorf("%s: the message is %q, which tells more than that the key is bad", c.name, hint)
			}
		}
	}
}

// The deployment may have a number of idle days too, which a plan overrules. A key that was used is
// not idle, on the instance that used it and on others.
func TestIdleKeys(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	b.Life.IdleDays = 3
	b.SetPlan(t, "long", func(p *apikey.Plan) { p.Life.IdleDays = 100 })
	unlimited := func(k *apikey.Key) { k.Unlimited = true }
	for _, c := range []struct {
		name string
		key  func(*apikey.Key)
		days int // until it is idle
	}{{"a key", nil, 3}, {"an unlimited key", unlimited, 3}, {"a key in a plan", func(k *apikey.Key) { k.Plan = "long" }, 100}} {
		token := b.Token(t)
		b.Issue(t, token, func(k *apikey.Key) {
			k.CreatedAt = b.Clock.Time()
			if c.key != nil {
				c.key(k)
			}
		})
		r := gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
		g, other := b.Gate(time.Hour), b.Gate(time.Hour)
		b.Clock.Pass(time.Duration(c.days)*day - time.Second)
		if v := b.judge(t, g, r); !v.Valid() {
			t.Fatalf("%s: just before: %s", c.name, v.Code)
		}
		b.Clock.Pass(10 * time.Millisecond) // the other one has read the key before it was used
		if v := b.judge(t, other, gate.Request{Credential: r.Credential}); !v.Valid() {
			t.Fatalf("%s: on another instance: %s", c.name, v.Code)
		}
		for range 3 {
			b.Clock.Pass(time.Second)
			for i, g := range []*gate.Gate{g, other} {
				if v := b.judge(t, g, r); !v.Valid() {
					t.Errorf("%s: just used, on instance %d: %s", c.name, i, v.Code)
				}
			}
		}
		b.Clock.Pass(time.Duration(c.days) * day)
		for i, g := range []*gate.Gate{g, other} {
			if v := b.judge(t, g, r); v.Code != apikey.CodeIdle {
				t.Errorf("%s: unused for as long again, on instance %d: %s", c.name, i, v.Code)
			}
		}
	}
}

// A key may pass its last moment within 100 ms of a read that an instance remembers. Then it is idle,
// unless the instance has admitted a request with it. A look is no use.
func TestAKeyThatIsUsedInItsLastMomentIsNotIdle(t *testing.T) {
	for cost, want := range []apikey.Code{apikey.CodeIdle, apikey.CodeValid} {
		b := newBench(t)
		b.Life.IdleDays = 1
		_, r := b.person(t, func(k *apikey.Key) { k.CreatedAt = apikeytest.Noon.Add(20*time.Millisecond - day) })
		r.Cost = int64(cost)
		g := b.Gate(time.Second)
		if v := b.judge(t, g, r); !v.Valid() {
			t.Fatal(v.Code)
		}
		b.Clock.Pass(30 * time.Millisecond)
		reads := b.Table.Count()
		if v := b.judge(t, g, r); v.Code != want || b.Table.Count() != reads {
			t.Errorf("cost %d: %s after %d more reads, want %s", cost, v.Code, b.Table.Count()-reads, want)
		}
	}
}

// A plan that does not exist is no plan without limits: nobody knows what its keys may do. The log has
// one line of it in a minute.
func TestAPlanThatDoesNotExist(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	var log bytes.Buffer
	b.Logger = slog.New(slog.NewTextHandler(&log, nil))
	k, ofUser := b.person(t, nil)
	b.SetUser(t, k.UserID, func(u *apikey.User) { u.Plan = "gone" })
	_, ofKey := b.person(t, func(k *apikey.Key) { k.Plan = "gone" })
	_, unlimited := b.person(t, func(k *apikey.Key) { k.Plan, k.Unlimited = "gone", true })
	_, other := b.person(t, nil)
	g := b.Gate(time.Second)
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 2 * time.Second} {
		b.Clock.Pass(after)
		for i, r := range []gate.Request{ofUser, ofKey, unlimited} {
			if v, err := g.Check(t.Context(), r); err == nil || v.Code != "" || v.Key != nil || errors.Is(err, apikey.ErrNotFound) {
				t.Errorf("%d: %q, %v", i, v.Code, err)
			}
		}
		if v := b.judge(t, g, other); !v.Valid() {
			t.Errorf("another user: %s", v.Code)
		}
	}
	lines := func() int { return strings.Count(log.String(), "plan=gone") }
	if lines() != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log is\n%s", log.String())
	}
	b.Clock.Pass(time.Minute)
	if _, err := g.Check(t.Context(), ofKey); err == nil || lines() != 2 {
		t.Errorf("a minute later: %v, log\n%s", err, log.String())
	}
	b.SetPlan(t, "gone", func(*apikey.Plan) {})
	b.Clock.Pass(100 * time.Millisecond)
	for i, r := range []gate.Request{ofUser, ofKey, unlimited} {
		if v := b.judge(t, g, r); !v.Valid() {
			t.Errorf("%d: the plan is there: %s", i, v.Code)
		}
	}
}

// A user or a plan that cannot be read is no evidence against a key.
func TestAReadOfAUserOrAPlanThatFails(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	b.SetPlan(t, "pro", func(*apikey.Plan) {})
	k, r := b.person(t, nil)
	b.SetUser(t, k.UserID, func(u *apikey.User) { u.Plan = "pro" })
	_, revoked := b.person(t, func(k *apikey.Key) { k.RevokedAt = apikeytest.Noon })
	forged := gate.Request{Credential: b.Format.Credential(b.Forge(t, b.Token(t)))}
	broken := errors.New("broken")
	for _, c := range []struct {
		name       string
		user, plan error
		warm       time.Duration // the age of what is remembered; 0: nothing is
		decided    bool
	}{
		{"the user, cold", broken, nil, 0, false},
		{"the plan, cold", nil, broken, 0, false},
		{"the user, remembered", broken, broken, 999 * time.Millisecond, true},
		{"the user, too old", broken, nil, time.Second, false},
		{"the plan, too old", nil, broken, time.Second, false},
	} {
		g := b.Gate(time.Second)
		if c.warm > 0 {
			if v := b.judge(t, g, r); !v.Valid() {
				t.Fatal(v.Code)
			}
			b.Clock.Pass(c.warm)
		}
		b.Table.FailUser, b.Table.FailPlan = c.user, c.plan
		v, err := g.Check(t.Context(), r)
		if (err == nil) != c.decided || v.Valid() != c.decided || v.Key != nil != c.decided {
			t.Errorf("%s: %q, %v", c.name, v.Code, err)
		}
		for _, r := range []gate.Request{revoked, forged} { // they need neither
			if v := b.judge(t, g, r); v.Valid() {
				t.Errorf("%s: %s", c.name, v.Code)
			}
		}
		b.Table.FailUser, b.Table.FailPlan = nil, nil
		if v := b.judge(t, g, r); !v.Valid() {
			t.Errorf("%s, the next one: %s", c.name, v.Code)
		}
	}
}

// A key costs one read of its user more, and one of its plan, in each FRESHNESS and on each instance.
// The keys of a user share the one, and all keys of a plan the other.
func TestReadsOfUsersAndPlans(t *testing.T) {
	for _, c := range []struct {
		name                string
		record, plan        bool
		forged, revoked     bool
		keys, users, others int // reads in 3 s
	}{
		{name: "no record", keys: 6, users: 3},
		{name: "a record", record: true, keys: 6, users: 3},
		{name: "a plan", record: true, plan: true, keys: 6, users: 3, others: 3},
		{name: "a wrong secret", record: true, plan: true, forged: true, keys: 60},
		{name: "revoked keys", record: true, plan: true, revoked: true, keys: 6},
	} {
		b := newBench(t)
		b.SetPlan(t, "pro", func(*apikey.Plan) {})
		if c.record {
			b.SetUser(t, "u1", func(u *apikey.User) {
				if c.plan {
					u.Plan = "pro"
				}
			})
		}
		var requests []gate.Request
		for range 2 { // keys of one user
			token := b.Token(t)
			b.Issue(t, token, func(k *apikey.Key) {
				k.Limit.Requests = 1000
				if c.revoked {
					k.RevokedAt = apikeytest.Noon
				}
			})
			text := token.Reveal()
			if c.forged {
				text = b.Forge(t, token)
			}
			requests = append(requests, gate.Request{Credential: b.Format.Credential(text), Cost: 1})
		}
		g := b.Gate(time.Second)
		for range 300 {
			for _, r := range requests {
				if v := b.judge(t, g, r); v.Valid() != (!c.forged && !c.revoked) {
					t.Fatalf("%s: %s", c.name, v.Code)
				}
			}
			b.Clock.Pass(10 * time.Millisecond)
		}
		keys := b.Table.Count()
		users, plans := b.Table.Bounds()
		if keys != c.keys || users != c.users || plans != c.others {
			t.Errorf("%s: %d reads of keys, %d of users, %d of plans; want %d, %d, %d", c.name, keys, users, plans, c.keys, c.users, c.others)
		}
	}
}

// Once user and plan are remembered, all three are read at the same time.
func TestKeyUserAndPlanAreReadTogether(t *testing.T) {
	b := newBench(t)
	b.SetPlan(t, "pro", func(*apikey.Plan) {})
	k, r := b.person(t, nil)
	b.SetUser(t, k.UserID, func(u *apikey.User) { u.Plan = "pro" })
	meet := &meeting{Store: b.Table.Store, met: make(chan struct{})}
	b.Table.Store = meet
	g := b.Gate(time.Second)
	b.judge(t, g, r)
	b.Clock.Pass(time.Second)
	meet.left.Store(3)
	if v := b.judge(t, g, r); !v.Valid() || meet.late.Load() {
		t.Errorf("%s: a read waited for another one", v.Code)
	}
}

// meeting is a store whose next reads wait for one another.
type meeting struct {
	apikeytest.Store
	left atomic.Int64 // reads that have not come
	met  chan struct{}
	late atomic.Bool // one of them did not come
}

func (m *meeting) wait() {
	switch left := m.left.Add(-1); {
	case left < 0:
		return
	case left == 0:
		close(m.met)
	}
	select {
	case <-m.met:
	case <-time.After(20 * time.Second):
		m.late.Store(true)
	}
}

func (m *meeting) Find(ctx context.Context, id string) (apikey.Record, error) {
	m.wait()
	return m.Store.Find(ctx, id)
}

func (m *meeting) User(ctx context.Context, id string) (apikey.UserRecord, error) {
	m.wait()
	return m.Store.User(ctx, id)
}

func (m *meeting) Plan(ctx context.Context, name string) (*apikey.Plan, error) {
	m.wait()
	return m.Store.Plan(ctx, name)
}

// Static keys and those of an upstream have neither user nor plan.
func TestKeysElsewhereHaveNoUser(t *testing.T) {
	b := newBench(t)
	b.SetUser(t, "alice", func(u *apikey.User) { u.Suspended = true })
	b.configure(t, "the-static-key-k1:alice", "")
	b.Upstream = apikeytest.Saying{Code: apikey.CodeValid, Key: &apikey.Key{
		ID: "upstream-alice", UserID: "alice", Enabled: true, Plan: "gone", Limit: ratelimit.Limit{Requests: 5, Window: time.Minute},
	}}
	g := b.Gate(time.Second)
	for _, token := range []string{"the-static-key-k1", "another-token-of-the-upstream"} {
		if v := b.Check(t, g, token); !v.Valid() || v.Plan != nil || len(v.Parts) != 0 {
			t.Errorf("%s: %s", token, v.Code)
		}
	}
	if users, plans := b.Table.Bounds(); users != 0 || plans != 0 {
		t.Errorf("%d reads of users, %d of plans", users, plans)
	}
}

// A refusal rests on a young read of the user and the plan, as on one of the key. Each kind of
// refusal that memory shows is taken back as soon as the table takes it back.
func TestMemoryRefusesByNoOldUserOrPlan(t *testing.T) {
	for _, c := range []struct {
		name         string
		code         apikey.Code
		refuse, good func(b *bench, t *testing.T, k *apikey.Key)
	}{
		{"resumed", apikey.CodeUserSuspended,
			func(b *bench, t *testing.T, k *apikey.Key) {
				b.SetUser(t, k.UserID, func(u *apikey.User) { u.Suspended = true })
			},
			func(b *bench, t *testing.T, k *apikey.Key) {
				b.SetUser(t, k.UserID, func(u *apikey.User) { u.Suspended = false })
			}},
		{"the plan has the scope again", apikey.CodeInsufficientScope,
			func(b *bench, t *testing.T, k *apikey.Key) {
				b.SetPlan(t, "pro", func(p *apikey.Plan) { p.Scopes = apikey.Scopes{"stt"} })
				b.SetUser(t, k.UserID, func(u *apikey.User) { u.Plan = "pro" })
			},
			func(b *bench, t *testing.T, _ *apikey.Key) {
				b.SetPlan(t, "pro", func(p *apikey.Plan) { p.Scopes = nil })
			}},
		{"the user has another plan", apikey.CodeInsufficientScope,
			func(b *bench, t *testing.T, k *apikey.Key) {
				b.SetPlan(t, "pro", func(p *apikey.Plan) { p.Scopes = apikey.Scopes{"stt"} })
				b.SetPlan(t, "max", func(*apikey.Plan) {})
				b.SetUser(t, k.UserID, func(u *apikey.User) { u.Plan = "pro" })
			},
			func(b *bench, t *testing.T, k *apikey.Key) {
				b.SetUser(t, k.UserID, func(u *apikey.User) { u.Plan = "max" })
			}},
		{"the plan allows more idle days", apikey.CodeIdle,
			func(b *bench, t *testing.T, k *apikey.Key) {
				b.SetPlan(t, "pro", func(p *apikey.Plan) { p.Life.IdleDays = 1 })
				b.SetUser(t, k.UserID, func(u *apikey.User) { u.Plan = "pro" })
			},
			func(b *bench, t *testing.T, _ *apikey.Key) {
				b.SetPlan(t, "pro", func(p *apikey.Plan) { p.Life.IdleDays = 10 })
			}},
	} {
		for _, freshness := range []time.Duration{0, time.Second, time.Hour} {
			b := newBench(t)
			k, r := b.person(t, func(k *apikey.Key) {
				k.Scopes, k.CreatedAt = apikey.Scopes{"tts"}, apikeytest.Noon.Add(-2*day)
			})
			r.Scope = "tts"
			c.refuse(b, t, k)
			g, idle := b.Gate(freshness), b.Gate(freshness)
			for _, g := range []*gate.Gate{g, idle} {
				if v := b.judge(t, g, r); v.Code != c.code {
					t.Fatalf("%s, freshness %v: %s", c.name, freshness, v.Code)
				}
			}
			reads := b.Table.Count()
			users, plans := b.Table.Bounds()
			if v := b.judge(t, g, r); freshness > 0 && v.Code != c.code {
				t.Errorf("%s: %s", c.name, v.Code)
			}
			if u, p := b.Table.Bounds(); freshness > 0 && (b.Table.Count() != reads || u != users || p != plans) {
				t.Errorf("%s, freshness %v: a refusal by a young read asks the table again", c.name, freshness)
			}
			c.good(b, t, k)
			b.Clock.Pass(100 * time.Millisecond)
			if v := b.judge(t, g, r); !v.Valid() {
				t.Errorf("%s, freshness %v: %s", c.name, freshness, v.Code)
			}
			b.Clock.Pass(freshness)
			if v := b.judge(t, idle, r); !v.Valid() {
				t.Errorf("%s, freshness %v, on another instance: %s", c.name, freshness, v.Code)
			}
		}
	}
}

// The second look finds that the key is good again, and that its user is suspended. The user was
// resumed meanwhile, so a third look decides.
func TestARefusalThatTurnsIntoAnother(t *testing.T) {
	b := newBench(t)
	k, r := b.person(t, func(k *apikey.Key) { k.Enabled = false })
	b.SetUser(t, k.UserID, func(u *apikey.User) { u.Suspended = true })
	g := b.Gate(time.Second)
	if v := b.judge(t, g, r); v.Code != apikey.CodeDisabled {
		t.Fatal(v.Code)
	}
	if err := b.rewrite(k, func(to *apikey.Key) { to.Enabled = true }); err != nil {
		t.Fatal(err)
	}
	b.SetUser(t, k.UserID, func(u *apikey.User) { u.Suspended = false })
	b.Clock.Pass(100 * time.Millisecond)
	if v := b.judge(t, g, r); !v.Valid() {
		t.Error(v.Code)
	}
}

// A key that was given to another user is judged by that one.
func TestAKeyThatWasTransferred(t *testing.T) {
	b := newBench(t)
	k, r := b.person(t, nil)
	b.SetPlan(t, "pro", func(*apikey.Plan) {})
	b.SetUser(t, "bob", func(u *apikey.User) { u.Suspended, u.Plan = true, "pro" })
	g := b.Gate(time.Second)
	if v := b.judge(t, g, r); !v.Valid() || v.Plan != nil {
		t.Fatal(v.Code)
	}
	if err := b.rewrite(k, func(to *apikey.Key) { to.UserID = "bob" }); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(time.Second)
	if v := b.judge(t, g, r); v.Code != apikey.CodeUserSuspended || v.Plan == nil {
		t.Errorf("%s, %v", v.Code, v.Plan)
	}
}

func TestAnAddressIsJudgedByTheKeyAlone(t *testing.T) {
	b := newBench(t)
	_, r := b.person(t, func(k *apikey.Key) { k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	g := b.Gate(time.Hour)
	b.judge(t, g, r)
	b.Clock.Pass(time.Second)
	users, _ := b.Table.Bounds()
	if v := b.judge(t, g, r); v.Code != apikey.CodeAddressNotAllowed {
		t.Error(v.Code)
	}
	if again, _ := b.Table.Bounds(); again != users {
		t.Errorf("the user was read %d times for it", again-users)
	}
}

// Each of the reads of key, user and plan bounds the age of what is remembered, by each of the clocks.
func TestARememberedKeyIsAsOldAsItsUser(t *testing.T) {
	for _, c := range []struct {
		name       string
		wall, mono time.Duration // between two steps
	}{
		{"both clocks", 600 * time.Millisecond, 600 * time.Millisecond},
		{"frozen", 600 * time.Millisecond, 0},
		{"the wall clock was set back", -time.Hour, 600 * time.Millisecond},
	} {
		b := newBench(t)
		var requests []gate.Request
		for range 2 {
			token := b.Token(t)
			b.Issue(t, token, nil)
			requests = append(requests, gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1})
		}
		b.SetPlan(t, "pro", func(*apikey.Plan) {})
		b.SetUser(t, "u1", func(u *apikey.User) { u.Plan = "pro" })
		g := b.Gate(time.Second)
		for _, r := range requests { // the second key is read later than its user and plan
			if v := b.judge(t, g, r); !v.Valid() {
				t.Fatal(v.Code)
			}
			b.Clock.Drift(c.wall, c.mono)
		}
		b.SetUser(t, "u1", func(u *apikey.User) { u.Suspended = true })
		if v := b.judge(t, g, requests[1]); v.Code != apikey.CodeUserSuspended {
			t.Errorf("%s: %s", c.name, v.Code)
		}
	}
}

// A key that was read in this check, with a user who is remembered, is not admitted after a slow write
// without another read.
func TestTheSecondReadOfAUserMayFail(t *testing.T) {
	for _, remembered := range []bool{false, true} {
		b := newBench(t)
		b.Patience = time.Second // in which a busy engine answers, before it hangs
		var requests []gate.Request
		for range 2 {
			token := b.Token(t)
			b.Issue(t, token, func(k *apikey.Key) { k.Limit.Window = 24 * time.Hour })
			requests = append(requests, gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1})
		}
		slow := &hindered{Store: b.Meters}
		b.Meters = slow
		g := b.Gate(time.Second)
		if remembered {
			if v := b.judge(t, g, requests[0]); !v.Valid() {
				t.Fatal(v.Code)
			}
			b.Clock.Pass(500 * time.Millisecond)
		}
		slow.during = func() {
			b.Clock.Pass(1100 * time.Millisecond)
			b.Table.Err = apikeytest.ErrHang
		}
		v, err := g.Check(t.Context(), requests[1])
		if (err == nil) != !remembered || v.Valid() != !remembered {
			t.Errorf("remembered %t: %q, %v", remembered, v.Code, err)
		}
	}
}
