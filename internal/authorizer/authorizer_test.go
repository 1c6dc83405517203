package authorizer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/routes"
)

// judge is a gate that always gives the same answer. It records the last request.
type judge struct {
	verdict apikey.Verdict
	err     error
	panics  any // if not nil, Check panics with it
	asked   gate.Request
}

func (j *judge) Check(_ context.Context, r gate.Request) (apikey.Verdict, error) {
	j.asked = r
	if j.panics != nil {
		panic(j.panics)
	}
	return j.verdict, j.err
}

// wasAsked reports whether the authorizer had a credential judged.
func (j *judge) wasAsked() bool { return j.asked.Cost != 0 }

// says returns a judge who gives a verdict with this code.
func says(code apikey.Code) *judge { return &judge{verdict: verdict(code)} }

// verdict returns a verdict on a key with a limit of 5 requests. Only a missing token has no key.
func verdict(code apikey.Code) apikey.Verdict {
	v := apikey.Verdict{Code: code}
	if code == apikey.CodeMissing {
		return v
	}
	v.Key = &apikey.Key{
		ID: "0123456789abcdef", UserID: "u1", Name: "demo", Environment: apikey.Live, Scopes: apikey.Scopes{"tts", "stt"},
		Limit: ratelimit.Limit{Requests: 5, Window: 10 * time.Second}, CreatedAt: time.UnixMilli(1795521600000),
	}
	v.Status = ratelimit.Status{Limit: 5, Remaining: 4, Reset: time.Unix(1795521661, 0)}
	switch code {
	case apikey.CodeRateLimited:
		v.Status.Remaining, v.RetryAfter = 0, 7*time.Second
	case apikey.CodeQuotaExceeded:
		v.Status.Limit, v.Status.Remaining, v.RetryAfter = 1000, 0, 3600*time.Second
	}
	return v
}

// settings changes the options of an authorizer. It may be nil.
type settings func(*admission.Options)

func newAuthorizer(t testing.TB, j *judge, log *bytes.Buffer, set settings) *authorizer.Authorizer {
	t.Helper()
	o := admission.Options{
		Gate: j, Format: newFormat(t), QueryAPIKey: true, Logger: slog.New(slog.NewJSONHandler(log, nil)),
	}
	if set != nil {
		set(&o)
	}
	return authorizer.New(authorizer.Options{Door: admission.New(o)})
}

func newFormat(t testing.TB) apikey.Format {
	t.Helper()
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	return format
}

// decision returns how an authorizer answers an event: "allow" and the principal, "deny" and the
// public code, "refuse" and the code in the log, or "fail" and the message in the log. A text
// "canary" in the event must not come back in an error or in the log.
func decision(t testing.TB, j *judge, event string, set settings) string {
	t.Helper()
	var log bytes.Buffer
	a := newAuthorizer(t, j, &log, set)
	log.Reset() // it may warn when it starts
	answer, err := a.Invoke(t.Context(), []byte(event))
	if err != nil && answer != nil {
		t.Errorf("%s: both an answer and an error: %s, %v", event, answer, err)
	}
	var line struct{ Msg, Code string }
	if log.Len() > 0 {
		unmarshal(t, log.Bytes(), &line)
	}
	if strings.Contains(log.String(), "canary") || err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("%s: the event is repeated in the log or the error: %s, %v", event, log.String(), err)
	}
	switch {
	case errors.Is(err, authorizer.ErrUnauthorized):
		return "refuse " + line.Code
	case err != nil:
		return "fail " + line.Msg
	}
	var r struct {
		PrincipalID    string
		PolicyDocument struct{ Statement []struct{ Effect string } }
		Context        struct{ Code string }
	}
	unmarshal(t, answer, &r)
	switch effect := r.PolicyDocument.Statement[0].Effect; {
	case len(r.PolicyDocument.Statement) == 1 && effect == "Allow":
		return "allow " + r.PrincipalID
	case len(r.PolicyDocument.Statement) == 1 && effect == "Deny":
		return "deny " + r.Context.Code
	}
	t.Fatalf("%s: not one statement that allows or denies: %s", event, answer)
	return ""
}

