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

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/gate"
	"latchkey/internal/oidc"
	"latchkey/internal/ratelimit"
	"latchkey/internal/routes"
)

// judge is a gate with a fixed mind, which remembers what it was asked.
type judge struct {
	verdict apikey.Verdict
	err     error
	asked   gate.Request
	panics  any
}

func (j *judge) Check(_ context.Context, r gate.Request) (apikey.Verdict, error) {
	j.asked = r
	if j.panics != nil {
		panic(j.panics)
	}
	return j.verdict, j.err
}

func newAuthorizer(t testing.TB, gate authorizer.Checker, log *bytes.Buffer, edit func(*authorizer.Options)) *authorizer.Authorizer {
	t.Helper()
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	o := authorizer.Options{Gate: gate, Format: format, QueryAPIKey: true, Logger: slog.New(slog.NewJSONHandler(log, nil))}
	if edit != nil {
		edit(&o)
	}
	return authorizer.New(o)
}

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

var reset = time.Unix(1795521661, 0)

func verdict(code apikey.Code) apikey.Verdict {
	v := apikey.Verdict{Code: code, Key: &apikey.Key{
		ID: "0123456789abcdef", UserID: "u1", Name: "demo", Environment: apikey.Live, Scopes: apikey.Scopes{"tts", "stt"},
		Limit: ratelimit.Limit{Requests: 5, Window: 10 * time.Second}, CreatedAt: time.UnixMilli(1795521600000),
	}}
	v.Status = ratelimit.Status{Limit: 5, Remaining: 4, Reset: reset}
	switch code {
	case apikey.CodeRateLimited:
		v.Status.Remaining, v.RetryAfter = 0, 7*time.Second
	case apikey.CodeQuotaExceeded:
		v.Status.Limit, v.Status.Remaining, v.RetryAfter = 1000, 0, 3600*time.Second
	}
	return v
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheEventsAreAnswered(t *testing.T) {
	const arn = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/api/v1/whoami"
	unlimited := verdict(apikey.CodeValid)
	unlimited.Key.Unlimited = true
	replaced := verdict(apikey.CodeValid)
	replaced.Key.PresentSince, replaced.Replaced = time.UnixMilli(1795525200000), true
	for _, c := range []struct {
		event   string
		verdict apikey.Verdict
		want    string // empty: Unauthorized
	}{
		{"authorizer-allow.json", verdict(apikey.CodeValid), `{"principalId":"0123456789abcdef",
			"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"` + arn + `"}]},
			"context":{"keyId":"0123456789abcdef","userId":"u1","name":"demo","scopes":"tts stt","userIdHeader":"u1","keyIdHeader":"0123456789abcdef","scopeHeader":"tts stt","environment":"live","internal":false,
			"generation":"1795521600000","limit":5,"remaining":4,"reset":1795521661}}`},
		{"authorizer-allow.json", replaced, `{"principalId":"0123456789abcdef",
			"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"` + arn + `"}]},
			"context":{"keyId":"0123456789abcdef","userId":"u1","name":"demo","scopes":"tts stt","userIdHeader":"u1","keyIdHeader":"0123456789abcdef","scopeHeader":"tts stt","environment":"live","internal":false,
			"generation":"1795525200000","replaced":true,"limit":5,"remaining":4,"reset":1795521661}}`},
		{"authorizer-allow.json", unlimited, `{"principalId":"0123456789abcdef",
			"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"` + arn + `"}]},
			"context":{"keyId":"0123456789abcdef","userId":"u1","name":"demo","scopes":"tts stt","userIdHeader":"u1","keyIdHeader":"0123456789abcdef","scopeHeader":"tts stt","environment":"live","internal":false,"unlimited":true,"generation":"1795521600000"}}`},
		{"authorizer-deny.json", verdict(apikey.CodeRateLimited), `{"principalId":"0123456789abcdef",
			"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":"` + arn + `"}]},
			"context":{"code":"rate_limit_exceeded","message":"Rate limit exceeded. Try again in 7 seconds.","limit":5,"remaining":0,"reset":1795521661,"retryAfter":7}}`},
		{"authorizer-deny.json", verdict(apikey.CodeQuotaExceeded), `{"principalId":"0123456789abcdef",
			"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":"` + arn + `"}]},
			"context":{"code":"insufficient_quota","message":"Quota exceeded. Try again in 3600 seconds.","limit":1000,"remaining":0,"reset":1795521661,"retryAfter":3600}}`},
		{"authorizer-unauthorized.json", apikey.Verdict{Code: apikey.CodeMissing}, ""},
		{"authorizer-allow.json", verdict(apikey.CodeRevoked), ""},
		{"authorizer-allow.json", verdict(apikey.CodeInsufficientScope), ""},
		{"authorizer-allow.json", verdict(apikey.CodeAddressNotAllowed), ""},
	} {
		var log bytes.Buffer
		j := &judge{verdict: c.verdict}
		answer, err := newAuthorizer(t, j, &log, nil).Invoke(t.Context(), read(t, c.event))
		if c.want == "" {
			if err == nil || err.Error() != "Unauthorized" || answer != nil {
				t.Errorf("%s, %s: %s, %v; want exactly Unauthorized", c.event, c.verdict.Code, answer, err)
			}
			if !strings.Contains(log.String(), `"code":"`+string(c.verdict.Code)+`"`) {
				t.Errorf("%s: the refusal is not in the log: %s", c.verdict.Code, log.String())
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.event, err)
			continue
		}
		if diff := cmp.Diff(decode(t, []byte(c.want)), decode(t, answer)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.event, diff)
		}
		if c.verdict.Valid() && log.Len() != 0 {
			t.Errorf("a request that passes is logged: %s", log.String())
		}
		if j.asked.Cost != 1 || j.asked.Source != netip.MustParseAddr("203.0.113.7") || j.asked.Time.UnixMilli() != 1795521600000 {
			t.Errorf("%s asked %+v", c.event, j.asked)
		}
	}
}

