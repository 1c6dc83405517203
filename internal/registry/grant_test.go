package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// The grant lattice: after any operation of a caller without admin rights on any key, the key
// admits no request that neither the caller's own key nor the key before admits. A right that an
// admin has set bounds the key until an admin sets it again.

// isRight lists all fields of a key, and whether each bounds the requests that the key admits. A
// field that is missing here fails the test: decide whether a caller grants it.
var isRight = map[string]bool{
	"Environment": true, "Scopes": true, "Limit": true, "Quota": true, "Unlimited": true, "AllowedCIDRs": true,
	"Enabled": true, "NotBefore": true, "ExpiresAt": true, "Limits": true, "Plan": true,
	// Changes do not set these, but each key that a caller makes or widens gets them: see family.
	"Shared": true, "SharesDefault": true, "Shards": false,

	"ID": false, "UserID": false, "Name": false, "Description": false, "Metadata": false, "CreatedAt": false, "RevokedAt": false, "Revocation": false,
	"KeyPrefix": false, "Secrets": false, "PublicAliases": false, "Internal": false, "PresentSince": false, "Held": false, "CountsUntil": false, "Rev": false, "Trail": false,
}

func oneOf[T any](t *rapid.T, name string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, name)
}

func networks(texts ...string) []netip.Prefix {
	all := []netip.Prefix{}
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// draws draw the values of the fields that a change may set, by their names.
var draws = map[string]func(*rapid.T) any{
	"Name":        func(t *rapid.T) any { return oneOf(t, "name", "", "a", "b") },
	"Description": func(t *rapid.T) any { return oneOf(t, "description", "", "a") },
	"Metadata":    func(t *rapid.T) any { return oneOf(t, "metadata", map[string]string{}, map[string]string{"a": "b"}) },
	"Scopes": func(t *rapid.T) any {
		all := rapid.SliceOfN(rapid.SampledFrom([]string{"*", "tts", "tts:*", "tts:a", "t*", "stt", "keys:read", "keys:write", "keys:*"}), 0, 4)
		return apikey.Scopes(all.Draw(t, "scopes"))
	},
	"UserID": func(t *rapid.T) any { return oneOf(t, "userId", "u1", "u1", "u2") },
	"Plan":   func(t *rapid.T) any { return oneOf(t, "plan", "", "", "pro", "free") },
	"Limits": func(t *rapid.T) any {
		all := []ratelimit.Limit{}
		for _, l := range []ratelimit.Limit{{Requests: 2, Window: time.Second}, {Requests: 30, Window: 2 * time.Minute}, {Requests: 900, Window: 2 * time.Hour}} {
			if rapid.IntRange(0, 2).Draw(t, "has a further limit") == 0 {
				l.Requests = max(1, l.Requests/oneOf[int64](t, "part of it", 1, 1, 2))
				all = append(all, l)
			}
		}
		return all
	},
	"Shared": func(t *rapid.T) any {
		return oneOf(t, "shared", apikey.Bounds{}, apikey.Bounds{}, apikey.Bounds{Limits: []ratelimit.Limit{{Requests: 100, Window: time.Minute}}},
			apikey.Bounds{Quota: ratelimit.Quota{Requests: 1000, Period: ratelimit.Month}})
	},
	"SharesDefault": func(t *rapid.T) any { return oneOf(t, "shares the default", false, false, true) },
	"Limit": func(t *rapid.T) any {
		if rapid.IntRange(0, 5).Draw(t, "has no limit") == 0 {
			return ratelimit.Limit{}
		}
		requests := oneOf[int64](t, "requests", 1, 5, 6, 10, 60, 61, 600)
		return ratelimit.Limit{Requests: requests, Window: time.Duration(oneOf(t, "window", 1, 10, 59, 60, 61, 3600)) * time.Second}
	},
	"Quota": func(t *rapid.T) any {
		return oneOf(t, "quota", ratelimit.Quota{}, ratelimit.Quota{Requests: 10, Period: ratelimit.Day}, ratelimit.Quota{Requests: 11, Period: ratelimit.Day},
			ratelimit.Quota{Requests: 310, Period: ratelimit.Month}, ratelimit.Quota{Requests: 10, Period: ratelimit.Month},
			ratelimit.Quota{Requests: 10, Period: ratelimit.Lifetime}, ratelimit.Quota{Requests: 11, Period: ratelimit.Lifetime})
	},
	"Unlimited": func(t *rapid.T) any { return oneOf(t, "unlimited", false, true) },
	"AllowedCIDRs": func(t *rapid.T) any {
		return oneOf(t, "networks", networks(), networks("10.0.0.0/8"), networks("10.1.0.0/16"), networks("10.1.0.0/16", "192.0.2.0/24"), networks("2001:db8::/32"), networks("0.0.0.0/0"))
	},
	"Enabled": func(t *rapid.T) any { return oneOf(t, "enabled", false, true) },
	"NotBefore": func(t *rapid.T) any {
		return oneOf(t, "notBefore", time.Time{}, apikeytest.Noon.Add(-time.Hour), apikeytest.Noon.Add(time.Hour), apikeytest.Noon.Add(2*time.Hour))
	},
	"ExpiresAt": func(t *rapid.T) any {
		return oneOf(t, "expiresAt", time.Time{}, apikeytest.Noon.Add(90*time.Minute), apikeytest.Noon.Add(3*time.Hour), apikeytest.Noon.Add(4*time.Hour))
	},
}

// drawChange draws a change of any fields.
func drawChange(t *rapid.T) (c apikey.Change) {
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		draw := draws[name]
		if draw == nil {
			t.Fatalf("no change of %s is tried: is it part of what a caller grants?", name)
		}
		if rapid.IntRange(0, 3).Draw(t, "sets "+name) == 0 {
			value := reflect.New(fields.Field(i).Type().Elem())
			value.Elem().Set(reflect.ValueOf(draw(t)))
			fields.Field(i).Set(value)
		}
	}
	return c
}

