package gate_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func TestEachRuleOfThePolicyRefuses(t *testing.T) {
	b := newBench(t)
	token, foreign := b.Token(t), "a-foreign-token-of-a-friend"
	type edit = func(*apikey.Key)
	everything := func(k *apikey.Key) { // wrong in every way: the first rule decides
		k.RevokedAt, k.Enabled, k.NotBefore, k.ExpiresAt = apikeytest.Noon, false, apikeytest.Noon.Add(
			time.Hour,
		), apikeytest.Noon.Add(
			-time.Hour,
		)
		k.Environment, k.AllowedCIDRs, k.Scopes = apikey.Test, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil
	}
	but := func(e edit) edit { return func(k *apikey.Key) { everything(k); e(k) } }
	for _, c := range []struct {
		name  string
		edit  edit
		scope string
		from  string
		want  apikey.Code
	}{
		{"a good key", nil, "", "", apikey.CodeValid},
		{"a revoked key, first of all", everything, "tts", "192.0.2.1", apikey.CodeRevoked},
		{"then disabled", but(func(k *apikey.Key) { k.RevokedAt = time.Time{} }), "tts", "192.0.2.1", apikey.CodeDisabled},
		{"then not yet active", but(func(k *apikey.Key) { k.RevokedAt, k.Enabled = time.Time{}, true }), "tts", "192.0.2.1", apikey.CodeInactive},
		{"then expired", but(func(k *apikey.Key) { k.RevokedAt, k.Enabled, k.NotBefore = time.Time{}, true, apikeytest.Noon }), "tts", "192.0.2.1", apikey.CodeExpired},
		{"then the environment", but(func(k *apikey.Key) {
			k.RevokedAt, k.Enabled, k.NotBefore, k.ExpiresAt = time.Time{}, true, apikeytest.Noon, apikeytest.Noon.Add(time.Second)
		}), "tts", "192.0.2.1", apikey.CodeWrongEnvironment},
		{"then the address", func(k *apikey.Key) {
			k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}, "tts", "192.0.2.1", apikey.CodeAddressNotAllowed},
		{"an address that is not known", func(k *apikey.Key) {
			k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
		}, "", "", apikey.CodeAddressNotAllowed},
		{"an address within", func(k *apikey.Key) {
			k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("10.0.0.0/8")}
		}, "", "::ffff:10.1.2.3", apikey.CodeValid},
		{"then the scope", nil, "tts", "", apikey.CodeInsufficientScope},
		{"a scope it has", func(k *apikey.Key) { k.Scopes = apikey.Scopes{"tts"} }, "tts", "", apikey.CodeValid},
		{"a pattern", func(k *apikey.Key) { k.Scopes = apikey.Scopes{"tts:*"} }, "tts:fast", "", apikey.CodeValid},
		{"everything but keys", func(k *apikey.Key) { k.Scopes = apikey.Scopes{"*"} }, "keys:read", "", apikey.CodeInsufficientScope},
		{"expiring this instant", func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon }, "", "", apikey.CodeExpired},
		{"active from this instant", func(k *apikey.Key) { k.NotBefore = apikeytest.Noon }, "", "", apikey.CodeValid},
	} {
		token := b.Token(t)
		b.Issue(t, token, c.edit)
		r := gate.Request{Credential: b.Format.Credential(token.Reveal()), Scope: c.scope, Cost: 1}
		if c.from != "" {
			r.Source = netip.MustParseAddr(c.from)
		}
		v, err := b.Gate(time.Second).Check(t.Context(), r)
		if err != nil || v.Code != c.want || v.Key == nil {
			t.Errorf("%s: %s, %v; want %s", c.name, v.Code, err, c.want)
		}
	}

	k := b.Issue(t, token, nil)
	b.Issue(t, b.Parse(t, foreign), nil)
	other := b.Token(t)
	twisted := apikeytest.Twist(b.Token(t).Reveal())
	pair := k.PublicKey().String() + ":" + token.Reveal()
	for _, c := range []struct {
		name   string
		values []string
		want   apikey.Code
	}{
		{"nothing", nil, apikey.CodeMissing},
		{"empty values", []string{"", " "}, apikey.CodeMissing},
		{"a JWT is somebody else's", []string{"eyJhbGciOiJub25lIn0.e30.x"}, apikey.CodeMissing},
		{"too short", []string{"short"}, apikey.CodeMalformed},
		{"a wrong checksum", []string{twisted}, apikey.CodeMalformed},
		{"two tokens", []string{token.Reveal(), other.Reveal()}, apikey.CodeTwoKeys},
		{"one token twice", []string{token.Reveal(), token.Reveal()}, apikey.CodeValid},
		{"a pair", []string{pair}, apikey.CodeValid},
		{"a pair that does not belong together", []string{"pk_live_0000000000000000:" + token.Reveal()}, apikey.CodeMalformed},
		{"a pair of another environment", []string{"pk_test_" + k.ID + ":" + token.Reveal()}, apikey.CodeMalformed},
		{"an unknown key", []string{other.Reveal()}, apikey.CodeUnknown},
		{"a foreign token", []string{foreign}, apikey.CodeValid},
		{"an unknown foreign token", []string{foreign + "-not"}, apikey.CodeUnknown},
	} {
		v, err := b.Gate(time.Second).Check(t.Context(), gate.Request{Credential: b.Format.Credential(c.values...), Cost: 1})
		if err != nil || v.Code != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, v.Code, err, c.want)
		}
		if !v.Valid() && v.Key != nil {
			t.Errorf("%s: the refusal tells of a key", c.name)
		}
	}
}

