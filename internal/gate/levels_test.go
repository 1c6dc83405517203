package gate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func perMinute(n int64) []ratelimit.Limit {
	return []ratelimit.Limit{{Requests: n, Window: time.Minute}}
}

// level is a bound of a key, of its user or of its plan.
type level struct {
	name string
	key  func(*apikey.Key)
	plan func(*apikey.Plan) // of the user
	user func(*apikey.User)
	of   apikey.Level
	// each is how many requests a key may make, and all how many two keys of the user may make.
	each, all int
	code      apikey.Code
	forever   bool
	check     string // the name of the step that explains the refusal
}

func levels() []level {
	quota := func(n int64, p ratelimit.Period) ratelimit.Quota { return ratelimit.Quota{Requests: n, Period: p} }
	rate, full := apikey.CodeRateLimited, apikey.CodeQuotaExceeded
	return []level{
		{name: "rateLimit", key: func(k *apikey.Key) { k.Limit = perMinute(2)[0] },
			of: apikey.OfKey, each: 2, all: 4, code: rate, check: "rateLimit"},
		{name: "further limits", key: func(k *apikey.Key) { k.Limits = perMinute(2) },
			of: apikey.OfKey, each: 2, all: 4, code: rate, check: "limits.60"},
		{name: "limits of keys in the plan", plan: func(p *apikey.Plan) { p.Key.Limits = perMinute(2) },
			of: apikey.OfKey, each: 2, all: 4, code: rate, check: "limits.60"},
		{name: "a plan's limit above the key's", key: func(k *apikey.Key) { k.Limits = perMinute(2) },
			plan: func(p *apikey.Plan) { p.Key.Limits = perMinute(5) }, of: apikey.OfKey, each: 2, all: 4, code: rate, check: "limits.60"},
		{name: "quotas of keys in the plan", plan: func(p *apikey.Plan) { p.Key.Quota = quota(2, ratelimit.Day) },
			of: apikey.OfKey, each: 2, all: 4, code: full, check: "quota"},
		{name: "credits of the key", key: func(k *apikey.Key) { k.Quota = quota(2, ratelimit.Lifetime) },
			of: apikey.OfKey, each: 2, all: 4, code: full, forever: true, check: "quota.lifetime"},
		{name: "limits of users in the plan", plan: func(p *apikey.Plan) { p.User.Limits = perMinute(3) },
			of: apikey.OfUser, each: 3, all: 3, code: rate, check: "user.rateLimit"},
		{name: "limits of the user", user: func(u *apikey.User) { u.Limits = perMinute(3) },
			of: apikey.OfUser, each: 3, all: 3, code: rate, check: "user.rateLimit"},
		{name: "the user's are smaller than the plan's", plan: func(p *apikey.Plan) { p.User.Limits = perMinute(5) },
			user: func(u *apikey.User) { u.Limits = perMinute(3) }, of: apikey.OfUser, each: 3, all: 3, code: rate, check: "user.rateLimit"},
		{name: "a quota of the user", user: func(u *apikey.User) { u.Quota = quota(3, ratelimit.Month) },
			of: apikey.OfUser, each: 3, all: 3, code: full, check: "user.quota"},
		{name: "credits of the user", user: func(u *apikey.User) { u.Quota = quota(3, ratelimit.Lifetime) },
			of: apikey.OfUser, each: 3, all: 3, code: full, forever: true, check: "user.quota.lifetime"},
		{name: "an unlimited key in a plan", key: func(k *apikey.Key) { k.Unlimited = true },
			plan: func(p *apikey.Plan) { p.User.Limits = perMinute(3) }, of: apikey.OfUser, each: 3, all: 3, code: rate, check: "user.rateLimit"},
		{name: "a shared bound of the keys", key: func(k *apikey.Key) { k.Shared = apikey.Bounds{Limits: perMinute(3)} },
			of: apikey.OfUser, each: 3, all: 3, code: rate, check: "user.rateLimit"},
	}
}

