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
		{me, `{"method":"GET","path":"/api/v1/users"}`, 200, "valid"},
		{me, `{"method":"GET","path":"/api/v1/users/"}`, 200, "no_route_rule"},
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
	for _, c := range []struct {
		body   string
		status int
		code   string // of the explanation, or the parameter that is wrong
		cost   string
	}{
		{`{"method":"POST","path":"/tts/x"}`, 200, "valid", "costs 1,"},
		{`{"method":"POST","path":"/tts/long"}`, 200, "valid", "costs 5,"},
		{`{"method":"POST","path":"/tts/%6cong"}`, 200, "valid", "costs 5,"},
		{`{"method":"GET","path":"/v1/models"}`, 200, "valid", "costs 0,"},
		{`{"method":"POST","path":"/tts/long","cost":7}`, 200, "valid", "costs 7,"},
		{`{"method":"PATCH","path":"/api/v1/api-keys/x"}`, 200, "valid", "costs 1,"},
		{`{"method":"POST","path":"/tts/dear"}`, 200, "cost_above_limit", "costs 61;"},
		{`{"method":"POST","path":"/tts/dear","cost":60}`, 200, "valid", "costs 60,"},
		{`{"method":"POST","path":"/tts/x","cost":61}`, 400, "cost", ""},
	} {
		a := s.send(me, "POST", path, c.body)
		got, cost := fmt.Sprint(a.json["code"]), ""
		if e, ok := a.json["error"].(map[string]any); ok {
			got = fmt.Sprint(e["param"])
		}
		checks, _ := a.json["checks"].([]any)
		for _, check := range checks {
			if check := check.(map[string]any); check["check"] == "routeCost" {
				cost = check["detail"].(string)
			}
		}
		if a.status != c.status || got != c.code || !strings.Contains(cost, c.cost) {
			t.Errorf("%s: %d %s, %q; want %d %s, %q", c.body, a.status, got, cost, c.status, c.code, c.cost)
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