func unmarshal(t testing.TB, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func decode(t testing.TB, text []byte) (v any) {
	t.Helper()
	unmarshal(t, text, &v)
	return v
}

// methodArn begins the methodArn of a request, without the method and the path.
const methodArn = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/"

// request returns an event for a method and path, such as "GET/tts", with more members.
func request(route, members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"methodArn":"` + methodArn + route + `"` + members + `}`
}

const (
	token      = "a-foreign-token-of-ours"
	withToken  = `"headers":{"X-API-Key":"` + token + `"}`
	validKeyID = "0123456789abcdef"
)

func rules(t testing.TB, text string) routes.Rules {
	t.Helper()
	all, err := routes.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func paths(t testing.TB, text string) routes.Rules {
	t.Helper()
	all, err := routes.ParsePaths(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// API Gateway recognises a refusal by this text alone.
func TestARefusalIsTheErrorUnauthorized(t *testing.T) {
	a := newAuthorizer(t, says(apikey.CodeMissing), &bytes.Buffer{}, nil)
	answer, err := a.Invoke(t.Context(), read(t, "authorizer-unauthorized.json"))
	if err == nil || err.Error() != "Unauthorized" || answer != nil {
		t.Errorf("%s, %v; want exactly Unauthorized", answer, err)
	}
}

func TestEachVerdictHasItsDecision(t *testing.T) {
	want := map[apikey.Code]string{
		apikey.CodeValid:          "allow " + validKeyID,
		apikey.CodeRateLimited:    "deny rate_limit_exceeded",
		apikey.CodeQuotaExceeded:  "deny insufficient_quota",
		apikey.CodeCostAboveLimit: "deny cost_above_limit",
	}
	for _, code := range apikey.Codes() {
		decided := want[code]
		if decided == "" {
			decided = "refuse " + string(code)
		}
		if got := decision(t, says(code), string(read(t, "authorizer-allow.json")), nil); got != decided {
			t.Errorf("%s: %s, want %s", code, got, decided)
		}
	}
}

// The base path of a custom domain is in the path of an event, and not in its methodArn. Rules, costs
// and public paths are about the path after it.
func TestTheBasePathOfACustomDomainChangesNoDecision(t *testing.T) {
	plain, domain := string(read(t, "authorizer-allow.json")), string(read(t, "authorizer-allow-domain.json"))
	if !strings.Contains(domain, `"path": "/auth/api/v1/whoami"`) {
		t.Fatalf("the event has no base path: %s", domain)
	}
	for _, c := range []struct {
		edit func(*admission.Options)
		want string
	}{
		{nil, "allow " + validKeyID},
		{func(o *admission.Options) { o.Public = paths(t, "/api/v1/whoami") }, "allow anonymous"},
		{func(o *admission.Options) { o.Public = paths(t, "/auth/*") }, "allow " + validKeyID},
	} {
		for _, event := range []string{plain, domain} {
			if got := decision(t, says(apikey.CodeValid), event, c.edit); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		}
	}
}

func TestTheGateIsAskedWhatTheEventSays(t *testing.T) {
	j := says(apikey.CodeValid)
	decision(t, j, string(read(t, "authorizer-allow.json")), nil)
	source, at := netip.MustParseAddr("203.0.113.7"), time.UnixMilli(1795521600000)
	if j.asked.Cost != 1 || j.asked.Source != source || !j.asked.Time.Equal(at) {
		t.Errorf("asked %+v; want cost 1, source %v, time %v", j.asked, source, at)
	}
}

func TestOnlyRefusalsAndErrorsAreLogged(t *testing.T) {
	for _, code := range apikey.Codes() {
		var log bytes.Buffer
		a := newAuthorizer(t, says(code), &log, nil)
		_, _ = a.Invoke(t.Context(), read(t, "authorizer-allow.json"))
		if logged := log.Len() > 0; logged != (code != apikey.CodeValid) {
			t.Errorf("%s: log %q", code, log.String())
		}
		named := strings.Contains(log.String(), `"keyId":"`+validKeyID+`"`)
		if named != (code != apikey.CodeValid && code != apikey.CodeMissing) {
			t.Errorf("%s: log %q; want the key's id if the verdict has a key", code, log.String())
		}
	}
}

func TestAnErrorOfTheGateIsNoRefusal(t *testing.T) {
	event := request("GET/", `"multiValueHeaders":{"X-API-Key":["canary-canary-canary"]}`)
	for name, c := range map[string]struct {
		gate *judge
		want string
	}{
		"the gate could not decide":    {&judge{err: errors.New("dial tcp")}, "fail could not decide"},
		"a panic with a text":          {&judge{panics: "with canary"}, "fail panic"},
		"a panic with an error":        {&judge{panics: errors.New("canary")}, "fail panic"},
		"a panic with an event's text": {&judge{panics: []string{event}}, "fail panic"},
	} {
		if got := decision(t, c.gate, event, nil); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestRoutesNeedScopes(t *testing.T) {
	const (
		some = "POST /tts/*=tts; POST /tts/admin=tts:admin;GET /v1/models=;* /files/*=files;GET /files/*=files:read"
		part = "GET /open/*=;GET /*=closed"
		none = ""
	)
	for _, c := range []struct {
		rules, route, want string // "scope" with the scope, or "refuse"
	}{
		{none, "GET/any/thing", "scope "},
		{some, "POST/tts/x", "scope tts"},
		{some, "POST/tts/admin", "scope tts:admin"},
		{some, "PUT/files/a", "scope files"},
		{some, "GET/files/a", "scope files:read"},
		{some, "GET/v1/models", "scope "},
		{some, "GET/v1/models/", "refuse"},
		{some, "GET/tts/x", "refuse"},
		{some, "GET/other", "refuse"},
		{some + ";*=", "GET/other", "scope "},
		{some + ";*=base", "GET/other", "scope base"},
		{part, "GET/closed", "scope closed"},
		// Servers read these paths in different ways.
		{part, "GET/open/../closed", "refuse"},
		{part, "GET/open/%2e%2e/closed", "refuse"},
		{part, "GET/open%2fx", "refuse"},
		{part, "GET/open//x", "refuse"},
	} {
		j := says(apikey.CodeValid)
		decided := decision(t, j, request(c.route, withToken), func(o *admission.Options) { o.Routes = rules(t, c.rules) })
		got := "refuse"
		if decided == "allow "+validKeyID {
			got = "scope " + j.asked.Scope
		} else if decided != "refuse no_route_rule" || j.wasAsked() {
			t.Errorf("%s with %q: %s", c.route, c.rules, decided)
		}
		if got != c.want {
			t.Errorf("%s with %q: %s, want %s", c.route, c.rules, got, c.want)
		}
	}
}

// The routes that manage keys always cost 1. A path in another form is no cheaper.
func TestARouteHasACost(t *testing.T) {
	costs, err := routes.ParseCosts("POST /tts/*=5;GET /v1/models=0;*=2")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		set            bool
		route, members string
		want           int64
	}{
		{false, "POST/tts/x", "", 1},
		{true, "POST/tts/x", "", 5},
		{true, "POST/TTS/x", "", 5},
		{true, "POST/x/../tts/x", "", 5},
		{true, "GET/tts/x", "", 2},
		{true, "GET/v1/models", "", 0},
		{true, "GET/v1/models/", "", 2},
		{true, "GET/api/v1/whoami", `"resource":"/api/v1/whoami",` + ownStage + ",", 2},
		{true, "GET/api/v1/api-keys", `"resource":"/api/v1/api-keys",` + ownStage + ",", 1},
		{true, "GET/api/v1/api-keys", `"resource":"/api/v1/api-keys",`, 2},
		{true, "GET/api/v1/api-keys", `"resource":"/{proxy+}",` + ownStage + ",", 2},
	} {
		j := says(apikey.CodeValid)
		got := decision(t, j, request(c.route, c.members+withToken), func(o *admission.Options) {
			if c.set {
				o.Costs = costs
			}
		})
		if got != "allow "+validKeyID || j.asked.Cost != c.want {
			t.Errorf("%s, %s: %s, cost %d, want %d", c.route, c.members, got, j.asked.Cost, c.want)
		}
	}
}

// Routes that manage keys check scopes themselves. Only the resource of latchkey's own stage makes a
// route one of them.
func TestRulesDoNotConcernRoutesThatManageKeys(t *testing.T) {
	const allow, refuse = "allow " + validKeyID, "refuse no_route_rule"
	for _, c := range []struct{ resource, stage, want string }{
		{"/api/v1/api-keys", ownStage, allow},
		{"/api/v1/api-keys/{id}/rotate", ownStage, allow},
		{"/api/v1/usage", ownStage, allow},
		{"/api/v1/whoami", ownStage, refuse},
		{"/{proxy+}", ownStage, refuse},
		{"/api/v1/api-keys", `"stageVariables":{}`, refuse},
	} {
		j := says(apikey.CodeValid)
		event := request("GET/api/v1/api-keys", `"resource":"`+c.resource+`",`+c.stage+`,`+withToken)
		got := decision(t, j, event, func(o *admission.Options) { o.Routes = rules(t, "POST /tts=tts") })
		if got != c.want || j.asked.Scope != "" {
			t.Errorf("%s, %s: %s, scope %q; want %s", c.resource, c.stage, got, j.asked.Scope, c.want)
		}
	}
}

func TestPublicRoutesNeedNoKey(t *testing.T) {
	const allow, refuse = "allow anonymous", "refuse no_route_rule"
	for _, c := range []struct{ public, route, want string }{
		{"/health,/docs", "GET/health", allow},
		{"/health,/docs", "POST/docs", allow},
		{" /docs/* ,,", "GET/docs/x/y", allow},
		{"/*", "GET/", allow},
		{"/", "GET/", allow},
		{"/health,/docs", "GET/docs/x", refuse},
		{"/docs/*", "GET/docs", refuse},
		{"/docs/*", "GET/docs/../keys", refuse},
		{"/docs/*", "GET/docs/%2e%2e/keys", refuse},
		{"", "GET/health", refuse},
	} {
		got := decision(t, says(apikey.CodeMissing), request(c.route, ""), func(o *admission.Options) {
			o.Public, o.Routes = paths(t, c.public), rules(t, "GET /x=y")
		})
		if got != c.want {
			t.Errorf("%s with %q public: %s, want %s", c.route, c.public, got, c.want)
		}
	}
}

func TestAnonymousAllowsEveryRequestAndWarns(t *testing.T) {
	anonymous := func(o *admission.Options) { o.Anonymous = true }
	var log bytes.Buffer
	newAuthorizer(t, &judge{}, &log, anonymous)
	if !strings.Contains(log.String(), "REQUIRE_AUTH") {
		t.Errorf("it starts without a warning: %s", log.String())
	}
	j := says(apikey.CodeRevoked)
	got := decision(t, j, string(read(t, "authorizer-allow.json")), anonymous)
	if got != "allow anonymous" || j.wasAsked() {
		t.Errorf("%s, the gate was asked: %v", got, j.wasAsked())
	}
}

// A custom domain's base path stays in an event's path. Rules, public routes and latchkey's own routes
// go by methodArn and resource, which do not have it.
func TestBasePathOfACustomDomainChangesNothing(t *testing.T) {
	for _, base := range []string{"", "/auth", "/docs", "/tts"} {
		for _, c := range []struct{ path, resource, members, scope, want string }{
			{"/tts/x", "/{proxy+}", withToken, "tts", "allow " + validKeyID},
			{"/other", "/{proxy+}", withToken, "", "refuse no_route_rule"},
			{"/docs/x", "/{proxy+}", withToken, "", "allow anonymous"},
			{"/api/v1/api-keys", "/api/v1/api-keys", ownStage, "", "allow " + validKeyID},
			{"/api/v1/api-keys", "/api/v1/api-keys", ownStage + "," + withJWT, "", "allow user"},
			{"/api/v1/whoami", "/api/v1/whoami", ownStage + "," + withJWT, "", "allow user"},
		} {
			j := says(apikey.CodeValid)
			event := request("GET"+c.path, `"resource":"`+c.resource+`",`+c.members+
				`,"path":"`+base+c.path+`","requestContext":{"path":"`+base+c.path+`"}`)
			got := decision(t, j, event, func(o *admission.Options) {
				o.Routes, o.Public = rules(t, "/tts/*=tts"), paths(t, "/docs/*")
				o.Users = &registrar{verdict: admission.UserVerdict{User: admission.User{ID: "alice"}}}
			})
			if got != c.want || j.asked.Scope != c.scope {
				t.Errorf("%s below %q: %s, scope %q; want %s, %q", c.path, base, got, j.asked.Scope, c.want, c.scope)
			}
		}
	}
}

func TestQuietWriterDropsOnlyRepeatedErrors(t *testing.T) {
	for _, c := range []struct {
		line string
		want string // "" if the line is dropped
	}{
		{`2026/11/30 12:00:00 {"errorMessage":"Unauthorized","errorType":"errorString"}`, ""},
		{`{"errorMessage":"unavailable: the key could not be checked","errorType":"errorString"}`, ""},
		{`{"errorMessage":"not an authorizer event","errorType":"errorString"}`, ""},
		{`{"errorMessage":"runtime error","errorType":"Error","stackTrace":[]}`, "the line"},
		{`failed to get the next invoke: Unauthorized`, "the line"},
	} {
		want := c.want
		if want != "" {
			want = c.line
		}
		var out bytes.Buffer
		n, err := authorizer.QuietWriter{Writer: &out}.Write([]byte(c.line))
		if n != len(c.line) || err != nil || out.String() != want {
			t.Errorf("%s: wrote %q, %d, %v", c.line, out.String(), n, err)
		}
	}
}

func FuzzInvoke(f *testing.F) {
	for _, name := range []string{"authorizer-allow.json", "authorizer-deny.json", "authorizer-unauthorized.json"} {
		f.Add(read(f, name))
	}
	f.Add([]byte(request("GET/api/v1/whoami", `"resource":"/api/v1/whoami",`+ownStage+","+withJWT)))
	j := says(apikey.CodeValid)
	a := newAuthorizer(f, j, &bytes.Buffer{}, func(o *admission.Options) {
		o.Routes, o.TrustedProxyHops = rules(f, "GET /api/*=tts;*="), 1
		o.Users = &registrar{verdict: admission.UserVerdict{Refused: apikey.CodeMalformedToken}}
		o.Logger = slog.New(slog.DiscardHandler)
	})
	f.Fuzz(func(t *testing.T, event []byte) {
		j.asked = gate.Request{}
		answer, err := a.Invoke(t.Context(), event)
		if !json.Valid(event) && (err == nil || errors.Is(err, authorizer.ErrUnauthorized) || j.wasAsked()) {
			t.Errorf("%q is not JSON and was judged: %s, %v", event, answer, err)
		}
		if err == nil && !json.Valid(answer) || err != nil && answer != nil {
			t.Errorf("%s, %v", answer, err)
		}
	})
}
