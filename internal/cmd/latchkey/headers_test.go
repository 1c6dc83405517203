package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// API Gateway documents which headers it drops and renames between a client and a backend.
func TestTheGatewayChangesHeadersAsAPIGatewayDoes(t *testing.T) {
	var got http.Header
	dropped := []string{"Content-Encoding", "Content-Md5", "Max-Forwards", "Proxy-Authenticate", "Server", "Te", "Via", "Www-Authenticate"}
	renamed := []string{"Authorization", "Content-Md5", "Max-Forwards", "Server", "User-Agent", "Www-Authenticate"}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		for _, name := range append([]string{"Expect", "Proxy-Authenticate", "Upgrade", "X-Kept", "Etag"}, renamed...) {
			w.Header().Set(name, "backend")
		}
	}))
	defer backend.Close()
	s := start(t, t.TempDir(), "BACKEND_URL="+backend.URL, "PUBLIC_PATHS=/open")
	sent := []string{"X-Kept: client", "Range: bytes=0-1", "Pragma: no-cache"}
	for _, name := range dropped {
		sent = append(sent, name+": client")
	}
	a := s.send(t, "GET", "/open", "", sent...)
	if a.status != 200 || got.Get("X-Kept") != "client" || got.Get("Range") == "" || got.Get("Pragma") == "" {
		t.Fatalf("%d, the backend gets %v", a.status, got)
	}
	for _, name := range dropped {
		if got.Get(name) != "" {
			t.Errorf("the backend gets %s", name)
		}
	}
	for _, name := range renamed {
		if a.header.Get(name) == "backend" || a.header.Get("X-Amzn-Remapped-"+name) != "backend" {
			t.Errorf("the client gets %s: %q and %q", name, a.header.Get(name), a.header.Get("X-Amzn-Remapped-"+name))
		}
	}
	for _, name := range []string{"Expect", "Proxy-Authenticate", "Upgrade"} {
		if a.header.Get(name) != "" {
			t.Errorf("the client gets %s", name)
		}
	}
	if a.header.Get("X-Kept") != "backend" || a.header.Get("Etag") != "backend" {
		t.Errorf("the client gets %v", a.header)
	}
}

// Preflights, refusals, and the functions' own answers allow the same origin.
func TestOneOriginIsAllowedEverywhere(t *testing.T) {
	const origin = "https://app.example.com"
	s := start(t, t.TempDir(), "CORS_ORIGIN="+origin, "CORS_HEADERS=X-API-Key,OpenAI-Beta", "CORS_MAX_AGE=60")
	preflight := s.send(t, "OPTIONS", "/api/v1/whoami", "")
	if h := preflight.header; h.Get("Access-Control-Allow-Headers") != "X-API-Key,OpenAI-Beta" || h.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("the preflight has %v", h)
	}
	for what, a := range map[string]answer{
		"a preflight": preflight, "a refusal": s.send(t, "GET", "/api/v1/whoami", ""), "no route": s.send(t, "GET", "/nothing", ""),
		"the keys function": s.send(t, "GET", "/health", ""), "the validate function": s.send(t, "POST", "/api/v1/api-keys/validate", "{"),
	} {
		if got := strings.Join(a.header.Values("Access-Control-Allow-Origin"), " and "); got != origin {
			t.Errorf("%s: %d allows %q", what, a.status, got)
		}
	}
}
