package registrytest

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/tally"
)

// Store is everything that a registry, a gate and a limiter store.
type Store interface {
	registry.Store
	gate.Finder
	ratelimit.Store
	tally.Store
}

// Test tests an implementation. open must return an empty store each time.
func Test(t *testing.T, open func(t testing.TB) Store) {
	for _, all := range [][]contract{
		keyContracts, listContracts, policyContracts, writeContracts, trailContracts, meterContracts,
	} {
		for _, c := range all {
			t.Run(c.states, func(t *testing.T) { c.test(t, open(t)) })
		}
	}
}

// contract is one rule and its test.
type contract struct {
	states string
	test   func(t *testing.T, s Store)
}

// Morning is the time at which the keys of the suite are created, a second after each other.
func Morning() time.Time { return time.Date(2026, 11, 24, 8, 0, 0, 123e6, time.UTC) }

// NewKey returns a key with every field set. Keys of two numbers have no id and no alias in common.
func NewKey(n int, user string) *apikey.Key {
	return &apikey.Key{
		ID: fmt.Sprintf("%016d", n), UserID: user, Name: "Näme", Description: "what for", Environment: apikey.Test,
		Scopes: apikey.Scopes{"tts", "keys:read"}, Limit: ratelimit.Limit{Requests: 5, Window: 10 * time.Second},
		Quota:  ratelimit.Quota{Requests: 1000, Period: ratelimit.Month},
		Limits: []ratelimit.Limit{{Requests: 2, Window: time.Second}, {Requests: 500, Window: time.Hour}}, Plan: "pro",
		Shared: apikey.Bounds{
			Limits: []ratelimit.Limit{{Requests: 50, Window: time.Minute}},
			Quota:  ratelimit.Quota{Requests: 900, Period: ratelimit.Lifetime},
		},
		SharesDefault: true,
		AllowedCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		Metadata:      map[string]string{"team": "a", "empty": ""}, Enabled: true,
		NotBefore: Morning().Add(-time.Hour), ExpiresAt: Morning().Add(time.Hour),
		CreatedAt: Morning().Add(time.Duration(n) * time.Second), KeyPrefix: "sk_test_0000",
		Secrets: []apikey.Secret{
			{Algorithm: "hmac-sha256", Pepper: "abcdef01", Hash: []byte{0, 1, 255}, Alias: "alias-of-" + strconv.Itoa(n)},
			{Algorithm: "hmac-sha256", Pepper: "abcdef02", Hash: []byte{2}, NotAfter: Morning()},
		},
		PublicAliases: []string{"public-alias"},
		Revocation:    apikey.Revocation{Reason: "leaked", Source: "https://example.com/a"},
		Held:          []string{"quota", "enabled"}, CountsUntil: Morning().Add(time.Minute),
	}
}

// Update replaces k, which has the stored revision, by itself as it was edited.
func Update(t testing.TB, s registry.Store, k *apikey.Key) error {
	from := *k
	return s.Write(t.Context(), registry.Write{From: &from, To: k})
}

// Create stores a new key of a user who may have most keys, or any number if most is 0.
func Create(t testing.TB, s registry.Store, k *apikey.Key, most int) {
	t.Helper()
	if err := s.Write(t.Context(), registry.Write{To: k, Most: most}); err != nil {
		t.Fatalf("create %s: %v", k.ID, err)
	}
}

// fails fails the test if err is not want.
func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// must fails the test at once if err is not nil.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
