package httpapi_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// made creates a key of the user u1. It returns the path, the token and the caller context of the
// key.
func (s *service) made(fields string) (path, token string, owner who) {
	s.t.Helper()
	a := s.send(s.root, "POST", keys, `{"userId":"u1","scopes":["keys:read","keys:write"]`+fields+`}`)
	if a.status != 201 || a.header.Get("ETag") != `"0"` {
		s.t.Fatalf("create: %d %s %v", a.status, a.text, a.header)
	}
	id := a.json["id"].(string)
	return keys + "/" + id, a.json["key"].(string), who{"keyId": id, "userId": "u1", "scopes": "keys:read keys:write"}
}

func (s *service) validate(token string) answer {
	s.t.Helper()
	return s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`","cost":1}`)
}

func TestRotating(t *testing.T) {
	s := newService(t)
	path, old, mine := s.made(`,"rateLimit":{"requests":5,"window":10}`)
	s.validate(old)
	a := s.send(mine, "POST", path+"/rotate", `{"gracePeriod":3600}`)
	token, _ := a.json["key"].(string)
	if a.status != 200 || a.header.Get("ETag") != `"1"` || a.json["id"] != path[len(keys)+1:] || token == old || token == "" ||
		a.json["previousKeyValidUntil"] != "2026-11-24T13:00:00.000Z" || a.json["status"] != "active" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("rotate: %d %s %v", a.status, a.text, a.header)
	}
	for i, text := range []string{old, token} {
		if v := s.validate(text); v.json["valid"] != true || v.json["rateLimit"].(map[string]any)["remaining"] != float64(3-i) {
			t.Errorf("key %d: %s", i, v.text)
		}
	}
	// Whoever has the older key may use it, and change nothing.
	for _, c := range []struct{ method, path, body string }{
		{"POST", keys, `{}`}, {"PATCH", path, `{"name":"n"}`}, {"POST", path + "/rotate", ``}, {"POST", path + "/end-grace", ``}, {"POST", path + "/revoke", ``}, {"DELETE", path, ``},
	} {
		a := s.send(s.holder(old), c.method, c.path, c.body)
		a.isError(t, "with the older key: "+c.method+" "+c.path, 403, "")
		if e, _ := a.json["error"].(map[string]any); e["code"] != "replaced_key" || e["type"] != "permission_error" || !strings.Contains(a.text, "use the new key") {
			t.Errorf("with the older key: %s %s: %s", c.method, c.path, a.text)
		}
	}
	if a := s.send(s.holder(old), "GET", path, ""); a.status != 200 {
		t.Errorf("with the older key: %d %s", a.status, a.text)
	}
	s.send(mine, "PATCH", path, `{}`).isError(t, "without a field", 400, "")
	s.send(mine, "PATCH", path, `{"name":"n"}`).isError(t, "where the authorizer does not say which key it was", 503, "")
	mine = s.holder(token)
	third := s.send(mine, "POST", path+"/rotate", "")
	third.isError(t, "a third", 409, "")
	if !strings.Contains(third.text, "/end-grace") || !strings.Contains(third.text, "gracePeriod 0") {
		t.Errorf("it does not say what to do: %s", third.text)
	}
	for name, a := range map[string]answer{
		"get": s.send(mine, "GET", path, ""), "update": s.send(mine, "PATCH", path, `{"name":"n"}`), "lookup": s.send(s.root, "POST", keys+"/lookup", `{"key":"`+old+`"}`),
	} {
		if a.json["previousKeyValidUntil"] != "2026-11-24T13:00:00.000Z" {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	if data, _ := s.send(mine, "GET", keys, "").json["data"].([]any); len(data) != 1 || data[0].(map[string]any)["previousKeyValidUntil"] != "2026-11-24T13:00:00.000Z" {
		t.Errorf("list: %v", data)
	}
	s.now = s.now.Add(2 * time.Hour)
	if a := s.send(mine, "GET", path, ""); a.json["previousKeyValidUntil"] != nil {
		t.Errorf("none is left: %s", a.text)
	}
	v := s.validate(old)
	want := map[string]any{"valid": false, "code": "revoked_key", "keyId": a.json["id"],
		"error": "Invalid or revoked API key: it was replaced, and ended at 2026-11-24T13:00:00Z"}
	if diff := cmp.Diff(want, v.json); diff != "" {
		t.Errorf("the one it replaced (-want +got):\n%s", diff)
	}
	// Without a body the old one works for a day.
	if a = s.send(mine, "POST", path+"/rotate", ""); a.json["previousKeyValidUntil"] != "2026-11-25T14:00:00.000Z" {
		t.Errorf("by default: %d %s", a.status, a.text)
	}
	token, _ = a.json["key"].(string)
	mine = s.holder(token)
	for _, c := range []struct {
		name, body string
		status     int
		param      string
	}{
		{"a third again", `{}`, 409, ""},
		{"none at all", `{"gracePeriod":0}`, 200, ""},
		{"negative", `{"gracePeriod":-1}`, 400, "gracePeriod"},
		{"over 30 days", `{"gracePeriod":2592001}`, 400, "gracePeriod"},
		{"half", `{"gracePeriod":0.5}`, 400, "gracePeriod"},
		{"text", `{"gracePeriod":"1h"}`, 400, "gracePeriod"},
		{"null", `{"gracePeriod":null}`, 400, "gracePeriod"},
		{"another name", `{"grace":1}`, 400, "grace"},
	} {
		if a := s.send(mine, "POST", path+"/rotate", c.body); c.status == 200 {
			if a.status != 200 || a.json["previousKeyValidUntil"] != "2026-11-24T14:00:00.000Z" {
				t.Errorf("%s: %d %s", c.name, a.status, a.text)
			}
			token, _ = a.json["key"].(string)
			mine = s.holder(token)
		} else {
			a.isError(t, c.name, c.status, c.param)
		}
	}
	s.send(s.caller("u2", apikey.ScopeWrite), "POST", path+"/rotate", "").isError(t, "another's", 404, "id")
	s.send(nil, "POST", path+"/rotate", "").isError(t, "nobody", 401, "authorization")
	expiring, _, _ := s.made(`,"expiresInDays":1`)
	if a := s.send(s.root, "POST", expiring+"/rotate", `{"gracePeriod":2592000}`); a.json["previousKeyValidUntil"] != "2026-11-25T14:00:00.000Z" {
		t.Errorf("beyond the key's end: %s", a.text)
	}
	s.now = s.now.Add(25 * time.Hour)
	s.send(s.root, "POST", expiring+"/rotate", `{}`).isError(t, "an expired key", 409, "")
	s.send(mine, "POST", path+"/revoke", "")
	s.send(s.root, "POST", path+"/rotate", `{}`).isError(t, "a revoked key", 409, "")
	s.send(mine, "POST", path+"/rotate", `{}`).isError(t, "a key that was revoked since it was checked", 403, "")
	if log := s.log.String(); strings.Contains(log, token[8:]) || strings.Contains(log, old[8:]) {
		t.Error("a token is in the log")
	}
}

func TestEndingAGracePeriod(t *testing.T) {
	s := newService(t)
	path, old, mine := s.made("")
	present, _ := s.send(mine, "POST", path+"/rotate", "").json["key"].(string)
	mine = s.holder(present)
	path += "/end-grace"
	s.send(nil, "POST", path, "").isError(t, "nobody", 401, "authorization")
	s.send(s.caller("u1", apikey.ScopeRead), "POST", path, "").isError(t, "without keys:write", 403, "")
	s.send(s.caller("u2", apikey.ScopeWrite), "POST", path, "").isError(t, "another's", 404, "id")
	s.send(mine, "POST", path, "", "If-Match: \"0\"").isError(t, "another revision", 412, "")
	for i := range 2 {
		a := s.send(mine, "POST", path, "", `If-Match: "`+[]string{"1", "2"}[i]+`"`)
		if a.status != 200 || a.header.Get("ETag") != `"2"` || a.json["previousKeyValidUntil"] != nil || a.json["status"] != "active" || a.json["key"] != nil {
			t.Errorf("time %d: %d %s", i+1, a.status, a.text)
		}
	}
	if a := s.validate(present); a.json["valid"] != true {
		t.Errorf("the present one: %s", a.text)
	}
	s.now = s.now.Add(time.Second)
	if a := s.validate(old); a.json["code"] != "revoked_key" {
		t.Errorf("the older one: %s", a.text)
	}
}

// null stands for a field that is present and null.
type null struct{}

func TestAMergePatchMerges(t *testing.T) {
	s := newService(t)
	base := `,"name":"n","description":"d","rateLimit":{"requests":5,"window":10},"quota":{"requests":100,"period":"day"},` +
		`"metadata":{"a":"1","b":"2"},"allowedCidrs":["10.0.0.0/8"],"notBefore":"2026-11-01T00:00:00Z","expiresAt":"2027-01-01T00:00:00Z"`
	limit := func(requests, window float64) map[string]any {
		return map[string]any{"requests": requests, "window": window}
	}
	for _, c := range []struct {
		patch string
		want  map[string]any // what changes; nil: it goes
	}{
		{`{"name":"m"}`, map[string]any{"name": "m"}},
		{`{"name":null}`, map[string]any{"name": ""}},
		{`{"description":null,"name":" x "}`, map[string]any{"description": "", "name": "x"}},
		{`{"scopes":null}`, map[string]any{"scopes": []any{}}},
		{`{"scopes":["tts"]}`, map[string]any{"scopes": []any{"tts"}}},
		{`{"rateLimit":null}`, map[string]any{"rateLimit": null{}}}, // it keeps to its quota and to what it shares
		{`{"rateLimit":null,"limits":[{"amount":9,"window":60}],"plan":null}`, map[string]any{"rateLimit": null{}, "limits": []any{
			map[string]any{"amount": 9.0, "window": 60.0, "remaining": 9.0, "reset": 1795521600.0}}}},
		{`{"rateLimit":{"requests":3}}`, map[string]any{"rateLimit": limit(3, 10)}},
		{`{"rateLimit":{"window":3}}`, map[string]any{"rateLimit": limit(5, 3)}},
		{`{"rateLimit":{}}`, nil},
		{`{"quota":null}`, map[string]any{"quota": nil}},
		{`{"quota":{"period":"month"}}`, map[string]any{"quota": map[string]any{"requests": 100.0, "period": "month"}}},
		{`{"unlimited":true,"quota":null}`, map[string]any{"unlimited": true, "quota": nil, "rateLimit": null{}}},
		{`{"unlimited":true,"rateLimit":null,"quota":null}`, map[string]any{"unlimited": true, "quota": nil, "rateLimit": null{}}},
		{`{"unlimited":null}`, nil},
		{`{"allowedCidrs":null}`, map[string]any{"allowedCidrs": []any{}}},
		{`{"metadata":{"a":null,"c":"3"}}`, map[string]any{"metadata": map[string]any{"b": "2", "c": "3"}}},
		{`{"metadata":{"z":null}}`, nil},
		{`{"metadata":null}`, map[string]any{"metadata": map[string]any{}}},
		{`{"notBefore":null}`, map[string]any{"notBefore": nil}},
		{`{"notBefore":"2026-12-01T00:00:00Z"}`, map[string]any{"notBefore": "2026-12-01T00:00:00.000Z", "status": "inactive"}},
		{`{"expiresAt":null}`, map[string]any{"expiresAt": nil}},
		{`{"expiresAt":""}`, map[string]any{"expiresAt": nil}},
		{`{"expiresAt":"2027-02-01T01:00:00+01:00"}`, map[string]any{"expiresAt": "2027-02-01T00:00:00.000Z"}},
		{`{"expiresAt":"9999-12-31T23:59:59Z"}`, map[string]any{"expiresAt": "9999-12-31T23:59:59.000Z"}},
		{`{"expiresInDays":1}`, map[string]any{"expiresAt": "2026-11-25T12:00:00.000Z"}},
		{`{"enabled":false}`, map[string]any{"enabled": false, "status": "disabled"}},
	} {
		path, _, _ := s.made(base)
		want := s.plain(path)
		for name, value := range c.want {
			want[name] = value
			if _, ok := value.(null); ok {
				want[name] = nil
			} else if value == nil {
				delete(want, name)
			}
		}
		for _, media := range []string{"application/json", "application/merge-patch+json; charset=utf-8"} {
			a := s.send(s.root, "PATCH", path, c.patch, "Content-Type: "+media)
			if diff := cmp.Diff(want, s.plain(path)); diff != "" || a.status != 200 {
				t.Errorf("%s as %s: %d %s (-want +got):\n%s", c.patch, media, a.status, a.text, diff)
			}
		}
	}
	// A key without a limit of its own, or a quota, has nothing to merge with.
	path, _, _ := s.made("")
	for patch, param := range map[string]string{
		`{"enabled":null}`: "enabled", `{"expiresInDays":null}`: "expiresInDays", `{"rateLimit":{"requests":null}}`: "rateLimit.requests",
		`{"rateLimit":{"window":null}}`: "rateLimit.window", `{"quota":{"requests":5}}`: "quota.period", `{"quota":{"period":"day"}}`: "quota.requests",
		`{"quota":{"requests":5,"period":null}}`: "quota.period", `{"expiresAt":"2026-11-24T12:00:00Z"}`: "expiresAt", `{"expiresAt":null,"expiresInDays":1}`: "expiresInDays",
		`{"unlimited":true,"rateLimit":{"requests":1}}`: "unlimited", `{"name":1}`: "name", `{"rateLimit":{"requests":0}}`: "rateLimit.requests",
		`{"rateLimit":{"x":1}}`: "rateLimit.x", `{"metadata":{"a":1}}`: "metadata", `{"metadata":[]}`: "metadata", `{"scopes":[null]}`: "scopes", `null`: "", `[]`: "", `{}`: "",
		`{"name":"a","name":null}`: "name", `{"metadata":{"a":"1","a":null}}`: "metadata", `{"userId":null}`: "userId", `{"environment":"test"}`: "environment", `{"Name":null}`: "Name", `{"quota":{"period":"week"}}`: "quota.period",
		`{"name":"` + strings.Repeat("a", 256) + `"}`: "name", `{"rateLimit":5}`: "rateLimit", `{"allowedCidrs":["x"]}`: "allowedCidrs",
	} {
		s.send(s.root, "PATCH", path, patch).isError(t, patch, 400, param)
	}
	if got := s.send(s.root, "GET", path, ""); got.header.Get("ETag") != `"0"` {
		t.Errorf("what was refused has changed something: %s", got.text)
	}
	s.send(s.root, "POST", keys, `{"name":null}`, "Content-Type: application/merge-patch+json").isError(t, "null for a new key", 400, "name")
	s.send(s.root, "PATCH", path, `{"name":"x"}`, "Content-Type: text/plain").isError(t, "another content type", 415, "")
}

// plain returns a record without its window status, its last use and what it shares.
func (s *service) plain(path string) map[string]any {
	s.t.Helper()
	r := s.send(s.root, "GET", path, "").json
	for _, part := range []string{"rateLimit", "quota"} {
		if m, ok := r[part].(map[string]any); ok {
			delete(m, "remaining")
			delete(m, "reset")
			delete(m, "used")
		}
	}
	for _, name := range []string{"limit", "remaining", "reset", "lastUsedAt", "bounds", "shared"} {
		delete(r, name)
	}
	return r
}

func TestIfMatchSelectsTheRevision(t *testing.T) {
	s := newService(t)
	path, _, mine := s.made("")
	for _, c := range []struct {
		match  string
		status int // 200: the revision goes up
	}{
		{`"0"`, 200}, {`"0"`, 412}, {`"1"`, 200}, {`"0", "2"`, 200}, {`"3","x"`, 200}, {`*`, 200}, {`W/"5"`, 412}, {`W/"5", "5"`, 200},
		{`"06"`, 412}, {`"x"`, 412}, {`"a,b"`, 412}, {` "6" `, 200}, {`,"7",`, 200},
		{`8`, 400}, {`"8`, 400}, {`"8""9"`, 400}, {`,`, 400}, {``, 400}, {`"8" *`, 400},
	} {
		a := s.send(mine, "PATCH", path, `{"name":"x"}`, "If-Match: "+c.match)
		switch {
		case c.status == 200 && a.status != 200:
			t.Errorf("If-Match %s: %d %s", c.match, a.status, a.text)
		case c.status == 400:
			a.isError(t, "If-Match "+c.match, 400, "If-Match")
		case c.status == 412:
			a.isError(t, "If-Match "+c.match, 412, "")
		}
	}
	if got := s.send(mine, "GET", path, ""); got.header.Get("ETag") != `"8"` {
		t.Errorf("now %s", got.header.Get("ETag"))
	}
	for _, c := range []struct{ method, path string }{{"POST", path + "/rotate"}, {"POST", path + "/revoke"}, {"DELETE", path}} {
		s.send(mine, c.method, c.path, "", `If-Match: "7"`).isError(t, c.method+" "+c.path, 412, "")
	}
	s.send(mine, "PATCH", keys+"/0000000000000000", `{"name":"x"}`, `If-Match: "7"`).isError(t, "no key", 404, "id")
	s.send(mine, "PATCH", path, `{"rateLimit":{"window":null}}`, `If-Match: "7"`).isError(t, "a wrong change of it", 400, "rateLimit.window")
	s.send(mine, "POST", path+"/rotate", "", `If-Match: "8"`)
	for i, c := range []struct {
		method, path string
		status       int
		etag         string
	}{{"GET", path, 200, `"9"`}, {"POST", path + "/revoke", 200, `"10"`}, {"DELETE", path, 204, ""}, {"DELETE", path, 404, ""}} {
		if a := s.send(s.root, c.method, c.path, "", `If-Match: "`+[]string{"8", "9", "10", "10"}[i]+`"`); a.status != c.status || a.header.Get("ETag") != c.etag {
			t.Errorf("%s %s: %d %s with ETag %s", c.method, c.path, a.status, a.text, a.header.Get("ETag"))
		}
	}
}

// A change of the limit does not give spent requests back.
func TestAChangedLimitKeepsTheSpentRequests(t *testing.T) {
	s := newService(t)
	path, token, mine := s.made(`,"rateLimit":{"requests":5,"window":10}`)
	for range 4 {
		s.validate(token)
	}
	for _, c := range []struct {
		patch string
		want  string
	}{
		{`{"rateLimit":{"requests":3}}`, "rate_limited"},
		{`{"rateLimit":{"requests":5,"window":60}}`, "valid"},
		{`{"rateLimit":{"window":3600}}`, "rate_limited"},
		{`{"enabled":false}`, "disabled_key"},
		{`{"enabled":true,"rateLimit":{"requests":6}}`, "valid"},
		{`{"expiresAt":"2026-11-24T12:00:00.001Z"}`, "rate_limited"},
	} {
		// Its own limit bounds what the owner may grant; an admin may do all of it.
		if a := s.send(s.root, "PATCH", path, c.patch); a.status != 200 {
			t.Errorf("%s: %d %s", c.patch, a.status, a.text)
		}
		if v := s.validate(token); v.json["code"] != c.want {
			t.Errorf("after %s: %s, want %s", c.patch, v.text, c.want)
		}
	}
	s.send(mine, "PATCH", path, `{"rateLimit":{"requests":7}}`).isError(t, "raising one's own limit", 403, "rateLimit")
	s.send(mine, "PATCH", path, `{"expiresAt":null}`).isError(t, "outliving oneself", 403, "expiresAt")
	s.now = s.now.Add(time.Second)
	if v := s.validate(token); v.json["code"] != "expired_key" {
		t.Errorf("at its end: %s", v.text)
	}
	s.send(s.root, "PATCH", path, `{"expiresAt":null}`)
	if v := s.validate(token); v.json["code"] != "rate_limited" {
		t.Errorf("without one: %s", v.text)
	}
}

func TestRevokeUserRevokesAllKeys(t *testing.T) {
	s := newService(t)
	const user = "auth0|a//b c/.."
	var tokens []string
	for range 60 {
		a := s.send(s.root, "POST", keys, `{"userId":"`+user+`"}`)
		tokens = append(tokens, a.json["key"].(string))
		s.now = s.now.Add(time.Millisecond)
	}
	_, other, _ := s.made("")
	path := "/api/v1/users/auth0%7Ca%2F%2Fb%20c%2F../revoke-keys"
	s.send(s.caller("u1", apikey.ScopeWrite), "POST", path, "").isError(t, "without keys:admin", 403, "")
	s.send(nil, "POST", path, "").isError(t, "nobody", 401, "authorization")
	s.send(s.root, "POST", path+"?cursor=x", "").isError(t, "a wrong cursor", 400, "cursor")
	s.send(s.root, "POST", path+"?cursor=", "").isError(t, "an empty cursor", 400, "cursor")
	s.send(s.root, "POST", "/api/v1/users/"+strings.Repeat("u", 129)+"/revoke-keys", "").isError(t, "a long user", 400, "userId")
	for i, want := range []struct {
		revoked float64
		calls   int
	}{{25, 1}, {35, 3}, {0, 3}} {
		query, calls, revoked := "", 0, 0.0
		for {
			a := s.send(s.root, "POST", path+query, "")
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.text)
			}
			revoked += a.json["revoked"].(float64)
			calls++
			next, _ := a.json["nextCursor"].(string)
			if query = "?cursor=" + next; next == "" || i == 0 {
				break // the first time it is left off, and begun again
			}
		}
		if revoked != want.revoked || calls != want.calls {
			t.Errorf("round %d: %v revoked with %d calls, want %v", i, revoked, calls, want)
		}
	}
	for _, token := range tokens {
		if v := s.validate(token); v.json["code"] != "revoked_key" {
			t.Errorf("%s", v.text)
		}
	}
	if v := s.validate(other); v.json["valid"] != true {
		t.Errorf("another user's: %s", v.text)
	}
}

