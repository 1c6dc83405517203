package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/registry"
)

// Policy: rateLimit and quota each have their own window status. limit, remaining and reset are of
// the tighter one: the one with fewer requests remaining or, if they are equal, the later reset.
func TestTheWindowStatusIsOfTheTighterBound(t *testing.T) {
	const inAMinute, inDecember = 1795521662.0, 1796083200.0
	for _, c := range []struct {
		fields     string
		spent      int
		limit      map[string]any // of rateLimit
		quota      any
		is, left   float64
		reset      float64
		refusal    string
		retryAfter float64
	}{
		{`,"rateLimit":{"requests":1000,"window":60},"quota":{"requests":3,"period":"month"}`, 3,
			map[string]any{"requests": 1000.0, "window": 60.0, "remaining": 997.0, "reset": inAMinute},
			map[string]any{"requests": 3.0, "period": "month", "used": 3.0, "remaining": 0.0, "reset": inDecember}, 3, 0, inDecember, "quota_exceeded", 561600},
		{`,"rateLimit":{"requests":1000,"window":60},"quota":{"requests":3,"period":"month"}`, 1,
			map[string]any{"requests": 1000.0, "window": 60.0, "remaining": 999.0, "reset": inAMinute},
			map[string]any{"requests": 3.0, "period": "month", "used": 1.0, "remaining": 2.0, "reset": inDecember}, 3, 2, inDecember, "", 0},
		{`,"rateLimit":{"requests":4,"window":60},"quota":{"requests":1000,"period":"month"}`, 4,
			map[string]any{"requests": 4.0, "window": 60.0, "remaining": 0.0, "reset": inAMinute},
			map[string]any{"requests": 1000.0, "period": "month", "used": 4.0, "remaining": 996.0, "reset": inDecember}, 4, 0, inAMinute, "rate_limited", 62},
		{`,"rateLimit":{"requests":3,"window":60},"quota":{"requests":3,"period":"month"}`, 3,
			map[string]any{"requests": 3.0, "window": 60.0, "remaining": 0.0, "reset": inAMinute},
			map[string]any{"requests": 3.0, "period": "month", "used": 3.0, "remaining": 0.0, "reset": inDecember}, 3, 0, inDecember, "quota_exceeded", 561600},
		{`,"rateLimit":{"requests":5,"window":60}`, 2,
			map[string]any{"requests": 5.0, "window": 60.0, "remaining": 3.0, "reset": inAMinute}, nil, 5, 3, inAMinute, "", 0},
	} {
		s := newService(t)
		path, token, _ := s.made(c.fields)
		for range c.spent {
			s.spend(token, 1)
		}
		list := s.send(s.root, "GET", keys+"?userId=u1", "").json["data"].([]any)[0].(map[string]any)
		for what, got := range map[string]map[string]any{
			"get": s.send(s.root, "GET", path, "").json, "list": list, "update": s.send(s.root, "PATCH", path, `{"rateLimit":{}}`).json,
			"validate": s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`"}`).json,
		} {
			if diff := cmp.Diff(c.limit, got["rateLimit"]); diff != "" {
				t.Errorf("%s, %d spent: %s: rateLimit (-want +got):\n%s", c.fields, c.spent, what, diff)
			}
			if diff := cmp.Diff(c.quota, got["quota"]); diff != "" {
				t.Errorf("%s, %d spent: %s: quota (-want +got):\n%s", c.fields, c.spent, what, diff)
			}
			if got["limit"] != c.is || got["remaining"] != c.left || got["reset"] != c.reset {
				t.Errorf("%s, %d spent: %s: %v, %v left until %v; want %v, %v, %v", c.fields, c.spent, what, got["limit"], got["remaining"], got["reset"], c.is, c.left, c.reset)
			}
		}
		stats := s.send(s.root, "GET", keys+"/stats?userId=u1", "").json["data"].([]any)[0].(map[string]any)
		if stats["limit"] != c.limit["requests"] || stats["remaining"] != c.limit["remaining"] || stats["window"] != 60.0 {
			t.Errorf("%s: stats are about the limit: %v", c.fields, stats)
		}
		if c.refusal == "" {
			continue
		}
		v := s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`","cost":1}`)
		if v.json["code"] != c.refusal || v.json["retryAfter"] != c.retryAfter || v.json["limit"] != c.is || v.json["remaining"] != 0.0 || v.json["reset"] != c.reset {
			t.Errorf("%s, refused: %s", c.fields, v.text)
		}
	}
}

