package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"latchkey/internal/oidc/oidctest"
)

func TestUsersManageTheirKeysWithAToken(t *testing.T) {
	issuer, second := oidctest.Start(t), oidctest.Start(t)
	s := start(t, t.TempDir(), "OIDC_ISSUER="+issuer.URL+", "+second.URL, "OIDC_AUDIENCE=another,"+oidctest.Audience, "OIDC_ADMIN_CLAIM=groups=latchkey-admins",
		"USER_MAX_REQUESTS=30", "USER_SCOPES=tts,stt:*", "MAX_KEYS_PER_USER=2", "LOG_LEVEL=DEBUG")
	var tokens []string
	bearer := func(token string) string {
		tokens = append(tokens, token)
		return "Authorization: Bearer " + token
	}
	const keys = "/api/v1/api-keys"
	issuer.Groups["carol"] = []string{"staff", "latchkey-admins"}
	alice, bob, carol := bearer(issuer.Token("alice")), bearer(second.Token("bob")), bearer(issuer.Token("carol"))

	a := s.send(t, "GET", "/api/v1/whoami", "", alice)
	if a.status != 200 || a.json["userId"] != "alice" || a.json["keyId"] != "" || a.json["name"] != "Name of alice" || a.json["unlimited"] != true {
		t.Errorf("whoami: %d %s", a.status, a.text)
	}
	made := s.send(t, "POST", keys, `{"name":"a","scopes":["tts"]}`, alice)
	if made.status != 201 || made.json["userId"] != "alice" || made.json["rateLimit"] != nil {
		t.Fatalf("create: %d %s", made.status, made.text)
	}
	key, path := made.json["key"].(string), keys+"/"+made.json["id"].(string)
	s.send(t, "POST", keys, `{"scopes":["llm"]}`, alice).isError(t, "a scope beyond", 403, "forbidden")
	s.send(t, "POST", keys, `{"rateLimit":{"requests":31,"window":60}}`, alice).isError(t, "a limit beyond", 403, "forbidden")
	if a := s.send(t, "PATCH", path, `{"name":"b"}`, alice); a.status != 200 || a.json["name"] != "b" {
		t.Errorf("update: %d %s", a.status, a.text)
	}
	if a := s.send(t, "GET", keys, "", alice); a.status != 200 || len(a.json["data"].([]any)) != 1 {
		t.Errorf("list: %d %s", a.status, a.text)
	}
	for _, c := range [][2]string{{"GET", path}, {"POST", path + "/revoke"}, {"DELETE", path}} {
		s.send(t, c[0], c[1], "", bob).isError(t, c[0]+" of another's key", 404, "not_found")
	}
	s.send(t, "POST", keys, `{"userId":"alice"}`, bob).isError(t, "for another", 403, "forbidden")
	if a := s.send(t, "POST", keys, `{"userId":"alice","scopes":["llm"],"unlimited":true}`, carol); a.status != 201 {
		t.Errorf("an admin: %d %s", a.status, a.text)
	}
	s.send(t, "POST", keys, `{}`, alice).isError(t, "a third of two", 409, "too_many_keys")
	if a := s.send(t, "POST", path+"/revoke", "", carol); a.status != 200 || a.json["status"] != "revoked" {
		t.Errorf("an admin revokes: %d %s", a.status, a.text)
	}

	// With a key in the same request, the token is not for latchkey.
	if a := s.send(t, "GET", "/api/v1/whoami", "", alice, "X-API-Key: "+s.root); a.status != 200 || a.json["userId"] != "latchkey:admin" {
		t.Errorf("beside a key: %d %s", a.status, a.text)
	}
	s.send(t, "GET", "/api/v1/whoami", "", alice, "X-API-Key: "+key).isError(t, "beside a revoked key", 401, "invalid_api_key")

	claims := issuer.Claims("alice")
	claims["exp"] = 1
	expired := issuer.Sign(claims)
	claims = issuer.Claims("alice")
	claims["aud"] = "somebody else"
	_, kid := issuer.PublicKey()
	for what, token := range map[string]string{
		"expired": expired, "another audience": issuer.Sign(claims), "garbage": "eyJ.eyJ.eyJ",
		"HS256": oidctest.Sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32)), KeyID: kid}}, issuer.Claims("alice")),
	} {
		a := s.send(t, "GET", keys, "", bearer(token))
		a.isError(t, what, 401, "invalid_api_key")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without WWW-Authenticate", what)
		}
	}
	issuer.Rotate()
	if a := s.send(t, "GET", keys, "", bearer(issuer.Token("alice"))); a.status != 200 {
		t.Errorf("after a rotation of the issuer's keys: %d %s", a.status, a.text)
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	for _, token := range tokens {
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 3 && strings.Contains(s.log.String(), part) {
				t.Errorf("a part of a token is in the log: %s", part)
			}
		}
	}
	for _, code := range []string{"expired_token", "wrong_audience", "malformed_token"} {
		if !strings.Contains(s.log.String(), "code="+code) {
			t.Errorf("%s is not in the log", code)
		}
	}
}

