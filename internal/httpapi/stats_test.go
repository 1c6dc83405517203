package httpapi_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func TestStatsAreForAdmins(t *testing.T) {
	s := newService(t)
	for _, c := range []struct {
		who   who
		query string
		want  int
	}{
		{s.root, "", 200},
		{s.root, "?userId=u1", 200},
		{s.root, "?userId=nobody", 200},
		{s.root, "?limit=100", 200},
		{s.root, "?limit=101", 400},
		{s.root, "?cursor=x", 400},
		{s.root, "?userId=", 400},
		{s.caller("u1", apikey.ScopeRead, apikey.ScopeWrite), "", 403},
		{s.caller("u1", apikey.ScopeRead, apikey.ScopeWrite), "?userId=u1", 403},
		{s.caller("u1"), "", 403},
		{nil, "", 401},
	} {
		a := s.send(c.who, "GET", keys+"/stats"+c.query, "")
		if a.status != c.want || a.json["id"] != nil {
			t.Errorf("%v %s: %d %s, want %d", c.who["scopes"], c.query, a.status, a.text, c.want)
		}
	}
	if a := s.send(s.root, "DELETE", keys+"/stats", ""); a.status != 404 {
		t.Errorf("DELETE: %d %s", a.status, a.text)
	}
}

// spend checks a key at a cost, as the authorizer before a backend does.
func (s *service) spend(token string, cost int) {
	s.t.Helper()
	if v := s.send(nil, "POST", keys+"/validate", fmt.Sprintf(`{"apiKey":%q,"cost":%d}`, token, cost)); v.json["valid"] != true {
		s.t.Fatalf("validate: %d %s", v.status, v.text)
	}
}

