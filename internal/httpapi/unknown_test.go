package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// Policy: the error for an unknown field names the nearest known one. It repeats the unknown name
// only if that is a short identifier, because anything else may be a secret in the wrong place.
func TestAnUnknownFieldIsNamed(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{}`)
	one := keys + "/" + made.json["id"].(string)
	native := made.json["key"].(string)
	for _, c := range []struct{ method, path, body, param, message string }{
		// Another spelling, another case, a slip of the finger.
		{"POST", keys, `{"ratelimit":{"requests":1,"window":1}}`, "ratelimit", "ratelimit is unknown: did you mean rateLimit?"},
		{"POST", keys, `{"rate_limit":{"requests":1,"window":1}}`, "rate_limit", "rate_limit is unknown: did you mean rateLimit?"},
		{"POST", keys, `{"rate-limit":1}`, "rate-limit", "rate-limit is unknown: did you mean rateLimit?"},
		{"POST", keys, `{"RateLimit":1}`, "RateLimit", "RateLimit is unknown: did you mean rateLimit?"},
		{"POST", keys, `{"Name":"x"}`, "Name", "Name is unknown: did you mean name?"},
		{"POST", keys, `{"nmae":"x"}`, "nmae", "nmae is unknown: did you mean name?"},
		{"POST", keys, `{"user_id":"x"}`, "user_id", "user_id is unknown: did you mean userId?"},
		{"POST", keys, `{"user":"x"}`, "user", "user is not a field of this request: did you mean userId?"},
		{"POST", keys, `{"expires_in_days":1}`, "expires_in_days", "expires_in_days is unknown: did you mean expiresInDays?"},
		{"POST", keys, `{"cidrs":[]}`, "cidrs", "cidrs is unknown: did you mean allowedCidrs?"},
		{"POST", keys, `{"allowed_ip_cidrs":[]}`, "allowed_ip_cidrs", "allowed_ip_cidrs is unknown: did you mean allowedCidrs?"},
		{"POST", keys, `{"allowed__cidrs__":[]}`, "allowed__cidrs__", "allowed__cidrs__ is unknown: did you mean allowedCidrs?"},
		// An unknown field inside an object comes before a missing one.
		{"POST", keys, `{"rateLimit":{"request":1,"window":1}}`, "rateLimit.request", "rateLimit.request is unknown: did you mean rateLimit.requests?"},
		{"POST", keys, `{"rateLimit":{"requests":1,"window":1,"windowSeconds":1}}`, "rateLimit.windowSeconds", "rateLimit.windowSeconds is unknown: did you mean rateLimit.window?"},
		{"POST", keys, `{"quota":{"requests":1,"Period":"day"}}`, "quota.Period", "quota.Period is unknown: did you mean quota.period?"},
		{"POST", keys, `{"quota":{"requests":1,"period":"day","x":1}}`, "quota.x", "quota.x is unknown: use period or requests"},
		{"PATCH", one, `{"rateLimit":{"windows":1}}`, "rateLimit.windows", "rateLimit.windows is unknown: did you mean rateLimit.window?"},
		{"PATCH", one, `{"limits":[{"amount":1,"window":1},{"amount":1,"windw":1}]}`, "limits.windw", "limits.windw is unknown: did you mean limits.window?"},
		// Null and twice are no other matter.
		{"POST", keys, `{"ratelimit":null}`, "ratelimit", "ratelimit is unknown: did you mean rateLimit?"},
		{"POST", keys, `{"rateLimit":{"request":null}}`, "rateLimit.request", "rateLimit.request is unknown: did you mean rateLimit.requests?"},
		{"POST", keys, `{"name":"a","NAME":"b"}`, "NAME", "NAME is unknown: did you mean name?"},
		{"PATCH", one, `{"Enabled":true,"enabled":false}`, "Enabled", "Enabled is unknown: did you mean enabled?"},
		{"POST", keys, `{"nmae":"a","nmae":"b"}`, "nmae", "nmae must be given once"},
		{"POST", keys, `{"zz":1,"aa":1}`, "aa", "aa is unknown"},
		// Every route that has a body, with its own fields.
		{"PATCH", one, `{"exires_at":null}`, "exires_at", "exires_at is unknown: did you mean expiresAt?"},
		{"PATCH", one, `{"environment":"test"}`, "environment", "environment is not a field of this request"},
		{"POST", keys, `{"gracePeriod":1}`, "gracePeriod", "gracePeriod is not a field of this request"},
		{"POST", one + "/rotate", `{"grace_period":1}`, "grace_period", "grace_period is unknown: did you mean gracePeriod?"},
		{"POST", one + "/rotate", `{"grace":1}`, "grace", "grace is unknown: did you mean gracePeriod?"},
		{"POST", one + "/explain", `{"method":"GET","path":"/","source_ip":"::1"}`, "source_ip", "source_ip is unknown: did you mean sourceIp?"},
		{"POST", keys + "/lookup", `{"apiKey":"x"}`, "apiKey", "apiKey is not a field of this request: use key"},
		{"POST", keys + "/revoke-by-token", `{"token":"x"}`, "token", "token is unknown: use key"},
		{"POST", keys + "/validate", `{"api_key":"x"}`, "api_key", "api_key is unknown: did you mean apiKey?"},
		{"POST", keys + "/validate", `{"apiKey":"x","scopes":["a"]}`, "scopes", "scopes is not a field of this request: did you mean scope?"},
		// A name that may be a secret is never repeated.
		{"POST", keys, `{"` + native + `":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"` + native[:15] + `":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"hunter2hunter2hunter2":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"0123456789abcdef":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"rateLimit1234567":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"correcthorsebatterystaple":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"name ":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"имя":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"":true}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"rateLimit.requests":1}`, "", "The body has a field that is unknown"},
		// A name with a bracket or a dot does not change where the others are.
		{"POST", keys, `{"method[":1,"zz":2}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"aa":1,"method[":2}`, "aa", "aa is unknown"},
		{"POST", keys, `{"name.x":1,"zz":2,"scopes[0]":3}`, "", "The body has a field that is unknown"},
		{"POST", keys, `{"rateLimit":{"requests":1,"window":1,"` + native + `":1}}`, "rateLimit", "rateLimit has a field that is unknown: use requests or window"},
		{"POST", keys, `{"` + native + `":1,"` + native + `":2}`, "", "The body has a field twice"},
		{"POST", keys, `{"` + strings.Repeat("a", 40_000) + `":1}`, "", "The body has a field that is unknown"},
	} {
		for range 3 { // maps have no order
			a := s.send(s.root, c.method, c.path, c.body)
			a.isError(t, c.body, 400, c.param)
			if got := a.message(); !strings.HasPrefix(got, c.message) {
				t.Errorf("%s %s %.80s: %q, want %q", c.method, c.path, c.body, got, c.message)
			}
			if strings.Contains(a.text, native[:15]) {
				t.Errorf("%.80s: a part of a key is repeated: %s", c.body, a.text)
			}
		}
	}
	if log := s.log.String(); strings.Contains(log, native[:15]) {
		t.Errorf("a part of a key is logged: %s", log)
	}
}

func (a answer) message() string {
	e, _ := a.json["error"].(map[string]any)
	text, _ := e["message"].(string)
	return text
}

// Policy: the error for a body that is no unambiguous JSON names the fault, and shows nothing of
// the body.
func TestABodyThatIsNoJSONIsNamed(t *testing.T) {
	const surrogate = "The body has half of a character in it: a surrogate that stands alone"
	s := newService(t)
	for body, message := range map[string]string{
		" ": "The body is not JSON", `{`: "The body is not JSON", `{"name":"a",}`: "The body is not JSON", "{'a':1}": "The body is not JSON",
		`{"name":"\ud800"`: "The body is not JSON", `{"name":"\x"}`: "The body is not JSON",
		`01`: "The body has something after its JSON value", `{} {}`: "The body has something after its JSON value", `{}x`: "The body has something after its JSON value",
		`{"name":"\ud800"} 1`:     "The body has something after its JSON value",
		`{"name":"\ud800"}`:       surrogate,
		`{"name":"\udc00\ud800"}`: surrogate, `{"\ud83d":1}`: surrogate, `"\ud800"`: surrogate,
		`{"name":"\ufffd\ud83d\ude00"}`:  "", // an escaped U+FFFD and a whole pair
		`{"name":"a","name":"b"}`:        "name must be given once",
		`{"metadata":{"k":1,"k":2}}`:     "metadata has a field twice",
		`{"rateLimit":null}`:             "rateLimit must not be null, or have null in it; leave it out instead",
		`null`:                           "The body must not be null, or have null in it; leave it out instead",
		`{"rateLimit":{"window":1e999}}`: "rateLimit.window is not valid: the number is too large",
		strings.Repeat("[", 18):          "The body is nested too deeply",
		strings.Repeat("[", 17):          "The body is not JSON",
	} {
		a := s.send(s.root, "POST", keys, body)
		if got := a.message(); got != message {
			t.Errorf("%s: %d %q, want %q", body, a.status, got, message)
		}
	}
}

// Policy: every route has the query parameters that its documentation names, and api_key if the
// deployment allows it.
func TestAnUnknownQueryParameterIsNamed(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{}`)
	one := keys + "/" + made.json["id"].(string)
	native := made.json["key"].(string)
	for _, c := range []struct{ path, param, message string }{
		{keys + "?Limit=1", "Limit", "Limit is unknown: did you mean limit?"},
		{keys + "?user_id=u1", "user_id", "user_id is unknown: did you mean userId?"},
		{keys + "?stats=active", "stats", "stats is unknown: did you mean status?"},
		{keys + "?page=2", "page", "page is unknown: use cursor, expiresBefore, include, limit, neverUsed, rotating, search, sort, status, unusedSince or userId"},
		{keys + "?page=2&limit=1", "page", "page is unknown"},
		{keys + "?page", "page", "page is unknown"},
		{keys + "?page=", "page", "page is unknown"},
		{keys + "?from=2026-11-24", "from", "from is not a parameter of this request: use cursor, expiresBefore, include, limit, neverUsed, rotating, search, sort, status, unusedSince or userId"},
		{keys + "?apiKey=x", "apiKey", "apiKey is not a parameter of this request: did you mean api_key?"},
		{keys + "?" + native + "=1", "", "The query has a parameter that is unknown: use cursor"},
		{keys + "?" + native + "&limit=1", "", "The query has a parameter that is unknown: use cursor"},
		{keys + "?=1", "", "The query has a parameter that is unknown"},
		{one + "?limit=1", "limit", "limit is not a parameter of this request: use include"},
		{one + "/usage?days=3", "days", "days is unknown: use from or to"},
		{one + "/audit?userId=u1", "userId", "userId is not a parameter of this request: use cursor or limit"},
		{"/health?verbose=1", "verbose", "verbose is unknown: none is known here"},
		{"/openapi.json?format=yaml", "format", "format is unknown: none is known here"},
	} {
		a := s.send(s.root, "GET", c.path, "")
		a.isError(t, c.path, 400, c.param)
		if got := a.message(); !strings.HasPrefix(got, c.message) {
			t.Errorf("GET %s: %q, want %q", c.path, got, c.message)
		}
	}
	if a := s.send(s.root, "GET", keys+"?limit=1&api_key="+native, ""); a.status != 200 {
		t.Errorf("with api_key: %d %s", a.status, a.text)
	}
	if log := s.log.String(); strings.Contains(log, native[:15]) {
		t.Errorf("a part of a key is logged: %s", log)
	}

	var document struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(s.send(nil, "GET", "/openapi.json", "").text), &document); err != nil {
		t.Fatal(err)
	}
	without := newService(t, func(s *service) { s.queryKey = false })
	routes := 0
	for path, methods := range document.Paths {
		if path == authorize {
			continue // a proxy may send the query of its client
		}
		for method := range methods {
			routes++
			at := strings.NewReplacer("{id}", "0000000000000000", "{userId}", "u1").Replace(path)
			s.send(s.root, strings.ToUpper(method), at+"?zzz=1", "").isError(t, method+" "+path+" with zzz", 400, "zzz")
			if a := s.send(s.root, strings.ToUpper(method), at+"?api_key=x", ""); strings.Contains(a.text, "api_key") {
				t.Errorf("%s %s with api_key: %s", method, path, a.text)
			}
			without.send(without.root, strings.ToUpper(method), at+"?api_key=x", "").isError(t, method+" "+path+" without api_key", 400, "api_key")
		}
	}
	if routes < 15 {
		t.Errorf("the document has %d routes", routes)
	}
}
