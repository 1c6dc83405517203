package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
)

const (
	users = "/api/v1/users"
	plans = "/api/v1/plans"
	pro   = `{"key":{"limits":[{"amount":10,"window":1}]},"user":{"limits":[{"amount":1000,"window":60}],"quota":{"requests":5000000,"period":"month"}},"idleDays":90}`
)

// ok checks that an answer is a success with a field of a value.
func (a answer) ok(t testing.TB, what, field, want string) {
	t.Helper()
	var got any = a.json
	for name := range strings.SplitSeq(field, ".") {
		object, _ := got.(map[string]any)
		got = object[name]
	}
	if a.status != 200 || fmt.Sprint(got) != want {
		t.Errorf("%s: %d %s; want %s to be %s", what, a.status, a.text, field, want)
	}
}

func TestAPlanIsSetAsAWhole(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "PUT", plans+"/pro", pro)
	want := map[string]any{
		"name": "pro", "scopes": []any{}, "idleDays": 90.0,
		"key": map[string]any{"limits": []any{map[string]any{"amount": 10.0, "window": 1.0}}},
		"user": map[string]any{
			"limits": []any{map[string]any{"amount": 1000.0, "window": 60.0}},
			"quota":  map[string]any{"requests": 5e6, "period": "month"},
		},
	}
	if diff := cmp.Diff(want, made.json); diff != "" || made.status != 200 {
		t.Errorf("%d (-want +got):\n%s", made.status, diff)
	}
	tag := made.header.Get("ETag")
	got := s.send(s.root, "GET", plans+"/pro", "")
	if got.text != made.text || got.header.Get("ETag") != tag || tag == "" {
		t.Errorf("GET: %s %s, want %s %s", got.text, got.header.Get("ETag"), made.text, tag)
	}
	if again := s.send(s.root, "PUT", plans+"/pro", got.text, "If-Match: "+tag); again.status != 200 || again.text != made.text {
		t.Errorf("what GET answers, as it is: %d %s", again.status, again.text)
	}
	s.send(s.root, "PUT", plans+"/pro", `{"maxDays":7,"defaultDays":3}`, `If-Match: "7"`).isError(t, "another revision", 412, "")
	changed := s.send(s.root, "PUT", plans+"/pro", `{"name":"pro","maxDays":7,"defaultDays":3}`, "If-Match: "+tag)
	if changed.header.Get("ETag") == tag || changed.json["idleDays"] != nil || changed.json["maxDays"] != 7.0 {
		t.Errorf("changed: %v %s", changed.header, changed.text)
	}
	s.send(s.root, "PUT", plans+"/a", pro)
	list := s.send(s.root, "GET", plans, "")
	if data, _ := list.json["data"].([]any); len(data) != 2 || data[0].(map[string]any)["name"] != "a" {
		t.Errorf("list: %s", list.text)
	}
}