func TestStatsShowTheWindowStatus(t *testing.T) {
	s := newService(t)
	create := func(body string) (id, token string) {
		t.Helper()
		s.now = s.now.Add(time.Second)
		made := s.send(s.root, "POST", keys, body)
		if made.status != 201 {
			t.Fatalf("create: %d %s", made.status, made.text)
		}
		return made.json["id"].(string), made.json["key"].(string)
	}
	idle, _ := create(`{"userId":"u1","name":"idle"}`)
	busy, token := create(`{"userId":"u1","name":"busy","rateLimit":{"requests":100,"window":10}}`)
	free, other := create(`{"userId":"u1","name":"free","unlimited":true}`)
	s.spend(token, 30)
	s.spend(other, 1)
	used := s.now
	s.now = s.now.Add(5 * time.Second)
	s.spend(token, 7)

	row := func(id, name string, requests, window, limit float64, more map[string]any) map[string]any {
		r := map[string]any{
			"keyId": id, "name": name, "keyPrefix": "sk_live_" + id[:4], "userId": "u1", "internal": false,
			"requests": requests, "window": window, "limit": limit, "remaining": limit - requests,
		}
		for name, value := range more {
			r[name] = value
		}
		return r
	}
	at := func(at time.Time) string { return at.Format("2006-01-02T15:04:05.000Z") }
	unlimited := row(free, "free", 0, 0, 0, map[string]any{
		"unlimited": true, "requests": nil, "window": nil, "limit": nil, "remaining": nil, "lastUsedAt": at(used),
	})
	never := row(idle, "idle", 0, 60, 60, map[string]any{"lastUsedAt": nil})
	a := s.send(s.root, "GET", keys+"/stats?userId=u1", "")
	want := []any{unlimited, row(busy, "busy", 37, 10, 100, map[string]any{"lastUsedAt": at(s.now)}), never}
	if diff := cmp.Diff(want, a.json["data"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.now = used.Add(11 * time.Second) // the first are out of the window
	last := at(used.Add(5 * time.Second))
	want[1] = row(busy, "busy", 7, 10, 100, map[string]any{"lastUsedAt": last})
	if diff := cmp.Diff(want, s.send(s.root, "GET", keys+"/stats?userId=u1", "").json["data"]); diff != "" {
		t.Errorf("later (-want +got):\n%s", diff)
	}

	// Page by page it is the same.
	var paged []any
	for path := keys + "/stats?userId=u1&limit=1"; ; {
		a := s.send(s.root, "GET", path, "")
		paged = append(paged, a.json["data"].([]any)...)
		cursor, more := a.json["nextCursor"].(string)
		if !more {
			break
		}
		path = keys + "/stats?userId=u1&limit=1&cursor=" + cursor
	}
	if diff := cmp.Diff(want, paged); diff != "" {
		t.Errorf("page by page (-want +got):\n%s", diff)
	}
	// Whoever asks without a user sees their own.
	own := s.send(s.root, "GET", keys+"/stats", "").json["data"].([]any)
	if len(own) != 1 || own[0].(map[string]any)["keyId"] != s.root["keyId"] {
		t.Errorf("one's own: %v", own)
	}
}

func TestStaticKeysComeFirst(t *testing.T) {
	s := newService(t)
	minute := ratelimit.Limit{Requests: 60, Window: time.Minute}
	static, err := apikey.Static{}.With("hV7mK2pX9qR4tB8w:a,nC3dG6jL1sF5zY0e:b", minute)
	if err != nil {
		t.Fatal(err)
	}
	s.configure(func(o *registry.Options) {
		o.Static = func(context.Context) (apikey.Static, error) { return static, nil }
	})
	limiter := ratelimit.New(s.table, func() time.Time { return s.now }, 1)
	if _, err := limiter.Take(t.Context(), "static-b", static.Keys()[1].Terms(), 9, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.caller("root")
	}
	for query, want := range map[string][]any{
		"":                   {"static-a", "static-b", "", "", ""},
		"?userId=b":          {"static-b"},
		"?userId=root":       {"", "", ""},
		"?userId=a&limit=1":  {"static-a"},
		"?limit=1":           {"static-a", "static-b", ""},
		"?userId=u1&limit=1": nil,
	} {
		var got []any
		for _, row := range s.send(s.root, "GET", keys+"/stats"+query, "").json["data"].([]any) {
			row := row.(map[string]any)
			if len(row["keyId"].(string)) == 16 {
				row["keyId"] = ""
			}
			if got = append(got, row["keyId"]); row["keyId"] == "static-b" && row["requests"] != 9.0 {
				t.Errorf("%s: %v", query, row)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	next := s.send(s.root, "GET", keys+"/stats?limit=1", "").json["nextCursor"].(string)
	if a := s.send(s.root, "GET", keys+"/stats?limit=1&cursor="+next, ""); len(a.json["data"].([]any)) != 1 {
		t.Errorf("the second page: %s", a.text)
	}
}

// The last use of a key with a limit is exact. Without a limit it may be 15 minutes old. A validate
// request without a cost is no use.
func TestTheLastUseIsShown(t *testing.T) {
	s := newService(t)
	for _, c := range []struct {
		name, body string
		cost       int
		after      time.Duration
		want       time.Duration // after the first use; negative: not used
	}{
		{"a limit, never", `{}`, 0, time.Minute, -1},
		{"a limit, once", `{}`, 1, 0, 0},
		{"a limit, and again", `{}`, 1, time.Minute, time.Minute},
		{"no limit, never", `{"unlimited":true}`, 0, time.Minute, -1},
		{"no limit, once", `{"unlimited":true}`, 1, 0, 0},
		{"no limit, and again soon", `{"unlimited":true}`, 1, 14 * time.Minute, 0},
		{"no limit, and again later", `{"unlimited":true}`, 1, 15 * time.Minute, 15 * time.Minute},
	} {
		made := s.send(s.root, "POST", keys, c.body)
		first := s.now
		for range 2 {
			s.spend(made.json["key"].(string), c.cost)
			s.now = s.now.Add(c.after)
			if c.after == 0 {
				break
			}
		}
		s.now = s.now.Add(time.Hour)
		var want any
		if c.want >= 0 {
			want = first.Add(c.want).Format("2006-01-02T15:04:05.000Z")
		}
		if a := s.send(s.root, "GET", keys+"/"+made.json["id"].(string), ""); a.status != 200 || a.json["lastUsedAt"] != want {
			t.Errorf("%s: %v, want %v", c.name, a.json["lastUsedAt"], want)
		}
	}
}
