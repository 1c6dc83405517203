package httpapi_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/assertion"
	"latchkey/internal/gate"
	"latchkey/internal/httpapi"
)

const authorize = "/api/v1/authorize"

// ask sends the request of a proxy. A header may come twice.
func (s *service) ask(method, path string, headers ...string) answer {
	s.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	event := events.APIGatewayProxyRequest{
		HTTPMethod: method, Path: path, MultiValueHeaders: map[string][]string{},
		RequestContext: events.APIGatewayProxyRequestContext{
			RequestTimeEpoch: s.now.UnixMilli(), Identity: events.APIGatewayRequestIdentity{SourceIP: "192.0.2.1"},
		},
	}
	event.MultiValueQueryStringParameters, _ = url.ParseQuery(query)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		event.MultiValueHeaders[name] = append(event.MultiValueHeaders[name], value)
	}
	return s.invoke(event)
}

// asks is the proxy's part of a request for a method and a path.
func asks(method, uri string) []string {
	return []string{"X-Original-Method: " + method, "X-Original-URI: " + uri}
}

// key makes a key and returns the header that has its token.
func (s *service) key(body string) (header string) {
	s.t.Helper()
	a := s.send(s.root, "POST", keys, body)
	token, _ := a.json["key"].(string)
	if a.status != 201 {
		s.t.Fatalf("create: %d %s", a.status, a.text)
	}
	return "X-API-Key: " + token
}

// Envoy names a request by its own method and path, and other proxies by headers.
func TestAProxyMayAsk(t *testing.T) {
	for _, envoy := range []bool{false, true} {
		s := newService(t, func(s *service) { s.hops = 1 })
		tts := s.key(`{"userId":"ü 1","scopes":["tts","stt"],"rateLimit":{"requests":5,"window":60}}`)
		near := s.key(`{"userId":"u2","unlimited":true,"allowedCidrs":["203.0.113.0/24"]}`)
		from := func(address string) string { return "X-Forwarded-For: " + address + ", 192.0.2.1" }
		for _, c := range []struct {
			name, method, uri string
			headers           []string
			status            int
			code              string
			user, scopes      string
			left              string // of the limit
		}{
			{"no key", "GET", "/v1/models", nil, 401, "invalid_api_key", "", "", ""},
			{"a key", "GET", "/v1/models?x=1", []string{tts}, 200, "", "%C3%BC%201", "tts stt", "5"},
			{"a cost above the limit", "POST", "/tts/dear", []string{tts}, 429, "cost_above_limit", "", "", "5"},
			{"a route that costs 5", "POST", "/tts/long", []string{tts}, 200, "", "%C3%BC%201", "tts stt", "0"},
			{"a key over its limit", "POST", "/tts/x", []string{tts}, 429, "rate_limit_exceeded", "", "", "0"},
			{"a missing scope", "POST", "/tts/x", []string{near, from("203.0.113.7")}, 403, "insufficient_scope", "", "", ""},
			{"a route without a rule", "PUT", "/v1/models", []string{near, from("203.0.113.7")}, 401, "invalid_api_key", "", "", ""},
			{"the right address", "HEAD", "/v1/models", []string{near, from("203.0.113.7")}, 200, "", "u2", "-", ""},
			{"an address that the client made up", "GET", "/v1/models", []string{near, from("203.0.113.7, 198.51.100.1")}, 401, "invalid_api_key", "", "", ""},
			{"no address", "GET", "/v1/models", []string{near}, 401, "invalid_api_key", "", "", ""},
			{"the key in the query", "GET", "/v1/models?api_key=" + strings.TrimPrefix(tts, "X-API-Key: "), nil, 200, "", "%C3%BC%201", "tts stt", "0"},
			{"two keys", "GET", "/v1/models?api_key=" + strings.TrimPrefix(tts, "X-API-Key: "), []string{near, from("203.0.113.7")}, 401, "invalid_api_key", "", "", ""},
			{"a public path", "GET", "/docs", nil, 200, "", "anonymous", "-", ""},
			{"a public path in another form", "GET", "/x/../docs", nil, 401, "invalid_api_key", "", "", ""},
			{"a path below the public one", "GET", "/docs/", nil, 401, "invalid_api_key", "", "", ""},
			{"the path /", "GET", "/", nil, 401, "invalid_api_key", "", "", ""},
			{"a forged user", "GET", "/docs", []string{"X_User_Id: root"}, 401, "invalid_api_key", "", "", ""},
			{"a forged assertion", "GET", "/docs", []string{"X-Latchkey-Assertion: x"}, 401, "invalid_api_key", "", "", ""},
			{"another method in a header", "GET", "/docs", []string{"X-HTTP-Method-Override: PUT"}, 401, "invalid_api_key", "", "", ""},
			{"another method in the query", "GET", "/docs?a&_method=PUT", nil, 401, "invalid_api_key", "", "", ""},
			{"another path in a header", "GET", "/docs", []string{"X-Original-URL: /docs"}, 401, "invalid_api_key", "", "", ""},
		} {
			method, path, headers := "GET", authorize, append(asks(c.method, c.uri), c.headers...)
			if envoy {
				method, path, headers = c.method, authorize+c.uri, c.headers
			}
			a := s.ask(method, path, headers...)
			h, e := a.header, a.json["error"]
			if a.status != c.status || h.Get("X-User-Id") != c.user || h.Get("X-Scopes") != c.scopes || (h.Get("X-Key-Id") != "") != (c.status == 200) {
				t.Errorf("%s (Envoy: %v): %d %s %v", c.name, envoy, a.status, a.text, h)
			}
			if c.status == 200 && a.text != "" || h.Get("X-Latchkey-Assertion") != "" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s (Envoy: %v): %s %v", c.name, envoy, a.text, h)
			}
			if c.code != "" && e.(map[string]any)["code"] != c.code {
				t.Errorf("%s (Envoy: %v): %s, want %s", c.name, envoy, a.text, c.code)
			}
			if (h.Get("Retry-After") != "") != (c.code == "rate_limit_exceeded") || (h.Get("Www-Authenticate") != "") != (c.status == 401) {
				t.Errorf("%s (Envoy: %v): %v", c.name, envoy, h)
			}
			if left := h.Get("X-RateLimit-Remaining"); left != c.left {
				t.Errorf("%s (Envoy: %v): %q of the limit are left, want %q", c.name, envoy, left, c.left)
			}
			if text := h.Get("X-Latchkey-Error"); text != strings.TrimSuffix(a.text, "\n") {
				t.Errorf("%s (Envoy: %v): the header has %s, and the body %s", c.name, envoy, text, a.text)
			}
		}
		if lines := strings.Count(s.log.String(), `"msg":"refused"`); lines != 16 || strings.Contains(s.log.String(), `"status":4`) {
			t.Errorf("%d refusals in the log (Envoy: %v)\n%s", lines, envoy, &s.log)
		}
	}
}