func decode(t testing.TB, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func TestWhatCannotBeDecidedIsNotUnauthorized(t *testing.T) {
	const secret = "sk_live_canary-canary-canary"
	event := `{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","multiValueHeaders":{"X-API-Key":["` + secret + `"]}}`
	for name, c := range map[string]struct {
		gate  *judge
		event string
	}{
		"no table":     {&judge{err: errors.New("dial tcp")}, event},
		"a panic":      {&judge{panics: "with " + secret}, event},
		"an index":     {&judge{panics: errors.New(secret)}, event},
		"not JSON":     {&judge{}, `{"methodArn":`},
		"no event":     {&judge{}, `{}`},
		"wrong types":  {&judge{}, `{"methodArn":"arn:x/s/GET/","multiValueHeaders":{"X-API-Key":[{"a":"` + secret + `"}]}}`},
		"null payload": {&judge{}, `null`},
	} {
		var log bytes.Buffer
		answer, err := newAuthorizer(t, c.gate, &log, nil).Invoke(t.Context(), []byte(c.event))
		if err == nil || err.Error() == "Unauthorized" || answer != nil {
			t.Errorf("%s: %s, %v", name, answer, err)
		}
		if strings.Contains(err.Error()+log.String(), "canary") || log.Len() == 0 {
			t.Errorf("%s: error %q, log %q", name, err, log.String())
		}
	}
}

// An event that is no REQUEST authorizer event is never judged, even if no key is required. The log names its kind and
// the setting to correct.
func TestAnEventOfAnotherKindIsNamed(t *testing.T) {
	for _, c := range []struct{ event, kind, set string }{
		{`{"type":"TOKEN","authorizationToken":"canary","methodArn":"arn:aws:execute-api:r:1:a/s/GET/"}`, "TOKEN authorizer", "REQUEST"},
		{`{"version":"2.0","type":"REQUEST","routeArn":"arn:aws:execute-api:r:1:a/s/GET/","identitySource":["canary"],"routeKey":"GET /","headers":{"x-api-key":"canary"},
			"requestContext":{"http":{"method":"GET"},"timeEpoch":1}}`, "payload format 2.0", "authorizerPayloadFormatVersion"},
		{`{"version":"2.0","routeKey":"$default","rawPath":"/canary","headers":{"x-api-key":"canary"},"requestContext":{"http":{"method":"GET"}}}`, "HTTP API", "not as the function"},
		{`{"resource":"/x","path":"/canary","httpMethod":"GET","headers":{"X-API-Key":"canary"},"requestContext":{"resourcePath":"/x"}}`, "REST API", "not as the function"},
		{`{"requestContext":{"elb":{"targetGroupArn":"canary"}},"httpMethod":"GET","path":"/"}`, "load balancer", "not as the function"},
		{`{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{"canary":1}}`, "scheduled", "schedule"},
		{`{"source":"serverless-plugin-warmup"}`, "warm-up", "warming"},
		{`{"warmer":true,"concurrency":3}`, "warm-up", "warming"},
		{`{"Records":[{"body":"canary"}]}`, "queue", "trigger"},
		{`{"key1":"canary"}`, "unknown", "events/"}, {`{}`, "unknown", "events/"}, {`null`, "unknown", "events/"}, {`"canary"`, "not a JSON object", "events/"}, {`{"canary`, "not a JSON object", "events/"},
		{`{"methodArn":"canary"}`, "methodArn", "API/STAGE/METHOD"}, {`{"methodArn":7}`, "methodArn", "API/STAGE/METHOD"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","headers":["canary"]}`, "of another type", "API Gateway"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","queryStringParameters":"canary"}`, "of another type", "API Gateway"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","headers":{"X-API-Key":[["canary"]]}}`, "of another type", "API Gateway"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","resource":7}`, "of another type", "API Gateway"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","stageVariables":{"LATCHKEY_MANAGEMENT":true}}`, "of another type", "API Gateway"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","requestContext":{"requestTimeEpoch":1.5}}`, "of another type", "API Gateway"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","requestContext":{"requestTimeEpoch":"1"}}`, "of another type", "API Gateway"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","requestContext":{"identity":[]}}`, "of another type", "API Gateway"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/"} {}`, "not a JSON object", "events/"},
		{`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","path":canary}`, "not a JSON object", "events/"},
		{`{"METHODARN":"arn:aws:execute-api:r:1:a/s/GET/"}`, "unknown", "events/"},
	} {
		for name, edit := range map[string]func(*authorizer.Options){
			"judged": nil, "anonymous": func(o *authorizer.Options) { o.Anonymous = true }, "public": func(o *authorizer.Options) { o.Public = paths(t, "/,/*") },
		} {
			var log bytes.Buffer
			j := &judge{verdict: verdict(apikey.CodeValid)}
			a := newAuthorizer(t, j, &log, edit)
			log.Reset()
			answer, err := a.Invoke(t.Context(), []byte(c.event))
			var line struct{ Msg, Event, Set string }
			if err == nil || err.Error() == "Unauthorized" || answer != nil || j.asked.Cost != 0 {
				t.Errorf("%s, %s: %s, %v", c.event, name, answer, err)
			}
			if json.Unmarshal(log.Bytes(), &line) != nil || line.Msg != "malformed event" || !strings.Contains(line.Event, c.kind) || !strings.Contains(line.Set, c.set) ||
				strings.Contains(log.String(), "canary") {
				t.Errorf("%s, %s: the log says %s", c.event, name, log.String())
			}
		}
	}
}