func TestLookupFindsAKeyByItsToken(t *testing.T) {
	s := newService(t)
	path, old, mine := s.made("")
	token := s.send(mine, "POST", path+"/rotate", `{"gracePeriod":0}`).json["key"].(string)
	imported := registry.Import{Token: parse(t, s, "a-token-of-elsewhere"), UserID: "u1", Environment: apikey.Live}
	if _, err := s.registry.Import(t.Context(), imported); err != nil {
		t.Fatal(err)
	}
	find := func(as who, key string) answer { return s.send(as, "POST", keys+"/lookup", `{"key":"`+key+`"}`) }
	for _, key := range []string{token, old, "pk_live_" + path[len(keys)+1:] + ":" + token} {
		if a := find(s.root, key); a.status != 200 || keys+"/"+a.json["id"].(string) != path || a.header.Get("ETag") != `"1"` || a.json["key"] != nil {
			t.Errorf("%d %s", a.status, a.text)
		}
	}
	if a := find(s.root, "a-token-of-elsewhere"); a.status != 200 || a.json["userId"] != "u1" {
		t.Errorf("a foreign one: %d %s", a.status, a.text)
	}
	find(s.root, "another-token-of-elsewhere").isError(t, "an unknown one", 404, "key")
	find(s.root, unknown(t, s)).isError(t, "an unknown native one", 404, "key")
	find(s.root, "short").isError(t, "a malformed one", 400, "key")
	find(s.root, "").isError(t, "an empty one", 400, "key")
	find(mine, token).isError(t, "without keys:admin", 403, "")
	find(nil, token).isError(t, "nobody", 401, "authorization")
	s.send(s.root, "POST", keys+"/lookup", `{}`).isError(t, "none", 400, "key")
}