// whoami shows the window status of the authorizer, which is of the tighter bound.
func TestWhoamiShowsTheWindowStatusOfTheAuthorizer(t *testing.T) {
	s := newService(t)
	as := who{"keyId": "0000000000000000", "userId": "u1", "limit": "3", "remaining": "0", "reset": "1796083200"}
	a := s.send(as, "GET", "/api/v1/whoami", "")
	want := map[string]any{"requests": 3.0, "remaining": 0.0, "reset": 1796083200.0}
	if diff := cmp.Diff(want, a.json["rateLimit"]); diff != "" || a.json["limit"] != 3.0 || a.json["remaining"] != 0.0 || a.json["reset"] != 1796083200.0 ||
		a.header.Get("X-RateLimit-Limit") != "3" || a.header.Get("X-RateLimit-Remaining") != "0" || a.header.Get("X-RateLimit-Reset") != "1796083200" {
		t.Errorf("%s %v", a.text, a.header)
	}
}

// Policy: a key without a limit has no window status, unless the deployment has clients that need
// numbers.
func TestAKeyWithoutALimitShowsNone(t *testing.T) {
	numbers := map[string]any{"requests": 999999.0, "window": 60.0}
	for _, compatible := range []bool{false, true} {
		s := newService(t, func(s *service) { s.numbers = compatible })
		made := s.send(s.root, "POST", keys, `{"userId":"u1","unlimited":true}`)
		path, token := keys+"/"+made.json["id"].(string), made.json["key"].(string)
		as := who{"keyId": made.json["id"], "userId": "u1", "unlimited": "true"}
		whoami := s.send(as, "GET", "/api/v1/whoami", "")
		list := s.send(s.root, "GET", keys+"?userId=u1", "").json["data"].([]any)[0].(map[string]any)
		for what, got := range map[string]map[string]any{
			"create": made.json, "get": s.send(s.root, "GET", path, "").json, "list": list, "whoami": whoami.json,
			"update":   s.send(s.root, "PATCH", path, `{"name":"x"}`).json,
			"rotate":   s.send(s.root, "POST", path+"/rotate", ``).json,
			"lookup":   s.send(s.root, "POST", keys+"/lookup", `{"key":"`+token+`"}`).json,
			"validate": s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`","cost":1}`).json,
		} {
			limit, there := got["rateLimit"]
			switch l, _ := limit.(map[string]any); {
			case got["unlimited"] != true || !there:
				t.Errorf("%s does not say that the key has no limit: %v", what, got)
			case !compatible && limit != nil, compatible && l["requests"] != numbers["requests"], compatible && what != "whoami" && l["window"] != numbers["window"]:
				t.Errorf("%s, with numbers %v: %v", what, compatible, limit)
			}
			for _, name := range []string{"limit", "remaining", "reset", "quota"} {
				if _, there := got[name]; there {
					t.Errorf("%s has %s: %v", what, name, got)
				}
			}
		}
		if got := whoami.header.Get("X-RateLimit-Limit"); compatible != (got == "999999") || !compatible && strings.Contains(fmt.Sprint(whoami.header), "X-Ratelimit-Re") {
			t.Errorf("whoami, with numbers %v: %v", compatible, whoami.header)
		}
		stats := s.send(s.root, "GET", keys+"/stats?userId=u1", "").json["data"].([]any)[0].(map[string]any)
		for name, number := range map[string]any{"requests": 0.0, "window": 60.0, "limit": 999999.0, "remaining": 999999.0} {
			if !compatible {
				number = nil
			}
			if got, there := stats[name]; !there || got != number {
				t.Errorf("stats, with numbers %v: %s is %v, want %v", compatible, name, got, number)
			}
		}
		if strings.Contains(s.send(s.root, "GET", keys+"?userId=u1", "").text, "999999") != compatible {
			t.Errorf("list, with numbers %v", compatible)
		}
	}
}

