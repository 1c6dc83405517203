package registry_test

import (
	"net/netip"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// Policy: a refused grant says what the caller's own rights are, which reveals nothing to the
// caller.
func TestARefusedGrantSaysWhatTheCallerHas(t *testing.T) {
	many := apikey.Scopes{apikey.ScopeWrite}
	for _, c := range "abcdefghijkl" {
		many = append(many, string(c))
	}
	for _, c := range []struct {
		own    func(*apikey.Key)
		change apikey.Change
		want   string
	}{
		{func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 60, Window: time.Minute} },
			apikey.Change{Limit: &ratelimit.Limit{Requests: 61, Window: time.Minute}},
			"rateLimit must be within the limit of your own key: 60 requests in 60 seconds"},
		{func(k *apikey.Key) { k.Quota = ratelimit.Quota{Requests: 1000, Period: ratelimit.Month} },
			apikey.Change{Quota: &ratelimit.Quota{Requests: 1000, Period: ratelimit.Day}},
			"quota must be within the quota of your own key: 1000 requests per month"},
		{func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon.Add(time.Hour) },
			apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(2 * time.Hour))},
			"expiresAt must not be after the expiry of your own key: 2026-11-24T13:00:00Z"},
		{func(k *apikey.Key) {
			k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
		},
			apikey.Change{AllowedCIDRs: &[]netip.Prefix{}},
			"allowedCidrs must be within the networks of your own key: 10.0.0.0/8, 2001:db8::/32"},
		{func(k *apikey.Key) { k.Scopes = apikey.Scopes{"tts", apikey.ScopeWrite} },
			apikey.Change{Scopes: &apikey.Scopes{"stt"}},
			"scopes must be within the scopes of your own key: tts, keys:write"},
		{func(k *apikey.Key) { k.Scopes = many },
			apikey.Change{Scopes: &apikey.Scopes{"stt"}},
			"scopes must be within the scopes of your own key: keys:write, a, b, c, d, e, f, g, h, i and 3 more"},
		{func(*apikey.Key) {}, apikey.Change{Unlimited: ptr(true)}, "unlimited may be set by an admin only"},
		// The caller's own quota is no mistake of the request.
		{func(k *apikey.Key) { k.Quota = ratelimit.Quota{Requests: 1000, Period: ratelimit.Month} },
			apikey.Change{Unlimited: ptr(true)}, "unlimited may be set by an admin only"},
	} {
		b := newBench(t)
		_, _, err := b.Registry.Create(t.Context(), b.caller(t, "u1", c.own), "", apikey.Live, c.change)
		if err == nil || err.Error() != c.want {
			t.Errorf("%v, want %q", err, c.want)
		}
	}

	// A user without a key may grant the rights that all users may grant.
	b := newBench(t)
	b.Configure(func(o *registry.Options) {
		o.Users = &apikey.Key{Limit: ratelimit.Limit{Requests: 30, Window: time.Minute}}
	})
	alice := registry.Caller{UserID: "alice", Scopes: apikey.Scopes{apikey.ScopeWrite}}
	for want, change := range map[string]apikey.Change{
		"rateLimit must be within the limit that users may grant: 30 requests in 60 seconds on average": {Limit: &ratelimit.Limit{Requests: 31, Window: time.Minute}},
		"scopes must be within the scopes that users may grant: none":                                   {Scopes: &apikey.Scopes{"tts"}},
	} {
		if _, _, err := b.Registry.Create(t.Context(), alice, "", apikey.Live, change); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