func parse(t testing.TB, s *service, text string) apikey.Token {
	t.Helper()
	token, err := s.options.Format.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// unknown returns a well-formed token of a key that was deleted.
func unknown(t testing.TB, s *service) string {
	t.Helper()
	path, token, mine := s.made("")
	if a := s.send(mine, "DELETE", path, ""); a.status != 204 {
		t.Fatalf("delete: %d", a.status)
	}
	return token
}

// The holder of a token may end it. The answer is the same for a text that is no token.
func TestRevokeByTokenRevealsNothing(t *testing.T) {
	s := newService(t)
	revoke := func(key string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"key": key})
		if err != nil {
			t.Fatal(err)
		}
		if a := s.send(nil, "POST", keys+"/revoke-by-token", string(body)); a.status != 202 || a.text != "" {
			t.Errorf("%d %q", a.status, a.text)
		}
	}
	path, token, mine := s.made("")
	live := func() (bool, string) {
		got := s.send(mine, "GET", path, "")
		return got.json["status"] == "active", got.header.Get("ETag")
	}
	for _, key := range []string{"", "short", "a-token-of-nobody", unknown(t, s), token[:len(token)-1], "curl -H 'X-API-Key: " + unknown(t, s) + "'"} {
		if revoke(key); s.validate(token).json["valid"] != true {
			t.Errorf("%q has revoked another", key)
		}
	}
	many := ""
	for range apikey.MaxFound + 1 {
		key, err := s.options.Format.New(apikey.Live, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		many += key.Reveal() + " "
	}
	// One that was replaced and still works ends alone, and one that is over ends nothing.
	next := s.send(mine, "POST", path+"/rotate", `{"gracePeriod":3600}`).json["key"].(string)
	revoke(token)
	if v := s.validate(token); v.json["code"] != "revoked_key" {
		t.Errorf("in its grace: %s", v.text)
	}
	_, before := live()
	revoke(token)
	if ok, after := live(); !ok || after != before || s.validate(next).json["valid"] != true {
		t.Errorf("the key has gone with one that it replaced, or was written in vain: %s, %s", before, after)
	}
	for range 2 {
		revoke("$ curl https://api.example.com \\\n  -H \"Authorization: Bearer " + next + "\"\n")
	}
	if v := s.validate(next); v.json["code"] != "revoked_key" || v.json["userId"] != "u1" {
		t.Errorf("the key: %s", v.text)
	}
	s.send(nil, "POST", keys+"/revoke-by-token", `{"key":"`+many+`"}`).isError(t, "too many keys", 400, "key")
	s.send(nil, "POST", keys+"/revoke-by-token", `{"key":"`+strings.Repeat("x", 64<<10)+`"}`).isError(t, "too long a text", 413, "")
	s.send(nil, "POST", keys+"/revoke-by-token", `{}`).isError(t, "no key", 400, "key")
	s.send(nil, "POST", keys+"/revoke-by-token", `{"key":1}`).isError(t, "a number", 400, "key")
	s.send(nil, "POST", keys+"/revoke-by-token", ``).isError(t, "no body", 400, "")
	if strings.Contains(s.log.String(), next[8:]) {
		t.Error("the token is in the log")
	}
}