func TestWhereAKeyMayStand(t *testing.T) {
	const good, other = "a-foreign-token-of-ours", "another-foreign-token-1"
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, fields string
		want         apikey.Credential
	}{
		{"X-API-Key", `"multiValueHeaders":{"X-API-Key":["` + good + `"]}`, format.Credential(good)},
		{"any case", `"multiValueHeaders":{"x-aPi-kEy":["` + good + `"]}`, format.Credential(good)},
		{"Bearer", `"multiValueHeaders":{"authorization":["bEaReR ` + good + `"]}`, format.Credential(good)},
		{"bare", `"multiValueHeaders":{"Authorization":["` + good + `"]}`, format.Credential(good)},
		{"query", `"multiValueQueryStringParameters":{"api_key":["` + good + `"]}`, format.Credential(good)},
		{"single headers only", `"headers":{"x-api-key":"` + good + `"},"multiValueHeaders":null`, format.Credential(good)},
		{"single query only", `"queryStringParameters":{"api_key":"` + good + `"}`, format.Credential(good)},
		{"the same everywhere", `"headers":{"X-API-Key":"` + good + `"},"multiValueHeaders":{"X-API-Key":["` + good + `"],"Authorization":["Bearer ` + good + `"]}`, format.Credential(good)},
		{"two values", `"multiValueHeaders":{"X-API-Key":["` + good + `","` + other + `"]}`, format.Credential(good, other)},
		{"two spellings", `"multiValueHeaders":{"X-API-Key":["` + good + `"],"x-api-key":["` + other + `"]}`, format.Credential(good, other)},
		{"one name twice", `"multiValueHeaders":{"X-API-Key":["` + good + `"],"X-API-Key":["` + other + `"]}`, format.Credential(good, other)},
		{"two places", `"multiValueHeaders":{"X-API-Key":["` + good + `"]},"multiValueQueryStringParameters":{"api_key":["` + other + `"]}`, format.Credential(good, other)},
		{"an empty value is none", `"multiValueHeaders":{"X-API-Key":["",""],"Authorization":["Bearer ` + good + `"]}`, format.Credential(good)},
		{"Basic is somebody else's", `"multiValueHeaders":{"Authorization":["Basic dXNlcjpwYXNzd29yZA=="]}`, format.Credential()},
		{"a JWT beside a key", `"multiValueHeaders":{"X-API-Key":["` + good + `"],"Authorization":["Bearer eyJh.eyJi.c"]}`, format.Credential(good)},
	} {
		j := &judge{verdict: verdict(apikey.CodeValid)}
		_, err := newAuthorizer(t, j, &bytes.Buffer{}, nil).Invoke(t.Context(), []byte(`{"methodArn":"arn:x/s/GET/",`+c.fields+`}`))
		if err != nil || !j.asked.Credential.Equal(c.want) {
			t.Errorf("%s: %v, another credential than wanted", c.name, err)
		}
	}
	j := &judge{verdict: apikey.Verdict{Code: apikey.CodeMissing}}
	off := newAuthorizer(t, j, &bytes.Buffer{}, func(o *authorizer.Options) { o.QueryAPIKey = false })
	_, _ = off.Invoke(t.Context(), []byte(`{"methodArn":"arn:x/s/GET/","queryStringParameters":{"api_key":"`+good+`"}}`))
	if !j.asked.Credential.Equal(format.Credential()) {
		t.Error("a key in the query counts though that is switched off")
	}
}

