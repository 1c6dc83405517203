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
	"latchkey/internal/ratelimit"
)

// Explain has the code of Check for every fault that a request can have. It goes on after the first.
func TestExplainAgreesWithCheck(t *testing.T) {
	b := newBench(t)
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		name    string
		edit    func(*apikey.Key)
		request gate.Request
		spend   int
		fails   string // the checks
	}{
		{"a good key", nil, gate.Request{Cost: 1}, 0, ""},
		{"all that can be wrong", func(k *apikey.Key) {
			k.RevokedAt, k.Enabled, k.NotBefore, k.ExpiresAt, k.Environment, k.AllowedCIDRs = apikeytest.Noon, false, apikeytest.Noon.Add(time.Hour), apikeytest.Noon, apikey.Test, networks
		}, gate.Request{Cost: 1, Scope: "tts"}, 0, "revoked enabled notBefore expiresAt environment address scope"},
		{"an address", func(k *apikey.Key) { k.AllowedCIDRs = networks }, gate.Request{Source: netip.MustParseAddr("11.0.0.1"), Cost: 1}, 0, "address"},
		{"a scope", func(k *apikey.Key) { k.Scopes = apikey.Scopes{"stt"} }, gate.Request{Scope: "tts", Cost: 1}, 0, "scope"},
		{"a limit", func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 2, Window: time.Minute} }, gate.Request{Cost: 1}, 2, "rateLimit"},
		{"a cost", func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 2, Window: time.Minute} }, gate.Request{Cost: 2}, 1, "rateLimit"},
		{"a quota", func(k *apikey.Key) { k.Quota = ratelimit.Quota{Requests: 1, Period: ratelimit.Day} }, gate.Request{Cost: 1}, 1, "quota"},
		{"unlimited", func(k *apikey.Key) { k.Unlimited = true }, gate.Request{Cost: 1 << 40}, 3, ""},
	} {
		token := b.Token(t)
		k := b.Issue(t, token, c.edit)
		g := b.Gate(0)
		c.request.Credential = b.Format.Credential(token.Reveal())
		for range c.spend {
			once := c.request
			once.Cost = 1
			if v, err := g.Check(t.Context(), once); err != nil || !v.Valid() {
				t.Fatalf("%s: %s, %v", c.name, v.Code, err)
			}
		}
		record, err := b.Options.Store.Find(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}
		var code apikey.Code
		for range 3 { // it spends nothing
			var steps []gate.Step
			if code, steps, err = g.Explain(t.Context(), record, c.request); err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, s := range steps {
				if !s.Pass {
					failed = append(failed, s.Check)
				}
				if s.Detail == "" {
					t.Errorf("%s: %s does not say what decided", c.name, s.Check)
				}
			}
			if got := strings.Join(failed, " "); got != c.fails {
				t.Errorf("%s: %s fail, want %s", c.name, got, c.fails)
			}
		}
		if v, err := g.Check(t.Context(), c.request); err != nil || v.Code != code {
			t.Errorf("%s: the verdict is %s, %v; explained is %s", c.name, v.Code, err, code)
		}
	}
}

// Explain judges a request at any time, past or future.
func TestExplainJudgesAtTheTimeOfTheRequest(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) {
		k.NotBefore, k.ExpiresAt, k.Limit = apikeytest.Noon.Add(
			-time.Hour,
		), apikeytest.Noon.Add(
			time.Hour,
		), ratelimit.Limit{
			Requests: 1,
			Window:   time.Minute,
		}
	})
	g := b.Gate(time.Second)
	if v := b.Check(t, g, token.Reveal()); !v.Valid() {
		t.Fatal(v.Code)
	}
	record, err := b.Options.Store.Find(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]apikey.Code{
		-2 * time.Hour: apikey.CodeInactive, 0: apikey.CodeRateLimited, 2 * time.Minute: apikey.CodeValid, time.Hour: apikey.CodeExpired,
	} {
		code, _, err := g.Explain(t.Context(), record, gate.Request{Cost: 1, Time: apikeytest.Noon.Add(after)})
		if err != nil || code != want {
			t.Errorf("%v from now: %s, %v; want %s", after, code, err, want)
		}
	}
	if _, _, err := g.Explain(t.Context(), record, gate.Request{Cost: 2}); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("a cost above the limit: %v", err)
	}
}
