package httpapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/httpapi"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/routes"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// service is the API as a function runs it, on a real table.
type service struct {
	t        testing.TB
	handle   func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)
	registry *registry.Registry
	options  registry.Options // of the registry; changed by configure
	api      httpapi.Options
	gate     *gate.Gate
	table    *dynamo.Table
	log      bytes.Buffer
	health   error
	now      time.Time
	probes   int
	root     who
	routes   routes.Rules
	public   routes.Rules
	costs    routes.Costs
	hops     int
	queryKey bool
	numbers  bool
	signer   admission.Signer
	audience string
	metadata bool // whether backends get it
	reports  httpapi.ReportVerifier
	upstream string // the prefix of the tokens of another service; empty if there is none
}

// who is the context that the authorizer makes for a caller. If nil, there is no caller.
type who map[string]any

func newService(t testing.TB, edit ...func(*service)) *service {
	t.Helper()
	table := dynamotest.NewTable(t)
	s := &service{t: t, table: table, now: noon, queryKey: true}
	s.routes, _ = routes.Parse("POST /tts/*=tts;GET /v1/models=")
	s.public, _ = routes.ParsePaths("/docs")
	s.costs, _ = routes.ParseCosts("POST /tts/dear=61;POST /tts/long=5;GET /v1/models=0")
	for _, e := range edit {
		e(s)
	}
	clock := func() time.Time { return s.now }
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	hasher, err := pepper.NewHasher(strings.Repeat("m", 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	hashing := func(context.Context) (pepper.Hasher, error) { return hasher, nil }
	s.options = registry.Options{
		Store: table, Hasher: hashing, Reread: hashing, Format: format, Random: rand.Reader, Now: clock,
		MaxKeys: 5, AuditRetention: 365 * 24 * time.Hour,
	}
	s.registry = registry.New(s.options)
	s.gate = gate.New(table, ratelimit.New(table, clock, 100), gate.Options{
		Keyring:  func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: hasher}, nil },
		Patience: 5 * time.Second, Environments: []apikey.Environment{apikey.Live, apikey.Test},
		Clock: func() gate.Instant { return gate.Instant{Wall: s.now} }, Remember: 100,
	})
	logger := slog.New(slog.NewJSONHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.api = httpapi.Options{
		Gate: s.gate, Registry: s.registry, Format: format, Now: clock, Logger: logger,
		Health:  func(context.Context) error { s.probes++; return s.health },
		Explain: s.gate.Explain, Routes: s.routes, Costs: s.costs, Public: s.public, TrustedProxyHops: s.hops, QueryAPIKey: s.queryKey, UnlimitedNumbers: s.numbers,
		CORSOrigin: "*", ForwardAudience: s.audience,
		Door: admission.New(admission.Options{
			Gate: s.gate, Format: format, Routes: s.routes, Costs: s.costs, Public: s.public, Signer: s.signer, PassMetadata: s.metadata,
			TrustedProxyHops: s.hops, QueryAPIKey: s.queryKey, Logger: logger,
		}),
		Reports: s.reports, AskedElsewhere: s.askedElsewhere(),
	}
	s.handle = httpapi.Lambda(httpapi.New(s.api), logger, "*")
	s.root = s.caller("root", apikey.ScopeAdmin)
	return s
}

func (s *service) askedElsewhere() func(string) bool {
	if s.upstream == "" {
		return nil
	}
	return func(token string) bool { return strings.HasPrefix(token, s.upstream) }
}

// configure changes the options of the registry.
func (s *service) configure(edit func(*registry.Options)) {
	edit(&s.options)
	*s.registry = *registry.New(s.options)
}

// caller stores a key for a user and returns the context of a request with it.
func (s *service) caller(user string, scopes ...string) who {
	s.t.Helper()
	token, err := s.options.Format.New(apikey.Live, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	granted := apikey.Scopes(scopes)
	k, err := s.registry.Build(s.t.Context(), token, user, apikey.Live, apikey.Change{Scopes: &granted, Limit: new(apikey.DefaultLimit())})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.options.Store.Write(s.t.Context(), registry.Write{To: k}); err != nil {
		s.t.Fatal(err)
	}
	return who{"keyId": k.ID, "userId": user, "name": "", "scopes": strings.Join(scopes, " "), "environment": "live", "internal": "false",
		"limit": "60", "remaining": "59", "reset": "1795521661"}
}

// holder returns the context that the authorizer makes for a token now.
func (s *service) holder(token string) who {
	s.t.Helper()
	v, err := s.gate.Check(s.t.Context(), gate.Request{Credential: s.options.Format.Credential(token)})
	if err != nil || !v.Valid() {
		s.t.Fatalf("%s, %v", v.Code, err)
	}
	w := who{"keyId": v.Key.ID, "userId": v.Key.UserID, "scopes": strings.Join(v.Key.Scopes, " "), "generation": strconv.FormatInt(v.Key.Generation(), 10)}
	if v.Replaced {
		w["replaced"] = "true"
	}
	return w
}

type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

func (s *service) send(as who, method, path, body string, headers ...string) answer {
	s.t.Helper()
	event := events.APIGatewayProxyRequest{
		HTTPMethod: method, Body: body, MultiValueHeaders: map[string][]string{},
		RequestContext: events.APIGatewayProxyRequestContext{Authorizer: as, RequestTimeEpoch: s.now.UnixMilli()},
	}
	path, query, _ := strings.Cut(path, "?")
	event.Path = path
	event.MultiValueQueryStringParameters, _ = url.ParseQuery(query)
	if body != "" {
		event.MultiValueHeaders["Content-Type"] = []string{"application/json"}
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		event.MultiValueHeaders[name] = []string{value}
	}
	return s.invoke(event)
}

func (s *service) invoke(event events.APIGatewayProxyRequest) answer {
	s.t.Helper()
	response, err := s.handle(s.t.Context(), event)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: http.Header(response.MultiValueHeaders), text: response.Body}
	_ = json.Unmarshal([]byte(a.text), &a.json) // an answer without JSON has none
	return a
}

// isError checks status, param and envelope.
func (a answer) isError(t testing.TB, what string, status int, param string) {
	t.Helper()
	e, _ := a.json["error"].(map[string]any)
	got, hasParam := e["param"]
	var want any // null
	if param != "" {
		want = param
	}
	isEnvelope := len(a.json) == 1 && len(e) == 4 && hasParam && e["type"] != nil && documented(e["code"])
	if message, _ := e["message"].(string); !isEnvelope || message == "" || got != want || a.status != status {
		t.Errorf("%s: %d %s; want %d with param %q in the envelope", what, a.status, a.text, status, param)
	}
}

const keys = "/api/v1/api-keys"

// The time of a verdict is never before the arrival at the gateway, unless that is 5 s or more
// ahead of this instance's clock. The table's clock corrects one that is so far behind.
func TestVerdictsUseTheTimeOfArrival(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{"expiresAt":"`+noon.Add(4*time.Second).Format(time.RFC3339)+`"}`)
	for arrived, want := range map[time.Duration]string{-time.Hour: "valid", 0: "valid", 4500 * time.Millisecond: "expired_key", time.Hour: "valid"} {
		a := s.invoke(events.APIGatewayProxyRequest{
			HTTPMethod: "POST", Path: keys + "/validate", Body: `{"apiKey":"` + made.json["key"].(string) + `"}`,
			MultiValueHeaders: map[string][]string{"Content-Type": {"application/json"}},
			RequestContext:    events.APIGatewayProxyRequestContext{RequestTimeEpoch: noon.Add(arrived).UnixMilli()},
		})
		if a.json["code"] != want {
			t.Errorf("arrived %v after now: %s, want %s", arrived, a.text, want)
		}
	}
}

func TestLocationKeepsTheStage(t *testing.T) {
	s := newService(t)
	event := events.APIGatewayProxyRequest{
		HTTPMethod: "POST", Path: keys, Body: `{}`, MultiValueHeaders: map[string][]string{"Content-Type": {"application/json"}},
		RequestContext: events.APIGatewayProxyRequestContext{Authorizer: s.root},
	}
	for path, want := range map[string]string{
		keys: keys, "/prod" + keys: "/prod" + keys, "/auth/v2" + keys + "/": "/auth/v2" + keys, "": keys,
	} {
		event.RequestContext.Path = path
		a := s.invoke(event)
		id, _ := a.json["id"].(string)
		if got := a.header.Get("Location"); a.status != 201 || got != want+"/"+id {
			t.Errorf("asked at %q: %d, Location %q, want %s and the id", path, a.status, got, want)
		}
	}
}

func TestTheServerOfTheDocumentHasTheStage(t *testing.T) {
	s := newService(t)
	for at, want := range map[string]string{"/openapi.json": "/", "/prod/openapi.json": "/prod", "/auth/v2/openapi.json": "/auth/v2", "": "/"} {
		a := s.invoke(events.APIGatewayProxyRequest{
			HTTPMethod: "GET", Path: "/openapi.json", RequestContext: events.APIGatewayProxyRequestContext{Path: at},
		})
		servers, _ := a.json["servers"].([]any)
		if a.status != 200 || len(servers) != 1 || servers[0].(map[string]any)["url"] != want {
			t.Errorf("asked at %q: %d, servers %v; want %s", at, a.status, servers, want)
		}
	}
}

func TestWrongInputIsNamed(t *testing.T) {
	s := newService(t)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		param                    string
	}{
		{"no body", "POST", keys, " ", 400, ""},
		{"not JSON", "POST", keys, "{", 400, ""},
		{"a list", "POST", keys, "[]", 400, ""},
		{"two values", "POST", keys, "{}{}", 400, ""},
		{"not UTF-8", "POST", keys, "{\"name\":\"\xff\"}", 400, ""},
		{"too deep", "POST", keys, `{"metadata":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, 400, "metadata"},
		{"an unknown field", "POST", keys, `{"nmae":"x"}`, 400, "nmae"},
		{"an unknown inner field", "POST", keys, `{"rateLimit":{"requests":1,"window":1,"x":1}}`, 400, "rateLimit.x"},
		{"another case", "POST", keys, `{"Name":"x"}`, 400, "Name"},
		{"a name twice", "POST", keys, `{"name":"a","name":"b"}`, 400, "name"},
		{"an unknown name twice", "POST", keys, `{"nmae":"a","nmae":"b"}`, 400, "nmae"},
		{"an inner name twice", "POST", keys, `{"rateLimit":{"requests":1,"window":1,"window":2}}`, 400, "rateLimit.window"},
		{"a name twice in two cases", "POST", keys, `{"name":"a","NAME":"b"}`, 400, "NAME"},
		{"null", "POST", keys, `{"name":null}`, 400, "name"},
		{"an inner null", "POST", keys, `{"rateLimit":{"requests":1,"window":null}}`, 400, "rateLimit.window"},
		{"null in a list", "POST", keys, `{"scopes":["a",null]}`, 400, "scopes"},
		{"null under a name of nobody's", "POST", keys, `{"metadata":{"x":null}}`, 400, "metadata"},
		{"half of a character", "POST", keys, `{"userId":"\ud800"}`, 400, ""},
		{"half of a character before another's", "POST", keys, `{"userId":"\ud83d\u0041"}`, 400, ""},
		{"the second half alone", "POST", keys, `{"userId":"\udca9\ud83d"}`, 400, ""},
		{"half of a character at the end", "POST", keys, `{"a\uD800":1}`, 400, ""},
		{"a field of another request", "PATCH", keys + "/0000000000000000", `{"environment":"x"}`, 400, "environment"},
		{"a number for a text", "POST", keys, `{"name":1}`, 400, "name"},
		{"a long name", "POST", keys, `{"name":"` + strings.Repeat("a", 256) + `"}`, 400, "name"},
		{"a control character", "POST", keys, `{"name":"a\u0000b"}`, 400, "name"},
		{"no requests", "POST", keys, `{"rateLimit":{"window":1}}`, 400, "rateLimit.requests"},
		{"0 requests", "POST", keys, `{"rateLimit":{"requests":0,"window":1}}`, 400, "rateLimit.requests"},
		{"half a request", "POST", keys, `{"rateLimit":{"requests":0.5,"window":1}}`, 400, "rateLimit.requests"},
		{"a huge window", "POST", keys, `{"rateLimit":{"requests":1,"window":86401}}`, 400, "rateLimit.window"},
		{"a number beyond all", "POST", keys, `{"rateLimit":{"requests":1e400,"window":1}}`, 400, "rateLimit.requests"},
		{"a quota of nothing", "POST", keys, `{"quota":{"requests":0,"period":"day"}}`, 400, "quota.requests"},
		{"a quota for a week", "POST", keys, `{"quota":{"requests":5,"period":"week"}}`, 400, "quota.period"},
		{"a quota without a period", "POST", keys, `{"quota":{"requests":5}}`, 400, "quota.period"},
		{"a quota and no limit", "POST", keys, `{"unlimited":true,"quota":{"requests":5,"period":"day"}}`, 400, "quota"},
		{"a limit and none", "POST", keys, `{"unlimited":true,"rateLimit":{"requests":1,"window":1}}`, 400, "unlimited"},
		{"a past expiry", "POST", keys, `{"expiresAt":"2026-11-24T11:59:59Z"}`, 400, "expiresAt"},
		{"a time that is too late", "POST", keys, `{"notBefore":"9999-12-31T23:59:59-12:00"}`, 400, "notBefore"},
		{"a time that is too early", "POST", keys, `{"notBefore":"1970-01-01T00:00:00+12:00"}`, 400, "notBefore"},
		{"no time", "POST", keys, `{"expiresAt":"tomorrow"}`, 400, "expiresAt"},
		{"two expiries", "POST", keys, `{"expiresAt":"2027-01-01T00:00:00Z","expiresInDays":1}`, 400, "expiresInDays"},
		{"366 days", "POST", keys, `{"expiresInDays":366}`, 400, "expiresInDays"},
		{"a wrong scope", "POST", keys, `{"scopes":["A"]}`, 400, "scopes"},
		{"51 scopes", "POST", keys, `{"scopes":["a"` + strings.Repeat(`,"a"`, 50) + `]}`, 400, "scopes"},
		{"a wrong network", "POST", keys, `{"allowedCidrs":["10.0.0.0/33"]}`, 400, "allowedCidrs"},
		{"large metadata", "POST", keys, `{"metadata":{"a":"` + strings.Repeat("a", 2048) + `"}}`, 400, "metadata"},
		{"metadata of numbers", "POST", keys, `{"metadata":{"a":1}}`, 400, "metadata"},
		{"another environment", "POST", keys, `{"environment":"prod"}`, 400, "environment"},
		{"an empty user", "POST", keys, `{"userId":""}`, 400, "userId"},
		{"a large body", "POST", keys, `{"name":"` + strings.Repeat("a", 70_000) + `"}`, 413, ""},
		{"limit 0", "GET", keys + "?limit=0", "", 400, "limit"},
		{"limit 101", "GET", keys + "?limit=101", "", 400, "limit"},
		{"limit x", "GET", keys + "?limit=x", "", 400, "limit"},
		{"an empty limit", "GET", keys + "?limit=", "", 400, "limit"},
		{"limit twice", "GET", keys + "?limit=1&limit=2", "", 400, "limit"},
		{"a wrong cursor", "GET", keys + "?cursor=abc", "", 400, "cursor"},
		{"a wrong status", "GET", keys + "?status=gone", "", 400, "status"},
		{"no such key", "GET", keys + "/0000000000000000", "", 404, "id"},
		{"no id at all", "GET", keys + "/..%2f..", "", 404, "id"},
		{"an empty change", "PATCH", keys + "/0000000000000000", "{}", 400, ""},
		{"no such route", "GET", "/api/v2", "", 404, ""},
		{"a trailing slash", "GET", keys + "/", "", 404, ""},
		{"a double slash", "GET", "//api/v1/api-keys", "", 404, ""},
		{"another method", "PUT", keys, "{}", 405, ""},
		{"no apiKey", "POST", keys + "/validate", "{}", 400, "apiKey"},
		{"a cost below 0", "POST", keys + "/validate", `{"apiKey":"x","cost":-1}`, 400, "cost"},
		{"a wrong scope to check", "POST", keys + "/validate", `{"apiKey":"x","scope":"A B"}`, 400, "scope"},
		{"an empty scope to check", "POST", keys + "/validate", `{"apiKey":"x","scope":""}`, 400, "scope"},
		{"a wrong address", "POST", keys + "/validate", `{"apiKey":"x","sourceIp":"here"}`, 400, "sourceIp"},
	} {
		a := s.send(s.root, c.method, c.path, strings.TrimSpace(c.body), "Content-Type: application/json")
		a.isError(t, c.name, c.status, c.param)
		if c.status == 405 && !strings.Contains(a.header.Get("Allow"), "POST") {
			t.Errorf("405 without Allow: %v", a.header)
		}
	}
	for text, want := range map[string]string{`"\ud83d\udca9"`: "💩", `"\\ud800"`: `\ud800`, `"\u00e9\\\ud83d\uDCA9"`: `é\💩`} {
		if a := s.send(s.root, "POST", keys, `{"name":`+text+`}`); a.json["name"] != want {
			t.Errorf("%s: %s", text, a.text)
		}
	}
	for body, want := range map[string]string{
		`{"rateLimit":{"requests":1000001,"window":1}}`: "rateLimit.requests is not valid: expected number <= 1000000",
		`{"gracePeriod":1}`:                             "gracePeriod is not a field of this request",
	} {
		if a := s.send(s.root, "POST", keys, body); !strings.Contains(a.text, want) {
			t.Errorf("%s: %s, want %s", body, a.text, want)
		}
	}
	s.send(s.root, "POST", keys, `{"name":"x"}`, "Content-Type: text/plain").isError(t, "another content type", 415, "")
	event := events.APIGatewayProxyRequest{HTTPMethod: "POST", Path: keys, Body: "%%%", IsBase64Encoded: true}
	s.invoke(event).isError(t, "broken base64", 400, "")
	for _, path := range []string{"/a\x00b", "/%zz", "\x7f"} {
		s.invoke(events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: path}).isError(t, "a broken path", 400, "")
	}
	s.invoke(events.APIGatewayProxyRequest{HTTPMethod: "G T", Path: keys}).isError(t, "a broken method", 400, "")
	if strings.Contains(s.log.String(), `"status":5`) {
		t.Errorf("a wrong input was our failure:\n%s", s.log.String())
	}
}