// place is where a key may stand, as the README lists it.
type place struct {
	name                   string
	header, before, behind string // header: empty for the query
}

var places = []place{
	{"X-API-Key", "X-API-Key", "", ""}, {"x-api-key, twice in one line", "x-api-key", "$, ", ""}, {"X-API-Key with Bearer", "X-API-Key", "Bearer ", ""},
	{"api-key", "api-key", "", ""}, {"Api-Key with Bearer", "Api-Key", "bearer ", ""},
	{"Bearer", "Authorization", "Bearer ", ""}, {"Bearer twice", "authorization", "Bearer Bearer ", ""}, {"bare", "Authorization", "", ""},
	{"Bearer after Basic", "AUTHORIZATION", "Basic dXNlcjpwYXNz, Bearer ", ""}, {"two lines in one", "Authorization", "Bearer $, Bearer ", ""},
	{"query", "", "", ""}, {"query with Bearer", "", "Bearer ", ""},
}

func (p place) value(token string) string {
	return strings.ReplaceAll(p.before, "$", token) + token + p.behind
}

// The same key in any two places is one key. A text that cannot be a token is ignored in each of them. The gate decides
// which of two texts is a token.
func TestAKeyMayStandInEachPlaceBesideEachOther(t *testing.T) {
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	const good, other, cloud = "a-foreign-token-of-ours", "another-foreign-token-1", "eyJhbGciOiJub25lIn0.e30.c2ln"
	long := strings.Repeat("ya29.", 30)
	for _, one := range places {
		for _, two := range places {
			for _, c := range []struct {
				beside string
				want   apikey.Credential
			}{
				{good, format.Credential(good)}, {"", format.Credential(good)}, {"dummy", format.Credential(good)}, {"undefined", format.Credential(good)},
				{cloud, format.Credential(good)}, {long, format.Credential(good)}, {other, format.Credential(good, other)},
			} {
				several, single := map[string][]string{}, map[string]string{}
				query := []string{}
				for i, p := range []place{one, two} {
					value := p.value([]string{good, c.beside}[i])
					if p.header == "" {
						query = append(query, value)
						continue
					}
					several[p.header] = append(several[p.header], value)
					single[p.header] = value
				}
				event, err := json.Marshal(map[string]any{
					"methodArn": "arn:aws:execute-api:r:1:a/s/GET/", "headers": single, "multiValueHeaders": several,
					"multiValueQueryStringParameters": map[string][]string{"api_key": query},
				})
				if err != nil {
					t.Fatal(err)
				}
				j := &judge{verdict: verdict(apikey.CodeValid)}
				_, err = newAuthorizer(t, j, &bytes.Buffer{}, nil).Invoke(t.Context(), event)
				reversed := c.beside == other && j.asked.Credential.Equal(format.Credential(other, good))
				if err != nil || !j.asked.Credential.Equal(c.want) && !reversed {
					t.Errorf("%q as %s beside %q as %s: %v, another credential than wanted", good, one.name, c.beside, two.name, err)
				}
			}
		}
	}
}

