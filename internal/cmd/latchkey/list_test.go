package main

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// Each flag of the list becomes a parameter of the API. Times are absolute.
func TestTheFlagsOfAListBecomeParameters(t *testing.T) {
	s := newStub(t, true)
	sent := func(args ...string) url.Values {
		t.Helper()
		if code, _, talk := cli(t, "", s.variables(), append([]string{"keys", "list"}, args...)...); code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, talk)
		}
		query, err := url.ParseQuery(s.last.Load().(string))
		if err != nil {
			t.Fatal(err)
		}
		return query
	}
	if got := sent().Encode(); got != "limit=50" {
		t.Errorf("without flags: %s", got)
	}
	got := sent("--user", "*", "--status", "active", "--search", "שלום ci", "--sort", "lastUsed", "--expires-before", "7d", "--unused-since", "90d", "--rotating", "--never-used", "--limit", "7")
	want := url.Values{"userId": {"*"}, "status": {"active"}, "search": {"שלום ci"}, "sort": {"lastUsed"}, "rotating": {"true"}, "neverUsed": {"true"}, "limit": {"7"}}
	for name, days := range map[string]time.Duration{"expiresBefore": 7, "unusedSince": -90} {
		at, err := time.Parse(time.RFC3339, got.Get(name))
		if off := time.Until(at) - days*day; err != nil || off.Abs() > time.Minute {
			t.Errorf("%s=%s, %v", name, got.Get(name), err)
		}
		got.Del(name)
	}
	if got.Encode() != want.Encode() {
		t.Errorf("%s, want %s", got.Encode(), want.Encode())
	}
	got = sent("--expires-before", "2027-01-31", "--unused-since", "2026-01-31T12:00:00+02:00", "--rotating=false")
	if got.Get("expiresBefore") != "2027-01-31T00:00:00Z" || !strings.HasPrefix(got.Get("unusedSince"), "2026-01-31T1") || got.Has("rotating") {
		t.Errorf("%v", got)
	}
}

// What an admin sees of all users, on a real stack.
func TestAnAdminSeesAllUsers(t *testing.T) {
	s := start(t, t.TempDir(), "FRESHNESS=0")
	admin := []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root}
	busy, token := s.create(t, `{"userId":"u1","name":"busy","scopes":["keys:read"],"rateLimit":{"requests":20,"window":3600}}`)
	idle, _ := s.create(t, `{"userId":"u2","name":"idle","rateLimit":{"requests":10,"window":3600}}`)
	for range 7 {
		s.whoami(t, token)
	}
	list := func(args string) string { return asked{args: args}.run(t, admin...) }
	has := func(args, want, not string) {
		t.Helper()
		if out := list(args); !strings.Contains(out, want) || strings.Contains(out, not) {
			t.Errorf("latchkey %s: has no %q, or %q:\n%s", args, want, not, out)
		}
	}
	has("keys list --user * --never-used", idle, busy)
	has("keys list --user * --search BUS", busy, idle)
	has("keys list --user * --unused-since 1h", idle, busy)
	has("top --limit 1", "busy\tu1\t20/1h\t7\t35%\tkey\t20", idle)
	has("top", idle, "\x1b")
	has("users list", "u1\t1\t1\t20", "\x1b")
	has("users list", "u2\t1\t1\tnever", "\x1b")
	has("users list --search u2", "u2", "u1")
	has("audit list", idle, "\x1b")
	has("audit list --action create", busy, "\tupdate\t")
	has("audit list --user u2", idle, busy)
	has("audit list --user u2 --action create", "\tcreate\t", busy)
	if out := list("audit list --user u2 --action revoke"); out != "" {
		t.Errorf("no key was revoked: %s", out)
	}
	has("export", `"name":"busy"`, token)
	own := []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + token}
	for _, args := range []string{"top", "export"} {
		if out := (asked{args: args}).run(t, own...); strings.Contains(out, idle) || !strings.Contains(out, busy) {
			t.Errorf("a user's %s shows %s", args, out)
		}
	}
	asked{args: "audit list", code: 4}.run(t, own...)
	asked{args: "users list", code: 4}.run(t, own...)
}