// drawKey gives k any rights.
func drawKey(t *rapid.T, k *apikey.Key) {
	fields := reflect.ValueOf(k).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		right, known := isRight[name]
		switch {
		case !known:
			t.Fatalf("is Key.%s part of what a caller grants? Say so here, and in the rights.", name)
		case right && name == "Environment":
			k.Environment = oneOf(t, "environment", apikey.Live, apikey.Test)
		case right:
			fields.Field(i).Set(reflect.ValueOf(draws[name](t)))
		}
	}
	if k.Unlimited {
		k.Quota, k.Limits = ratelimit.Quota{}, nil
	}
}

// judges are gates of live and of test.
type judges map[apikey.Environment]*gate.Gate

func newJudges(b *bench) judges {
	all := make(judges)
	for _, env := range []apikey.Environment{apikey.Live, apikey.Test} {
		all[env] = gate.New(b.Table, ratelimit.New(b.Meters, b.Clock.Time, 100), gate.Options{
			Keyring: b.Keyring, Reread: b.Hashing, Logger: slog.New(slog.DiscardHandler), Environments: []apikey.Environment{env},
			Clock: b.Clock.Instant, Remember: 100,
		})
	}
	return all
}

// admits reports whether k admits a request.
func (j judges) admits(env apikey.Environment, k *apikey.Key, r gate.Request) bool {
	code, _, err := j[env].ExplainWith(apikey.Record{Key: k}, apikey.UserRecord{}, nil, r)
	return err == nil && code == apikey.CodeValid
}

// linesOf returns the limits that a key keeps to, if neither its plan nor its user has any.
func linesOf(k *apikey.Key) []ratelimit.Limit {
	all := slices.Concat(k.Limits, k.Shared.Limits)
	if k.Limit != (ratelimit.Limit{}) {
		all = append(all, k.Limit)
	}
	if k.Limit == (ratelimit.Limit{}) && k.Shared.None() || k.SharesDefault {
		all = append(all, apikey.DefaultLimit())
	}
	return all
}

// mostIn returns how many requests k admits in any interval of the length of a window.
func mostIn(k *apikey.Key, window time.Duration) float64 {
	most := 1e18
	if k.Unlimited {
		return most
	}
	for _, l := range linesOf(k) {
		touched := 1 + (window-1)/l.Window
		most = min(most, float64(l.Requests)*float64(touched))
	}
	return most
}

// mostOf returns how many requests the quota of k admits in a period.
func mostOf(k *apikey.Key, p ratelimit.Period) float64 {
	switch {
	case k.Quota == ratelimit.Quota{}, k.Quota.Period != ratelimit.Lifetime && p == ratelimit.Lifetime:
		return 1e18
	case k.Quota.Period == ratelimit.Day && p == ratelimit.Month:
		return float64(k.Quota.Requests) * 31
	}
	return float64(k.Quota.Requests)
}

