package httpapi_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// asked sends a request that came through two proxies, with an ID from API Gateway.
func asked(s *service, as who, method, path, body, request string) answer {
	return s.invoke(events.APIGatewayProxyRequest{
		HTTPMethod: method, Path: path, Body: body,
		MultiValueHeaders: map[string][]string{"Content-Type": {"application/json"}, "X-Forwarded-For": {"203.0.113.9, 198.51.100.7", "192.0.2.1"}},
		RequestContext: events.APIGatewayProxyRequestContext{
			Authorizer: as, RequestTimeEpoch: s.now.UnixMilli(), RequestID: "chosen-by-the-client", ExtendedRequestID: request,
			Identity: events.APIGatewayRequestIdentity{SourceIP: "192.0.2.1"},
		},
	})
}

func TestTrailsNameTheActorAndTheChange(t *testing.T) {
	s := newService(t)
	s.configure(func(o *registry.Options) { o.Users = &apikey.Key{Limit: apikey.DefaultLimit()} })
	made := asked(s, s.root, "POST", keys, `{"userId":"u1","name":"a","limit":1}`, "r0")
	made.isError(t, "a field that is not there", 400, "limit")
	made = asked(s, s.root, "POST", keys, `{"userId":"u1","name":"a","rateLimit":{"requests":60,"window":60}}`, "r1")
	id, _ := made.json["id"].(string)
	token, _ := made.json["key"].(string)
	path := keys + "/" + id
	s.now = s.now.Add(time.Second)
	user := who{"userId": "u1", "scopes": "keys:read keys:write"}
	for _, c := range []struct {
		as                 who
		method, path, body string
		request            string
		status             int
	}{
		{user, "PATCH", path, `{"name":"b","metadata":{"k":"v"}}`, "r2", 200},
		{s.root, "PATCH", path, `{"rateLimit":{"requests":0,"window":1}}`, "r3", 400},
		{s.root, "POST", path + "/rotate", ``, "r4", 200},
		{nil, "POST", keys + "/revoke-by-token", `{"key":"` + token + `"}`, "r5", 202},
		{s.root, "POST", "/api/v1/users/u1/revoke-keys", ``, "r6", 200},
		{s.root, "PATCH", path, `{"name":"c"}`, "r7", 409},
	} {
		if a := asked(s, c.as, c.method, c.path, c.body, c.request); a.status != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.text)
		}
	}
	s.send(s.root, "PATCH", keys+"/"+s.root["keyId"].(string), `{"name":"ops"}`)
	root := map[string]any{"type": "key", "id": s.root["keyId"], "name": "ops"}
	change := func(before, after any) map[string]any { return map[string]any{"before": before, "after": after} }
	at := "2026-11-24T12:00:01.000Z"
	grace := "2026-11-25T12:00:01.000Z"
	want := []any{
		map[string]any{"at": at, "actor": root, "action": "revoke", "keyId": id, "changes": map[string]any{"revokedAt": change(nil, "2026-11-24T12:00:01.000Z")}, "requestId": "r6", "sourceIp": "192.0.2.1"},
		map[string]any{"at": at, "actor": map[string]any{"type": "token", "id": id, "name": "b"}, "action": "revoke-token", "keyId": id,
			"changes": map[string]any{"tokens": change(2.0, 1.0), "previousKeyValidUntil": change(grace, nil), "endedTokens": change(nil, []any{map[string]any{"validUntil": grace}})}, "requestId": "r5", "sourceIp": "192.0.2.1"},
		map[string]any{"at": at, "actor": root, "action": "rotate", "keyId": id, "changes": map[string]any{"tokens": change(1.0, 2.0), "previousKeyValidUntil": change(nil, grace)}, "requestId": "r4", "sourceIp": "192.0.2.1"},
		map[string]any{"at": at, "actor": map[string]any{"type": "user", "id": "u1"}, "action": "update", "keyId": id,
			"changes": map[string]any{"name": change("a", "b"), "metadata": change(nil, map[string]any{"k": "v"})}, "requestId": "r2", "sourceIp": "192.0.2.1"},
		map[string]any{"at": "2026-11-24T12:00:00.000Z", "actor": root, "action": "create", "keyId": id, "changes": map[string]any{
			"name": change(nil, "a"), "userId": change(nil, "u1"), "environment": change(nil, "live"), "enabled": change(nil, true), "tokens": change(nil, 1.0),
			"rateLimit": change(nil, map[string]any{"requests": 60.0, "window": 60.0}),
		}, "requestId": "r1", "sourceIp": "192.0.2.1"},
	}
	for _, path := range []string{path + "/audit", "/api/v1/audit?userId=u1"} {
		a := s.send(s.root, "GET", path, "")
		if diff := cmp.Diff(map[string]any{"data": want}, a.json); a.status != 200 || diff != "" {
			t.Errorf("%s: %d -want +got:\n%s", path, a.status, diff)
		}
	}
	// The user does not read the name of another user's key.
	a := s.send(user, "GET", path+"/audit?limit=5", "")
	if own := strings.ReplaceAll(s.send(s.root, "GET", path+"/audit", "").text, `,"name":"ops"`, ""); a.text != own || a.status != 200 {
		t.Errorf("the user reads %d %s, want %s", a.status, a.text, own)
	}
	var paged []any
	for next, calls := "", 0; calls < 10; calls++ {
		a := s.send(s.root, "GET", "/api/v1/audit?userId=u1&limit=2"+next, "")
		data, _ := a.json["data"].([]any)
		paged = append(paged, data...)
		cursor, ok := a.json["nextCursor"].(string)
		if next = "&cursor=" + cursor; !ok {
			break
		}
	}
	if diff := cmp.Diff(want, paged); diff != "" {
		t.Errorf("in pages: -want +got:\n%s", diff)
	}
}