// A reason is in the record, in the audit entry and, for the holder of the token, in validate's answer.
func TestRevokeWithAReason(t *testing.T) {
	s := newService(t)
	path, token, mine := s.made("")
	for _, c := range []struct {
		body, param string
		status      int
	}{
		{`{"reason":1}`, "reason", 400}, {`{"reason":null}`, "reason", 400}, {`{"reasons":"a"}`, "reasons", 400}, {`"stolen"`, "", 400}, {`null`, "", 400},
		{`{"reason":"` + strings.Repeat("x", 201) + `"}`, "reason", 400}, {`{"reason":"a\nb"}`, "reason", 400}, {`{"reason":"a\u202eb"}`, "reason", 400},
	} {
		s.send(mine, "POST", path+"/revoke", c.body).isError(t, c.body, c.status, c.param)
		s.send(s.root, "POST", "/api/v1/users/u1/revoke-keys", c.body).isError(t, "of a user: "+c.body, c.status, c.param)
	}
	if s.validate(token).json["valid"] != true {
		t.Error("a refused reason has revoked the key")
	}
	if a := s.send(mine, "POST", path+"/revoke", `{"reason":" laptop was stolen "}`); a.status != 200 || a.json["revocationReason"] != "laptop was stolen" {
		t.Errorf("revoke: %d %s", a.status, a.text)
	}
	if a := s.send(s.root, "POST", path+"/revoke", `{"reason":"another"}`); a.json["revocationReason"] != "laptop was stolen" || a.json["revocationSource"] != nil {
		t.Errorf("again: %d %s", a.status, a.text)
	}
	if v := s.validate(token); v.json["code"] != "revoked_key" || v.json["error"] != "Invalid or revoked API key: revoked: laptop was stolen" {
		t.Errorf("validate: %s", v.text)
	}
	forged, err := s.options.Format.Next(apikey.Live, path[len(keys)+1:], rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if v := s.validate(forged.Reveal()); v.json["code"] != "unknown_key" || v.json["error"] != "Invalid or revoked API key" {
		t.Errorf("validate of a forged token: %s", v.text)
	}
	path, _, _ = s.made("")
	if a := s.send(s.root, "POST", "/api/v1/users/u1/revoke-keys", `{"reason":"left the company"}`); a.status != 200 || a.json["revoked"] != 1.0 {
		t.Errorf("of a user: %d %s", a.status, a.text)
	}
	if a := s.send(s.root, "GET", path, ""); a.json["revocationReason"] != "left the company" {
		t.Errorf("of a user: %s", a.text)
	}
}

// lookup and validate accept a token with quotes and spaces around it. revoke-by-token finds a
// token in any text.
func TestTokensAreReadWithTheTextCopiedAround(t *testing.T) {
	s := newService(t)
	path, token, _ := s.made("")
	for _, around := range []string{`%s\n`, ` %s\t`, `\"%s\"`, `'%s'`, `“%s”`, `\u00a0%s\u200b`, `\ufeff\"%s\"\r\n`} {
		text := fmt.Sprintf(around, token)
		if a := s.send(s.root, "POST", keys+"/lookup", `{"key":"`+text+`"}`); a.status != 200 || keys+"/"+fmt.Sprint(a.json["id"]) != path {
			t.Errorf("lookup of %s: %d %s", around, a.status, a.text)
		}
		public := fmt.Sprintf(around, "pk_live_"+path[len(keys)+1:])
		if a := s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+text+`","publicKey":"`+public+`"}`); a.json["valid"] != true {
			t.Errorf("validate of %s: %d %s", around, a.status, a.text)
		}
	}
	// As at the gateway, where X-API-Key may have it too.
	if a := s.send(nil, "POST", keys+"/validate", `{"apiKey":"Bearer `+token+`"}`); a.json["valid"] != true {
		t.Errorf("validate of Bearer: %d %s", a.status, a.text)
	}
	for _, around := range []string{`%s x`, `x%s`, `\"%s'`, `Basic %s`} {
		text := fmt.Sprintf(around, token)
		if a := s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+text+`"}`); a.json["valid"] != false {
			t.Errorf("validate of %s: %d %s", around, a.status, a.text)
		}
	}
}