// A few characters could ask for a number of a million digits, so a large exponent is refused.
func TestALargeExponentIsNotComputed(t *testing.T) {
	s := newService(t)
	for _, cost := range []string{"1e999999", "1E-999999", "1e+999999"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if a := s.send(nil, "POST", keys+"/validate", `{"apiKey":"x","cost":`+cost+`}`); a.status != 400 {
			t.Errorf("%s: %d %s", cost, a.status, a.text)
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 300_000 {
			t.Errorf("%s takes %d bytes", cost, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

// The token is put in every place where it does not belong. No answer and no line of the log may
// show it.
func TestATokenIsNeverEchoed(t *testing.T) {
	s := newService(t)
	const canary = "sk_live_canaryCanary0canaryCanary0canaryCanary0canaryCanary0ab"
	body := func(f string) string { return strings.ReplaceAll(f, "$", canary) }
	for _, b := range []string{
		`{"$":1}`, `{"apikey":"$"}`, `{"apiKey":["$"]}`, `{"apiKey":{"$":"$"}}`, `{"apiKey":"$","scope":"$ $"}`, `{"apiKey":"$","cost":"$"}`,
		`{"apiKey":"$","sourceIp":"$"}`, `{"apiKey":"$","publicKey":"$"}`, `$`, `"$"`, `{"apiKey":"$"`, `{"apiKey":"$"} $`, `{"apiKey":"$","apiKey":"$"}`,
		`{"$":null}`, `{"$":"a","$":"b"}`, `{"name.$":null}`, `{"name[$":null}`, `{"metadata":{"name[$]":null}}`, `{"metadata":{"$":1e400}}`,
		`{"metadata":{"$":{"$":1,"$":2}}}`,
		`{"apiKey":"$\u0000"}`, `{"apiKey":"` + strings.Repeat("$", 60) + `"}`, `{"name":{"$":"$"}}`, `{"environment":"$"}`, `{"expiresAt":"$"}`,
		`{"scopes":["$ "]}`, `{"scopes":"$"}`, `{"allowedCidrs":["$"]}`, `{"metadata":{"$":1}}`, `{"metadata":{"$":{"$":"$"}}}`, `{"rateLimit":"$"}`,
		`{"rateLimit":{"$":1,"requests":"$"}}`, `{"notBefore":"$"}`, `{"expiresInDays":"$"}`, `{"unlimited":"$"}`,
	} {
		for _, path := range []string{keys, keys + "/validate", keys + "/" + canary + "/revoke", "/" + canary} {
			a := s.send(s.root, "POST", path, body(b), "Content-Type: application/json")
			if strings.Contains(strings.ToLower(a.text), "canary") || a.status >= 500 {
				t.Errorf("POST %s %s: %d %s", path, b, a.status, a.text)
			}
		}
		if a := s.send(s.root, "PATCH", keys+"/"+canary, body(b)); strings.Contains(strings.ToLower(a.text), "canary") || a.status >= 500 {
			t.Errorf("PATCH %s: %d %s", b, a.status, a.text)
		}
	}
	for _, path := range []string{
		keys + "/" + canary, keys + "?limit=" + canary, keys + "?cursor=" + canary, keys + "?status=" + canary, keys + "?userId=" + canary + "%00",
		keys + "?" + canary + "=1", "/api/v1/whoami?api_key=" + canary, "/health?x=" + canary, "/openapi.json?x=" + canary,
		"/latchkey/health?x=" + canary, "/latchkey/openapi.json?x=" + canary, "/latchkey/" + canary,
	} {
		for _, method := range []string{"GET", "DELETE", canary} {
			a := s.send(s.root, method, path, "", "Accept: "+canary, "Content-Type: "+canary, "X-"+canary+": "+canary)
			if strings.Contains(strings.ToLower(a.text), "canary") || a.status >= 500 {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.text)
			}
		}
	}
	if log := strings.ToLower(s.log.String()); strings.Contains(log, "canary") || log == "" {
		t.Error("the token is in the log, or there is none")
	}
}

func TestTheCallerComesFromTheAuthorizerAlone(t *testing.T) {
	s := newService(t)
	context := `{"authorizer":{"keyId":"` + s.root["keyId"].(string) + `","userId":"root","scopes":"keys:admin"}}`
	for _, path := range []string{"/api/v1/whoami", keys} {
		a := s.send(nil, "GET", path, "", "X-Golambdaproxy-Apigw-Context: "+context, "keyId: x")
		a.isError(t, "a caller in a header", 401, "authorization")
	}
	a := s.send(s.root, "GET", "/api/v1/whoami", "", "X-Golambdaproxy-Apigw-Context: "+strings.ReplaceAll(context, "root", "other"))
	if a.status != 200 || a.json["userId"] != "root" || a.header.Get("X-RateLimit-Remaining") != "59" {
		t.Errorf("whoami: %d %s", a.status, a.text)
	}
	// sam local leaves them as the authorizer gave them.
	numbers := maps.Clone(s.root)
	numbers["internal"], numbers["limit"], numbers["remaining"], numbers["reset"] = false, 60.0, 59.0, 1795521661.0
	if b := s.send(numbers, "GET", "/api/v1/whoami", ""); b.text != a.text || b.header.Get("X-RateLimit-Reset") != "1795521661" {
		t.Errorf("whoami with numbers: %s %v, want %s", b.text, b.header, a.text)
	}
}

func TestAKeysLife(t *testing.T) {
	s := newService(t)
	mine, yours := s.caller("u1", "tts", apikey.ScopeRead, apikey.ScopeWrite), s.caller("u2", apikey.ScopeRead, apikey.ScopeWrite)
	made := s.send(mine, "POST", keys, `{"name":"  a  ","scopes":["tts"],"rateLimit":{"requests":5.0,"window":1e1},"expiresInDays":2,"metadata":{"team":"x"},"allowedCidrs":["10.1.2.3/8","::1"]}`)
	if made.status != 201 || made.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("create: %d %s", made.status, made.text)
	}
	id, token := made.json["id"].(string), made.json["key"].(string)
	want := map[string]any{
		"id": id, "userId": "u1", "name": "a", "description": "", "environment": "live", "status": "active",
		"keyPrefix": "sk_live_" + id[:4], "publicKey": "pk_live_" + id, "scopes": []any{"tts"}, "rateLimit": map[string]any{"requests": 5.0, "window": 10.0},
		"allowedCidrs": []any{"10.0.0.0/8", "::1/128"}, "metadata": map[string]any{"team": "x"}, "enabled": true,
		"expiresAt": "2026-11-26T12:00:00.000Z", "createdAt": "2026-11-24T12:00:00.000Z", "key": token,
		"shared": map[string]any{"limits": []any{map[string]any{"amount": 60.0, "window": 60.0}}},
	}
	if diff := cmp.Diff(want, made.json); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	path := keys + "/" + id
	for _, c := range []struct{ method, path, body string }{
		{"GET", path, ""}, {"PATCH", path, `{"name":"b"}`}, {"POST", path + "/revoke", ""}, {"DELETE", path, ""},
	} {
		s.send(yours, c.method, c.path, c.body).isError(t, c.method+" of another's key", 404, "id")
	}
	s.send(yours, "GET", keys+"?userId=u1", "").isError(t, "another's list", 403, "userId")
	s.send(yours, "POST", keys, `{"userId":"u1"}`).isError(t, "for another", 403, "userId")
	s.send(yours, "POST", keys, `{"scopes":["tts"]}`).isError(t, "a scope it does not have", 403, "scopes")
	s.send(yours, "POST", keys, `{"unlimited":true}`).isError(t, "no limit", 403, "unlimited")
	s.send(s.caller("u1", apikey.ScopeRead), "POST", keys, `{}`).isError(t, "without keys:write", 403, "")
	s.send(s.caller("u1", "tts"), "GET", keys, "").isError(t, "without keys:read", 403, "")

	v := s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`","scope":"tts","cost":2,"sourceIp":"10.9.9.9","publicKey":"pk_live_`+id+`"}`)
	if v.status != 200 || v.json["valid"] != true || v.json["rateLimit"].(map[string]any)["remaining"] != 3.0 {
		t.Errorf("validate: %d %s", v.status, v.text)
	}
	s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`","sourceIp":"10.9.9.9","cost":6}`).isError(t, "a cost above the limit", 400, "cost")
	v = s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`","sourceIp":"10.9.9.9","cost":4}`)
	if v.status != 200 || v.json["code"] != "rate_limited" || v.json["retryAfter"].(float64) < 1 {
		t.Errorf("validate over the limit: %d %s", v.status, v.text)
	}
	got := s.send(mine, "GET", path, "")
	if limit := got.json["rateLimit"].(map[string]any); limit["remaining"] != 3.0 || got.json["lastUsedAt"] != "2026-11-24T12:00:00.000Z" || got.json["key"] != nil {
		t.Errorf("get: %d %s", got.status, got.text)
	}
	changed := s.send(mine, "PATCH", path, `{"description":"d","expiresAt":"","scopes":[],"enabled":false}`)
	if changed.json["status"] != "disabled" || changed.json["expiresAt"] != nil || changed.json["description"] != "d" || changed.json["name"] != "a" {
		t.Errorf("update: %d %s", changed.status, changed.text)
	}
	list := s.send(mine, "GET", keys+"?limit=1", "")
	if data := list.json["data"].([]any); len(data) != 1 || list.json["nextCursor"] == nil {
		t.Errorf("list: %d %s", list.status, list.text)
	}
	for range 2 {
		if r := s.send(mine, "POST", path+"/revoke", ""); r.status != 200 || r.json["status"] != "revoked" || r.json["revokedAt"] == nil {
			t.Errorf("revoke: %d %s", r.status, r.text)
		}
	}
	s.send(mine, "PATCH", path, `{"enabled":true}`).isError(t, "a change of a revoked key", 409, "")
	if d := s.send(mine, "DELETE", path, ""); d.status != 204 || d.text != "" {
		t.Errorf("delete: %d %s", d.status, d.text)
	}
	s.send(mine, "DELETE", path, "").isError(t, "deleting again", 404, "id")
	if u := s.send(s.root, "POST", keys, `{"unlimited":true}`); u.json["unlimited"] != true || u.json["rateLimit"] != nil {
		t.Errorf("unlimited: %d %s", u.status, u.text)
	}
	if strings.Contains(s.log.String(), token[8:]) {
		t.Error("the token is in the log")
	}
}

