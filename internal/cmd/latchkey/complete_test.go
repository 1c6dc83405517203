package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// completed returns what a shell would offer for a command line.
func completed(t *testing.T, environment []string, args ...string) (words, talk string) {
	t.Helper()
	code, out, talk := cli(t, "", environment, append([]string{"__complete"}, args...)...)
	if code != 0 {
		t.Errorf("%q: exit code %d: %s", args, code, talk)
	}
	return out, talk
}

func TestCompletionKnowsIDsAndValues(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/plans":
			_, _ = io.WriteString(w, `{"data":[{"name":"pro"},{"name":"trial"}]}`)
		case r.URL.Path == "/api/v1/users":
			_, _ = io.WriteString(w, `{"data":[{"userId":"u1"},{"userId":"u2"}]}`)
		case r.URL.Query().Get("userId") == "*":
			w.WriteHeader(http.StatusForbidden)
		default:
			_, _ = io.WriteString(w, `{"data":[{"id":"AAAAAAAAAAAAAAAA","name":"ci\n","userId":"u1","status":"active"},{"id":"BBBBBBBBBBBBBBBB","userId":"u1","status":"revoked"}]}`)
		}
	}))
	defer service.Close()
	home := t.TempDir()
	env := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=k", "XDG_CONFIG_HOME=" + home}
	asked{args: "login " + service.URL + " --profile prod", stdin: "k"}.run(t, env...)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"keys", "get", ""}, "AAAAAAAAAAAAAAAA\tci , user u1, active\nBBBBBBBBBBBBBBBB\tuser u1, revoked\n"},
		{[]string{"keys", "revoke", "A"}, "AAAAAAAAAAAAAAAA\tci , user u1, active\n"},
		{[]string{"keys", "get", "AAAAAAAAAAAAAAAA", ""}, ""},
		{[]string{"users", "get", ""}, "u1\nu2\n"},
		{[]string{"keys", "list", "--user", ""}, "u1\nu2\n"},
		{[]string{"plans", "get", "t"}, "trial\n"},
		{[]string{"keys", "create", "--plan", ""}, "pro\ntrial\n"},
		{[]string{"keys", "list", "--profile", ""}, "prod\t" + service.URL + "\n"},
		{[]string{"keys", "list", "--output", ""}, "table\njson\ncsv\n"},
		{[]string{"keys", "list", "-o", ""}, "table\njson\ncsv\n"},
		{[]string{"keys", "list", "--status", ""}, "active\ndisabled\ninactive\nrevoked\nexpired\n"},
		{[]string{"keys", "create", "--env", ""}, "live\ntest\n"},
		{[]string{"keys", "explain", "AAAAAAAAAAAAAAAA", "--method", ""}, "GET\nHEAD\nPOST\nPUT\nPATCH\nDELETE\nOPTIONS\n"},
	} {
		words, talk := completed(t, env, c.args...)
		got := strings.TrimSuffix(words, ":4\n")
		if got != c.want || strings.Contains(talk, "rror") {
			t.Errorf("%q: %q %s, want %q", c.args, got, talk, c.want)
		}
	}
	if words, _ := completed(t, env, "keys", ""); !strings.Contains(words, "rotate\t") {
		t.Errorf("keys: %s", words)
	}
	for shell, want := range map[string]string{"bash": "complete -o default", "zsh": "#compdef latchkey", "fish": "complete -c latchkey"} {
		asked{args: "completion " + shell, out: want}.run(t, env...)
	}
}

// A shell that waits for a completion must not wait for long, and must show no error.
func TestCompletionIsQuietWhileTheServiceIsAway(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, at := range []string{"http://" + silent.Addr().String(), "http://127.0.0.1:1", "no URL"} {
		begun := time.Now()
		words, talk := completed(t, []string{"LATCHKEY_URL=" + at, "LATCHKEY_KEY=k"}, "keys", "get", "")
		if words != ":4\n" || strings.Contains(talk, "latchkey:") || time.Since(begun) > 3*time.Second {
			t.Errorf("%s: %q %q after %v", at, words, talk, time.Since(begun))
		}
	}
}