func TestAPlanThatIsWrongIsNamed(t *testing.T) {
	s := newService(t)
	for _, c := range []struct{ name, body, param string }{
		{"pro", ``, ""},
		{"pro", `{}`, "key"},
		{"pro", `{"key":{}}`, "key"},
		{"pro", `{"key":{"limits":[]},"user":{"limits":[]}}`, "key"},
		{"pro", `{"name":"free","maxDays":1}`, "name"},
		{"Pro", `{"maxDays":1}`, "name"},
		{"a%20b", `{"maxDays":1}`, "name"},
		{"a%2Fb", `{"maxDays":1}`, "name"},
		{strings.Repeat("a", 65), `{"maxDays":1}`, "name"},
		{"pro", `{"scopes":["A B"]}`, "scopes"},
		{"pro", `{"key":{"limits":[{"amount":0,"window":1}]}}`, "key.limits.amount"},
		{"pro", `{"key":{"limits":[{"amount":1}]}}`, "key.limits.window"},
		{"pro", `{"key":{"limits":[{"amount":1,"window":90000}]}}`, "key.limits.window"},
		{"pro", `{"key":{"limits":[{"amount":1,"window":1.5}]}}`, "key.limits.window"},
		{"pro", `{"key":{"limits":[{"amount":1,"windows":1}]}}`, "key.limits.windows"},
		{"pro", `{"key":{"limits":[{"amount":1,"window":60},{"amount":2,"window":60}]}}`, "key.limits.window"},
		{"pro", `{"user":{"limits":[{"amount":10,"window":60},{"amount":20,"window":1}]}}`, "user.limits.amount"},
		{"pro", `{"user":{"limits":[{"amount":1,"window":1},{"amount":1,"window":2},{"amount":1,"window":3},{"amount":1,"window":4},{"amount":1,"window":5}]}}`, "user.limits"},
		{"pro", `{"user":{"limits":null}}`, "user.limits"},
		{"pro", `{"user":{"rateLimit":{"requests":1,"window":1}}}`, "user.rateLimit"},
		{"pro", `{"user":{"quota":{"requests":1,"period":"week"}}}`, "user.quota.period"},
		{"pro", `{"user":{"quota":{"requests":0,"period":"day"}}}`, "user.quota.requests"},
		{"pro", `{"maxDays":-1}`, "maxDays"},
		{"pro", `{"maxDays":5,"defaultDays":6}`, "defaultDays"},
		{"pro", `{"plan":"free","maxDays":1}`, "plan"},
	} {
		s.send(s.root, "PUT", plans+"/"+c.name, c.body).isError(t, c.name+" "+c.body, 400, c.param)
	}
	s.send(s.root, "GET", plans+"/pro", "").isError(t, "no plan was stored", 404, "name")
	s.send(s.root, "GET", plans+"/A%2FB", "").isError(t, "no such name", 404, "name")
}

func TestAUserIsSet(t *testing.T) {
	s := newService(t)
	const at = users + "/auth0%7Ca%2F%2Fb%20%C3%BC%23..%3F"
	none := s.send(s.root, "GET", at, "")
	want := map[string]any{
		"userId": "auth0|a//b ü#..?", "suspended": false, "limits": []any{}, "scopes": []any{}, "metadata": map[string]any{},
	}
	if diff := cmp.Diff(want, none.json); diff != "" || none.status != 200 || none.header.Get("ETag") != `"0"` {
		t.Errorf("nothing is set: %d %v (-want +got):\n%s", none.status, none.header, diff)
	}
	s.send(s.root, "PUT", plans+"/pro", pro)
	patch := func(body string, headers ...string) answer { return s.send(s.root, "PATCH", at, body, headers...) }
	made := patch(`{"plan":"pro","metadata":{"a":"1","b":"2"},"quota":{"requests":5,"period":"day"}}`, `If-Match: "0"`)
	made.ok(t, "one PATCH moves a customer", "plan", "pro")
	if made.header.Get("ETag") == `"0"` {
		t.Errorf("the ETag stays: %v", made.header)
	}
	patch(`{"maxKeys":5}`, `If-Match: "0"`).isError(t, "an old ETag", 412, "")
	patch(`{"quota":{"requests":7}}`, "If-Match: "+made.header.Get("ETag")).ok(t, "a part of the quota", "quota", "map[period:day requests:7]")
	patch(`{"metadata":{"b":null,"c":"3"}}`).ok(t, "a part of the metadata", "metadata", "map[a:1 c:3]")
	patch(`{"suspended":true,"limits":[{"amount":100,"window":60},{"amount":5,"window":1}]}`).
		ok(t, "limits are sorted", "limits", "[map[amount:5 window:1] map[amount:100 window:60]]")
	patch(`{"quota":null,"metadata":null,"maxKeys":3,"scopes":["tts"]}`, "Content-Type: application/merge-patch+json").
		ok(t, "null clears", "metadata", "map[]")
	all := s.send(s.root, "GET", at, "")
	if diff := cmp.Diff(map[string]any{
		"userId": want["userId"], "plan": "pro", "suspended": true, "maxKeys": 3.0, "scopes": []any{"tts"}, "metadata": map[string]any{},
		"limits": []any{map[string]any{"amount": 5.0, "window": 1.0}, map[string]any{"amount": 100.0, "window": 60.0}},
	}, all.without("bounds")); diff != "" {
		t.Errorf("GET (-want +got):\n%s", diff)
	}
	s.send(s.root, "PUT", at, `{"plan":"pro"}`).ok(t, "PUT empties", "suspended", "false")
	patch(`{"plan":null}`).ok(t, "no plan", "plan", "<nil>")
	if diff := cmp.Diff(want, s.send(s.root, "GET", at, "").json); diff != "" {
		t.Errorf("emptied (-want +got):\n%s", diff)
	}
}