func TestUsersWithoutAKeyManageTheirOwnKeys(t *testing.T) {
	s := newService(t)
	s.configure(func(o *registry.Options) {
		o.Users = &apikey.Key{Scopes: apikey.Scopes{"tts"}, Limit: ratelimit.Limit{Requests: 60, Window: time.Minute}}
	})
	// As API Gateway hands on what the authorizer says of a user.
	user := func(id, scopes string) who {
		return who{"principalId": id, "userId": id, "name": "Alice", "scopes": scopes, "internal": "false", "unlimited": "true"}
	}
	alice, bob, root := user("alice", "keys:read keys:write"), user("bob", "keys:read keys:write"), user("root", "keys:admin")
	a := s.send(alice, "GET", "/api/v1/whoami", "")
	want := map[string]any{
		"keyId": "", "userId": "alice", "name": "Alice", "scopes": []any{"keys:read", "keys:write"}, "environment": "", "internal": false,
		"unlimited": true, "rateLimit": nil,
		"grants": map[string]any{
			"admin": false, "write": true, "read": true, "scopes": []any{"tts"}, "anyScope": false,
			"rateLimit": map[string]any{"requests": 60.0, "window": 60.0}, "limits": []any{}, "plan": "", "allowedCidrs": []any{},
			"environments": []any{"live", "test"}, "maxKeys": 5.0, "keysLeft": 5.0, "maxDays": 0.0, "defaultDays": 0.0,
		},
	}
	if diff := cmp.Diff(want, a.json); diff != "" || a.status != 200 {
		t.Errorf("whoami (-want +got):\n%s", diff)
	}
	made := s.send(alice, "POST", keys, `{"scopes":["tts"],"rateLimit":{"requests":3600,"window":3600}}`)
	if made.status != 201 || made.json["userId"] != "alice" {
		t.Fatalf("create: %d %s", made.status, made.text)
	}
	path := keys + "/" + made.json["id"].(string)
	s.send(alice, "POST", keys, `{"scopes":["stt"]}`).isError(t, "a scope that users have not", 403, "scopes")
	s.send(alice, "POST", keys, `{"rateLimit":{"requests":61,"window":60}}`).isError(t, "too fast", 403, "rateLimit")
	s.send(alice, "POST", keys, `{"userId":"bob"}`).isError(t, "for another", 403, "userId")
	s.send(alice, "GET", keys+"?userId=bob", "").isError(t, "another's list", 403, "userId")
	s.send(bob, "GET", path, "").isError(t, "another's key", 404, "id")
	s.send(bob, "POST", path+"/revoke", "").isError(t, "revoking another's key", 404, "id")
	if a := s.send(alice, "PATCH", path, `{"name":"mine"}`); a.status != 200 || a.json["name"] != "mine" {
		t.Errorf("update: %d %s", a.status, a.text)
	}
	if a := s.send(alice, "GET", keys, ""); a.status != 200 || len(a.json["data"].([]any)) != 1 {
		t.Errorf("list: %d %s", a.status, a.text)
	}
	for range 4 {
		if a := s.send(root, "POST", keys, `{"userId":"alice","unlimited":true}`); a.status != 201 {
			t.Fatalf("an admin for a user: %d %s", a.status, a.text)
		}
	}
	full := s.send(alice, "POST", keys, `{}`)
	full.isError(t, "a sixth of five", 409, "")
	if e := full.json["error"].(map[string]any); e["code"] != "too_many_keys" {
		t.Errorf("a sixth of five: %s", full.text)
	}
	if a := s.send(alice, "POST", path+"/revoke", ""); a.status != 200 {
		t.Errorf("revoke: %d %s", a.status, a.text)
	}
	full = s.send(alice, "POST", keys, `{}`)
	full.isError(t, "while the window of the one that was revoked has not ended", 409, "")
	wait, err := strconv.Atoi(full.header.Get("Retry-After"))
	if err != nil || wait < 3660 || wait > 4000 || !strings.Contains(full.text, "room again in "+strconv.Itoa(wait)+" seconds") {
		t.Errorf("when to try again: %q, %s", full.header.Get("Retry-After"), full.text)
	}
	s.now = s.now.Add(time.Duration(wait) * time.Second)
	if a := s.send(alice, "POST", keys, `{}`); a.status != 201 {
		t.Errorf("after one was revoked: %d %s", a.status, a.text)
	}
	s.send(user("", "keys:admin"), "GET", keys, "").isError(t, "nobody", 401, "authorization")
}

