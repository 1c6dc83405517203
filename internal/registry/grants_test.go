package registry_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// most is the change that asks for everything that the grants allow.
func most(g registry.Grants) apikey.Change {
	c := apikey.Change{Scopes: &g.Scopes, AllowedCIDRs: &g.AllowedCIDRs, ExpiresAt: &g.ExpiresAt, Plan: &g.Plan}
	if g.Limit != (ratelimit.Limit{}) {
		c.Limit = &g.Limit
	}
	if len(g.Limits) > 0 {
		c.Limits = &g.Limits
	}
	if g.Quota != (ratelimit.Quota{}) {
		c.Quota = &g.Quota
	}
	return c
}

// oneMore returns, by the field that must be refused, the changes that ask for one step more than the
// grants allow. Fields that the grants do not bound are missing.
func oneMore(g registry.Grants) map[string]apikey.Change {
	more := make(map[string]apikey.Change)
	step := func(field string, bounded bool, edit func(*apikey.Change)) {
		if bounded {
			c := most(g)
			edit(&c)
			more[field] = c
		}
	}
	step("scopes", !g.Scopes.Allow("another"), func(c *apikey.Change) {
		c.Scopes = ptr(append(apikey.Scopes{"another"}, g.Scopes...))
	})
	step("rateLimit", g.Limit != ratelimit.Limit{}, func(c *apikey.Change) {
		c.Limit = &ratelimit.Limit{Requests: g.Limit.Requests + 1, Window: g.Limit.Window}
	})
	step("limits", len(g.Limits) > 0, func(c *apikey.Change) {
		c.Limits = &[]ratelimit.Limit{{Requests: g.Limits[0].Requests + 1, Window: g.Limits[0].Window}}
	})
	step("quota", g.Quota != ratelimit.Quota{}, func(c *apikey.Change) {
		c.Quota = &ratelimit.Quota{Requests: g.Quota.Requests + 1, Period: g.Quota.Period}
	})
	step("expiresAt", !g.ExpiresAt.IsZero(), func(c *apikey.Change) { c.ExpiresAt = ptr(g.ExpiresAt.Add(time.Millisecond)) })
	step("allowedCidrs", len(g.AllowedCIDRs) > 0, func(c *apikey.Change) { c.AllowedCIDRs = &[]netip.Prefix{} })
	step("plan", !g.Admin, func(c *apikey.Change) { c.Plan = ptr("more") })
	step("unlimited", !g.Admin, func(c *apikey.Change) { c.Limit, c.Limits, c.Quota, c.Unlimited = nil, nil, nil, ptr(true) })
	return more
}

func putPlan(t *testing.T, b *bench, p apikey.Plan) {
	t.Helper()
	if _, err := b.Registry.PutPlan(t.Context(), root(), p); err != nil {
		t.Fatal(err)
	}
}

func TestGrantsAreTheMostThatACallerCreates(t *testing.T) {
	b := newBench(t)
	user := b.selfService("tts", "stt:*")
	b.Configure(func(o *registry.Options) { o.MaxKeys = 100 })
	putPlan(t, b, apikey.Plan{Name: "pro", User: apikey.Bounds{Limits: []ratelimit.Limit{{Requests: 500, Window: time.Hour}}}})
	putPlan(t, b, apikey.Plan{Name: "more", Life: apikey.Life{MaxDays: 9}})
	b.setUser(t, "shared", apikey.UserChange{Plan: ptr("pro"), Scopes: &apikey.Scopes{"stt:fast", "other"}})
	bounded := func(k *apikey.Key) {
		k.Limit = ratelimit.Limit{Requests: 10, Window: time.Minute}
		k.Limits = []ratelimit.Limit{{Requests: 2, Window: time.Second}}
		k.Quota = ratelimit.Quota{Requests: 100, Period: ratelimit.Day}
		k.ExpiresAt = apikeytest.Noon.Add(time.Hour)
		k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		k.Environment = apikey.Test
	}
	shared := user
	shared.UserID = "shared"
	everything := []string{"plan", "scopes", "unlimited"}
	for _, c := range []struct {
		name    string
		who     registry.Caller
		bounded []string // besides everything
	}{
		{"a key with bounds", b.caller(t, "u1", bounded), []string{"rateLimit", "limits", "quota", "expiresAt", "allowedCidrs"}},
		{"a key without bounds", b.caller(t, "u2", func(k *apikey.Key) { k.Limit = ratelimit.Limit{} }), nil},
		{"an unlimited key", b.caller(t, "u3", func(k *apikey.Key) { k.Limit, k.Unlimited = ratelimit.Limit{}, true }), nil},
		{"a user", user, []string{"rateLimit"}},
		{"a user with shared limits", shared, nil},
		{"an admin", root(), nil},
	} {
		g, err := b.Registry.Grants(t.Context(), c.who)
		if err != nil || !g.Write || !g.Read || g.Admin != c.who.Scopes.Admin() {
			t.Fatalf("%s: %+v, %v", c.name, g, err)
		}
		for _, env := range g.Environments {
			if _, _, err := b.Registry.Create(t.Context(), c.who, "", env, most(g)); err != nil {
				t.Errorf("%s creates what it may in %s: %v", c.name, env, err)
			}
		}
		if len(g.Environments) == 1 {
			other := map[apikey.Environment]apikey.Environment{apikey.Live: apikey.Test, apikey.Test: apikey.Live}[g.Environments[0]]
			_, _, err := b.Registry.Create(t.Context(), c.who, "", other, most(g))
			refused(t, c.name+" creates in another environment", err, "environment")
		}
		if !c.who.Scopes.Admin() {
			c.bounded = append(c.bounded, everything...)
		}
		more := oneMore(g)
		for field, change := range more {
			_, _, err := b.Registry.Create(t.Context(), c.who, "", g.Environments[0], change)
			refused(t, c.name+" creates one more "+field, err, field)
		}
		for _, field := range c.bounded {
			if _, ok := more[field]; !ok {
				t.Errorf("%s: the grants do not bound %s: %+v", c.name, field, g)
			}
		}
		if len(more) != len(c.bounded) {
			t.Errorf("%s: the grants bound %v, want %v", c.name, more, c.bounded)
		}
		if g.Limit == (ratelimit.Limit{}) {
			change := most(g)
			change.Limit = &ratelimit.Limit{Requests: apikey.MaxRequests, Window: time.Minute}
			_, _, err := b.Registry.Create(t.Context(), c.who, "", g.Environments[0], change)
			refused(t, c.name+" creates with any rateLimit", err, "")
		}
	}
}