// without returns the body of an answer without a field.
func (a answer) without(field string) map[string]any {
	delete(a.json, field)
	return a.json
}

func TestAUserThatIsWrongIsNamed(t *testing.T) {
	s := newService(t)
	s.send(s.root, "POST", keys, `{"userId":"Am\u00e9lie"}`)
	for _, c := range []struct{ method, user, body, param string }{
		{"PATCH", "u1", ``, ""},
		{"PATCH", "u1", `{}`, ""},
		{"PATCH", "u1", `{"plan":"none"}`, "plan"},
		{"PATCH", "u1", `{"plan":"A B"}`, "plan"},
		{"PATCH", "u1", `{"suspended":null}`, "suspended"},
		{"PATCH", "u1", `{"suspended":"yes"}`, "suspended"},
		{"PATCH", "u1", `{"maxKeys":-1}`, "maxKeys"},
		{"PATCH", "u1", `{"maxKeys":10001}`, "maxKeys"},
		{"PATCH", "u1", `{"scopes":["A B"]}`, "scopes"},
		{"PATCH", "u1", `{"quota":{"requests":5}}`, "quota.period"},
		{"PATCH", "u1", `{"quota":{"period":"lifetime"}}`, "quota.requests"},
		{"PATCH", "u1", `{"quota":{"requests":null}}`, "quota.requests"},
		{"PATCH", "u1", `{"limits":[{"amount":1,"window":60},{"amount":2,"window":60}]}`, "limits.window"},
		{"PATCH", "u1", `{"limits":[{"amount":10,"window":60},{"amount":20,"window":1}]}`, "limits.amount"},
		{"PATCH", "u1", `{"limits":[null]}`, "limits"},
		{"PATCH", "u1", `{"limit":[]}`, "limit"},
		{"PATCH", "u1", `{"userId":"u2"}`, "userId"},
		{"PATCH", "u1", `{"metadata":{"a":"` + strings.Repeat("x", 2100) + `"}}`, "metadata"},
		{"PUT", "u1", `{"plan":null}`, "plan"},
		{"PUT", "u1", `{"userId":"u2"}`, "userId"},
		{"PUT", "u1", `{"bounds":[]}`, "bounds"},
		{"PUT", "u1", `{"plan":"none"}`, "plan"},
		{"PATCH", "Ame%CC%81lie", `{"suspended":true}`, "userId"}, // decomposed: another id looks the same
		{"PATCH", "latchkey%3Aadmin", `{"suspended":true}`, "userId"},
		{"PATCH", "anonymous", `{"suspended":true}`, "userId"},
		{"PATCH", "%20u1", `{"suspended":true}`, "userId"},
		{"PATCH", "a%00b", `{"suspended":true}`, "userId"},
		{"PATCH", strings.Repeat("u", 129), `{"suspended":true}`, "userId"},
		{"GET", strings.Repeat("u", 400), ``, "userId"},
		{"POST", "u1/credits", `{"add":-1}`, "add"},
		{"POST", "u1/credits", `{"add":1}`, "add"}, // it has no lifetime quota
		{"POST", "u1/credits", `{"add":1.5}`, "add"},
		{"POST", "u1/credits", `{"add":1000000000001}`, "add"},
		{"POST", "u1/credits", `{}`, "add"},
		{"POST", "u1/credits", `{"amount":1}`, "amount"},
		{"POST", "anonymous/credits", `{"add":1}`, "add"},
	} {
		s.send(s.root, c.method, users+"/"+c.user, c.body).isError(t, c.method+" "+c.user+" "+c.body, 400, c.param)
	}
	if got := s.send(s.root, "GET", users+"/u1", ""); got.header.Get("ETag") != `"0"` {
		t.Errorf("what was refused has changed something: %s", got.text)
	}
}

