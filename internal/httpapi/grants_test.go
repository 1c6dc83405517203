package httpapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/registry"
)

func TestWhoamiTellsAKeyWhatItGrantsIfAsked(t *testing.T) {
	s := newService(t)
	if a := s.send(s.root, "GET", "/api/v1/whoami", ""); a.status != 200 || a.json["grants"] != nil {
		t.Errorf("not asked: %d %s", a.status, a.text)
	}
	admin := map[string]any{
		"admin": true, "write": true, "read": true, "scopes": []any{"*", "keys:*"}, "anyScope": true, "rateLimit": nil,
		"limits": []any{}, "plan": "", "allowedCidrs": []any{}, "environments": []any{"live", "test"},
		"maxKeys": 0.0, "maxDays": 0.0, "defaultDays": 0.0,
	}
	if diff := cmp.Diff(admin, s.grants(s.root)); diff != "" {
		t.Errorf("an admin (-want +got):\n%s", diff)
	}
	made := s.send(s.root, "POST", keys, `{"userId":"u1","environment":"test","scopes":["tts:*","keys:write"],
		"rateLimit":{"requests":10,"window":60},"limits":[{"amount":2,"window":1}],"quota":{"requests":100,"period":"day"},
		"allowedCidrs":["10.0.0.0/8"],"expiresAt":"2026-12-24T12:00:00Z"}`)
	key := who{"keyId": made.json["id"], "userId": "u1", "scopes": "tts:* keys:write", "environment": "test"}
	want := map[string]any{
		"admin": false, "write": true, "read": false, "scopes": []any{"tts:*", "keys:write"}, "anyScope": false,
		"rateLimit": map[string]any{"requests": 10.0, "window": 60.0},
		"limits":    []any{map[string]any{"amount": 2.0, "window": 1.0}},
		"quota":     map[string]any{"requests": 100.0, "period": "day"}, "plan": "", "allowedCidrs": []any{"10.0.0.0/8"},
		"expiresAt": "2026-12-24T12:00:00.000Z", "environments": []any{"test"},
		"maxKeys": 5.0, "keysLeft": 4.0, "maxDays": 30.0, "defaultDays": 7.0,
	}
	s.configure(func(o *registry.Options) { o.Life.MaxDays, o.Life.DefaultDays = 30, 7 })
	if diff := cmp.Diff(want, s.grants(key)); diff != "" {
		t.Errorf("a key with bounds (-want +got):\n%s", diff)
	}
	key["scopes"] = "tts:*"
	if g := s.grants(key); g["write"] != false || g["read"] != false {
		t.Errorf("a key that manages nothing: %v", g)
	}
	for _, query := range []string{"?include=", "?include=usage", "?include=grants&include=grants", "?include=%F0%9F%94%91"} {
		s.send(s.root, "GET", "/api/v1/whoami"+query, "").isError(t, query, 400, "include")
	}
}

// grants returns the grants of a caller.
func (s *service) grants(caller who) map[string]any {
	s.t.Helper()
	a := s.send(caller, "GET", "/api/v1/whoami?include=grants", "")
	grants, _ := a.json["grants"].(map[string]any)
	if a.status != 200 || grants == nil {
		s.t.Errorf("whoami: %d %s", a.status, a.text)
	}
	return grants
}
