package main

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The rights of each token of a rotated key, through the whole stack. The first token was replaced
// without grace, the second is in its grace, and the third is the present one. $id is the caller's
// key, $other another key of the same user, and $token the token itself.
func TestEachTokenOfARotatedKeyHasItsRights(t *testing.T) {
	const keys = "/api/v1/api-keys"
	s := start(t, t.TempDir())
	cells := []struct {
		do, body                string
		ended, inGrace, present string // the status, and the code in the answer if there is one
	}{
		{"GET /api/v1/whoami", "", "401 invalid_api_key", "200", "200"},
		{"POST " + keys + "/validate", `{"apiKey":"$token"}`, "200 revoked_key", "200 valid", "200 valid"},
		{"GET " + keys + "/$id", "", "401 invalid_api_key", "200", "200"},
		{"GET " + keys, "", "401 invalid_api_key", "200", "200"},
		{"GET " + keys + "/$id/audit", "", "401 invalid_api_key", "200", "200"},
		{"POST " + keys + "/$id/explain", `{"method":"GET","path":"/x"}`, "401 invalid_api_key", "200 valid", "200 valid"},
		{"POST " + keys, `{}`, "401 invalid_api_key", "403 replaced_key", "201"},
		{"PATCH " + keys + "/$id", `{"name":"n"}`, "401 invalid_api_key", "403 replaced_key", "200"},
		{"PATCH " + keys + "/$other", `{"name":"n"}`, "401 invalid_api_key", "403 replaced_key", "200"},
		{"POST " + keys + "/$id/rotate", `{"gracePeriod":0}`, "401 invalid_api_key", "403 replaced_key", "200"},
		{"POST " + keys + "/$other/rotate", `{"gracePeriod":0}`, "401 invalid_api_key", "403 replaced_key", "200"},
		{"POST " + keys + "/$id/end-grace", "", "401 invalid_api_key", "403 replaced_key", "200"},
		{"POST " + keys + "/$other/end-grace", "", "401 invalid_api_key", "403 replaced_key", "200"},
		{"POST " + keys + "/$id/revoke", "", "401 invalid_api_key", "403 replaced_key", "200"},
		{"POST " + keys + "/$other/revoke", "", "401 invalid_api_key", "403 replaced_key", "200"},
		{"DELETE " + keys + "/$id", "", "401 invalid_api_key", "403 replaced_key", "204"},
		{"DELETE " + keys + "/$other", "", "401 invalid_api_key", "403 replaced_key", "204"},
		// A token is enough to end itself. The present token also revokes its key.
		{"POST " + keys + "/revoke-by-token", `{"key":"$token"}`, "202", "202", "202"},
	}
	type prepared struct {
		id, other string
		tokens    [3]string
	}
	all := make([]prepared, len(cells))
	for n := range cells {
		p := &all[n]
		body := fmt.Sprintf(`{"userId":"user-%d","scopes":["keys:read","keys:write"]}`, n)
		p.other, _ = s.create(t, body)
		p.id, p.tokens[0] = s.create(t, body)
		for i, grace := range []int{0, 3600} {
			a := s.send(t, "POST", keys+"/"+p.id+"/rotate", fmt.Sprintf(`{"gracePeriod":%d}`, grace), s.admin())
			p.tokens[i+1], _ = a.json["key"].(string)
		}
	}
	time.Sleep(time.Second) // FRESHNESS
	for n, c := range cells {
		p := all[n]
		for i, want := range []string{c.ended, c.inGrace, c.present} {
			fill := strings.NewReplacer("$id", p.id, "$other", p.other, "$token", p.tokens[i])
			method, path, _ := strings.Cut(fill.Replace(c.do), " ")
			var headers []string
			if c.ended != "202" && c.ended != "200 revoked_key" {
				headers = []string{"Authorization: Bearer " + p.tokens[i]}
			}
			a := s.send(t, method, path, fill.Replace(c.body), headers...)
			code, _ := a.json["code"].(string)
			if e, ok := a.json["error"].(map[string]any); ok {
				code = cmp.Or(code, fmt.Sprint(e["code"]))
			}
			if got := strings.TrimSpace(fmt.Sprint(a.status, " ", code)); got != want {
				t.Errorf("%s with the %s token: %s, want %s; %s", c.do, []string{"ended", "older", "present"}[i], got, want, a.text)
			}
		}
	}
	last := all[len(all)-1]
	if a := s.send(t, "GET", keys+"/"+last.id, "", s.admin()); a.json["status"] != "revoked" {
		t.Errorf("revoked by its present token: %s", a.text)
	}
}