func TestAWrongSecretIsUnknownAndRevealsNothing(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) { k.Secrets = []apikey.Secret{b.Hasher.Hash(b.Token(t))} })
	v, err := b.Gate(time.Second).
		Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1})
	if err != nil || v.Code != apikey.CodeUnknown || v.Key != nil {
		t.Errorf("wrong secret for %s: %s, %v", k.ID, v.Code, err)
	}
}

func TestARevokedKeyIsRefusedWithinFreshness(t *testing.T) {
	for _, c := range []struct {
		name       string
		wall, mono time.Duration
		bites      bool
	}{
		{"just before", 999 * time.Millisecond, 999 * time.Millisecond, false},
		{"after", time.Second, time.Second, true},
		{"after a freeze, which stops the monotonic clock", time.Hour, 0, true},
		{"after the wall clock was set back", -time.Hour, time.Second, true},
	} {
		b := newBench(t)
		token := b.Token(t)
		k := b.Issue(t, token, nil)
		g := b.Gate(time.Second)
		r := gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
		if v, err := g.Check(t.Context(), r); err != nil || !v.Valid() {
			t.Fatalf("%s: before: %s, %v", c.name, v.Code, err)
		}
		k.RevokedAt = apikeytest.Noon
		if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, To: k}); err != nil {
			t.Fatal(err)
		}
		b.Clock.Drift(c.wall, c.mono)
		v, err := g.Check(t.Context(), r)
		if err != nil || (v.Code == apikey.CodeRevoked) != c.bites {
			t.Errorf("%s: %s, %v", c.name, v.Code, err)
		}
	}
}

func TestACheckThatCannotDecideIsAnErrorAndNoRefusal(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	b.Issue(t, token, nil)
	r := gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
	g := b.Gate(time.Second)
	b.Table.Err = errors.New("no route to host")
	if v, err := g.Check(t.Context(), r); err == nil {
		t.Errorf("without a table: %s", v.Code)
	}
	b.Table.Err = nil
	if v, err := g.Check(t.Context(), r); err != nil || !v.Valid() {
		t.Errorf("when it is back: %s, %v", v.Code, err)
	}
	b.Hasher = apikeytest.NewHasher(t, strings.Repeat("x", 32))
	if v, err := g.Check(t.Context(), r); !errors.Is(err, pepper.ErrCannotJudge) {
		t.Errorf("without its pepper: %s, %v", v.Code, err)
	}
}

func TestARememberedKeyIsNotReadAgain(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	b.Issue(t, token, func(k *apikey.Key) { k.Limit.Requests = 1000 })
	g := b.Gate(time.Second)
	known := gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
	unknown := gate.Request{Credential: b.Format.Credential(b.Token(t).Reveal()), Cost: 1}
	gone := b.Token(t)
	b.Issue(t, gone, func(k *apikey.Key) { k.RevokedAt = apikeytest.Noon })
	revoked := gate.Request{Credential: b.Format.Credential(gone.Reveal()), Cost: 1}
	forged := gate.Request{Credential: b.Format.Credential(b.Forge(t, token)), Cost: 1}
	for _, c := range []struct {
		name  string
		r     gate.Request
		times int
		every time.Duration
		most  int
	}{
		{"a good key", known, 50, time.Millisecond, 1},
		{"an unknown id", unknown, 50, time.Millisecond, 1},
		{"a revoked key, which stays so", revoked, 50, 10 * time.Millisecond, 1},
		{"guesses at a known key, one read in 100 ms", forged, 50, 10 * time.Millisecond, 6},
	} {
		before, hits := b.Table.Count(), g.MemoryHits()
		for range c.times {
			if _, err := g.Check(t.Context(), c.r); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			b.Clock.Pass(c.every)
		}
		got := b.Table.Count() - before
		if got > c.most {
			t.Errorf("%s: %d reads for %d checks, at most %d wanted", c.name, got, c.times, c.most)
		}
		if hits = g.MemoryHits() - hits; hits < int64(c.times-got) || hits > int64(c.times) {
			t.Errorf("%s: %d memory hits for %d checks with %d reads", c.name, hits, c.times, got)
		}
	}
}