// Policy: a list shows each key as get does, with its last use, for keys with and without a limit.
// It reads the keys of a page in one request.
func TestListsShowWhatGetShows(t *testing.T) {
	s := newService(t)
	var paths []string
	add := func(fields string, use bool) (path string) {
		s.now = s.now.Add(time.Second)
		path, token, _ := s.made(fields)
		if use {
			s.spend(token, 1)
		}
		paths = append(paths, path)
		return path
	}
	add("", false)
	add("", true)
	add(`,"unlimited":true`, false)
	add(`,"unlimited":true`, true)
	add(`,"quota":{"requests":5,"period":"day"}`, true)
	rotated := add("", true)
	if a := s.send(s.root, "POST", rotated+"/rotate", `{"gracePeriod":3600}`); a.status != 200 {
		t.Fatal(a.text)
	}
	list := func(query string) (all []any) {
		t.Helper()
		for cursor := ""; ; {
			before := s.table.Reads()
			a := s.send(s.root, "GET", keys+"?userId=u1"+query+cursor, "")
			if a.status != 200 {
				t.Fatalf("list: %d %s", a.status, a.text)
			}
			if reads := s.table.Reads() - before; reads > 6 { // a busy table is asked again
				t.Errorf("a page takes %d reads", reads)
			}
			all = append(all, a.json["data"].([]any)...)
			next, more := a.json["nextCursor"].(string)
			if !more {
				return all
			}
			cursor = "&cursor=" + next
		}
	}
	for _, query := range []string{"", "&limit=1", "&limit=4", "&status=active"} {
		all := list(query)
		if len(all) != len(paths) {
			t.Fatalf("list%s: %d keys, want %d", query, len(all), len(paths))
		}
		for i, got := range all {
			want := s.send(s.root, "GET", paths[len(paths)-1-i], "").json // newest first
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("list%s (-get +list):\n%s", query, diff)
			}
		}
	}
	used := 0
	for _, r := range list("") {
		at, there := r.(map[string]any)["lastUsedAt"]
		if !there {
			t.Errorf("a key has no lastUsedAt: %v", r)
		}
		if at != nil {
			used++
		}
	}
	if used != 4 {
		t.Errorf("%d keys were used, want 4", used)
	}
	if got := list("")[0].(map[string]any)["previousKeyValidUntil"]; got == nil {
		t.Errorf("the list does not show until when the key before works: %v", list("")[0])
	}
}

// A list omits keys that are in the index but were deleted, changed or given to another user since.
func TestListsUseThePresentStateOfKeys(t *testing.T) {
	s := newService(t)
	gone, _, _ := s.made("")
	disabled, _, _ := s.made("")
	taken, _, _ := s.made("")
	here, _, _ := s.made("")
	id := func(path string) string { return path[len(keys)+1:] }
	// The index is read before anything changes, and the keys after.
	store := &late{Store: s.table, then: func() {
		s.send(s.root, "DELETE", gone, "")
		s.send(s.root, "PATCH", disabled, `{"enabled":false}`)
		r, err := s.table.Find(t.Context(), id(taken))
		if err != nil {
			t.Fatal(err)
		}
		s.send(s.root, "DELETE", taken, "")
		k := *r.Key
		k.UserID, k.Rev = "u2", 0
		if err := s.options.Store.Write(t.Context(), registry.Write{To: &k}); err != nil {
			t.Fatal(err)
		}
	}}
	s.configure(func(o *registry.Options) { o.Store = store })
	a := s.send(s.root, "GET", keys+"?userId=u1&status=active", "")
	data, _ := a.json["data"].([]any)
	if len(data) != 1 || data[0].(map[string]any)["id"] != id(here) {
		t.Errorf("%d %s; want %s alone", a.status, a.text, id(here))
	}
}
