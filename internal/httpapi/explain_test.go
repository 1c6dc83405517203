package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"latchkey/internal/routes"
)

func TestARouteIsExplained(t *testing.T) {
	s := newService(t)
	me, you := s.caller("u1", "keys:read", "tts"), s.caller("u2", "keys:read")
	path := "/api/v1/api-keys/" + me["keyId"].(string) + "/explain"
	for _, c := range []struct {
		as     who
		body   string
		status int
		want   string // the code, or the parameter that is wrong
	}{
		{me, `{"method":"POST","path":"/tts/x"}`, 200, "valid"},
		{me, `{"method":"GET","path":"/v1/models"}`, 200, "valid"},
		{me, `{"method":"GET","path":"/other"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/docs"}`, 200, "valid"},
		{me, `{"method":"PATCH","path":"/api/v1/api-keys/x"}`, 200, "valid"},
		{me, `{"method":"POST","path":"/api/v1/users/u1/revoke-keys"}`, 200, "valid"},
		{me, `{"method":"GET","path":"/api/v1/whoami"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/api/v1/users/u1"}`, 200, "valid"},
		{me, `{"method":"PATCH","path":"/api/v1/users/a%2Fb"}`, 200, "valid"},
		{me, `{"method":"PUT","path":"/api/v1/plans/pro"}`, 200, "valid"},
		{me, `{"method":"GET","path":"/api/v1/plans"}`, 200, "valid"},
		{me, `{"method":"DELETE","path":"/api/v1/plans/pro"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/api/v1/plans/"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/api/v1/plans/pro/x"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/api/v1/users"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/api/v1/users/u1/"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/api/v1/api-keys/x/y"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/api/v1//usage"}`, 200, "no_route_rule"},
		{me, `{"method":"GET","path":"/api/v1/usage/%zz"}`, 200, "no_route_rule"},
		{me, `{"method":"POST","path":"/tts/x","cost":60,"sourceIp":"10.0.0.1","at":"2026-11-24T12:00:00Z"}`, 200, "valid"},
		{me, `{"method":"POST","path":"/tts/x","cost":61}`, 400, "cost"},
		{me, `{"method":"POST","path":"/tts/x","at":"soon"}`, 400, "at"},
		{me, `{"method":"POST","path":"/tts/x","sourceIp":"here"}`, 400, "sourceIp"},
		{me, `{"method":"POST","path":"tts"}`, 400, "path"},
		{me, `{"method":"BREW","path":"/tts"}`, 400, "method"},
		{me, `{"path":"/tts"}`, 400, "method"},
		{me, `{"method":"GET"}`, 400, "path"},
		{you, `{"method":"GET","path":"/other"}`, 404, "id"},
		{s.root, `{"method":"GET","path":"/other"}`, 200, "no_route_rule"},
	} {
		a := s.send(c.as, "POST", path, c.body)
		got := fmt.Sprint(a.json["code"])
		if e, ok := a.json["error"].(map[string]any); ok {
			got = fmt.Sprint(e["param"])
		}
		if a.status != c.status || got != c.want {
			t.Errorf("%s: %d %s; want %d %s", c.body, a.status, a.text, c.status, c.want)
		}
		if checks, ok := a.json["checks"].([]any); c.status == 200 && (!ok || checks[0].(map[string]any)["check"] != "route") {
			t.Errorf("%s: %s", c.body, a.text)
		}
	}
}

// Explain tells what the request would cost, unless it is asked about another cost.
func TestTheCostOfARouteIsExplained(t *testing.T) {
	s := newService(t)
	me := s.caller("u1", "keys:read", "tts")
	path := "/api/v1/api-keys/" + me["keyId"].(string) + "/explain"
	for _, c := range []struct{ body, route, limit string }{
		{`{"method":"POST","path":"/tts/x"}`, "a rule asks for the scope tts; the request costs 1", "asked for: 1"},
		{`{"method":"POST","path":"/tts/long"}`, "a rule asks for the scope tts; the request costs 5", "asked for: 5"},
		{`{"method":"POST","path":"/tts/%6cong"}`, "a rule asks for the scope tts; the request costs 5", "asked for: 5"},
		{`{"method":"GET","path":"/v1/models"}`, "no rule asks for a scope; the request costs 0", "asked for: 0"},
		{`{"method":"POST","path":"/tts/long","cost":7}`, "a rule asks for the scope tts", "asked for: 7"},
		{`{"method":"PATCH","path":"/api/v1/api-keys/x"}`, "latchkey's own, which asks for a scope itself", "asked for: 1"},
	} {
		a := s.send(me, "POST", path, c.body)
		checks, _ := a.json["checks"].([]any)
		if a.status != 200 || len(checks) < 2 {
			t.Errorf("%s: %d %s", c.body, a.status, a.text)
			continue
		}
		first, last := checks[0].(map[string]any)["detail"], checks[len(checks)-1].(map[string]any)["detail"].(string)
		if first != c.route || !strings.HasSuffix(last, c.limit) {
			t.Errorf("%s: %q and %q, want %q and %q", c.body, first, last, c.route, c.limit)
		}
	}
}

// The authorizer and explain use one list of these routes.
func TestExplainKnowsEveryRouteThatManagesKeys(t *testing.T) {
	s := newService(t)
	for path, item := range s.send(nil, "GET", "/openapi.json", "").json["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			ways, _ := operation.(map[string]any)["security"].([]any)
			open := len(ways) == 0 || len(ways[0].(map[string]any)) == 0
			if !open && path != "/api/v1/whoami" && !routes.Manages(path) {
				t.Errorf("%s %s is not known as a route that manages keys", method, path)
			}
		}
	}
}
