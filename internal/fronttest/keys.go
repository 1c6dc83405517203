package fronttest

import (
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/instance"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// Variables are the variables of a deployment whose front door is tested.
func Variables() map[string]string {
	return map[string]string{
		"ROUTE_SCOPES": "GET /v1/models=;GET /api/v1/whoami=;GET /$connect=;POST /v1/models=models:write;/tts/*=tts",
		"ROUTE_COSTS":  "POST /tts/long=5",
		"PUBLIC_PATHS": "/docs/*,/health",
	}
}

// key is a key of the tests. Its name is also its user's id.
type key struct {
	name    string
	scopes  apikey.Scopes
	from    string            // the only network from which it may be used; empty: any
	limit   int64             // requests a day; 0: 10,000
	about   map[string]string // metadata
	revoked bool
	unknown bool // the table does not have it
}

// Every request comes from this machine.
func keys() []key {
	return []key{
		{name: "alice", scopes: apikey.Scopes{"tts"}},
		{name: "bob"},
		{name: "near", from: "127.0.0.0/8"},
		{name: "far", from: "203.0.113.0/24"},
		{name: "once", limit: 1},
		{name: "thrice", scopes: apikey.Scopes{"tts"}, limit: 3, about: map[string]string{"tier": "élite"}},
		{name: "revoked", revoked: true},
		{name: "unknown", unknown: true},
	}
}

// Fill stores new keys in the table of an instance, and returns their tokens by their names. Each front
// door needs keys of its own, because some keys have limits.
func Fill(t testing.TB, i *instance.Instance) map[string]string {
	t.Helper()
	tokens := make(map[string]string)
	for _, k := range keys() {
		token, err := i.Format.New(apikey.Live, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		tokens[k.name] = token.Reveal()
		if k.unknown {
			continue
		}
		record, err := i.Registry.Build(t.Context(), token, k.name, apikey.Live, k.change())
		if err != nil {
			t.Fatal(err)
		}
		if k.revoked {
			record.RevokedAt = record.CreatedAt
		}
		if err := i.Table.Write(t.Context(), registry.Write{To: record}); err != nil {
			t.Fatal(err)
		}
	}
	return tokens
}

func (k key) change() apikey.Change {
	limit := ratelimit.Limit{Requests: k.limit, Window: 24 * time.Hour}
	if k.limit == 0 {
		limit.Requests = 10_000
	}
	c := apikey.Change{Scopes: &k.scopes, Limit: &limit}
	if k.about != nil {
		c.Metadata = &k.about
	}
	if k.from != "" {
		c.AllowedCIDRs = &[]netip.Prefix{netip.MustParsePrefix(k.from)}
	}
	return c
}
