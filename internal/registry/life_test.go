package registry_test

import (
	"errors"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/registry"
)

// A key ends when its creator says, or by default, and never later than its plan or else the
// deployment allows. Only the plan of the key, or else that of its user, counts.
func TestTheLifeOfAKeyIsBounded(t *testing.T) {
	day := func(n int) time.Time { return apikeytest.Noon.AddDate(0, 0, n) }
	never := time.Time{}
	for _, c := range []struct {
		name       string
		deployment apikey.Life
		user, plan string // plans
		given      *time.Time
		want       time.Time
		refused    bool
	}{
		{"nothing bounds it", apikey.Life{}, "", "", nil, never, false},
		{"by default", apikey.Life{DefaultDays: 30}, "", "", nil, day(30), false},
		{"longer than by default", apikey.Life{DefaultDays: 30}, "", "", ptr(day(300)), day(300), false},
		{"without an end", apikey.Life{DefaultDays: 30}, "", "", &never, never, false},
		{"at most", apikey.Life{MaxDays: 90}, "", "", nil, day(90), false},
		{"just as long", apikey.Life{MaxDays: 90}, "", "", ptr(day(90)), day(90), false},
		{"too long", apikey.Life{MaxDays: 90}, "", "", ptr(day(90).Add(time.Millisecond)), never, true},
		{"for ever", apikey.Life{MaxDays: 90}, "", "", &never, never, true},
		{"both", apikey.Life{MaxDays: 90, DefaultDays: 30}, "", "", nil, day(30), false},
		{"a user's plan allows more", apikey.Life{MaxDays: 90, DefaultDays: 30}, "long", "", nil, day(200), false},
		{"a user's plan allows less", apikey.Life{MaxDays: 90}, "short", "", ptr(day(8)), never, true},
		{"a plan with a default alone", apikey.Life{MaxDays: 90}, "default", "", nil, day(20), false},
		{"and the deployment's most", apikey.Life{MaxDays: 90}, "default", "", ptr(day(91)), never, true},
		{"a default beyond the deployment's most", apikey.Life{MaxDays: 10}, "default", "", nil, day(10), false},
		{"the key's plan comes first", apikey.Life{}, "short", "long", ptr(day(300)), day(300), false},
		{"and bounds too", apikey.Life{}, "long", "short", ptr(day(300)), never, true},
	} {
		b := newBench(t)
		b.Configure(func(o *registry.Options) { o.Life = c.deployment })
		root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
		for name, life := range map[string]apikey.Life{"long": {MaxDays: 400, DefaultDays: 200}, "short": {MaxDays: 7}, "default": {DefaultDays: 20}} {
			if _, err := b.Registry.PutPlan(t.Context(), root, apikey.Plan{Name: name, Life: life}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Registry.SetUser(t.Context(), root, "u1", apikey.UserChange{Plan: &c.user}, false); err != nil {
			t.Fatal(err)
		}
		k, _, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{ExpiresAt: c.given, Plan: &c.plan})
		if c.refused != (err != nil) || err != nil && (!isField(err, "expiresAt") || !errors.Is(err, apikey.ErrInvalid)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && !k.ExpiresAt.Equal(c.want) {
			t.Errorf("%s: it ends at %v, want %v", c.name, k.ExpiresAt, c.want)
		}
		// An update has the same bounds, from the creation of the key.
		k, _, err = b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{ExpiresAt: ptr(day(1)), Plan: &c.plan})
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Pass(time.Hour)
		if c.given != nil {
			_, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{ExpiresAt: c.given}))
			if c.refused != (err != nil) || err != nil && !isField(err, "expiresAt") {
				t.Errorf("%s: update: %v", c.name, err)
			}
		}
		if _, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Name: ptr("x")})); err != nil {
			t.Errorf("%s: another field: %v", c.name, err)
		}
	}
}

// A key whose end its maker inherits ends no later than by default.
func TestAnInheritedEndIsNoLaterThanTheDefault(t *testing.T) {
	for _, c := range []struct{ own, days, want int }{{10, 30, 10}, {0, 30, 30}, {50, 30, 30}, {10, 0, 10}, {0, 0, 0}} {
		b := newBench(t)
		b.Configure(func(o *registry.Options) { o.Life.DefaultDays = c.days })
		who := b.caller(t, "u1", func(k *apikey.Key) {
			if c.own > 0 {
				k.ExpiresAt = apikeytest.Noon.AddDate(0, 0, c.own)
			}
		})
		k, _, err := b.Registry.Create(t.Context(), who, "", "", apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		want := time.Time{}
		if c.want > 0 {
			want = apikeytest.Noon.AddDate(0, 0, c.want)
		}
		if !k.ExpiresAt.Equal(want) {
			t.Errorf("%+v: it ends at %v", c, k.ExpiresAt)
		}
	}
}

// A plan must be there when a key gets it, and a missing one is never no plan.
func TestAKeyGetsOnlyAStoredPlan(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	if _, _, err := b.Registry.Create(t.Context(), root, "u1", "", apikey.Change{Plan: ptr("pro")}); !isField(err, "plan") || !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("create: %v", err)
	}
	k := b.Issue(t, b.Token(t), nil)
	if _, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Plan: ptr("pro")})); !isField(err, "plan") {
		t.Errorf("update: %v", err)
	}
	if _, err := b.Registry.PutPlan(t.Context(), root, apikey.Plan{Name: "pro", Life: apikey.Life{MaxDays: 1}}); err != nil {
		t.Fatal(err)
	}
	if r, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Plan: ptr("pro")})); err != nil || r.Key.Plan != "pro" {
		t.Errorf("update: %+v, %v", r.Key, err)
	}
	// Not by its user, not even away from it.
	for _, plan := range []string{"", "free", "pro"} {
		_, err := b.Registry.Update(t.Context(), b.caller(t, "u1", nil), k.ID, to(apikey.Change{Plan: &plan}))
		if (plan == "pro") != (err == nil) || err != nil && !(errors.Is(err, apikey.ErrForbidden) && isField(err, "plan")) {
			t.Errorf("%q by the user: %v", plan, err)
		}
	}
	lost := b.caller(t, "u1", func(k *apikey.Key) { k.Plan = "lost" })
	if _, _, err := b.Registry.Create(t.Context(), lost, "", "", apikey.Change{}); err == nil || isCallersMistake(err) {
		t.Errorf("by a key whose plan is lost: %v", err)
	}
}
