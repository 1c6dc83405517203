package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/ptytest"
)

// On a terminal, the list of a user's keys ends with what the keys share. In a pipe it does not, and
// nothing is asked about the user.
func TestATerminalShowsWhatKeysShare(t *testing.T) {
	const record = `{"id":"AAAAAAAAAAAAAAAA","userId":"acme","status":"active","keyPrefix":"sk_live_AAAA","scopes":[],` +
		`"rateLimit":{"requests":10,"window":1},"limits":[{"amount":500,"window":60,"remaining":499,"reset":1795521660}],` +
		`"quota":{"requests":9,"period":"lifetime"},"plan":"team","shared":{"limits":[{"amount":60,"window":60}]}}`
	answers := map[string]string{
		"/api/v1/api-keys":                  `{"data":[` + record + `]}`,
		"/api/v1/api-keys/AAAAAAAAAAAAAAAA": record,
		"/api/v1/users/acme": `{"userId":"acme","plan":"pro","suspended":true,"bounds":[{"of":"user","amount":1000,"window":60,"used":12,"remaining":988},` +
			`{"of":"user","amount":5000000,"period":"month","used":12,"remaining":4999988}]}`,
	}
	var mu sync.Mutex // guards answers and asked
	var asked []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path)
		if answers[r.URL.Path] == "" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, answers[r.URL.Path])
	}))
	defer service.Close()
	variables := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=the-key-of-mine"}
	const shared = "All keys of acme together: suspended, plan pro, 1000/1m (988 left), 5000000/month (4999988 left)"
	show := func(args string) (screen, talk string) {
		t.Helper()
		terminal, keyboard := ptytest.Open(t)
		var stderr bytes.Buffer
		c := command(t, variables, strings.Fields(args)...)
		c.Stdout, c.Stderr = terminal, &stderr
		defer time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() }).Stop()
		if err := c.Run(); err != nil {
			t.Fatalf("latchkey %s: %v: %s", args, err, &stderr)
		}
		if err := terminal.Close(); err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(keyboard) // ends with an error, because no program has the terminal open
		return string(text), stderr.String()
	}
	screen, talk := show("keys list")
	for _, want := range []string{"LIMIT ", "10/1s,500/1m ", "QUOTA ", "9/lifetime ", "PLAN ", "team ", "SHARED", "60/1m"} {
		if !strings.Contains(screen, want) {
			t.Errorf("keys list does not show %q:\n%s", want, screen)
		}
	}
	if !strings.Contains(talk, shared) {
		t.Errorf("keys list: %q", talk)
	}
	if screen, talk := show("keys get AAAAAAAAAAAAAAAA"); !strings.Contains(screen, "500/1m") || !strings.Contains(screen, "499 left") || talk != "" {
		t.Errorf("keys get:\n%s%s", screen, talk)
	}

	// since returns the requests since its last call.
	since := func() []string {
		mu.Lock()
		defer mu.Unlock()
		defer func() { asked = nil }()
		return asked
	}
	since()
	_, _, talk = cli(t, "", variables, "keys", "list")
	if paths := since(); talk != "" || len(paths) != 1 {
		t.Errorf("in a pipe: %q, asked %v", talk, paths)
	}
	_, talk = show("keys list --json")
	if paths := since(); talk != "" || len(paths) != 1 {
		t.Errorf("with --json: %q, asked %v", talk, paths)
	}
	mu.Lock()
	delete(answers, "/api/v1/users/acme")
	mu.Unlock()
	if _, talk := show("keys list"); talk != "" {
		t.Errorf("a caller who may not see the user: %q", talk)
	}
}