func TestRoutesAskForScopes(t *testing.T) {
	const some = "POST /tts/*=tts; POST /tts/admin=tts:admin;GET /v1/models=;* /files/*=files;GET /files/*=files:read"
	for _, c := range []struct {
		rules, route, want string // "refused"
	}{
		{"", "GET/any/thing", ""},
		{some, "POST/tts/x", "tts"},
		{some, "POST/tts/admin", "tts:admin"},
		{some, "GET/v1/models", ""},
		{some, "GET/v1/models/", "refused"},
		{some, "GET/tts/x", "refused"},
		{some, "PUT/files/a", "files"},
		{some, "GET/files/a", "files:read"},
		{some, "GET/other", "refused"},
		{some + ";*=", "GET/other", ""},
		{some + ";*=base", "GET/other", "base"},
		{"GET /open/*=;GET /*=closed", "GET/open/../closed", "refused"},
		{"GET /open/*=;GET /*=closed", "GET/open/%2e%2e/closed", "refused"},
		{"GET /open/*=;GET /*=closed", "GET/open%2fx", "refused"},
		{"GET /open/*=;GET /*=closed", "GET/open//x", "refused"},
		{"GET /open/*=;GET /*=closed", "GET/closed", "closed"},
	} {
		j := &judge{verdict: verdict(apikey.CodeValid)}
		a := newAuthorizer(t, j, &bytes.Buffer{}, func(o *authorizer.Options) { o.Routes = rules(t, c.rules) })
		_, err := a.Invoke(t.Context(), []byte(`{"methodArn":"arn:aws:execute-api:r:1:a/stage/`+c.route+`","headers":{"X-API-Key":"a-foreign-token-of-ours"}}`))
		got := j.asked.Scope
		if err != nil {
			got = "refused"
		}
		if got != c.want || err != nil && err.Error() != "Unauthorized" {
			t.Errorf("%s with %q asks for %q, %v; want %q", c.route, c.rules, got, err, c.want)
		}
	}
}

// The routes that manage keys ask for their scopes themselves. Only the resource
// of our own stage says that a route is one.
func TestRulesAreNotForTheRoutesThatManageKeys(t *testing.T) {
	for _, c := range []struct {
		resource, stage string
		refused         bool
	}{
		{"/api/v1/api-keys", own, false}, {"/api/v1/api-keys/{id}/rotate", own, false}, {"/api/v1/usage", own, false},
		{"/api/v1/whoami", own, true}, {"/{proxy+}", own, true}, {"/api/v1/api-keys", "", true},
	} {
		j := &judge{verdict: verdict(apikey.CodeValid)}
		a := newAuthorizer(t, j, &bytes.Buffer{}, func(o *authorizer.Options) { o.Routes = rules(t, "POST /tts=tts") })
		_, err := a.Invoke(t.Context(), []byte(`{"methodArn":"arn:aws:execute-api:r:1:a/stage/GET/api/v1/api-keys","resource":"`+c.resource+`",`+
			c.stage+`"headers":{"X-API-Key":"a-foreign-token-of-ours"}}`))
		if (err != nil) != c.refused || j.asked.Scope != "" {
			t.Errorf("%s %s: %v, scope %q", c.resource, c.stage, err, j.asked.Scope)
		}
	}
}