// Policy: users and plans are an admin's, except that a user may read its own user and plan.
func TestWhoMaySetUsersAndPlans(t *testing.T) {
	s := newService(t)
	s.send(s.root, "PUT", plans+"/pro", pro)
	s.send(s.root, "PUT", plans+"/free", pro)
	s.send(s.root, "PATCH", users+"/u1", `{"plan":"pro"}`)
	mine := s.send(s.root, "POST", keys, `{"userId":"u1"}`).json["id"].(string)
	readers, writers := s.caller("u1", apikey.ScopeRead), s.caller("u1", apikey.ScopeWrite, apikey.ScopeRead)
	for _, c := range []struct {
		method, path, body string
		reader, writer     int
	}{
		{"GET", users + "/u1", "", 200, 200},
		{"GET", users + "/u2", "", 403, 403},
		{"GET", plans + "/pro", "", 200, 200},
		{"GET", plans + "/free", "", 404, 404},
		{"GET", plans, "", 403, 403},
		{"PUT", plans + "/pro", pro, 403, 403},
		{"PUT", users + "/u1", `{}`, 403, 403},
		{"PATCH", users + "/u1", `{"plan":"free"}`, 403, 403},
		{"POST", users + "/u1/credits", `{"add":5}`, 403, 403},
		{"POST", keys + "/" + mine + "/credits", `{"add":5}`, 403, 403},
		{"PATCH", keys + "/" + mine, `{"userId":"u2"}`, 403, 403},
		{"PATCH", keys + "/" + mine, `{"plan":"free"}`, 403, 403},
		{"POST", keys, `{"plan":"pro"}`, 403, 403},
	} {
		for _, as := range []struct {
			who
			name   string
			status int
		}{{nil, "nobody", 401}, {readers, "a reader", c.reader}, {writers, "a writer", c.writer}} {
			if a := s.send(as.who, c.method, c.path, c.body); a.status != as.status {
				t.Errorf("%s, %s %s %s: %d %s, want %d", as.name, c.method, c.path, c.body, a.status, a.text, as.status)
			}
		}
	}
}

func TestCreditsAreAddedOnce(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{"userId":"u1","quota":{"requests":100,"period":"lifetime"}}`)
	s.send(s.root, "PATCH", users+"/u1", `{"quota":{"requests":100,"period":"lifetime"}}`)
	for _, at := range []string{keys + "/" + made.json["id"].(string), users + "/u1"} {
		const once = "Idempotency-Key: 6f1c7a52-9c0e-4f7a-9d0b-2f4f6f1f0a11"
		add := func(n int, headers ...string) answer {
			return s.send(s.root, "POST", at+"/credits", fmt.Sprintf(`{"add":%d}`, n), headers...)
		}
		add(500).ok(t, at+": the first", "quota.requests", "600")
		first := add(5, once+at)
		first.ok(t, at+": named", "quota.requests", "605")
		if again := add(5, once+at); again.text != first.text || again.header.Get("ETag") != first.header.Get("ETag") {
			t.Errorf("%s: repeated: %d %s, want %s", at, again.status, again.text, first.text)
		}
		add(6, once+at).isError(t, at+": another request", 422, "Idempotency-Key")
		add(1, `If-Match: "7"`).isError(t, at+": another ETag", 412, "")
		add(-600).ok(t, at+": taken", "quota.requests", "5")
		add(-5).isError(t, at+": below one", 400, "add")
		add(0).isError(t, at+": none", 400, "add")
		add(1_000_000_000_000).isError(t, at+": above the most", 400, "add")
		s.send(s.root, "GET", at, "").ok(t, at, "quota.requests", "5")
	}
	s.send(s.root, "POST", keys+"/0000000000000000/credits", `{"add":1}`).isError(t, "no such key", 404, "id")
	s.send(s.root, "PATCH", users+"/u2", `{"quota":{"requests":5,"period":"day"}}`)
	s.send(s.root, "POST", users+"/u2/credits", `{"add":7}`).isError(t, "a quota of a day", 400, "add")
	got := s.send(s.root, "GET", users+"/u1", "")
	want := map[string]any{"of": "user", "amount": 5.0, "period": "lifetime", "used": 0.0, "remaining": 5.0}
	if bounds, _ := got.json["bounds"].([]any); len(bounds) != 1 || !cmp.Equal(bounds[0], any(want)) {
		t.Errorf("a lifetime quota in bounds: %s", got.text)
	}
}

func TestAKeyMovesToAnotherUser(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{"userId":"u1"}`)
	at := keys + "/" + made.json["id"].(string)
	s.send(s.root, "PATCH", at, `{"userId":null}`).isError(t, "null", 400, "userId")
	s.send(s.root, "PATCH", at, `{"userId":""}`).isError(t, "empty", 400, "userId")
	s.send(s.root, "PATCH", at, `{"userId":"latchkey:admin"}`).isError(t, "latchkey's own", 400, "userId")
	s.send(s.root, "PATCH", at, `{"userId":"u2","name":"moved"}`).ok(t, "moved", "userId", "u2")
	for range 5 {
		s.send(s.root, "POST", keys, `{"userId":"full"}`)
	}
	s.send(s.root, "PATCH", at, `{"userId":"full"}`).isError(t, "a user at its maximum", 409, "userId")
	s.send(s.root, "GET", at, "").ok(t, "it stays", "userId", "u2")
}