// asMany reports whether outer admits as many requests as k does, in each of its own windows.
func asMany(k, outer *apikey.Key, average bool) bool {
	if !outer.Unlimited {
		if k.Unlimited {
			return false
		}
		perSecond := func(l ratelimit.Limit) float64 { return float64(l.Requests) / l.Window.Seconds() }
		slow := func(l ratelimit.Limit) bool { return perSecond(l) <= perSecond(outer.Limit) }
		if average && !slices.ContainsFunc(linesOf(k), slow) {
			return false
		}
		for _, l := range linesOf(outer) {
			if !average && mostIn(k, l.Window) > float64(l.Requests) {
				return false
			}
		}
	}
	return outer.Quota == ratelimit.Quota{} || mostOf(k, outer.Quota.Period) <= float64(outer.Quota.Requests)
}

// check reports a request that k admits and none of the others does, or a number of requests.
func (j judges) check(t *rapid.T, what string, k *apikey.Key, average bool, others ...*apikey.Key) {
	if k.Status(apikeytest.Noon) == apikey.StatusRevoked {
		return
	}
	for _, hour := range []float64{0, 0.5, 1, 1.5, 2, 2.5, 3.5, 24} {
		at := apikeytest.Noon.Add(time.Duration(hour * float64(time.Hour)))
		for _, source := range []string{"", "10.0.0.1", "10.1.0.1", "192.0.2.1", "198.51.100.1", "2001:db8::1"} {
			from, _ := netip.ParseAddr(source)
			for _, scope := range []string{"", "tts", "tts:a", "tts:b", "t", "stt", "x", "keys:read", "keys:write", "keys:admin"} {
				for env := range j {
					r := gate.Request{Time: at, Source: from, Scope: scope, Cost: 1}
					if j.admits(env, k, r) && !slices.ContainsFunc(others, func(o *apikey.Key) bool { return j.admits(env, o, r) }) {
						t.Fatalf("%s: a request of %s at %v from %q with scope %q is admitted by\n%+v\nand by none of\n%s", what, env, at, source, scope, k, keysOf(others))
					}
				}
			}
		}
	}
	if !slices.ContainsFunc(others, func(o *apikey.Key) bool { return asMany(k, o, average && o == others[0]) }) {
		t.Fatalf("%s: more requests are admitted by\n%+v\nthan by any of\n%s", what, k, keysOf(others))
	}
}

func keysOf(keys []*apikey.Key) (text string) {
	for _, k := range keys {
		text += fmt.Sprintf("%+v\n", k)
	}
	return text
}

// widest is a key that admits everything.
func widest(env apikey.Environment) *apikey.Key {
	return &apikey.Key{Environment: env, Scopes: apikey.Scopes{"*", "keys:*"}, Unlimited: true, Enabled: true}
}

// bound narrows k to the fields that c sets.
func bound(k *apikey.Key, c apikey.Change) {
	if c.Scopes != nil {
		k.Scopes = *c.Scopes
	}
	if c.Limit != nil {
		k.Limit, k.Unlimited = *c.Limit, false
	}
	if c.Unlimited != nil && *c.Unlimited {
		k.Unlimited = true // otherwise the ceiling would set the limit
	}
	if c.Limits != nil {
		k.Limits = *c.Limits
	}
	if c.Quota != nil {
		k.Quota = *c.Quota
	}
	if c.AllowedCIDRs != nil {
		k.AllowedCIDRs = *c.AllowedCIDRs
	}
	if k.Unlimited {
		k.Quota = ratelimit.Quota{}
	}
	if c.Enabled != nil {
		k.Enabled = *c.Enabled
	}
	if c.NotBefore != nil {
		k.NotBefore = *c.NotBefore
	}
	if c.ExpiresAt != nil {
		k.ExpiresAt = *c.ExpiresAt
	}
}

func TestNoCallerWidensAKeyBeyondItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 1 << 30 })
	j := newJudges(b)
	root := b.caller(t, "root", func(k *apikey.Key) { admin(k); k.Environment = apikey.Test })
	for _, name := range []string{"pro", "free"} { // they bound nothing that is compared here
		if _, err := b.Registry.PutPlan(t.Context(), root, apikey.Plan{Name: name, Life: apikey.Life{IdleDays: 1000}}); err != nil {
			t.Fatal(err)
		}
	}
	tried, done := make(map[string]int), make(map[string]int)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		// The caller: a key, or a user without one.
		own := &apikey.Key{Enabled: true, Scopes: noAdmin(draws["Scopes"](t).(apikey.Scopes)), Limit: draws["Limit"](t).(ratelimit.Limit)}
		who := registry.Caller{UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}
		average := rapid.IntRange(0, 2).Draw(t, "a user without a key") == 0
		if average {
			if own.Limit == (ratelimit.Limit{}) { // users always have one
				own.Limit = apikey.DefaultLimit()
			}
			b.Configure(func(o *registry.Options) { o.Users = own })
		} else {
			own = b.issueOf(ctx, t, func(k *apikey.Key) {
				drawKey(t, k)
				if rapid.Bool().Draw(t, "wide") { // so that most refusals are for rights that an admin has set
					*k = apikey.Key{ID: k.ID, UserID: k.UserID, CreatedAt: k.CreatedAt, Environment: k.Environment, Scopes: apikey.Scopes{"*"}, Limit: ratelimit.Limit{Requests: 60_000, Window: time.Second}}
				}
				k.Enabled, k.NotBefore = true, time.Time{}
				k.Scopes = append(noAdmin(k.Scopes), apikey.ScopeWrite)
			})
			who = registry.Caller{KeyID: own.ID, UserID: own.UserID, Scopes: own.Scopes}
		}
		// Grants by the rules for users have no environment of their own.
		ofGrant := func(env apikey.Environment) *apikey.Key {
			k := *own
			if average {
				k.Environment = env
			}
			return &k
		}
		target := b.issueOf(ctx, t, func(k *apikey.Key) { drawKey(t, k) })
		ceiling := widest(target.Environment) // as far as an admin has set it
		step := func(what string, do func() (*apikey.Key, error)) {
			before := *target
			tried[what]++
			after, err := do()
			if err != nil {
				if !errors.Is(err, apikey.ErrForbidden) && !errors.Is(err, apikey.ErrInvalid) && !errors.Is(err, apikey.ErrEnded) {
					t.Fatalf("%s: %v", what, err)
				}
				return
			}
			done[what]++
			target = after
			if what == "an admin's change" {
				return
			}
			if !average && target.Environment != own.Environment {
				t.Fatalf("%s: a %s key changed a %s key", what, own.Environment, target.Environment)
			}
			others := []*apikey.Key{ofGrant(target.Environment), &before}
			if what == "create" || what == "rotate" {
				others = others[:1]
			}
			dormant := *target
			if what == "rotate" {
				dormant.Enabled, dormant.NotBefore = true, time.Time{} // the token's holder keeps it until the key is enabled
			}
			j.check(t, what, &dormant, average, others...)
			if what != "create" {
				most := *ceiling
				if !most.Unlimited { // it shares what it shares
					most.Shared, most.SharesDefault = target.Shared, target.SharesDefault
				}
				j.check(t, what+", of what an admin has set", target, false, &most)
			}
		}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1:
				c, back := drawChange(t), undoing(*target)
				c.UserID = nil // the caller would not see the key any more
				step("an admin's change", func() (*apikey.Key, error) {
					r, err := b.Registry.Update(ctx, root, target.ID, to(c))
					if err == nil {
						bound(ceiling, c)
					}
					return r.Key, err
				})
				step("the way back from an admin's", func() (*apikey.Key, error) {
					r, err := b.Registry.Update(ctx, who, target.ID, to(back(c)))
					return r.Key, err
				})
			case 2:
				// An owner widens again a right that it has narrowed itself.
				step("the owner's own way back", func() (*apikey.Key, error) {
					wide := *target
					if _, err := b.Registry.Update(ctx, who, target.ID, to(apikey.Change{Enabled: ptr(false)})); err != nil {
						return nil, err
					}
					r, err := b.Registry.Update(ctx, who, target.ID, to(apikey.Change{Enabled: &wide.Enabled}))
					if err != nil {
						r, err = b.Options.Store.Find(ctx, target.ID)
					}
					return r.Key, err
				})
			case 3:
				step("rotate", func() (*apikey.Key, error) {
					issued, err := b.Registry.Rotate(ctx, who, target.ID, 0)
					return issued.Key, err
				})
			case 4, 5:
				c, env := drawChange(t), oneOf(t, "environment", "", apikey.Live, apikey.Test)
				step("create", func() (*apikey.Key, error) {
					k, _, err := b.Registry.Create(ctx, who, "", env, c)
					if err == nil {
						ceiling = widest(k.Environment)
					}
					return k, err
				})
			default:
				c := drawChange(t)
				step("update", func() (*apikey.Key, error) {
					r, err := b.Registry.Update(ctx, who, target.ID, to(c))
					return r.Key, err
				})
			}
		}
	})
	t.Logf("tried %v, done %v", tried, done)
	for what, n := range tried {
		if done[what] == 0 || done[what] == n && what != "an admin's change" {
			t.Errorf("%s: %d of %d were accepted", what, done[what], n)
		}
	}
}