func TestPublicPathsNeedNoKey(t *testing.T) {
	for _, c := range []struct {
		paths, route string
		public       bool
	}{
		{"/health,/docs", "GET/health", true}, {"/health,/docs", "POST/docs", true}, {"/health,/docs", "GET/docs/x", false},
		{" /docs/* ,,", "GET/docs/x/y", true}, {"/docs/*", "GET/docs", false}, {"/*", "GET/", true}, {"/", "GET/", true},
		{"/docs/*", "GET/docs/../keys", false}, {"/docs/*", "GET/docs/%2e%2e/keys", false}, {"", "GET/health", false},
	} {
		j := &judge{verdict: apikey.Verdict{Code: apikey.CodeMissing}}
		a := newAuthorizer(t, j, &bytes.Buffer{}, func(o *authorizer.Options) { o.Public, o.Routes = paths(t, c.paths), rules(t, "GET /x=y") })
		answer, err := a.Invoke(t.Context(), []byte(`{"methodArn":"arn:aws:execute-api:r:1:a/stage/`+c.route+`"}`))
		if c.public {
			const want = `{"principalId":"anonymous","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"arn"}]},
				"context":{"keyId":"anonymous","userId":"anonymous","name":"anonymous","scopes":"","userIdHeader":"anonymous","keyIdHeader":"anonymous","scopeHeader":"-","environment":"","internal":false}}`
			if err != nil || cmp.Diff(decode(t, []byte(want)), decode(t, bytes.Replace(answer, []byte("arn:aws:execute-api:r:1:a/stage/"+c.route), []byte("arn"), 1))) != "" {
				t.Errorf("%s with %q public: %s, %v", c.route, c.paths, answer, err)
			}
		} else if err == nil || err.Error() != "Unauthorized" {
			t.Errorf("%s with %q public: %s, %v", c.route, c.paths, answer, err)
		}
	}
}

func TestAnybodyIsLetInOnlyIfTheConfigurationSaysSo(t *testing.T) {
	var log bytes.Buffer
	j := &judge{verdict: verdict(apikey.CodeValid)}
	a := newAuthorizer(t, j, &log, func(o *authorizer.Options) { o.Anonymous = true })
	if !strings.Contains(log.String(), "REQUIRE_AUTH") {
		t.Errorf("it starts without a word: %s", log.String())
	}
	answer, err := a.Invoke(t.Context(), read(t, "authorizer-allow.json"))
	if err != nil || !bytes.Contains(answer, []byte(`"keyId":"anonymous"`)) || !bytes.Contains(answer, []byte(`"Allow"`)) {
		t.Errorf("%s, %v", answer, err)
	}
}

func TestTheAddressIsCountedFromTheRight(t *testing.T) {
	for _, c := range []struct {
		hops      int
		forwarded string
		want      string
	}{
		{0, `["9.9.9.9, 10.0.0.1"]`, "203.0.113.7"}, {1, `["9.9.9.9, 198.51.100.1, 203.0.113.7"]`, "198.51.100.1"},
		{1, `["9.9.9.9, 198.51.100.1","203.0.113.7"]`, "198.51.100.1"}, {2, `["203.0.113.7"]`, ""}, {1, `["junk, 203.0.113.7"]`, ""},
	} {
		j := &judge{verdict: verdict(apikey.CodeValid)}
		a := newAuthorizer(t, j, &bytes.Buffer{}, func(o *authorizer.Options) { o.TrustedProxyHops = c.hops })
		_, err := a.Invoke(t.Context(), []byte(`{"methodArn":"arn:x/s/GET/","multiValueHeaders":{"X-Forwarded-For":`+c.forwarded+`},
			"requestContext":{"identity":{"sourceIp":"203.0.113.7"}}}`))
		want, _ := netip.ParseAddr(c.want)
		if err != nil || j.asked.Source != want {
			t.Errorf("%d hops, %s: %v, %v; want %q", c.hops, c.forwarded, j.asked.Source, err, c.want)
		}
	}
}

func FuzzInvoke(f *testing.F) {
	for _, name := range []string{"authorizer-allow.json", "authorizer-deny.json", "authorizer-unauthorized.json"} {
		f.Add(read(f, name))
	}
	f.Add([]byte(`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/api/v1/whoami","resource":"/api/v1/whoami",` + own + bearer + `}`))
	a := newAuthorizer(f, &judge{verdict: verdict(apikey.CodeValid)}, &bytes.Buffer{}, func(o *authorizer.Options) {
		o.Routes, o.TrustedProxyHops = rules(f, "GET /api/*=tts;*="), 1
		o.Users = oidc.New(oidc.Options{Issuers: []string{"http://127.0.0.1:0"}, Now: time.Now})
		o.Logger = slog.New(slog.DiscardHandler)
	})
	f.Fuzz(func(t *testing.T, event []byte) {
		answer, err := a.Invoke(t.Context(), event)
		if !json.Valid(event) && (err == nil || errors.Is(err, authorizer.ErrUnauthorized)) {
			t.Errorf("%q is not JSON and was judged: %s, %v", event, answer, err)
		}
		if err == nil && !json.Valid(answer) || err != nil && answer != nil {
			t.Errorf("%s, %v", answer, err)
		}
	})
}