func TestGrantsCountTheKeysThatAreLeft(t *testing.T) {
	b := newBench(t)
	user := b.selfService("tts")
	b.setUser(t, "u1", apikey.UserChange{MaxKeys: ptr(4)})
	create := func() (*apikey.Key, error) {
		k, _, err := b.Registry.Create(t.Context(), user, "", "", apikey.Change{})
		return k, err
	}
	left := func(what string, want int) {
		t.Helper()
		if g, err := b.Registry.Grants(t.Context(), user); err != nil || g.MaxKeys != 4 || g.KeysLeft != want {
			t.Errorf("%s: %+v, %v; want %d left", what, g, err, want)
		}
	}
	left("at first", 4)
	var keys []*apikey.Key
	for n := range 4 {
		k, err := create()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
		left("after a key", 3-n)
	}
	if _, err := create(); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("with none left: %v", err)
	}
	if err := b.Registry.Delete(t.Context(), user, keys[0].ID); err != nil {
		t.Fatal(err)
	}
	left("a deleted key takes its place for a while", 0)
	b.Clock.Pass(time.Hour)
	left("and then no more", 1)
	if _, err := create(); err != nil {
		t.Errorf("with one left: %v", err)
	}
}

func TestGrantsHaveTheLifeOfThePlan(t *testing.T) {
	b := newBench(t)
	user := b.selfService("tts")
	b.Configure(func(o *registry.Options) { o.Life = apikey.Life{MaxDays: 100, DefaultDays: 50} })
	putPlan(t, b, apikey.Plan{Name: "short", Life: apikey.Life{MaxDays: 7}})
	b.setUser(t, "u1", apikey.UserChange{Plan: ptr("short")})
	g, err := b.Registry.Grants(t.Context(), user)
	if err != nil || g.Life.MaxDays != 7 || g.Life.DefaultDays != 50 {
		t.Fatalf("%+v, %v", g, err)
	}
	for after, field := range map[time.Duration]string{0: "", time.Second: "expiresAt"} {
		end := b.Clock.Time().AddDate(0, 0, g.Life.MaxDays).Add(after)
		_, _, err := b.Registry.Create(t.Context(), user, "", "", apikey.Change{ExpiresAt: &end})
		invalid(t, "expires "+after.String()+" later than the last day", err, field)
	}
}

func TestGrantsOfCallersWhoChangeNothing(t *testing.T) {
	b := newBench(t)
	user := b.selfService("tts")
	suspended := user
	suspended.UserID = "suspended"
	b.setUser(t, "suspended", apikey.UserChange{Suspended: ptr(true)})
	revoked := b.caller(t, "u1", nil)
	if _, err := b.Registry.Revoke(t.Context(), root(), revoked.KeyID, ""); err != nil {
		t.Fatal(err)
	}
	replaced := b.caller(t, "u1", nil)
	replaced.Presented.Replaced = true
	reader, none := b.caller(t, "u1", nil), b.caller(t, "u1", nil)
	reader.Scopes, none.Scopes = apikey.Scopes{apikey.ScopeRead}, apikey.Scopes{"tts"}
	static := registry.Caller{KeyID: "static-root", UserID: "ops", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	for name, c := range map[string]struct {
		who  registry.Caller
		want registry.Grants
	}{
		"a suspended user":    {suspended, registry.Grants{Read: true}},
		"a revoked key":       {revoked, registry.Grants{Read: true}},
		"a replaced token":    {replaced, registry.Grants{Read: true}},
		"a key that reads":    {reader, registry.Grants{Read: true}},
		"a key of a backend":  {none, registry.Grants{}},
		"a static admin key":  {static, registry.Grants{Read: true, Admin: true}},
		"no caller in sight ": {registry.Caller{}, registry.Grants{}},
	} {
		g, err := b.Registry.Grants(t.Context(), c.who)
		if err != nil || g.Write || g.Read != c.want.Read || g.Admin != c.want.Admin || len(g.Scopes) > 0 {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
}
