package main

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A key is rotated, changed and revoked. Many instances have it in memory, and all of them follow
// each change within the published bound.
func TestEachChangeOfAKeyReachesAllInstances(t *testing.T) {
	s := start(t, t.TempDir())
	id, first := s.create(t, `{"userId":"u1","rateLimit":{"requests":1000000,"window":60}}`)
	path := "/api/v1/api-keys/" + id
	// crowd makes many requests at once, so that many instances answer, and counts the statuses.
	crowd := func(token string) map[int]int {
		t.Helper()
		var mu sync.Mutex
		answers := make(map[int]int)
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				a := s.whoami(t, token)
				mu.Lock()
				defer mu.Unlock()
				answers[a.status]++
			})
		}
		wg.Wait()
		return answers
	}
	all := func(step, token string, status int) {
		t.Helper()
		if got := crowd(token); got[status] != 32 {
			t.Errorf("%s: %v, want only %d", step, got, status)
		}
	}
	all("made", first, 200)
	tokens := []string{first}
	for i := range 3 {
		const name = "Idempotency-Key: rotation-of-a-key-"
		rotate := func() answer {
			return s.send(t, "POST", path+"/rotate", `{"gracePeriod":0}`, s.admin(), name+string(rune('a'+i)))
		}
		a := rotate()
		token, _ := a.json["key"].(string)
		if a.status != 200 || a.json["id"] != id || token == "" || a.header.Get("ETag") == "" || a.json["previousKeyValidUntil"] == nil {
			t.Fatalf("rotate: %d %s", a.status, a.text)
		}
		all("rotated in", token, 200)
		if again := rotate(); again.text != a.text {
			t.Errorf("the repeated rotation: %d %s", again.status, again.text)
		}
		tokens = append(tokens, token)
	}
	time.Sleep(time.Second) // the published bound
	for _, old := range tokens[:3] {
		all("rotated out", old, 401)
		v := s.send(t, "POST", "/api/v1/api-keys/validate", `{"apiKey":"`+old+`"}`)
		if v.json["code"] != "revoked_key" || !strings.Contains(v.text, "ended at") {
			t.Errorf("rotated out: %s", v.text)
		}
	}
	last := tokens[3]
	if a := s.send(t, "PATCH", path, `{"enabled":false}`, s.admin(), `If-Match: "0"`); a.status != 412 {
		t.Errorf("a change with an old ETag: %d %s", a.status, a.text)
	}
	s.send(t, "PATCH", path, `{"enabled":false,"name":null}`, s.admin(), `If-Match: "3"`, "Content-Type: application/merge-patch+json")
	time.Sleep(time.Second)
	all("disabled", last, 401)
	s.send(t, "PATCH", path, `{"enabled":true}`, s.admin())
	time.Sleep(time.Second)
	all("enabled", last, 200)

	if a := s.send(t, "POST", "/api/v1/api-keys/lookup", `{"key":"`+last+`"}`, s.admin()); a.status != 200 || a.json["id"] != id {
		t.Errorf("lookup: %d %s", a.status, a.text)
	}
	for _, token := range []string{"nobody's-token-at-all", tokens[0], last} { // only the last one revokes the key
		if a := s.send(t, "POST", "/api/v1/api-keys/revoke-by-token", `{"key":"`+token+`"}`); a.status != 202 || strings.TrimSpace(a.text) != "" {
			t.Errorf("revoke by token: %d %q", a.status, a.text)
		}
	}
	time.Sleep(time.Second)
	all("revoked", last, 401)
	if a := s.send(t, "POST", path+"/rotate", `{}`, s.admin()); a.status != 409 {
		t.Errorf("rotate a revoked key: %d %s", a.status, a.text)
	}
	_, other := s.create(t, `{"userId":"a/b c"}`)
	if a := s.send(t, "POST", "/api/v1/users/a%2Fb%20c/revoke-keys", "", s.admin()); a.status != 200 || a.json["revoked"] != 1.0 {
		t.Errorf("revoke a user's keys: %d %s", a.status, a.text)
	}
	if v := s.send(t, "POST", "/api/v1/api-keys/validate", `{"apiKey":"`+other+`"}`); v.json["code"] != "revoked_key" {
		t.Errorf("a key of that user: %s", v.text)
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	for _, token := range tokens {
		if strings.Contains(s.log.String(), token[8:]) {
			t.Error("a token is in the log")
		}
	}
}