// undoing makes of a change of k the change back.
func undoing(k apikey.Key) func(apikey.Change) apikey.Change {
	return func(c apikey.Change) apikey.Change {
		fields := reflect.ValueOf(&c).Elem()
		for i := range fields.NumField() {
			if field := fields.Field(i); !field.IsNil() {
				value := reflect.New(field.Type().Elem())
				value.Elem().Set(reflect.ValueOf(k).FieldByName(fields.Type().Field(i).Name))
				field.Set(value)
			}
		}
		if k.Unlimited {
			c.Limit = nil
		}
		return c
	}
}

// noAdmin removes the admin scope.
func noAdmin(all apikey.Scopes) apikey.Scopes {
	return slices.DeleteFunc(all, func(scope string) bool { return scope == "keys:*" })
}

// issueOf is issue for a test that rapid runs.
func (b *bench) issueOf(ctx context.Context, t *rapid.T, edit func(*apikey.Key)) *apikey.Key {
	token, err := b.Format.New(apikey.Live, b.Options.Random)
	if err != nil {
		t.Fatal(err)
	}
	k, err := b.Registry.Build(ctx, token, "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	edit(k)
	if err := b.Options.Store.Write(ctx, registry.Write{To: k}); err != nil {
		t.Fatal(err)
	}
	return k
}

// Only an admin widens a right that an admin has set on a user's key. The caller is another key of
// the user, with wider rights than the changed key.
func TestOnlyAnAdminWidensARightThatAnAdminHasSet(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 1 << 30 })
	root := b.caller(t, "root", admin)
	sibling := b.caller(t, "u1", func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 1000, Window: time.Minute} })
	limit := func(n int64) apikey.Change {
		return apikey.Change{Limit: &ratelimit.Limit{Requests: n, Window: time.Minute}}
	}
	quota := func(n int64) apikey.Change {
		return apikey.Change{Quota: &ratelimit.Quota{Requests: n, Period: ratelimit.Day}}
	}
	none, off, on := apikey.Change{Quota: &ratelimit.Quota{}}, apikey.Change{Enabled: ptr(false)}, apikey.Change{Enabled: ptr(true)}
	scopes := func(all ...string) apikey.Change { return apikey.Change{Scopes: (*apikey.Scopes)(&all)} }
	later := func(n int) apikey.Change {
		return apikey.Change{NotBefore: ptr(apikeytest.Noon.Add(time.Duration(n) * time.Hour))}
	}
	end := func(n int) apikey.Change {
		return apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(time.Duration(n) * time.Hour))}
	}
	from := func(texts ...string) apikey.Change { return apikey.Change{AllowedCIDRs: ptr(networks(texts...))} }
	now, never := apikey.Change{NotBefore: &time.Time{}}, apikey.Change{ExpiresAt: &time.Time{}}
	type line struct {
		by     string // admin, or user
		change apikey.Change
		refuse string // the field; empty: it is accepted
	}
	for _, c := range []struct {
		name  string
		made  apikey.Change // by the admin
		lines []line
	}{
		{"disabled", apikey.Change{}, []line{{"admin", off, ""}, {"user", on, "enabled"}, {"user", apikey.Change{Name: ptr("x")}, ""}, {"user", off, ""}, {"user", on, "enabled"}, {"admin", on, ""}, {"user", off, ""}, {"user", on, ""}}},
		{"made disabled", off, []line{{"user", on, "enabled"}, {"admin", on, ""}, {"user", on, ""}}},
		{"disabled by the user", apikey.Change{}, []line{{"user", off, ""}, {"user", on, ""}}},
		{"disabled by both", apikey.Change{}, []line{{"user", off, ""}, {"admin", off, ""}, {"user", on, "enabled"}}},
		{"a lower limit", apikey.Change{}, []line{{"admin", limit(10), ""}, {"user", limit(11), "rateLimit"}, {"user", limit(5), ""}, {"user", limit(6), "rateLimit"}, {"admin", limit(60), ""}, {"user", limit(61), "rateLimit"}}},
		{"no more unlimited", apikey.Change{Unlimited: ptr(true)}, []line{{"admin", apikey.Change{Unlimited: ptr(false)}, ""}, {"user", limit(61), "rateLimit"}, {"user", limit(60), ""}}},
		{"a limit that the admin did not set", apikey.Change{}, []line{{"user", limit(61), ""}, {"user", limit(1001), "rateLimit"}}},
		{"a quota", quota(10), []line{{"user", none, "quota"}, {"user", quota(11), "quota"}, {"user", quota(9), ""}, {"admin", none, ""}, {"user", quota(9), ""}, {"user", none, ""}}},
		{"another quota", apikey.Change{}, []line{{"user", quota(10), ""}, {"admin", quota(5), ""}, {"user", quota(10), "quota"}}},
		{"an end", end(2), []line{{"user", never, "expiresAt"}, {"user", end(3), "expiresAt"}, {"user", end(1), ""}, {"user", end(2), "expiresAt"}, {"admin", never, ""}, {"user", end(3), ""}}},
		{"a beginning", later(1), []line{{"user", now, "notBefore"}, {"user", later(2), ""}, {"user", later(1), "notBefore"}, {"admin", now, ""}, {"user", later(1), ""}, {"user", now, ""}}},
		{"networks", from("10.0.0.0/8"), []line{{"user", from(), "allowedCidrs"}, {"user", from("10.1.0.0/16"), ""}, {"user", from("10.0.0.0/8"), "allowedCidrs"}, {"admin", from(), ""}, {"user", from("192.0.2.0/24"), ""}, {"user", from(), ""}}},
		{"fewer scopes", scopes("tts", "tts:*"), []line{{"admin", scopes("tts"), ""}, {"user", scopes("tts", "tts:*"), "scopes"}, {"user", scopes(), ""}, {"user", scopes("tts"), "scopes"}}},
		{"one of many fields", apikey.Change{}, []line{{"admin", quota(10), ""}, {"user", apikey.Change{Quota: &ratelimit.Quota{}, Name: ptr("y"), Limit: ptr(apikey.DefaultLimit())}, "quota"}, {"user", limit(70), ""}}},
	} {
		key, _, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, c.made)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range c.lines {
			_, err := b.Registry.Update(t.Context(), map[string]registry.Caller{"admin": root, "user": sibling}[l.by], key.ID, to(l.change))
			refused(t, fmt.Sprintf("%s: line %d", c.name, i+1), err, l.refuse)
		}
		// Rotating leaves it as it is, and revoking takes nothing but rights away.
		before, err := b.Options.Store.Find(t.Context(), key.ID)
		if err != nil {
			t.Fatal(err)
		}
		issued, err := b.Registry.Rotate(t.Context(), sibling, key.ID, 0)
		if err != nil || issued.Key.Enabled != before.Key.Enabled || !slices.Equal(issued.Key.Held, before.Key.Held) {
			t.Errorf("%s: rotated to %+v, %v", c.name, issued.Key, err)
		}
		if _, err := b.Registry.Revoke(t.Context(), sibling, key.ID, ""); err != nil {
			t.Errorf("%s: revoke: %v", c.name, err)
		}
	}
}