func TestANewTokenWorksAtOnceAfterARotation(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	k := b.Issue(t, token, nil)
	g := b.Gate(time.Minute)
	if v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal())}); err != nil ||
		!v.Valid() {
		t.Fatalf("%s, %v", v.Code, err)
	}
	next := b.Parse(t, b.Forge(t, token))
	k.Secrets = append(k.Secrets, b.Hasher.Hash(next))
	if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, To: k}); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(100 * time.Millisecond)
	if v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(next.Reveal())}); err != nil ||
		!v.Valid() {
		t.Errorf("%s, %v", v.Code, err)
	}
}

func TestGarbageDoesNotPushOutGoodKeys(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	b.Issue(t, token, nil)
	g := b.Gate(time.Hour)
	r := gate.Request{Credential: b.Format.Credential(token.Reveal())}
	if _, err := g.Check(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for range 150 { // more than are remembered
		if _, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(b.Token(t).Reveal())}); err != nil {
			t.Fatal(err)
		}
	}
	before := b.Table.Count()
	if v, err := g.Check(t.Context(), r); err != nil || !v.Valid() || b.Table.Count() != before {
		t.Errorf("%s, %v, %d reads", v.Code, err, b.Table.Count()-before)
	}
}

func TestLimitsAndCosts(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 3, Window: 10 * time.Second} })
	g, other := b.Gate(time.Second), b.Gate(time.Second)
	check := func(g *gate.Gate, cost int64) (apikey.Verdict, error) {
		return g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: cost})
	}
	for i, c := range []struct {
		g         *gate.Gate
		cost      int64
		want      apikey.Code
		remaining int64
	}{
		{g, 0, apikey.CodeValid, 3}, {g, 2, apikey.CodeValid, 1}, {other, 0, apikey.CodeValid, 1},
		{other, 2, apikey.CodeRateLimited, 1}, {other, 1, apikey.CodeValid, 0}, {g, 1, apikey.CodeRateLimited, 0}, {g, 0, apikey.CodeValid, 0},
	} {
		v, err := check(c.g, c.cost)
		if err != nil || v.Code != c.want || v.Status.Remaining != c.remaining {
			t.Errorf("step %d: %s with %d left, %v; want %s with %d", i, v.Code, v.Status.Remaining, err, c.want, c.remaining)
		}
		if v.Code == apikey.CodeRateLimited && (v.RetryAfter < time.Second || v.RetryAfter > 12*time.Second) {
			t.Errorf("step %d: retry after %v", i, v.RetryAfter)
		}
	}
	if _, err := check(g, 4); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("a cost above the limit: %v", err)
	}
	k.Quota = ratelimit.Quota{Requests: 2, Period: ratelimit.Month}
	if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, To: k}); err != nil {
		t.Fatal(err)
	}
	if v, err := check(b.Gate(0), 3); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("a cost above the quota: %s, %v", v.Code, err)
	}
	k.Unlimited = true
	if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, To: k}); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(time.Second)
	for range 5 {
		if v, err := check(g, 1); err != nil || !v.Valid() {
			t.Errorf("unlimited: %s, %v", v.Code, err)
		}
	}
}

