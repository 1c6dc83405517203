package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/ptytest"
)

// The token on standard input leads to its key, also if it was replaced or its key was revoked. The
// token is in no output.
func TestAKeyIsFoundByItsToken(t *testing.T) {
	s := start(t, t.TempDir(), "FRESHNESS=0")
	admin := []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root}
	id, token := s.create(t, `{"name":"ci","userId":"u1","scopes":["keys:read"]}`)
	rotated := strings.TrimSpace(asked{args: "keys rotate " + id}.run(t, admin...))
	for what, found := range map[string]string{"replaced": token, "present": rotated, "with space": "\n " + rotated + "\r\n"} {
		out := asked{args: "keys find", stdin: found, out: "id\t" + id + "\nuserId\tu1\nname\tci"}.run(t, admin...)
		if strings.Contains(out, strings.TrimSpace(found)) {
			t.Errorf("%s: the token is printed", what)
		}
	}
	asked{args: "keys find --json", stdin: token, out: `"id":"` + id + `"`}.run(t, admin...)
	asked{args: "keys revoke --yes " + id}.run(t, admin...)
	asked{args: "keys find", stdin: token, out: "status\trevoked"}.run(t, admin...)

	unknown := strings.Repeat("an-unknown-token", 3)
	for _, a := range []asked{
		{args: "keys find", stdin: "", code: 2, talk: "standard input is empty"},
		{args: "keys find " + token, code: 2, talk: "takes the token from standard input"},
		{args: "keys find", stdin: unknown, code: 1, talk: "latchkey validate says"},
		{args: "keys find", stdin: "<script>alert(1)</script> 🔑 שלום", code: 2, talk: "not an API key"},
		{args: "keys find", stdin: strings.Repeat("x", 1<<20), code: 2},
	} {
		code, out, talk := cli(t, a.stdin, admin, strings.Fields(a.args)...)
		if code != a.code || !strings.Contains(talk, a.talk) || out != "" || strings.Contains(talk, token) || strings.Contains(talk, unknown) {
			t.Errorf("latchkey %.40s: exit code %d, want %d: %.200s%.200s", a.args, code, a.code, out, talk)
		}
	}
	_, reader := s.create(t, `{"userId":"u1","scopes":["keys:read"]}`)
	asked{args: "keys find", stdin: reader, code: 4, talk: "latchkey validate shows the id"}.run(t,
		"LATCHKEY_URL="+s.url, "LATCHKEY_KEY="+reader)
}

func TestAllKeysOfAUserAreRevoked(t *testing.T) {
	s := start(t, t.TempDir(), "FRESHNESS=0")
	admin := []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root}
	for range 3 {
		s.create(t, `{"userId":"u1"}`)
	}
	_, other := s.create(t, `{"userId":"u2","scopes":["keys:read","keys:write"]}`)
	for _, a := range []asked{
		{args: "keys revoke", code: 2, talk: "needs one ID"},
		{args: "keys revoke AAAAAAAAAAAAAAAA --user u1 --yes", code: 2, talk: "not both"},
		{args: "keys revoke --user u1", code: 2, talk: "say --yes"},
		{args: "keys list --user u1 --status active --json", out: `"status":"active"`},
		{args: "keys revoke --user u1 --yes", out: "revoked\t3"},
		{args: "keys revoke --user u1 --yes --json", out: `{"revoked":0}`},
		{args: "keys revoke --user u1", talk: "has no key that could be revoked"},
		{args: "keys list --user u2", out: "\tactive\t"},
	} {
		a.run(t, admin...)
	}
	asked{args: "keys revoke --user u1 --yes", code: 4}.run(t, "LATCHKEY_URL="+s.url, "LATCHKEY_KEY="+other)
}

// On a terminal, the question says how many keys there are. A later page is revoked as well, and an
// error in between says how far it came.
func TestTheQuestionBeforeARevocationCountsTheKeys(t *testing.T) {
	const live, revoked = `{"id":"AAAAAAAAAAAAAAAA"}`, `{"id":"BBBBBBBBBBBBBBBB","revokedAt":"2027-01-31T12:00:00Z"}`
	pages := map[string]string{"": `{"data":[` + live + `,` + revoked + `],"nextCursor":"a b"}`, "a b": `{"data":[` + live + `]}`}
	var fails atomic.Bool
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cursor := r.URL.Query().Get("cursor")
		switch {
		case r.Method == "GET":
			_, _ = io.WriteString(w, pages[cursor])
		case cursor == "":
			_, _ = io.WriteString(w, `{"revoked":25,"nextCursor":"next"}`)
		case fails.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = io.WriteString(w, `{"revoked":7}`)
		}
	}))
	defer service.Close()
	variables := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=the-key-of-mine"}
	for answer, want := range map[string]string{"y": "revoked\t32\n", "n": ""} {
		screen, keyboard := ptytest.Open(t)
		var stdout, stderr bytes.Buffer
		c := command(t, variables, "keys", "revoke", "--user", "u1")
		c.Stdin, c.Stdout, c.Stderr = screen, &stdout, &stderr
		defer time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() }).Stop()
		if _, err := io.WriteString(keyboard, answer+"\n"); err != nil {
			t.Fatal(err)
		}
		err := c.Run()
		if (err == nil) != (answer == "y") || stdout.String() != want || !strings.Contains(stderr.String(), "Revoke 2 keys of user u1? It cannot be undone.") {
			t.Errorf("%s: %v\n%s%s", answer, err, &stdout, &stderr)
		}
	}
	fails.Store(true)
	asked{args: "keys revoke --user u1 --yes", code: 1, talk: "it has revoked 25 keys; to go on"}.run(t, variables...)
}