// A key that may do more than its sibling is not widened by the sibling in any way, and not rotated.
func TestAWiderSiblingIsLeftAsItIs(t *testing.T) {
	b := newBench(t)
	who := b.caller(t, "u1", nil)
	wide := func(k *apikey.Key) { k.Scopes, k.Unlimited = apikey.Scopes{"*", "keys:*"}, true }
	for _, c := range []struct {
		name   string
		edit   func(*apikey.Key)
		change apikey.Change
		refuse string
	}{
		{"enabled", func(k *apikey.Key) { wide(k); k.Enabled = false }, apikey.Change{Enabled: ptr(true)}, "scopes"},
		{"begun now", func(k *apikey.Key) { wide(k); k.NotBefore = apikeytest.Noon.Add(time.Hour) }, apikey.Change{NotBefore: &time.Time{}}, "scopes"},
		{"begun earlier", func(k *apikey.Key) { wide(k); k.NotBefore = apikeytest.Noon.Add(2 * time.Hour) }, apikey.Change{NotBefore: ptr(apikeytest.Noon.Add(time.Hour))}, "scopes"},
		{"brought back", func(k *apikey.Key) { wide(k); k.ExpiresAt = apikeytest.Noon.Add(-time.Hour) }, apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(time.Hour))}, "scopes"},
		{"renamed", wide, apikey.Change{Name: ptr("x")}, ""},
		{"disabled", wide, apikey.Change{Enabled: ptr(false)}, ""},
		{"narrowed", wide, apikey.Change{Scopes: &apikey.Scopes{"stt"}, Limit: &ratelimit.Limit{Requests: 5000, Window: time.Minute}}, ""},
		{"begun later", wide, apikey.Change{NotBefore: ptr(apikeytest.Noon.Add(time.Hour))}, ""},
	} {
		k := b.Issue(t, b.Token(t), c.edit)
		_, err := b.Registry.Update(t.Context(), who, k.ID, to(c.change))
		refused(t, c.name, err, c.refuse)
	}
}