// Each level bounds: one key, or all keys of a user together. A refused request spends nothing, on no
// level. Explain says which line has refused, and a look by another instance shows it too.
func TestEachLevelBounds(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	for _, l := range levels() {
		userID := "of-" + strings.ReplaceAll(l.name, " ", "-")
		if l.plan != nil {
			b.SetPlan(t, userID, l.plan)
		}
		b.SetUser(t, userID, func(u *apikey.User) {
			if l.plan != nil {
				u.Plan = userID
			}
			if l.user != nil {
				l.user(u)
			}
		})
		var requests []gate.Request
		var keys []*apikey.Key
		for range 2 {
			k, r := b.person(t, func(k *apikey.Key) {
				k.UserID, k.Limit = userID, ratelimit.Limit{Requests: 100, Window: time.Hour}
				if l.key != nil {
					l.key(k)
				}
			})
			keys, requests = append(keys, k), append(requests, r)
		}
		gates := []*gate.Gate{b.Gate(time.Second), b.Gate(time.Second)}
		all := 0
		for i, r := range requests {
			each := 0
			for n := range 8 {
				v := b.judge(t, gates[n%2], r)
				if v.Valid() {
					each++
					all++
					continue
				}
				if v.Code != l.code || v.Status.Remaining != 0 || (v.RetryAfter == 0) != l.forever {
					t.Errorf("%s: key %d is refused with %s, %d remaining, after %v", l.name, i, v.Code, v.Status.Remaining, v.RetryAfter)
				}
				if l.forever && v.Message() != "Quota exceeded." {
					t.Errorf("%s: the message is %q", l.name, v.Message())
				}
			}
			if want := min(l.each, l.all-(all-each)); each != want {
				t.Errorf("%s: %d requests of key %d are admitted, want %d", l.name, each, i, want)
			}
		}
		if all != l.all {
			t.Errorf("%s: %d requests are admitted, want %d", l.name, all, l.all)
		}
		b.checkLook(t, l, keys[1], requests[1])
	}
}

