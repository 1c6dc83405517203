package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/local/sam"
)

// On each of our own routes, HEAD has the status, the headers and the cost of GET, and no body. A
// rule for GET also applies to HEAD.
func TestHeadIsGetWithoutABody(t *testing.T) {
	template, err := sam.Load(dynamotest.Root()+"/template.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, t.TempDir(), "ROUTE_SCOPES=GET /api/v1/whoami=who")
	id, token := s.create(t, `{"userId":"u1","scopes":["who"],"rateLimit":{"requests":1000,"window":60}}`)
	_, without := s.create(t, `{"userId":"u1"}`)
	_, few := s.create(t, `{"userId":"u1","scopes":["who"],"rateLimit":{"requests":2,"window":60}}`)
	same := func(path string, headers ...string) (status int) {
		t.Helper()
		get, head := s.send(t, "GET", path, "", headers...), s.send(t, "HEAD", path, "", headers...)
		for _, a := range []answer{get, head} {
			for _, varies := range []string{"Date", "Content-Length", "Ratelimit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
				if a.header.Get(varies) != "" {
					a.header.Set(varies, "some")
				}
			}
			a.header.Del("Content-Length")
		}
		if head.status != get.status || head.text != "" || !maps.EqualFunc(head.header, get.header, slices.Equal) {
			t.Errorf("%s: HEAD is %d %v %q, GET is %d %v", path, head.status, head.header, head.text, get.status, get.header)
		}
		return head.status
	}
	if a := s.send(t, "PUT", "/api/v1/plans/pro", `{"user":{"limits":[{"amount":1000,"window":60}]}}`, s.admin()); a.status != 200 {
		t.Fatalf("put a plan: %d %s", a.status, a.text)
	}
	routes := 0
	for _, r := range template.Routes {
		if r.Method != "GET" {
			continue
		}
		routes++
		path := strings.NewReplacer("{id}", id, "{name}", "pro", "{userId}", "u1", "{file+}", "index.html", "{page+}", "index.html").Replace(r.Path)
		if status := same(path, s.admin()); status != 200 && r.Path != "/api/v1/whoami" && !strings.HasPrefix(r.Path, "/api/v1/authorize") {
			t.Errorf("HEAD %s: %d", path, status)
		}
		same(path)
		same(path, "X-API-Key: "+without)
		same(path+"?nonsense=1", s.admin())
	}
	if routes < 10 {
		t.Errorf("%d routes", routes)
	}
	if status := same("/api/v1/whoami", "X-API-Key: "+token); status != 200 {
		t.Errorf("HEAD whoami: %d", status)
	}
	if status := same("/api/v1/whoami", "X-API-Key: "+without); status != 401 {
		t.Errorf("HEAD whoami without the scope: %d", status)
	}
	for i, want := range []int{200, 200, 429} {
		if a := s.send(t, "HEAD", "/api/v1/whoami", "", "X-API-Key: "+few); a.status != want || a.text != "" || a.header.Get("X-RateLimit-Limit") != "2" {
			t.Errorf("HEAD %d of a key with 2 requests: %d %v", i+1, a.status, a.header)
		}
	}
	for _, path := range []string{"/nothing", "/api/v1/api-keys/validate", "/api/v1/api-keys/" + id + "/rotate"} {
		if a := s.send(t, "HEAD", path, "", s.admin()); a.status != 404 || a.text != "" {
			t.Errorf("HEAD %s: %d", path, a.status)
		}
	}
}