// Policy: a client sends any header that a proxy might send. It never chooses which request is judged.
func TestNoClientChoosesTheRequestThatIsJudged(t *testing.T) {
	s := newService(t)
	const public, closed = "/docs", "/v1/models"
	for _, c := range []struct {
		name, path string
		headers    []string
		status     int
		log        string
	}{
		{"nothing", "", nil, 400, "invalid_request"},
		{"nothing but a query, as Caddy sends it", "?X-Original-URI=/docs&x=1", nil, 400, "invalid_request"},
		{"no method", "", []string{"X-Original-URI: " + public}, 400, "invalid_request"},
		{"no path", "", []string{"X-Original-Method: GET"}, 400, "invalid_request"},
		{"no method of Traefik", "", []string{"X-Forwarded-Uri: " + public}, 400, "invalid_request"},
		{"half of two claims", "", []string{"X-Forwarded-Method: GET", "X-Original-URI: " + public}, 400, "invalid_request"},
		{"one claim and half of another", "", append(asks("GET", public), "X-Forwarded-Method: GET"), 401, "path_override"},
		{"half of a claim and another one", "", []string{"X-Original-URI: " + public, "X-Forwarded-Method: GET", "X-Forwarded-Uri: " + public}, 401, "method_override"},
		{"half of a claim beside Envoy", closed, []string{"X-Original-URI: " + public}, 401, "method_override"},
		{"nginx", "", asks("GET", public), 200, ""},
		{"Traefik", "", []string{"X-Forwarded-Method: GET", "X-Forwarded-Uri: " + public}, 200, ""},
		{"Envoy", public, nil, 200, ""},
		{"all agree", public, append(asks("GET", public), "X-Forwarded-Method: GET", "X-Forwarded-Uri: "+public), 200, ""},
		{"another path", "", append(asks("GET", closed), "X-Forwarded-Method: GET", "X-Forwarded-Uri: "+public), 401, "path_override"},
		{"another path before it", "", append([]string{"X-Forwarded-Method: GET", "X-Forwarded-Uri: " + public}, asks("GET", closed)...), 401, "path_override"},
		{"another query", "", append(asks("GET", public), "X-Forwarded-Method: GET", "X-Forwarded-Uri: "+public+"?x"), 401, "path_override"},
		{"another method", "", append(asks("PUT", public), "X-Forwarded-Method: GET", "X-Forwarded-Uri: "+public), 401, "method_override"},
		{"another path than that of Envoy", closed, asks("GET", public), 401, "path_override"},
		{"another path than / of Envoy", "/", asks("GET", public), 401, "path_override"},
		{"another method than that of Envoy", public, asks("PUT", public), 401, "method_override"},
		{"a path twice", "", append(asks("GET", public), "X-Original-URI: "+public), 401, "path_override"},
		{"a path in two spellings", "", append(asks("GET", public), "x_original_uri: "+public), 401, "path_override"},
		{"a method twice", "", append(asks("GET", public), "X-Original-Method: GET"), 401, "method_override"},
		{"two methods in one", "", asks("GET, PUT", public), 401, "method_override"},
		{"a method in lower case", "", asks("get", public), 401, "method_override"},
		{"an empty method", "", asks("", public), 401, "method_override"},
		{"an empty path", "", asks("GET", ""), 401, "path_override"},
		{"a query alone", "", asks("GET", "?x"), 401, "path_override"},
		{"a URL", "", asks("GET", "http://x"+public), 401, "path_override"},
		{"a star", "", asks("OPTIONS", "*"), 401, "path_override"},
		{"no slash", "", asks("GET", "docs"), 401, "path_override"},
		{"a fragment", "", asks("GET", public+"#x"), 401, "path_override"},
		{"two paths in one", "", asks("GET", public+", "+public), 401, "path_override"},
		{"a control character", "", asks("GET", public+"\t"), 401, "path_override"},
		{"text beyond ASCII", "", asks("GET", public+"\u00e4"), 401, "path_override"},
		{"another method after a semicolon", "", asks("GET", public+"?a;_method=PUT"), 401, "method_override"},
		{"another method beside a wrong escape", "", asks("GET", public+"?%zz&%5Fmethod=PUT"), 401, "method_override"},
		{"the path of Envoy in another header", closed, []string{"X-Envoy-Original-Path: " + public}, 401, "missing_key"},
		{"a path that only begins like the route", "x" + public, nil, 404, "not_found"},
	} {
		s.log.Reset()
		a := s.ask("GET", authorize+c.path, c.headers...)
		if a.status != c.status || (a.header.Get("X-User-Id") != "") != (c.status == 200) {
			t.Errorf("%s: %d %s, want %d", c.name, a.status, a.text, c.status)
		}
		if c.status != 200 && !strings.Contains(s.log.String(), `"code":"`+c.log+`"`) {
			t.Errorf("%s: the log has no %s: %s", c.name, c.log, &s.log)
		}
		if c.status == 401 && !strings.Contains(a.text, "API key") {
			t.Errorf("%s: %s", c.name, a.text)
		}
	}
}

