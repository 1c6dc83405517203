package httpapi_test

import (
	"maps"
	"strings"
	"testing"
)

// whoami answers with the values that the authorizer has made, and a proxy gets those of its decision.
func TestRateLimitHeaders(t *testing.T) {
	s := newService(t)
	limited := maps.Clone(s.caller("u1"))
	limited["rateLimitPolicy"], limited["rateLimit"] = `"key-60";q=60;w=60`, `"key-60";r=59;t=61`
	a := s.send(limited, "GET", "/api/v1/whoami", "")
	if a.header.Get("RateLimit-Policy") != `"key-60";q=60;w=60` || a.header.Get("RateLimit") != `"key-60";r=59;t=61` {
		t.Errorf("whoami: %v", a.header)
	}
	if !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "RateLimit,RateLimit-Policy,") {
		t.Errorf("browsers may read %s", a.header.Get("Access-Control-Expose-Headers"))
	}
	// An authorizer of an earlier version tells neither.
	for _, as := range []who{s.caller("u1"), {"keyId": "0000000000000000", "userId": "u1", "unlimited": "true"}} {
		if a := s.send(as, "GET", "/api/v1/whoami", ""); a.header["Ratelimit"] != nil || a.header["Ratelimit-Policy"] != nil {
			t.Errorf("whoami: %v", a.header)
		}
	}
	key := s.key(`{"userId":"u1","scopes":["tts"],"rateLimit":{"requests":5,"window":60},"quota":{"requests":9,"period":"month"}}`)
	for _, c := range []struct {
		method, uri, state string
		status             int
	}{
		{"GET", "/v1/models", `"key-60";r=5;t=0, "key-month";r=9;t=561600`, 200},
		{"POST", "/tts/long", `"key-60";r=0;t=62, "key-month";r=4;t=561600`, 200},
		{"POST", "/tts/x", `"key-60";r=0;t=62, "key-month";r=4;t=561600`, 429},
	} {
		a := s.ask("GET", authorize, append(asks(c.method, c.uri), key, `RateLimit: "x";r=1`)...)
		if a.status != c.status || a.header.Get("RateLimit") != c.state || a.header.Get("RateLimit-Policy") != `"key-60";q=5;w=60, "key-month";q=9` {
			t.Errorf("%s %s: %d %v", c.method, c.uri, a.status, a.header)
		}
	}
	if a := s.ask("GET", authorize, asks("GET", "/v1/models")...); a.header.Get("RateLimit") != "" {
		t.Errorf("no key: %v", a.header)
	}
}
