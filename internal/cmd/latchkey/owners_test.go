package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/oidc/oidctest"
)

// An organisation and a team own keys on the whole stack: an issuer, the gateway, the authorizer and
// the API, with a table.
func TestOrganisationsAndTeamsOwnKeys(t *testing.T) {
	issuer := oidctest.Start(t)
	s := start(t, t.TempDir(), "OIDC_ISSUER="+issuer.URL, "OIDC_AUDIENCE="+oidctest.Audience, "OIDC_USER_CLAIM=org_id",
		"OIDC_ROLE_CLAIM=org_role=owner,developer", "OIDC_GROUPS_CLAIM=groups", "MAX_KEYS_PER_USER=2")
	const keys = "/api/v1/api-keys"
	person := func(sub, org, role string, groups ...string) string {
		claims := issuer.Claims(sub)
		claims["org_role"], claims["groups"] = role, groups
		if org != "" {
			claims["org_id"] = org
		}
		return "Authorization: Bearer " + issuer.Sign(claims)
	}
	alice, bob := person("auth0|alice", "acme", "owner", "ops", "Platform Team, é"), person("bob", "acme", "developer")
	reader, other := person("eve", "acme", "viewer", "ops"), person("mallory", "evil", "owner", "Ops")

	made := s.send(t, "POST", keys, `{"name":"a"}`, alice)
	if made.status != 201 || made.json["userId"] != "acme" {
		t.Fatalf("create: %d %s", made.status, made.text)
	}
	path := keys + "/" + made.json["id"].(string)
	if a := s.send(t, "POST", path+"/rotate", "", bob); a.status != 200 {
		t.Errorf("another member rotates: %d %s", a.status, a.text)
	}
	if a := s.send(t, "POST", keys, `{}`, bob); a.status != 201 {
		t.Errorf("a second key: %d %s", a.status, a.text)
	}
	s.send(t, "POST", keys, `{}`, alice).isError(t, "a third key of the organisation", 409, "too_many_keys")
	if a := s.send(t, "GET", path, "", reader); a.status != 200 {
		t.Errorf("a reader reads: %d %s", a.status, a.text)
	}
	s.send(t, "PATCH", path, `{"name":"b"}`, reader).isError(t, "a reader writes", 403, "insufficient_scope")
	s.send(t, "GET", path, "", other).isError(t, "another organisation", 404, "not_found")
	trail := s.send(t, "GET", path+"/audit", "", alice).text
	if !strings.Contains(trail, `"id":"auth0|alice"`) || !strings.Contains(trail, `"id":"bob"`) {
		t.Errorf("the trail does not name both persons: %s", trail)
	}

	for _, team := range []string{"team:ops", "team:Platform Team, é"} {
		a := s.send(t, "POST", keys, `{"userId":"`+team+`"}`, alice)
		if a.status != 201 || a.json["userId"] != team {
			t.Fatalf("for %s: %d %s", team, a.status, a.text)
		}
		path = keys + "/" + a.json["id"].(string)
		if a := s.send(t, "PATCH", path, `{"name":"b"}`, alice); a.status != 200 {
			t.Errorf("a key of %s: %d %s", team, a.status, a.text)
		}
		s.send(t, "GET", path, "", bob).isError(t, "not in the group", 404, "not_found")
		s.send(t, "POST", keys, `{"userId":"`+team+`"}`, bob).isError(t, "not in the group", 403, "forbidden")
		s.send(t, "POST", keys, `{"userId":"`+team+`"}`, other).isError(t, "a group in another case", 403, "forbidden")
		if a := s.send(t, "GET", "/api/v1/whoami", "", "X-API-Key: "+a.json["key"].(string)); a.json["userId"] != team {
			t.Errorf("whoami of %s: %s", team, a.text)
		}
	}
	if a := s.send(t, "GET", keys+"?userId=team:ops", "", reader); a.status != 200 || len(a.json["data"].([]any)) != 1 {
		t.Errorf("a reader lists: %d %s", a.status, a.text)
	}
	for name, token := range map[string]string{
		"no organisation": person("alice", "", "owner"), "an organisation that is a team": person("alice", "team:ops", "owner"),
		"a user that is a team": person("team:ops", "acme", "owner"), "an organisation of ours": person("alice", "latchkey:admin", "owner"),
	} {
		s.send(t, "GET", keys, "", token).isError(t, name, 401, "invalid_api_key")
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	for _, code := range []string{"wrong_user_claim", "reserved_subject"} {
		if !strings.Contains(s.log.String(), "code="+code) {
			t.Errorf("%s is not in the log", code)
		}
	}
}

// A key of 10 a window pays what each route costs, in any form of its path.
func TestRoutesCostWhatTheirRulesSay(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer backend.Close()
	s := start(t, t.TempDir(), "BACKEND_URL="+backend.URL, "ROUTE_COSTS=POST /tts/*=5;GET /v1/models=0;POST /video=11")
	for _, c := range []struct {
		name, method, path string
		want               string // the statuses of the first requests
	}{
		{"a route without a rule", "GET", "/other", "204 204 204 204 204 204 204 204 204 204 429"},
		{"a dear route", "POST", "/tts/x", "204 204 429"},
		{"the same in capitals", "POST", "/TTS/x", "204 204 429"},
		{"the same by a detour", "POST", "/x/%2e%2e/tts/x", "429"}, // it could be /video
		{"a route that costs more than the limit", "POST", "/video", "429"},
		{"a free route", "GET", "/v1/models", strings.TrimSpace(strings.Repeat("204 ", 15))},
		{"a free route in capitals", "GET", "/V1/models", "204 204 204 204 204 204 204 204 204 204 429"},
	} {
		_, token := s.create(t, `{"userId":"u1","rateLimit":{"requests":10,"window":3600}}`)
		var got []string
		for range strings.Fields(c.want) {
			a := s.send(t, c.method, c.path, "", "X-API-Key: "+token)
			got = append(got, strconv.Itoa(a.status))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// USER_MAX_REQUESTS is the limit of an owner over all keys that its people make. Rotating, deleting
// and making keys gives no more.
func TestASecondKeyOfAnOwnerGivesNoMore(t *testing.T) {
	issuer := oidctest.Start(t)
	s := start(t, t.TempDir(), "OIDC_ISSUER="+issuer.URL, "OIDC_AUDIENCE="+oidctest.Audience, "OIDC_GROUPS_CLAIM=groups",
		"USER_MAX_REQUESTS=6", "FRESHNESS=0")
	claims := issuer.Claims("alice")
	claims["groups"] = []string{"ops"}
	alice := "Authorization: Bearer " + issuer.Sign(claims)
	const keys = "/api/v1/api-keys"
	newKey := func(body string) (path, token string) {
		t.Helper()
		a := s.send(t, "POST", keys, body, alice)
		if a.status != 201 {
			t.Fatalf("create: %d %s", a.status, a.text)
		}
		return keys + "/" + a.json["id"].(string), a.json["key"].(string)
	}
	used := func(token string) (admitted int) {
		for range 8 {
			if s.whoami(t, token).status == 200 {
				admitted++
			}
		}
		return admitted
	}
	path, first := newKey(`{"rateLimit":{"requests":4,"window":60}}`)
	if n := used(first); n != 4 {
		t.Errorf("the first key: %d requests, want 4", n)
	}
	_, second := newKey(`{}`)
	if n := used(second); n != 2 {
		t.Errorf("the second key: %d requests, want the 2 that are left", n)
	}
	if a := s.send(t, "DELETE", path, "", alice); a.status != 204 {
		t.Errorf("delete: %d %s", a.status, a.text)
	}
	third, token := newKey(`{}`)
	if n := used(token); n != 0 {
		t.Errorf("a key in place of a deleted one: %d requests, want 0", n)
	}
	if a := s.send(t, "POST", third+"/rotate", `{"gracePeriod":0}`, alice); a.status != 200 || used(a.json["key"].(string)) != 0 {
		t.Errorf("a rotated key: %d %s", a.status, a.text)
	}
	// A team is another owner.
	_, token = newKey(`{"userId":"team:ops"}`)
	if n := used(token); n != 6 {
		t.Errorf("a key of a team: %d requests, want 6", n)
	}
}

// KEY_MAX_DAYS and KEY_DEFAULT_DAYS bound every key that is made or changed by the API.
func TestTheDeploymentBoundsTheLifeOfKeys(t *testing.T) {
	s := start(t, t.TempDir(), "KEY_MAX_DAYS=30", "KEY_DEFAULT_DAYS=10")
	const keys = "/api/v1/api-keys"
	root := "X-API-Key: " + s.root
	lives := func(a answer) int {
		t.Helper()
		end, err := time.Parse(time.RFC3339, fmt.Sprint(a.json["expiresAt"]))
		if err != nil {
			t.Fatalf("%d %s", a.status, a.text)
		}
		return int(time.Until(end).Round(time.Hour) / (24 * time.Hour))
	}
	made := s.send(t, "POST", keys, `{"userId":"u1"}`, root)
	if days := lives(made); days != 10 {
		t.Errorf("a key without an expiry lives %d days, want 10", days)
	}
	if days := lives(s.send(t, "POST", keys, `{"userId":"u1","expiresInDays":30}`, root)); days != 30 {
		t.Errorf("a key of 30 days lives %d", days)
	}
	path := keys + "/" + made.json["id"].(string)
	s.send(t, "POST", keys, `{"userId":"u1","expiresInDays":31}`, root).isError(t, "a longer life", 400, "invalid_request")
	s.send(t, "PATCH", path, `{"expiresAt":null}`, root).isError(t, "a life without an end", 400, "invalid_request")
	s.send(t, "PATCH", path, `{"expiresInDays":31}`, root).isError(t, "a longer life by a change", 400, "invalid_request")
	if days := lives(s.send(t, "PATCH", path, `{"expiresInDays":20}`, root)); days != 20 {
		t.Errorf("a changed key lives %d days, want 20", days)
	}
}