// The default limit holds beside a key's own quota and its further limits, and each answer shows it.
func TestTheDefaultLimitIsShownWhereItHolds(t *testing.T) {
	s := newService(t)
	for _, c := range []struct{ fields, limit string }{
		{``, "60"},
		{`,"limits":[{"amount":900,"window":3600}]`, "60"},
		{`,"quota":{"requests":5,"period":"lifetime"}`, "60"},
		{`,"quota":{"requests":5,"period":"day"}`, "60"},
		{`,"scopes":["keys:write"]`, "<nil>"}, // it shares the limit
	} {
		made := s.send(s.root, "POST", keys, `{"userId":"u1"`+c.fields+`}`)
		shown := func(what string, a answer) {
			t.Helper()
			got := "<nil>"
			if limit, ok := a.json["rateLimit"].(map[string]any); ok {
				got = fmt.Sprint(limit["requests"])
			}
			if got != c.limit {
				t.Errorf("%s: %s: rateLimit is %s, want %s: %s", c.fields, what, got, c.limit, a.text)
			}
		}
		shown("create", made)
		shown("get", s.send(s.root, "GET", keys+"/"+made.json["id"].(string), ""))
		shown("validate", s.send(nil, "POST", keys+"/validate", fmt.Sprintf(`{"apiKey":%q}`, made.json["key"])))
	}
}

// A key shares the default limit beside its further limits.
func TestTheSharedDefaultLimitIsShown(t *testing.T) {
	s := newService(t)
	line := func(amount, window float64) any { return map[string]any{"amount": amount, "window": window} }
	for fields, want := range map[string][]any{
		``: {line(60, 60)},
		`,"limits":[{"amount":900,"window":3600}]`:                                      {line(60, 60), line(900, 3600)},
		`,"limits":[{"amount":90,"window":60}]`:                                         {line(60, 60)},
		`,"rateLimit":{"requests":5,"window":1},"limits":[{"amount":90,"window":3600}]`: {line(5, 1), line(90, 3600)},
	} {
		made := s.send(s.root, "POST", keys, `{"userId":"u1","scopes":["keys:write"]`+fields+`}`)
		shared, _ := made.json["shared"].(map[string]any)
		if diff := cmp.Diff(any(want), shared["limits"]); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", fields, made.text, diff)
		}
	}
}