// checkLook checks what an instance shows of a spent bound that has not seen the spending.
func (b *bench) checkLook(t *testing.T, l level, k *apikey.Key, r gate.Request) {
	t.Helper()
	g := b.Gate(time.Second)
	r.Cost = 0
	v := b.judge(t, g, r)
	spent := func(bound apikey.Bound) bool { return bound.Of == l.of && bound.Remaining == 0 }
	if !v.Valid() || v.Status.Remaining != 0 || !slices.ContainsFunc(v.Bounds(), spent) {
		t.Errorf("%s: a look shows %s, %d remaining, %+v", l.name, v.Code, v.Status.Remaining, v.Bounds())
	}
	record, err := b.Options.Store.Find(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.Cost = 1
	code, steps, err := g.Explain(t.Context(), record, r)
	if failed := failed(steps); err != nil || code != l.code || failed != l.check {
		t.Errorf("%s: explained is %s by %q, %v; want %s by %s", l.name, code, failed, err, l.code, l.check)
	}
}

func failed(steps []gate.Step) string {
	var names []string
	for _, s := range steps {
		if !s.Pass {
			names = append(names, s.Check)
		}
	}
	return strings.Join(names, " ")
}

// A cost above a bound is refused without a time to wait, and spends nothing. If the caller has chosen
// the cost, a cost above the key's own bound is the caller's mistake.
func TestACostAboveALimit(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	wide := ratelimit.Limit{Requests: 100, Window: time.Hour}
	day := func(n int64) ratelimit.Quota { return ratelimit.Quota{Requests: n, Period: ratelimit.Day} }
	for _, c := range []struct {
		name    string
		key     func(*apikey.Key)
		plan    func(*apikey.Plan)
		cost    int64
		mistake bool // of the caller who has chosen the cost
	}{
		{"the key's limit", func(k *apikey.Key) { k.Limit.Requests = 5 }, nil, 6, true},
		{"the key's quota", func(k *apikey.Key) { k.Quota = day(5) }, nil, 6, true},
		{"the default limit", func(k *apikey.Key) { k.Limit = ratelimit.Limit{} }, nil, 61, true},
		{"a further limit", func(k *apikey.Key) { k.Limits = perMinute(5) }, nil, 6, false},
		{"a limit of the plan", nil, func(p *apikey.Plan) { p.Key.Limits = perMinute(5) }, 6, false},
		{"a quota of the plan", nil, func(p *apikey.Plan) { p.Key.Quota = day(5) }, 6, false},
		{"a limit of the user", nil, func(p *apikey.Plan) { p.User.Limits = perMinute(5) }, 6, false},
		{"a quota of the user", nil, func(p *apikey.Plan) { p.User.Quota = day(5) }, 6, false},
		{"an unlimited key", func(k *apikey.Key) { k.Unlimited = true },
			func(p *apikey.Plan) { p.User.Limits = perMinute(5) }, 6, false},
	} {
		name := strings.ReplaceAll(c.name, " ", "-")
		if c.plan != nil {
			b.SetPlan(t, name, c.plan)
		}
		k, r := b.person(t, func(k *apikey.Key) {
			if k.Limit = wide; c.plan != nil {
				k.Plan = name
			}
			if c.key != nil {
				c.key(k)
			}
		})
		g := b.Gate(time.Second)
		for _, r.RouteCost = range []bool{true, false} {
			r.Cost = c.cost
			v, err := g.Check(t.Context(), r)
			var mistake *apikey.FieldError
			if wrong := c.mistake && !r.RouteCost; wrong != (errors.As(err, &mistake) && mistake.Field == "cost") ||
				wrong != (v.Code != apikey.CodeCostAboveLimit) || v.RetryAfter != 0 {
				t.Errorf("%s, of a route %t: %s, %v", c.name, r.RouteCost, v.Code, err)
			}
			record, err := b.Options.Store.Find(t.Context(), k.ID)
			if err != nil {
				t.Fatal(err)
			}
			code, steps, err := g.Explain(t.Context(), record, r)
			if wrong := c.mistake && !r.RouteCost; wrong != errors.As(err, &mistake) ||
				!wrong && (code != apikey.CodeCostAboveLimit || !strings.HasPrefix(failed(steps), "routeCost")) {
				t.Errorf("%s, of a route %t: explained is %s by %s, %v", c.name, r.RouteCost, code, failed(steps), err)
			}
			if r.Cost--; b.judge(t, g, gate.Request{Credential: r.Credential}).Status.Remaining != r.Cost && r.RouteCost {
				t.Errorf("%s: something was spent", c.name)
			}
		}
		if v := b.judge(t, g, r); !v.Valid() || v.Status.Remaining != 0 {
			t.Errorf("%s: a cost of exactly the limit: %s, %d left", c.name, v.Code, v.Status.Remaining)
		}
	}
}

// Keys that are not in the table have no other bounds than their own.
func TestACostOfARouteAboveTheLimitOfAKeyElsewhere(t *testing.T) {
	b := newBench(t)
	b.configure(t, "the-static-key-k1:alice", "")
	b.Upstream = apikeytest.Saying{Code: apikey.CodeValid, Key: &apikey.Key{
		ID: "upstream-a", UserID: "a", Enabled: true, Limit: ratelimit.Limit{Requests: 3, Window: time.Minute},
	}}
	g := b.Gate(time.Second)
	for _, token := range []string{"the-static-key-k1", "another-token-of-the-upstream"} {
		r := gate.Request{Credential: b.Format.Credential(token), Cost: 4, RouteCost: true}
		if v, err := g.Check(t.Context(), r); err != nil || v.Code != apikey.CodeCostAboveLimit || v.RetryAfter != 0 || v.Key == nil {
			t.Errorf("%s: %s, %v", token, v.Code, err)
		}
		r.RouteCost = false
		if _, err := g.Check(t.Context(), r); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("%s: %v", token, err)
		}
		r.Cost = 3
		if v := b.judge(t, g, r); !v.Valid() || v.Status.Remaining != 0 {
			t.Errorf("%s: %s, %d left", token, v.Code, v.Status.Remaining)
		}
	}
}

