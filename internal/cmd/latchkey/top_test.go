package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/api"
	"latchkey/internal/ptytest"
)

func TestTopDrawsTheTightestLimitOfEachKey(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	used := "2027-01-31T11:58:00.000Z"
	keys := []api.Record{
		{ID: "AAAAAAAAAAAAAAAA", Name: "prod", UserID: "acme", RateLimit: api.Nullable[api.RateLimit]{Value: &api.RateLimit{Requests: 100, Window: 60, Remaining: n(25)}},
			Quota: &api.Quota{Requests: 1000, Period: "month", Used: n(999)}, LastUsedAt: &api.Nullable[string]{Value: &used}},
		{ID: "BBBBBBBBBBBBBBBB", UserID: "爱丽 <script>\x1b[2J", Bounds: []api.Bound{{Of: "key", Amount: 10, Window: 1, Used: 1}, {Of: "user", Amount: 100, Window: 60, Used: 50}}},
		{ID: "CCCCCCCCCCCCCCCC", Name: "idle", UserID: "u1", RateLimit: api.Nullable[api.RateLimit]{Value: &api.RateLimit{Requests: 60, Window: 60, Remaining: n(60)}}},
		{ID: "DDDDDDDDDDDDDDDD", Name: "free", UserID: "u1", Unlimited: true},
	}
	want := strings.Split(strings.Trim(`
NAME           OWNER          LIMIT          USED  SHARE              LAST USED
prod           acme           1000/month      999    99%  █████████▉  2 min ago
BBBBBBBBBBBB…  爱丽 <script…  100/1m shared    50    50%  █████·····  never
idle           u1             60/1m             0     0%  ··········  never
free           u1             unlimited         0      -  ··········  never`, "\n"), "\n")
	got := drawTop(keys, canvas{width: 79}, now)
	for _, line := range got {
		if columnsOf(line) > 79 {
			t.Errorf("%d columns: %s", columnsOf(line), line)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, width := range []int{1, 40, 62, 200} {
		for _, line := range drawTop(keys, canvas{width: width, ascii: true}, now) {
			if n := columnsOf(line); n > max(width, 72) || strings.ContainsRune(line, '█') {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}
}

// stub is a service that lists one key, whose requests used rise with each list. It refuses the list
// of all users unless admin is set.
type stub struct {
	*httptest.Server
	admin bool
	fails atomic.Int64 // the status of each answer, if any
	asked atomic.Int64
	last  atomic.Value // the query of the last request
}

func newStub(t *testing.T, admin bool) *stub {
	s := &stub{admin: admin}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.last.Store(r.URL.RawQuery)
		if status := s.fails.Load(); status != 0 {
			w.WriteHeader(int(status))
			_, _ = io.WriteString(w, `{"error":{"message":"not now","type":"api_error","param":null,"code":"unavailable"}}`)
			return
		}
		if r.URL.Query().Get("userId") == "*" && !s.admin {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":{"message":"only an admin","type":"permission_error","param":null,"code":"forbidden"}}`)
			return
		}
		fmt.Fprintf(w, `{"data":[{"id":"AAAAAAAAAAAAAAAA","name":"prod","userId":"acme","rateLimit":{"requests":100,"window":60,"remaining":%d}}],"nextCursor":"more"}`,
			100-s.asked.Add(1))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *stub) variables() []string {
	return []string{"LATCHKEY_URL=" + s.URL, "LATCHKEY_KEY=the-key-of-mine"}
}

func TestTopShowsAllUsersToAnAdminAndOwnKeysOtherwise(t *testing.T) {
	admin, user := newStub(t, true), newStub(t, false)
	asked{args: "top --limit 7", out: "AAAAAAAAAAAAAAAA\tprod\tacme\t100/1m\t1\t1%\tkey\tnever"}.run(t, admin.variables()...)
	if q := admin.last.Load(); q != "limit=7&sort=spent&userId=%2A" {
		t.Errorf("an admin asks for %v", q)
	}
	_, _, talk := cli(t, "", admin.variables(), "top")
	if talk != "" {
		t.Errorf("top says %q", talk)
	}
	asked{args: "stats --json", out: `"remaining":`}.run(t, user.variables()...)
	if q := user.last.Load(); q != "limit=20&sort=spent" {
		t.Errorf("a user asks for %v", q)
	}
	asked{args: "top --user u1 -o csv", out: "ID,NAME,USER,LIMIT,USED,SHARE,OF,LAST USED\nAAAAAAAAAAAAAAAA,prod"}.run(t, user.variables()...)
	if q := user.last.Load(); q != "limit=20&sort=spent&userId=u1" {
		t.Errorf("--user asks for %v", q)
	}
	user.fails.Store(403)
	asked{args: "top", code: 4, talk: "not now"}.run(t, user.variables()...)
	asked{args: "top 1s", code: 2, talk: "takes no arguments"}.run(t, user.variables()...)
	asked{args: "top --watch soon", code: 2, talk: "takes no arguments"}.run(t, user.variables()...)
	asked{args: "top --watch", code: 4, talk: "not now"}.run(t, user.variables()...)
}

// In a pipe, tables follow each other until the command is interrupted. A fault that may pass is said
// on standard error.
func TestTopInAPipePrintsTablesUntilItIsInterrupted(t *testing.T) {
	s := newStub(t, true)
	c := command(t, s.variables(), "top", "--watch", "1s")
	var out, talk safeBuffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return strings.Count(out.String(), "acme") >= 2 })
	s.fails.Store(503)
	waitFor(t, func() bool { return strings.Contains(talk.String(), "latchkey: not now") })
	interrupts(t, c)
	if want := "AAAAAAAAAAAAAAAA\tprod\tacme\t100/1m\t1\t1%\tkey\tnever\n\nAAAAAAAAAAAAAAAA\tprod\tacme\t100/1m\t2\t"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("%q", out.String())
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("a pipe gets controls of a terminal: %q", out.String())
	}
}

// On a terminal, each picture replaces the one before, and Ctrl-C gives the screen back.
func TestTopGivesTheTerminalBack(t *testing.T) {
	for name, dumb := range map[string]bool{"xterm": false, "dumb": true} {
		s := newStub(t, true)
		screen, keyboard := ptytest.Open(t)
		c := command(t, append(s.variables(), "TERM="+name), "top", "--watch=1s")
		c.Stdout, c.Stderr = screen, screen
		var shown safeBuffer
		go func() { _, _ = io.Copy(&shown, keyboard) }()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return strings.Count(shown.String(), "acme") >= 2 })
		interrupts(t, c)
		waitFor(t, func() bool { return strings.Contains(shown.String(), "interrupted") })
		text := shown.String()
		if !strings.Contains(text, "NAME") || !strings.Contains(text, " 2%") || dumb == strings.Contains(text, "\x1b") {
			t.Errorf("%s: %q", name, text)
		}
		if before, after, found := strings.Cut(text, leaveScreen); !dumb && (!found || !strings.HasPrefix(before, enterScreen) || strings.Contains(after, "acme")) {
			t.Errorf("%s: the screen is not given back: %q", name, text)
		}
	}
}