// The source address is the one that the authorizer uses.
func TestTrailsIgnoreTrustedProxies(t *testing.T) {
	for hops, want := range []any{"192.0.2.1", "198.51.100.7", "203.0.113.9", nil} {
		s := newService(t, func(s *service) { s.hops = hops })
		id, _ := asked(s, s.root, "POST", keys, `{"userId":"u1"}`, "r").json["id"].(string)
		entry := s.send(s.root, "GET", keys+"/"+id+"/audit", "").json["data"].([]any)[0].(map[string]any)
		if entry["sourceIp"] != want {
			t.Errorf("behind %d proxies: %v, want %v", hops, entry["sourceIp"], want)
		}
	}
}

func TestTrailsCheckTheCallerAndThePage(t *testing.T) {
	s := newService(t)
	me, other, writer := s.caller("u1", apikey.ScopeRead), s.caller("u2", apikey.ScopeRead), s.caller("u1", apikey.ScopeWrite)
	id, _ := s.send(s.root, "POST", keys, `{"userId":"u1"}`).json["id"].(string)
	path, all := keys+"/"+id+"/audit", "/api/v1/audit"
	for _, c := range []struct {
		as     who
		path   string
		status int
		param  string
	}{
		{nil, path, 401, "authorization"}, {writer, path, 403, ""}, {other, path, 404, "id"}, {me, path, 200, ""},
		{me, keys + "/0000000000000000/audit", 404, "id"}, {s.root, keys + "/0000000000000000/audit", 404, "id"},
		{nil, all, 401, "authorization"}, {me, all, 403, ""}, {me, all + "?userId=u1", 403, ""}, {s.root, all, 200, ""},
		{s.root, all + "?userId=nobody", 200, ""}, {s.root, all + "?userId=%20u1", 400, "userId"}, {s.root, all + "?userId=", 400, "userId"},
		{s.root, all + "?userId=" + strings.Repeat("u", 129), 400, "userId"},
		{s.root, path + "?limit=0", 400, "limit"}, {s.root, path + "?limit=101", 400, "limit"}, {s.root, path + "?limit=x", 400, "limit"},
		{s.root, path + "?cursor=x", 400, "cursor"}, {s.root, path + "?cursor=", 400, "cursor"}, {s.root, all + "?cursor=x", 400, "cursor"},
		{s.root, all + "?limit=1&limit=2", 400, "limit"}, {s.root, all + "?action=", 400, "action"},
		{s.root, all + "?action=explode", 400, "action"}, {s.root, all + "?action=create&action=update", 400, "action"},
		{s.root, all + "?action=create", 200, ""}, {s.root, all + "?userId=*", 200, ""}, {me, all + "?userId=*", 403, ""},
		{s.root, all + "?userId=*&action=create&limit=1", 200, ""}, {s.root, all + "?userId=*&cursor=x", 400, "cursor"},
		{s.root, path + "?userId=*", 400, "userId"}, {s.root, path + "?action=create", 400, "action"},
	} {
		a := s.send(c.as, "GET", c.path, "")
		if c.status != 200 {
			a.isError(t, c.path, c.status, c.param)
		} else if data, ok := a.json["data"].([]any); a.status != 200 || !ok || data == nil {
			t.Errorf("%s: %d %s", c.path, a.status, a.text)
		}
	}
	if a := s.send(s.root, "GET", keys+"?userId=%20audit%20u1", ""); a.status != 400 {
		t.Errorf("what the index has of trails: %d %s", a.status, a.text)
	}
	if a := s.send(s.root, "POST", path, ""); a.status != 405 || !slices.Contains(a.header["Allow"], "GET, HEAD") {
		t.Errorf("POST: %d, Allow %q", a.status, a.header["Allow"])
	}
}
