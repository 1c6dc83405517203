//go:build sam

package samtest_test

import (
	"net/http"
	"testing"
	"time"
)

func TestAKeyIsCreatedUsedLimitedAndRevoked(t *testing.T) {
	t.Parallel()
	api := serve(t, "start-api")
	id, token := create(t, api.url, `{"name":"demo","userId":"u1","scopes":["tts"],"rateLimit":{"requests":5,"window":3600}}`)

	v := send(t, "POST", api.url+"/api/v1/api-keys/validate", `{"apiKey":"`+token+`","scope":"tts"}`)
	if v.status != http.StatusOK || v.json["valid"] != true || v.json["keyId"] != id || v.json["userId"] != "u1" {
		t.Errorf("validate: %d %s", v.status, v.text)
	}
	whoami := func(query, header string) answer {
		return send(t, "GET", api.url+"/api/v1/whoami"+query, "", header)
	}
	for i, way := range [][2]string{
		{"", "X-API-Key: " + token}, {"", "x-api-key: " + token}, {"", "Authorization: Bearer " + token},
		{"", "Authorization: " + token}, {"?api_key=" + token, "Accept: */*"},
	} {
		a := whoami(way[0], way[1])
		if a.status != http.StatusOK || a.json["keyId"] != id || a.header.Get("X-RateLimit-Limit") != "5" ||
			a.header.Get("X-RateLimit-Remaining") != string(rune('4'-i)) || a.header.Get("X-RateLimit-Reset") == "" {
			t.Errorf("call %d: %d %s %v", i+1, a.status, a.text, a.header)
		}
	}
	if a := whoami("", "X-API-Key: "+token); a.status != samDenied {
		t.Errorf("over the limit: %d %s", a.status, a.text)
	}
	v = send(t, "POST", api.url+"/api/v1/api-keys/validate", `{"apiKey":"`+token+`","cost":1}`)
	if v.status != http.StatusOK || v.json["code"] != "rate_limited" || v.json["retryAfter"] == nil {
		t.Errorf("validate over the limit: %d %s", v.status, v.text)
	}

	r := send(t, "POST", api.url+"/api/v1/api-keys/"+id+"/revoke", "", "X-API-Key: "+given(t, "ROOT_KEY"))
	if r.status != http.StatusOK || r.json["status"] != "revoked" {
		t.Errorf("revoke: %d %s", r.status, r.text)
	}
	time.Sleep(time.Second) // the published bound
	if a := whoami("", "X-API-Key: "+token); a.status != samUnauthorized {
		t.Errorf("revoked: %d %s", a.status, a.text)
	}
	v = send(t, "POST", api.url+"/api/v1/api-keys/validate", `{"apiKey":"`+token+`"}`)
	if v.status != http.StatusOK || v.json["valid"] != false || v.json["code"] != "revoked_key" {
		t.Errorf("validate a revoked key: %d %s", v.status, v.text)
	}
}