func TestAUsersTokenDoesNotReachTheBackend(t *testing.T) {
	reached := make(chan string, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.URL.Path }))
	defer backend.Close()
	issuer := oidctest.Start(t)
	s := start(t, t.TempDir(), "OIDC_ISSUER="+issuer.URL, "OIDC_AUDIENCE="+oidctest.Audience, "BACKEND_URL="+backend.URL, "ROUTE_SCOPES=GET /tts/*=tts;*=")
	user := "Authorization: Bearer " + issuer.Token("alice")
	if a := s.send(t, "GET", "/api/v1/whoami", "", user); a.status != 200 {
		t.Fatalf("whoami: %d %s", a.status, a.text)
	}
	for _, path := range []string{"/", "/tts/x", "/api/v1/whoami/x", "/api/v1/api-keys/a/b/c", "/api/v2/api-keys"} {
		s.send(t, "GET", path, "", user).isError(t, path, 401, "invalid_api_key")
	}
	select {
	case path := <-reached:
		t.Errorf("the backend got a request for %s", path)
	default:
	}
	if a := s.send(t, "GET", "/other", "", "X-API-Key: "+s.root); a.status != 200 || <-reached != "/other" {
		t.Errorf("a key for the backend: %d %s", a.status, a.text)
	}
}

func TestAnIssuersOutageOnlyAffectsItsUsers(t *testing.T) {
	gone, slow, there := oidctest.Start(t), oidctest.Start(t), oidctest.Start(t)
	s := start(t, t.TempDir(), "OIDC_ISSUER="+gone.URL+","+slow.URL+","+there.URL, "OIDC_AUDIENCE="+oidctest.Audience)
	of := func(i *oidctest.Issuer) string { return "Authorization: Bearer " + i.Sign(i.Claims("alice")) }
	gone.Stop()
	slow.Answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for range 2 {
		for what, i := range map[string]*oidctest.Issuer{"an issuer that is gone": gone, "one that does not answer": slow} {
			a := s.send(t, "GET", "/api/v1/api-keys", "", of(i))
			a.isError(t, what, 503, "unavailable")
			if a.header.Get("Retry-After") == "" {
				t.Errorf("%s: 503 without Retry-After", what)
			}
		}
		if a := s.send(t, "GET", "/api/v1/api-keys", "", of(there)); a.status != 200 {
			t.Errorf("a user of another issuer: %d %s", a.status, a.text)
		}
		if a := s.whoami(t, s.root); a.status != 200 {
			t.Errorf("a key: %d %s", a.status, a.text)
		}
	}
	err := command(t, []string{"PORT=0", "STATE=" + t.TempDir(), "DYNAMODB_ENDPOINT=http://127.0.0.1:1", "OIDC_ISSUER=" + there.URL}, "dev").Run()
	if err == nil {
		t.Error("the stack starts with an issuer and without an audience")
	}
}

func TestAUserWithoutAnIssuerNeedsAKey(t *testing.T) {
	i := oidctest.Start(t)
	s := start(t, t.TempDir())
	s.send(t, "GET", "/api/v1/api-keys", "", "Authorization: Bearer "+i.Token("alice")).isError(t, "a token of an unknown issuer", 401, "invalid_api_key")
	if n := i.Asked(oidctest.KeysPath); n != 0 {
		t.Errorf("an issuer that is not configured got %d requests", n)
	}
}
