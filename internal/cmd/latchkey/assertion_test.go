package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/assertion"
)

func TestTheGoCheckProvesAssertions(t *testing.T) {
	proves(t, "assertion.go", built(t, "assertion.go"))
}

// proves runs a check of the manual behind the local stack. It accepts requests that come through
// latchkey, and no others.
func proves(t *testing.T, name string, program ...string) {
	t.Helper()
	const audience = "urn:hello"
	port, state := freePort(t), t.TempDir()
	s := start(t, state, "BACKEND_URL=http://127.0.0.1:"+port, "ASSERTION_AUDIENCE="+audience, "PUBLIC_PATHS=/bye")
	backend := s.serveAt(t, port, recipe(t, name), []string{"LATCHKEY_URL=" + s.url, "AUDIENCE=" + audience}, program...)
	_, key := s.create(t, `{"userId":"u1","scopes":["tts"]}`)
	for path, user := range map[string]string{"/hello": "u1", "/bye?x=1": "anonymous"} {
		if a := s.send(t, "GET", path, "", "X-API-Key: "+key); a.status != 200 || a.json["hello"] != user {
			t.Errorf("through latchkey: GET %s: %d %s\n%s", path, a.status, a.text, backend.log)
		}
	}
	good := assertion.Claims{Audience: audience, Subject: "u1", KeyID: "k", Scopes: "tts", Environment: "live", Method: "GET", Path: "/hello"}
	edited := func(edit func(*assertion.Claims)) assertion.Claims {
		c := good
		edit(&c)
		return c
	}
	master := masterOf(t, state)
	signed := signedAt(t, master, time.Now(), good)
	header, rest, _ := strings.Cut(signed, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	for what, c := range map[string]struct {
		header string
		status int
	}{
		"as latchkey sends it": {signed, 200},
		"none":                 {"", 401},
		"forged with another key": {
			signedAt(t, strings.Repeat("x", 32), time.Now(), good), 401},
		"forged without a key":  {none + "." + payload + ".", 401},
		"another signature":     {header + "." + payload + "." + strings.Repeat("A", len(signature)), 401},
		"expired":               {signedAt(t, master, time.Now().Add(-2*time.Minute), good), 401},
		"another audience":      {signedAt(t, master, time.Now(), edited(func(c *assertion.Claims) { c.Audience = "urn:other" })), 401},
		"another path":          {signedAt(t, master, time.Now(), edited(func(c *assertion.Claims) { c.Path = "/bye" })), 401},
		"another method":        {signedAt(t, master, time.Now(), edited(func(c *assertion.Claims) { c.Method = "POST" })), 401},
		"with a text behind it": {signed + "A", 401},
	} {
		if a := backend.send(t, "GET", "/hello", "", "X-User-Id: u1", "X-Latchkey-Assertion: "+c.header); a.status != c.status {
			t.Errorf("%s: %d %s, want %d\n%s", what, a.status, a.text, c.status, backend.log)
		}
	}
	for _, name := range []string{"X-Latchkey-Assertion", "x_latchkey_assertion", "X-RateLimit-Remaining"} {
		s.send(t, "GET", "/hello", "", "X-API-Key: "+key, name+": "+signed).isError(t, name, 401, "invalid_api_key")
	}
}

// masterOf returns the master of a local stack's secret.
func masterOf(t *testing.T, state string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(state, "secret.json"))
	if err != nil {
		t.Fatal(err)
	}
	var secret struct{ Master string }
	if err := json.Unmarshal(text, &secret); err != nil {
		t.Fatal(err)
	}
	return secret.Master
}

func signedAt(t *testing.T, master string, at time.Time, c assertion.Claims) string {
	t.Helper()
	keys, err := assertion.NewKeys(master, nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := assertion.New(assertion.Options{
		Issuer: "latchkey", Algorithm: assertion.EdDSA, Now: func() time.Time { return at },
		Keys: func(context.Context) (assertion.Keys, error) { return keys, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := signer.Sign(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