// signs is a signer whose assertions are readable.
type signs struct{ err error }

func (s signs) Sign(_ context.Context, c assertion.Claims) (string, error) {
	return strings.Join([]string{"for " + c.Audience, c.Subject, c.Method, c.Path}, " "), s.err
}

func TestABackendOfAProxyMayGetAnAssertion(t *testing.T) {
	for _, c := range []struct {
		audience  string
		err       error
		status    int
		assertion string
	}{
		{"", nil, 200, ""},
		{"urn:tts", nil, 200, "for urn:tts u1 GET /v1/models"},
		{"urn:tts", errors.New("no key"), 503, ""},
		{"", errors.New("no key"), 200, ""},
	} {
		s := newService(t, func(s *service) { s.audience, s.signer = c.audience, signs{c.err} })
		a := s.ask("GET", authorize, append(asks("GET", "/v1/mod%65ls?audience=urn:x"), s.key(`{"userId":"u1"}`))...)
		if a.status != c.status || a.header.Get("X-Latchkey-Assertion") != c.assertion || (a.header.Get("X-User-Id") != "") != (c.status == 200) {
			t.Errorf("%+v: %d %s %v", c, a.status, a.text, a.header)
		}
		if strings.Contains(a.text, "no key") {
			t.Errorf("%+v: %s", c, a.text)
		}
	}
}