// Of several lines that refuse, the one with the longest wait decides, for Check and Explain alike.
func TestExplainNamesTheLineThatDecides(t *testing.T) {
	b := newBench(t)
	b.SetPlan(t, "pro", func(p *apikey.Plan) {
		p.Key.Limits = []ratelimit.Limit{{Requests: 2, Window: 10 * time.Second}}
		p.User = apikey.Bounds{Limits: perMinute(2), Quota: ratelimit.Quota{Requests: 2, Period: ratelimit.Month}}
	})
	k, r := b.person(t, func(k *apikey.Key) { k.Plan = "pro" })
	g := b.Gate(time.Second)
	for range 2 {
		if v := b.judge(t, g, r); !v.Valid() {
			t.Fatal(v.Code)
		}
	}
	for _, c := range []struct {
		edit   func(*apikey.Plan)
		code   apikey.Code
		failed string
	}{
		{func(*apikey.Plan) {}, apikey.CodeQuotaExceeded, "limits.10 user.quota user.rateLimit"},
		{func(p *apikey.Plan) { p.User.Quota = ratelimit.Quota{} }, apikey.CodeRateLimited, "limits.10 user.rateLimit"},
		{func(p *apikey.Plan) { p.User.Limits = nil }, apikey.CodeRateLimited, "limits.10"},
		{func(p *apikey.Plan) { p.Key.Limits = nil }, apikey.CodeValid, ""},
	} {
		b.SetPlan(t, "pro", c.edit)
		b.Clock.Pass(time.Second)
		record, err := b.Options.Store.Find(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}
		code, steps, err := g.Explain(t.Context(), record, r)
		got := strings.Fields(failed(steps))
		slices.Sort(got)
		want := strings.Fields(c.failed)
		slices.Sort(want)
		if err != nil || code != c.code || !slices.Equal(got, want) {
			t.Errorf("explained is %s by %s, %v; want %s by %s", code, got, err, c.code, c.failed)
		}
		if v := b.judge(t, g, r); v.Code != c.code {
			t.Errorf("the verdict is %s, want %s", v.Code, c.code)
		}
	}
}

// Every step has a name that the document lists, and says what decided.
func TestStepsOfEveryLevel(t *testing.T) {
	b := newBench(t)
	b.Life.IdleDays = 30
	b.SetPlan(t, "pro", func(p *apikey.Plan) {
		p.Scopes = apikey.Scopes{"tts"}
		p.Key = apikey.Bounds{Limits: perMinute(5), Quota: ratelimit.Quota{Requests: 9, Period: ratelimit.Lifetime}}
		p.User = apikey.Bounds{Limits: []ratelimit.Limit{{Requests: 9, Window: time.Hour}}}
	})
	k, r := b.person(t, func(k *apikey.Key) { k.Plan, k.Scopes = "pro", apikey.Scopes{"tts"} })
	b.SetUser(t, k.UserID, func(u *apikey.User) {
		u.Bounds = apikey.Bounds{Limits: perMinute(7), Quota: ratelimit.Quota{Requests: 70, Period: ratelimit.Day}}
	})
	record, err := b.Options.Store.Find(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.Scope = "tts"
	code, steps, err := b.Gate(time.Second).Explain(t.Context(), record, r)
	if err != nil || code != apikey.CodeValid {
		t.Fatal(code, err)
	}
	var names []string
	for _, s := range steps {
		names = append(names, s.Check)
		known := slices.Contains(gate.Checks(), s.Check) ||
			slices.ContainsFunc(gate.FurtherChecks(), func(beginning string) bool { return strings.HasPrefix(s.Check, beginning) })
		if s.Detail == "" || !known || !s.Pass {
			t.Errorf("%+v", s)
		}
	}
	for _, want := range []string{
		"plan", "user", "idleDays", "scope", "routeCost", "rateLimit", "limits.60", "quota.lifetime",
		"user.rateLimit", "user.limits.3600", "user.quota",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no step %s: %s", want, names)
		}
	}
	if _, steps, err := b.Gate(0).Explain(t.Context(), apikey.Record{Key: &apikey.Key{UserID: "x", Plan: "gone"}}, r); err != nil ||
		failed(steps) != "plan" {
		t.Errorf("a plan that does not exist: %v, %v", steps, err)
	}
}
