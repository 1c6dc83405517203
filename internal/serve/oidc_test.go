package serve

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"latchkey/internal/oidc/oidctest"
)

// A user signs in at an issuer, and manages keys with its token and without a key.
func TestTheTokenOfAnIssuerManagesKeys(t *testing.T) {
	issuer, other := oidctest.Start(t), oidctest.Start(t)
	i := newInstance(t, map[string]string{"OIDC_ISSUER": issuer.URL, "OIDC_AUDIENCE": oidctest.Audience})
	server := httptest.NewServer(newApp(t, i))
	defer server.Close()
	send := func(token, method, path, body string) (int, map[string]any) {
		r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(a.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, answer
	}
	alice := issuer.Token("alice")
	if status, answer := send(alice, "GET", "/api/v1/whoami", ""); status != 200 || answer["userId"] != "alice" {
		t.Errorf("whoami: %d %v", status, answer)
	}
	status, made := send(alice, "POST", "/api/v1/api-keys", `{"name":"mine"}`)
	if status != 201 || made["userId"] != "alice" {
		t.Fatalf("create: %d %v", status, made)
	}
	if status, answer := send(made["key"].(string), "GET", "/api/v1/whoami", ""); status != 200 || answer["keyId"] != made["id"] {
		t.Errorf("whoami with the new key: %d %v", status, answer)
	}
	if status, answer := send(issuer.Token("bob"), "GET", "/api/v1/api-keys/"+made["id"].(string), ""); status != 404 {
		t.Errorf("the key of another user: %d %v", status, answer)
	}
	for name, token := range map[string]string{
		"of another issuer": other.Token("alice"), "cut off": alice[:len(alice)-4], "none": "",
	} {
		if status, answer := send(token, "GET", "/api/v1/whoami", ""); status != 401 {
			t.Errorf("a token %s: %d %v", name, status, answer)
		}
	}
}