func TestAKeysQuota(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{"userId":"u1","scopes":["keys:read","keys:write"],"quota":{"requests":3,"period":"month"}}`)
	if diff := cmp.Diff(map[string]any{"requests": 3.0, "period": "month"}, made.json["quota"]); diff != "" || made.status != 201 {
		t.Fatalf("create: %d %s", made.status, made.text)
	}
	id, token := made.json["id"].(string), made.json["key"].(string)
	spend := `{"apiKey":"` + token + `","cost":2}`
	if v := s.send(nil, "POST", keys+"/validate", spend); v.json["valid"] != true || v.json["remaining"] != 1.0 {
		t.Errorf("within: %d %s", v.status, v.text)
	}
	v := s.send(nil, "POST", keys+"/validate", spend)
	const untilDecember = 6.5 * 24 * 3600
	if v.json["code"] != "quota_exceeded" || v.json["retryAfter"] != untilDecember || v.json["error"] != "Quota exceeded. Try again in 561600 seconds." {
		t.Errorf("beyond: %d %s", v.status, v.text)
	}
	used := map[string]any{"requests": 3.0, "period": "month", "used": 2.0, "remaining": 1.0, "reset": 1796083200.0}
	if got := s.send(s.root, "GET", keys+"/"+id, ""); cmp.Diff(used, got.json["quota"]) != "" {
		t.Errorf("get: %s", got.text)
	}
	if got := s.send(s.root, "PATCH", keys+"/"+id, `{"quota":{"requests":31,"period":"day"}}`); got.status != 200 || got.json["quota"].(map[string]any)["remaining"] != 29.0 {
		t.Errorf("another quota: %d %s", got.status, got.text)
	}
	// Whoever has a quota grants at most that.
	mine := who{"keyId": id, "userId": "u1", "scopes": "keys:read keys:write"}
	s.send(mine, "POST", keys, `{"quota":{"requests":32,"period":"day"}}`).isError(t, "more than its own", 403, "quota")
	if got := s.send(mine, "POST", keys, `{}`); got.status != 201 || got.json["quota"].(map[string]any)["requests"] != 31.0 {
		t.Errorf("inherited: %d %s", got.status, got.text)
	}
}

func TestHealthIsRememberedForAWhile(t *testing.T) {
	s := newService(t)
	for _, c := range []struct {
		pass   time.Duration
		err    error
		status int
		probes int
	}{
		{0, nil, 200, 1}, {4 * time.Second, errors.New("down"), 200, 1}, {time.Second, errors.New("down"), 503, 2},
		{0, nil, 503, 2}, {time.Second, nil, 200, 3},
	} {
		s.now, s.health = s.now.Add(c.pass), c.err
		a := s.send(nil, "GET", "/health", "")
		if a.status != c.status || s.probes != c.probes || c.status == 503 && (a.header.Get("Retry-After") == "" || strings.Contains(a.text, "down")) {
			t.Errorf("%d %s after %d probes; want %d after %d", a.status, a.text, s.probes, c.status, c.probes)
		}
	}
}

func TestTheDocumentIsOpenAPI(t *testing.T) {
	s := newService(t)
	a := s.send(nil, "GET", "/openapi.json", "")
	document, err := openapi3.NewLoader().LoadFromData([]byte(a.text))
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	var operations []string
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			operations = append(operations, method+" "+path)
			if o.Security == nil || len(*o.Security) == 0 {
				t.Errorf("%s %s does not say whether it asks for a key", method, path)
			}
			if o.Summary == "" || o.Description == "" || len(o.Tags) == 0 {
				t.Errorf("%s %s lacks summary, description or tags", method, path)
			}
		}
	}
	if len(operations) < 10 {
		t.Errorf("%d operations: %v", len(operations), operations)
	}
}

func TestTheSampleEventsAreAnswered(t *testing.T) {
	s := newService(t)
	read := func(name string) (event events.APIGatewayProxyRequest) {
		text, err := os.ReadFile(filepath.Join("..", "..", "events", name))
		if err == nil {
			err = json.Unmarshal(text, &event)
		}
		if err != nil {
			t.Fatal(err)
		}
		return event
	}
	inDomain := read("keys-create-domain.json")
	inDomain.RequestContext.Authorizer = s.root
	if a := s.invoke(inDomain); a.status != 201 || a.header.Get("Location") != "/auth/api/v1/api-keys/"+a.json["id"].(string) {
		t.Errorf("create below a base path: %d %s at %q", a.status, a.text, a.header.Get("Location"))
	}
	get := read("keys-get-domain.json")
	get.RequestContext.Authorizer = s.root
	if a := s.invoke(get); a.status != 404 || strings.Contains(a.text, "such route") {
		t.Errorf("a key that does not exist, below a base path: %d %s", a.status, a.text)
	}
	get.PathParameters["id"] = s.root["keyId"].(string)
	if a := s.invoke(get); a.status != 200 || a.json["id"] != s.root["keyId"] {
		t.Errorf("get below a base path: %d %s", a.status, a.text)
	}
	if a := s.invoke(read("keys-validate-domain.json")); a.status != 200 || a.json["code"] != "unknown_key" {
		t.Errorf("validate below a base path: %d %s", a.status, a.text)
	}
	create := read("keys-create.json")
	create.RequestContext.Authorizer = s.root
	made := s.invoke(create)
	if made.status != 201 || made.json["name"] != "demo" || made.json["userId"] != "u1" {
		t.Fatalf("create: %d %s", made.status, made.text)
	}
	validate := read("keys-validate.json")
	if a := s.invoke(validate); a.status != 200 || a.json["code"] != "unknown_key" {
		t.Errorf("validate: %d %s", a.status, a.text)
	}
	validate.Body = strings.ReplaceAll(validate.Body, "sk_live_REPLACE_ME", made.json["key"].(string))
	if a := s.invoke(validate); a.status != 200 || a.json["valid"] != true {
		t.Errorf("validate: %d %s", a.status, a.text)
	}
	validate.Body, validate.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(validate.Body)), true
	if a := s.invoke(validate); a.status != 200 || a.json["valid"] != true {
		t.Errorf("validate in base64: %d %s", a.status, a.text)
	}
	if a := s.invoke(read("keys-whoami.json")); a.status != 200 || a.json["keyId"] == nil {
		t.Errorf("whoami: %d %s", a.status, a.text)
	}
	want := `{"keyId":"","userId":"acme","name":"Alice","scopes":["keys:read","keys:write"],"environment":"","internal":false,` +
		`"subject":"auth0|alice","teams":["team:ops","team:Platform Team"],"unlimited":true,"rateLimit":null,` +
		`"grants":{"admin":false,"write":false,"read":true,"scopes":[],"anyScope":false,"rateLimit":null,"limits":[],"plan":"",` +
		`"allowedCidrs":[],"environments":[],"maxKeys":0,"maxDays":0,"defaultDays":0}}`
	if a := s.invoke(read("keys-whoami-member.json")); a.status != 200 || strings.TrimSpace(a.text) != want {
		t.Errorf("whoami of a member: %d %s, want %s", a.status, a.text, want)
	}
	if a := s.invoke(read("health.json")); a.status != 200 {
		t.Errorf("health: %d %s", a.status, a.text)
	}
}

func FuzzBody(f *testing.F) {
	s := newService(f)
	for _, seed := range []string{`{}`, `{"name":"x"}`, `{"rateLimit":{"requests":1,"window":1}}`, `{"metadata":{"a":"b"}}`, `[1e999]`, `{"a":{"a":{}}}`, `{"expiresInDays":1.0}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s.t = t
		s.log.Reset()
		a := s.send(who{"keyId": "0000000000000000", "userId": "u", "scopes": "keys:write"}, "POST", keys, body)
		// The caller's key is not there: nothing is created, whatever the body.
		if a.status < 400 || a.status >= 500 || a.json["error"] == nil {
			t.Errorf("%q: %d %s", body, a.status, a.text)
		}
	})
}