// A retry has the same bytes as the first answer, with the token, even if the key has changed
// since.
func TestARetryHasTheSameAnswer(t *testing.T) {
	s := newService(t)
	const name = "Idempotency-Key: 6f1c7a52-9c0e-4f7a-9d0b-2f4f6f1f0a11"
	path, _, mine := s.made("")
	for _, c := range []struct{ name, path, body, same, other string }{
		{"create", keys, `{"name":"a","expiresInDays":1,"metadata":{"a":"1","b":"2"},"notBefore":"2026-11-24T13:00:00Z"}`,
			` {"expiresInDays":1.0, "metadata":{"b":"2","a":"1"},"notBefore":"2026-11-24T13:00:00Z","name":"a"}`, `{"name":"b"}`},
		{"rotate", path + "/rotate", `{"gracePeriod":60}`, `{"gracePeriod":6e1}`, `{"gracePeriod":61}`},
	} {
		s.now = noon
		header := name + c.name
		first := s.send(s.root, "POST", c.path, c.body, header)
		if first.status/100 != 2 || first.json["key"] == nil {
			t.Fatalf("%s: %d %s", c.name, first.status, first.text)
		}
		s.now = s.now.Add(23 * time.Hour)
		s.send(s.root, "PATCH", keys+"/"+first.json["id"].(string), `{"name":"another"}`)
		for _, body := range []string{c.body, c.same} {
			again := s.send(s.root, "POST", c.path, body, header)
			if again.text != first.text || again.status != first.status || again.header.Get("ETag") != first.header.Get("ETag") ||
				again.header.Get("Location") != first.header.Get("Location") {
				t.Errorf("%s again: %d %s %v; first %d %s %v", c.name, again.status, again.text, again.header, first.status, first.text, first.header)
			}
		}
		a := s.send(s.root, "POST", c.path, c.other, header)
		a.isError(t, c.name+" with another body", 422, "Idempotency-Key")
		if e, _ := a.json["error"].(map[string]any); e["code"] != "idempotency_key_reused" {
			t.Errorf("%s", a.text)
		}
		s.send(mine, "PATCH", c.path, `{}`, header) // no such route, or nothing to repeat
	}
	for what, value := range map[string]string{
		"short": "fifteen-letters", "long": strings.Repeat("n", 256), "spaced": "a name of my own", "empty": "", "Greek": "ένα-δικό-μου-όνομα", "control": "a-name-of-my-own\x01",
	} {
		for _, path := range []string{keys, path + "/rotate"} {
			s.send(s.root, "POST", path, `{}`, "Idempotency-Key: "+value).isError(t, what, 400, "Idempotency-Key")
		}
	}
	for _, value := range []string{strings.Repeat("n", 16), strings.Repeat("~", 255), `"quoted!0123456789,;="`} {
		if a := s.send(s.root, "POST", keys, `{}`, "Idempotency-Key: "+value); a.status != 201 {
			t.Errorf("%s: %d %s", value, a.status, a.text)
		}
	}
	if strings.Contains(s.log.String(), "6f1c7a52") {
		t.Error("the key of a request is in the log")
	}
}

// busy is a table in which another request is always faster.
type busy struct {
	registry.Store
	err error
}

func (b busy) Write(context.Context, ...registry.Write) error { return b.err }

// The loser of a race may try again after a second.
func TestAConflictHasRetryAfter(t *testing.T) {
	s := newService(t)
	path, _, _ := s.made("")
	table := s.options.Store
	for _, c := range []struct {
		method, path, body string
		err                error
	}{
		{"POST", keys, `{}`, apikey.ErrRepeated}, {"POST", path + "/rotate", `{}`, apikey.ErrRepeated},
		{"PATCH", path, `{"name":"x"}`, apikey.ErrConflict}, {"POST", path + "/revoke", "", apikey.ErrConflict}, {"DELETE", path, "", apikey.ErrConflict},
	} {
		s.configure(func(o *registry.Options) { o.Store = busy{table, c.err} })
		a := s.send(s.root, c.method, c.path, c.body, "Idempotency-Key: 0123456789abcdef")
		a.isError(t, c.method+" "+c.path, 409, "")
		if a.header.Get("Retry-After") != "1" {
			t.Errorf("%s %s: Retry-After %q", c.method, c.path, a.header.Get("Retry-After"))
		}
	}
}
