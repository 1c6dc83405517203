package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Static keys in variables work from the start, and static keys in the secret after SIGHUP.
func TestStaticKeysAreServedAndReloaded(t *testing.T) {
	s := start(t, t.TempDir(), "API_KEYS=the-static-key-k1:alice,the-static-key-k2", "INTERNAL_API_KEY=the-internal-key", "RATE_LIMIT_REQUESTS=2", "RATE_LIMIT_WINDOW=30")
	for i, c := range []struct {
		token    string
		status   int
		name     string
		internal bool
	}{
		{"the-static-key-k1", 200, "alice", false}, {"the-static-key-k1", 200, "alice", false}, {"the-static-key-k1", 429, "", false}, {"the-static-key-k2", 200, "default", false},
		{"the-internal-key", 200, "internal", true}, {"the-internal-key", 200, "internal", true}, {"the-internal-key", 200, "internal", true},
		{"the-static-key-k3", 401, "", false},
	} {
		a := s.whoami(t, c.token)
		if a.status != c.status || c.status == 200 && (a.json["name"] != c.name || a.json["internal"] != c.internal) {
			t.Errorf("step %d: %d %s", i, a.status, a.text)
		}
	}
	if a := s.send(t, "GET", "/api/v1/api-keys", "", "X-API-Key: the-internal-key"); a.status != 403 {
		t.Errorf("a static key manages keys: %d %s", a.status, a.text)
	}

	stats := s.send(t, "GET", "/api/v1/api-keys/stats", "", s.admin())
	for i, want := range []string{"alice 2 0 false", "default 1 1 false", "internal <nil> <nil> true", "root <nil> <nil> false"} {
		data, _ := stats.json["data"].([]any)
		if len(data) != 4 {
			t.Fatalf("stats: %d %s", stats.status, stats.text)
		}
		k := data[i].(map[string]any)
		if got := fmt.Sprint(k["name"], " ", k["requests"], " ", k["remaining"], " ", k["internal"]); got != want {
			t.Errorf("stats: %s, want %s", got, want)
		}
	}

	path := filepath.Join(s.state, "secret.json")
	reload := func(edit func(map[string]any)) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var secret map[string]any
		if err := json.Unmarshal(text, &secret); err != nil {
			t.Fatal(err)
		}
		edit(secret)
		if text, err = json.Marshal(secret); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	eventually := func(token string, status int) {
		t.Helper()
		for range 400 {
			if s.whoami(t, token).status == status {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("%s never answers %d\n%s", token, status, s.log)
	}
	change := func(stdin string, args ...string) {
		t.Helper()
		c := command(t, nil, append(append([]string{"secret"}, args...), "--state", s.state)...)
		c.Stdin = strings.NewReader(stdin)
		out, err := c.CombinedOutput()
		if hint := fmt.Sprintf("Send SIGHUP to latchkey dev (process %d)", s.process.Process.Pid); err != nil || !strings.Contains(string(out), hint) {
			t.Fatalf("%v: %s; want %q", err, out, hint)
		}
		if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	_, native := s.create(t, `{"name":"native","userId":"u1","rateLimit":{"requests":10000,"window":60}}`)
	change("the-static-key-k3:carol\n", "set", "staticKeys")
	eventually("the-static-key-k3", 200)
	change("", "unset", "staticKeys")
	eventually("the-static-key-k3", 401)
	change("", "add-pepper")
	eventually(native, 200)
	if _, token := s.create(t, `{"name":"new","userId":"u1"}`); s.whoami(t, token).status != 200 {
		t.Error("a new key is refused after a new pepper")
	}

	// A wrong secret does not replace a secret that works.
	reload(func(secret map[string]any) { secret["staticKeys"] = "can ary" })
	for n := 0; !strings.Contains(s.log.String(), "stays as it was"); n++ {
		if n == 400 {
			t.Fatalf("the log does not name the wrong secret\n%s", s.log)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if a := s.whoami(t, s.root); a.status != 200 {
		t.Errorf("the admin key while the secret is wrong: %d %s", a.status, a.text)
	}

	// A static key that is in a variable and in the secret is one key. Another static key with the
	// same name is another key.
	reload(func(secret map[string]any) { secret["staticKeys"] = "the-static-key-k1:alice,the-static-key-k4" })
	eventually("the-static-key-k4", 200)
	if a := s.send(t, "GET", "/api/v1/api-keys/stats", "", s.admin()); a.status != 200 || len(a.json["data"].([]any)) != 5 || !strings.Contains(a.text, `"static-default#2"`) {
		t.Errorf("stats of keys in both places: %d %s", a.status, a.text)
	}
	if a := s.whoami(t, s.root); a.status != 200 {
		t.Errorf("the admin key at the end: %d %s", a.status, a.text)
	}
}

// One latchkey asks another one about keys that it does not know.
func TestOneLatchkeyIsTheUpstreamOfAnother(t *testing.T) {
	far := start(t, t.TempDir())
	near := start(t, t.TempDir(), "UPSTREAM_URL="+far.url)
	_, token := far.create(t, `{"userId":"far","scopes":["tts"],"rateLimit":{"requests":3,"window":10}}`)
	for i, status := range []int{200, 200, 200, 429} {
		if a := near.whoami(t, token); a.status != status || status == 200 && (a.json["userId"] != "far" || a.header.Get("X-RateLimit-Limit") != "3") {
			t.Errorf("call %d: %d %s", i, a.status, a.text)
		}
	}
	validate := func(body string) answer { return near.send(t, "POST", "/api/v1/api-keys/validate", body) }
	if a := validate(`{"apiKey":"` + token + `","scope":"tts"}`); a.json["code"] != "valid" || a.json["userId"] != "far" {
		t.Errorf("validate: %s", a.text)
	}
	if a := validate(`{"apiKey":"` + token + `","scope":"stt"}`); a.json["code"] != "insufficient_scope" {
		t.Errorf("a scope that the key does not have: %s", a.text)
	}
	id, revoked := far.create(t, `{"userId":"far"}`)
	if a := far.send(t, "POST", "/api/v1/api-keys/"+id+"/revoke", "", far.admin()); a.status != 200 {
		t.Fatal(a.text)
	}
	if a := validate(`{"apiKey":"` + revoked + `"}`); a.json["code"] != "revoked_key" || a.json["error"] != "Invalid or revoked API key" {
		t.Errorf("revoked there: %s", a.text)
	}
	// An admin of the upstream does not manage keys here.
	if a := near.send(t, "GET", "/api/v1/api-keys", "", far.admin()); a.status != 403 {
		t.Errorf("the other's admin: %d %s", a.status, a.text)
	}
	_, unasked := far.create(t, `{"userId":"far"}`)
	if err := far.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if a := near.whoami(t, unasked); a.status != 503 {
		t.Errorf("when the upstream is down: %d %s", a.status, a.text)
	}
	if a := validate(`{"apiKey":"` + token + `"}`); a.json["code"] != "valid" {
		t.Errorf("a key in the cache: %s", a.text)
	}
	if a := near.whoami(t, near.root); a.status != 200 {
		t.Errorf("one of its own keys: %d %s", a.status, a.text)
	}
}