// A picture stays when a request fails, and an error that will not pass gives the screen back.
func TestTopShowsAFaultAboveTheLastPicture(t *testing.T) {
	s := newStub(t, true)
	screen, keyboard := ptytest.Open(t)
	c := command(t, append(s.variables(), "TERM=xterm"), "top", "--watch=1s")
	c.Stdout, c.Stderr = screen, screen
	var shown safeBuffer
	go func() { _, _ = io.Copy(&shown, keyboard) }()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return strings.Contains(shown.String(), "acme") })
	s.fails.Store(503)
	waitFor(t, func() bool {
		_, after, found := strings.Cut(shown.String(), "latchkey: not now")
		return found && strings.Contains(after, "acme")
	})
	s.fails.Store(401)
	if err := c.Wait(); err == nil || c.ProcessState.ExitCode() != 4 {
		t.Errorf("exit code %d", c.ProcessState.ExitCode())
	}
	waitFor(t, func() bool { return strings.Contains(shown.String(), leaveScreen+"latchkey: not now") })
}

// waitFor waits up to 20 seconds until done.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 400 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("waited for 20 seconds")
}

// interrupts sends Ctrl-C to a command and checks its exit code.
func interrupts(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(10*time.Second, func() { _ = c.Process.Signal(syscall.SIGKILL) }).Stop()
	if err := c.Wait(); err == nil || c.ProcessState.ExitCode() != 130 {
		t.Errorf("exit code %d, want 130", c.ProcessState.ExitCode())
	}
}
