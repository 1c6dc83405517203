package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// An export has each key once and no secret, in a file that only its owner can read.
func TestAnExportHasEveryKeyAndNoSecret(t *testing.T) {
	s := start(t, t.TempDir(), "FRESHNESS=0", "MAX_KEYS_PER_USER=500")
	admin := []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root}
	const made = 120 // more than a page
	ids := make(map[string]bool)
	var secrets []string
	for i := range made {
		id, token := s.create(t, fmt.Sprintf(`{"userId":"u1","name":"k%d","metadata":{"x":"<script> 🔑 שלום"},"limits":[{"amount":5,"window":1}],"quota":{"requests":9,"period":"day"}}`, i))
		ids[id], secrets = true, append(secrets, token)
	}
	s.create(t, `{"userId":"u2"}`)
	s.whoami(t, secrets[0])
	file := filepath.Join(t.TempDir(), "keys.jsonl")
	asked{args: "export --user u1 --file " + file, talk: "Exported 120 keys."}.run(t, admin...)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		id := record["id"].(string)
		if !ids[id] {
			t.Errorf("%s is there twice, or is not of u1", id)
		}
		delete(ids, id)
	}
	if len(lines) != made || len(ids) != 0 {
		t.Errorf("%d lines; not there: %v", len(lines), ids)
	}
	for _, changing := range []string{`"remaining"`, `"reset"`, `"used"`, `"bounds"`} {
		if strings.Contains(string(text), changing) {
			t.Errorf("an export has %s, which changes with each request", changing)
		}
	}
	for _, secret := range append(secrets, s.root) {
		if strings.Contains(string(text), secret) {
			t.Fatal("an export has a token")
		}
	}
	if out := (asked{args: "export --user u1"}).run(t, admin...); out != string(text) {
		t.Error("standard output has something else than the file, or another order")
	}
	if out := (asked{args: "export --user u3", talk: "Exported 0 keys."}).run(t, admin...); out != "" {
		t.Errorf("no keys: %q", out)
	}
	s.importsAgain(t, admin, lines[0])
}

// importsAgain imports a line of an export that got a token, as the help says.
func (s *stack) importsAgain(t *testing.T, admin []string, line string) {
	t.Helper()
	const token = "a-token-of-another-deployment"
	file := filepath.Join(t.TempDir(), "again.jsonl")
	line = `{"key":"` + token + `",` + strings.TrimPrefix(strings.ReplaceAll(line, `"userId":"u1"`, `"userId":"u9"`), "{")
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked{args: "import " + file + " --format jsonl --state " + s.state, code: 1, talk: "line 1"}.run(t, admin...) // not without --ignore
	ignore := strings.Join(regexp.MustCompile(`--ignore \S+`).FindAllString(exportCommand().Long, -1), " ")
	asked{args: "import " + file + " --format jsonl --state " + s.state + " " + ignore, out: "1 created, 0 added"}.run(t, admin...)
	asked{args: "keys find --json", stdin: token, out: `"userId":"u9"`}.run(t, admin...)
}

// What goes wrong in the middle leaves no file, and the one before as it was.
func TestAnExportThatFailsLeavesNoFile(t *testing.T) {
	var slow atomic.Bool
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			_, _ = io.WriteString(w, `{"data":[{"id":"AAAAAAAAAAAAAAAA"}],"nextCursor":"two"}`)
			return
		}
		if slow.Load() {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer service.Close()
	variables := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=the-key-of-mine"}
	folder := t.TempDir()
	file := filepath.Join(folder, "keys.jsonl")
	if err := os.WriteFile(file, []byte("before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	asked{args: "export --file " + file, code: 1, talk: file + " was not written"}.run(t, variables...)
	asked{args: "export", code: 1, out: `{"id":"AAAAAAAAAAAAAAAA"`, talk: "the export is not complete: it has 1 key"}.run(t, variables...)
	asked{args: "export --file " + folder, code: 2, talk: "--file must be a file"}.run(t, variables...)
	asked{args: "export --file /dev/null", code: 2, talk: "--file must be a file"}.run(t, variables...)
	asked{args: "export --file " + folder + "/none/keys", code: 1, talk: "no such file"}.run(t, variables...)

	slow.Store(true)
	c := command(t, variables, "export", "--file", file)
	var talk safeBuffer
	c.Stderr = &talk
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { left, _ := filepath.Glob(filepath.Join(folder, ".new-*")); return len(left) > 0 })
	time.Sleep(100 * time.Millisecond)
	interrupts(t, c)
	if text, err := os.ReadFile(file); err != nil || string(text) != "before\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "*")); len(left) != 1 || !strings.Contains(talk.String(), "interrupted") {
		t.Errorf("left are %v; %s", left, &talk)
	}
}