// Of two bounds with as much left, the one that resets later is the tighter one, and credits never do.
func TestCreditsAreTighterThanALimitWithAsMuchLeft(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{"userId":"u1","rateLimit":{"requests":5,"window":60},"quota":{"requests":5,"period":"lifetime"}}`)
	for what, a := range map[string]answer{
		"get":      s.send(s.root, "GET", keys+"/"+made.json["id"].(string), ""),
		"validate": s.send(nil, "POST", keys+"/validate", fmt.Sprintf(`{"apiKey":%q}`, made.json["key"])),
	} {
		if reset, ok := a.json["reset"]; ok || a.json["remaining"] != 5.0 {
			t.Errorf("%s: it resets at %v: %s", what, reset, a.text)
		}
	}
}

func TestTheUsersOfAPlanAreListed(t *testing.T) {
	s := newService(t)
	s.send(s.root, "PUT", plans+"/pro", pro)
	s.send(s.root, "PATCH", users+"/u1", `{"plan":"pro"}`)
	s.send(s.root, "PATCH", users+"/u2", `{"plan":"pro","suspended":true}`)
	list := func(query string) answer {
		t.Helper()
		a := s.send(s.root, "GET", plans+"/pro/stats"+query, "")
		for try := 0; try < 100 && a.status == 200 && len(a.json["data"].([]any)) == 0; try++ { // the index lags
			a = s.send(s.root, "GET", plans+"/pro/stats"+query, "")
		}
		return a
	}
	first := list("?limit=1")
	cursor, _ := first.json["nextCursor"].(string)
	second := list("?limit=1&cursor=" + cursor)
	for _, c := range []struct {
		answer
		user      string
		suspended bool
	}{{first, "u1", false}, {second, "u2", true}} {
		data, _ := c.json["data"].([]any)
		if c.status != 200 || len(data) != 1 {
			t.Fatalf("%d %s", c.status, c.text)
		}
		u := data[0].(map[string]any)
		if bounds, _ := u["bounds"].([]any); u["userId"] != c.user || u["suspended"] != c.suspended || len(bounds) != 2 {
			t.Errorf("%v, want %s with two bounds", u, c.user)
		}
	}
	if cursor == "" || second.json["nextCursor"] != nil {
		t.Errorf("pages: %s and %s", first.text, second.text)
	}
	s.send(s.root, "GET", plans+"/none/stats", "").isError(t, "no such plan", 404, "name")
	s.send(s.root, "GET", plans+"/pro/stats?cursor=.", "").isError(t, "a wrong cursor", 400, "cursor")
	s.send(s.caller("u1", apikey.ScopeRead), "GET", plans+"/pro/stats", "").isError(t, "a user", 403, "")
}

func TestBoundsOfAKeyThatAreWrongAreNamed(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{"userId":"u1","rateLimit":{"requests":100,"window":60}}`)
	for body, param := range map[string]string{
		`{"plan":"none"}`: "plan",
		`{"plan":"A B"}`:  "plan",
		`{"limits":[{"amount":1,"window":60},{"amount":2,"window":60}]}`:                                                                                        "limits.window",
		`{"limits":[{"amount":10,"window":60},{"amount":20,"window":1}]}`:                                                                                       "limits.amount",
		`{"limits":[{"amount":200,"window":1}],"rateLimit":{"requests":100,"window":60}}`:                                                                       "limits.amount",
		`{"limits":[{"amount":5,"window":60}],"rateLimit":{"requests":100,"window":60}}`:                                                                        "limits.window",
		`{"limits":[{"amount":1,"window":1},{"amount":2,"window":2},{"amount":3,"window":3},{"amount":4,"window":4}],"rateLimit":{"requests":100,"window":60}}`: "limits",
		`{"limits":[{"amount":5,"window":1}],"unlimited":true}`:                                                                                                 "limits",
		`{"quota":{"requests":5,"period":"year"}}`:                                                                                                              "quota.period",
	} {
		s.send(s.root, "POST", keys, body).isError(t, "POST "+body, 400, param)
		s.send(s.root, "PATCH", keys+"/"+made.json["id"].(string), body).isError(t, "PATCH "+body, 400, param)
	}
}