// An instance that has not read of a longer window does not restore the shorter one. It reads the key
// again.
func TestAWindowChangesForAllAtOnce(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 10, Window: 10 * time.Second} })
	g, other := b.Gate(time.Minute), b.Gate(time.Minute)
	request := gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
	for i, c := range []struct {
		gate *gate.Gate
		want apikey.Code
	}{{g, apikey.CodeValid}, {other, apikey.CodeValid}} {
		if v, err := c.gate.Check(t.Context(), request); err != nil || v.Code != c.want {
			t.Fatalf("step %d: %s, %v", i, v.Code, err)
		}
	}
	k.Limit = ratelimit.Limit{Requests: 4, Window: time.Hour}
	if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, To: k}); err != nil {
		t.Fatal(err)
	}
	fresh := b.Gate(time.Minute)
	for i, gate := range []*gate.Gate{fresh, g} {
		v, err := gate.Check(t.Context(), request)
		if err != nil || v.Code != apikey.CodeValid || v.Status.Limit != 4 || v.Status.Remaining != int64(1-i) {
			t.Errorf("gate %d: %s, %+v, %v; want the new limit", i, v.Code, v.Status, err)
		}
	}
	if v, err := other.Check(t.Context(), request); err != nil || v.Code != apikey.CodeRateLimited {
		t.Errorf("the third: %s, %v", v.Code, err)
	}
}

// After its window became shorter, a key waits no longer than the new window: on a real table, through
// two instances that have spent from it before.
func TestAShorterWindowCountsAtOnce(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 1000, Window: 24 * time.Hour} })
	gates := []*gate.Gate{b.Gate(time.Second), b.Gate(time.Second)}
	check := func(g *gate.Gate, cost int64) apikey.Verdict {
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: cost})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, g := range gates {
		if v := check(g, 100); !v.Valid() {
			t.Fatal(v.Code)
		}
	}
	for i, limit := range []ratelimit.Limit{{Requests: 100, Window: time.Second}, {Requests: 200, Window: 24 * time.Hour}, {Requests: 50, Window: 10 * time.Second}} {
		b.Clock.Pass(time.Millisecond)
		to := *k
		to.Limit = limit
		if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, To: &to}); err != nil {
			t.Fatal(err)
		}
		k = &to
		b.Clock.Pass(time.Second)
		// The day counts 200, whatever the windows between were.
		v := check(gates[i%2], 1)
		if i == 1 {
			if v.Code != apikey.CodeRateLimited || v.RetryAfter > 25*time.Hour {
				t.Errorf("back in a day: %s, retry after %v", v.Code, v.RetryAfter)
			}
			continue
		}
		if v.Code == apikey.CodeRateLimited {
			if v.RetryAfter > limit.Window*61/60+2*time.Second {
				t.Errorf("%v: retry after %v", limit, v.RetryAfter)
			}
			b.Clock.Pass(v.RetryAfter)
			v = check(gates[i%2], 1)
		}
		if !v.Valid() {
			t.Errorf("%v: %s, retry after %v", limit, v.Code, v.RetryAfter)
		}
	}
}

func TestAQuotaIsJudgedBeforeTheLimit(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	b.Issue(t, token, func(k *apikey.Key) {
		k.Limit, k.Quota = ratelimit.Limit{
			Requests: 2,
			Window:   10 * time.Second,
		}, ratelimit.Quota{
			Requests: 3,
			Period:   ratelimit.Day,
		}
	})
	g := b.Gate(time.Second)
	for i, c := range []struct {
		pass  time.Duration
		want  apikey.Code
		left  int64
		limit int64
		retry time.Duration
	}{
		{0, apikey.CodeValid, 1, 2, 0}, {0, apikey.CodeValid, 0, 2, 0}, {0, apikey.CodeRateLimited, 0, 2, 11 * time.Second},
		{11 * time.Second, apikey.CodeValid, 0, 3, 0}, {0, apikey.CodeQuotaExceeded, 0, 3, 12*time.Hour - 11*time.Second},
		{12*time.Hour - 11*time.Second, apikey.CodeValid, 1, 2, 0},
	} {
		b.Clock.Pass(c.pass)
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1})
		if err != nil || v.Code != c.want || v.Status.Remaining != c.left || v.Status.Limit != c.limit ||
			v.RetryAfter != c.retry {
			t.Errorf("step %d: %s, %+v, retry after %v, %v", i, v.Code, v.Status, v.RetryAfter, err)
		}
	}
}

func TestTheGatewaysClockIsAFloor(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	b.Issue(t, token, func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon.Add(3 * time.Second) })
	r := gate.Request{Credential: b.Format.Credential(token.Reveal()), Time: apikeytest.Noon.Add(4 * time.Second), Cost: 1}
	if v, err := b.Gate(time.Second).Check(t.Context(), r); err != nil || v.Code != apikey.CodeExpired {
		t.Errorf("a slow clock let an expired key pass: %s, %v", v.Code, err)
	}
}