// undecided is a gate that cannot decide.
type undecided struct{}

func (undecided) Check(context.Context, gate.Request) (apikey.Verdict, error) {
	return apikey.Verdict{}, errors.New("the table is away")
}

func TestAProxyIsToldThatARequestCouldNotBeDecided(t *testing.T) {
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	for door, status := range map[*admission.Door]int{
		admission.New(admission.Options{Gate: undecided{}, Format: format, Logger: quiet}): 503,
		nil: 404,
	} {
		w := httptest.NewRecorder()
		httpapi.New(httpapi.Options{Door: door, Now: time.Now, Logger: quiet}).ServeHTTP(w, httptest.NewRequest("GET", authorize+"/x?a=b;c", nil))
		if w.Code != status || (w.Header().Get("Retry-After") != "") != (status == 503) || w.Header().Get("X-User-Id") != "" || strings.Contains(w.Body.String(), "away") {
			t.Errorf("%d %s %v, want %d", w.Code, w.Body, w.Header(), status)
		}
	}
}

// API Gateway ignores a slash at the end of a path. The path that Envoy asks about keeps it, so that "/"
// is not the route where headers name the path.
func TestThePathOfEnvoyKeepsItsLastSlash(t *testing.T) {
	s := newService(t)
	for _, base := range []string{"", "/auth", authorize} {
		for _, c := range []struct {
			resource, path string
			parameter      string
			headers        []string
			status         int
			code           string
		}{
			{authorize, authorize, "", asks("GET", "/docs"), 200, ""},
			{authorize, authorize, "", nil, 400, "invalid_request"},
			{authorize, authorize + "/", "", asks("GET", "/docs"), 401, "path_override"},
			{authorize, authorize + "/", "", nil, 401, "no_route_rule"},
			{authorize + "/{proxy+}", authorize + "/docs", "docs", nil, 200, ""},
			{authorize + "/{proxy+}", authorize + "/docs/", "docs", nil, 401, "no_route_rule"},
			{authorize + "/{proxy+}", authorize + "/docs", "docs", asks("GET", "/docs/"), 401, "path_override"},
			{authorize + "/{proxy+}", authorize + "/%64ocs", "%64ocs", asks("GET", "/%64ocs"), 200, ""},
			{authorize + "/{proxy+}", authorize + "//docs", "/docs", nil, 401, "no_route_rule"},
			{authorize + "/{proxy+}", authorize + "/v1%2Fmodels", "v1%2Fmodels", nil, 401, "no_route_rule"},
			{authorize + "/{proxy+}", authorize + "/x/../docs", "x/../docs", nil, 401, "no_route_rule"},
		} {
			e := events.APIGatewayProxyRequest{
				HTTPMethod: "GET", Resource: c.resource, Path: base + c.path, MultiValueHeaders: map[string][]string{},
				RequestContext: events.APIGatewayProxyRequestContext{Path: "/prod" + base + c.path, ResourcePath: c.resource},
			}
			if c.parameter != "" {
				e.PathParameters = map[string]string{"proxy": c.parameter}
			}
			for _, h := range c.headers {
				name, value, _ := strings.Cut(h, ": ")
				e.MultiValueHeaders[name] = []string{value}
			}
			s.log.Reset()
			a := s.invoke(e)
			if a.status != c.status || c.code != "" && !strings.Contains(s.log.String(), `"code":"`+c.code+`"`) {
				t.Errorf("%s%s as %s with %q: %d %s, want %d %s", base, c.path, c.resource, c.headers, a.status, a.text, c.status, c.code)
			}
		}
	}
}