// A key of one environment makes, changes and rotates no key of the other. A user without a key
// has no environment.
func TestEnvironmentIsPartOfAGrant(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 1 << 30 })
	b.Configure(func(o *registry.Options) {
		o.Users = &apikey.Key{Scopes: apikey.Scopes{"tts", "tts:*", apikey.ScopeRead, apikey.ScopeWrite}, Limit: apikey.DefaultLimit()}
	})
	of := func(env apikey.Environment, edit func(*apikey.Key)) registry.Caller {
		return b.caller(t, "u1", func(k *apikey.Key) {
			if k.Environment = env; edit != nil {
				edit(k)
			}
		})
	}
	user := registry.Caller{UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}
	for _, c := range []struct {
		name       string
		who        registry.Caller
		env        apikey.Environment
		refuse     string
		leavingOut apikey.Environment // the environment of a key that is created without one
	}{
		{"test makes live", of(apikey.Test, nil), apikey.Live, "environment", apikey.Test},
		{"live makes test", of(apikey.Live, nil), apikey.Test, "environment", apikey.Live},
		{"test makes test", of(apikey.Test, nil), apikey.Test, "", apikey.Test},
		{"live makes live", of(apikey.Live, nil), apikey.Live, "", apikey.Live},
		{"a user makes live", user, apikey.Live, "", apikey.Live},
		{"a user makes test", user, apikey.Test, "", apikey.Live},
		{"an admin of test makes live", of(apikey.Test, admin), apikey.Live, "", apikey.Live},
		{"an admin of live makes test", of(apikey.Live, admin), apikey.Test, "", apikey.Live},
	} {
		_, _, err := b.Registry.Create(t.Context(), c.who, "", c.env, apikey.Change{})
		refused(t, c.name, err, c.refuse)
		if k, _, err := b.Registry.Create(t.Context(), c.who, "", "", apikey.Change{}); err != nil || k.Environment != c.leavingOut {
			t.Errorf("%s, leaving it out: %+v, %v", c.name, k, err)
		}
		other := of(c.env, nil)
		for _, change := range []apikey.Change{{Name: ptr("x")}, {Enabled: ptr(false)}, {Enabled: ptr(true)}} {
			_, err = b.Registry.Update(t.Context(), c.who, other.KeyID, to(change))
			refused(t, c.name+": update", err, c.refuse)
		}
		_, err = b.Registry.Rotate(t.Context(), c.who, other.KeyID, time.Hour)
		refused(t, c.name+": rotate", err, c.refuse)
		_, err = b.Registry.EndGrace(t.Context(), c.who, other.KeyID)
		refused(t, c.name+": end the grace", err, "")
		_, err = b.Registry.Revoke(t.Context(), c.who, other.KeyID, "")
		refused(t, c.name+": revoke", err, "")
		refused(t, c.name+": delete", b.Registry.Delete(t.Context(), c.who, other.KeyID), "")
	}
}
