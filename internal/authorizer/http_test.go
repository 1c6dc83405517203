package authorizer_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
)

const (
	ownDomain    = "a1b2c3.execute-api.us-east-1.amazonaws.com"
	customDomain = "api.example.com"
)

// httpAPI returns the event of an HTTP API with a payload format. more are further members. A text is
// empty if the member is missing.
func httpAPI(t testing.TB, version, stage, domain, path, arn string, more map[string]any) string {
	t.Helper()
	context := map[string]any{"apiId": "a1b2c3", "stage": stage}
	if domain != "" {
		context["domainName"] = domain
	}
	e := map[string]any{
		"version": version, "type": "REQUEST", "headers": map[string]any{"x-api-key": token}, "requestContext": context,
		"stageVariables": map[string]any{"LATCHKEY_AUDIENCE": "a"},
	}
	full := "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/" + stage + "/" + arn
	if version == "1.0" {
		e["methodArn"], e["path"], e["httpMethod"] = full, path, "GET"
	} else {
		e["routeArn"], e["rawPath"], context["http"] = full, path, map[string]any{"method": "GET"}
	}
	for name, value := range more {
		e[name] = value
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Policy: rules are for the path that a backend gets, without the stage and the key of a domain's
// mapping. HTTP APIs decode the path before they write it into an event.
func TestThePathOfAnHTTPAPI(t *testing.T) {
	for _, c := range []struct{ stage, domain, path, arn, want string }{
		{"$default", ownDomain, "/a", "GET/a", "/a"},
		{"$default", ownDomain, "/", "GET/", "/"},
		{"live", ownDomain, "/live/a", "GET/a", "/a"},
		{"live", ownDomain, "/live", "GET/", "/"},
		{"live", ownDomain, "/live/", "GET/", "/"},
		{"live", ownDomain, "/live/live/a", "GET/live/a", "/live/a"},
		{"live", ownDomain, "/livelier/a", "GET/livelier/a", "/livelier/a"},
		{"live", ownDomain, "/live/items/7", "GET/items/{id}", "/items/7"},
		{"live", ownDomain, "/live/x/../a", "GET/a", "/x/../a"},
		{"live", "", "/live/a", "GET/a", "/a"},
		{"live", "", "/a", "GET/a", "/a"},
		// The ARN of the route $default may have no path.
		{"live", ownDomain, "/live/a", "$default", "/a"},
		{"$default", ownDomain, "/$default", "$default", "/$default"},
		{"live", customDomain, "/live/a", "$default", "//live/a"},
		// A custom domain leads to one stage, so its paths do not begin with the stage.
		{"live", customDomain, "/a", "GET/a", "/a"},
		{"live", customDomain, "/live/a", "GET/live/a", "/live/a"},
		{"live", customDomain, "/orders/v1/a", "GET/a", "/a"},
		{"live", customDomain, "/", "GET/", "/"},
		{"live", customDomain, "/orders/a/", "GET/a", "/a/"},
		{"live", strings.ToUpper(ownDomain), "/live/a", "GET/b", "/a"},
		// These have no rule.
		{"live", customDomain, "/orders/../a", "GET/a", "//orders/../a"},
		{"live", customDomain, "/orders//a", "GET/a", "//orders//a"},
		{"live", customDomain, "/b", "GET/a", "//b"},
		{"live", customDomain, "/orders", "GET/", "//orders"},
		{"live", customDomain, "/orders/", "GET/", "//orders/"},
		{"live", customDomain, "/orders//", "GET/", "//"},
		// Only the path is decoded, or the ARN too.
		{"live", ownDomain, "/live/a b", "GET/a%20b", "/a b"},
		{"live", customDomain, "/orders/a b", "GET/a%20b", "/a b"},
		{"live", ownDomain, "/live/a%2fb", "GET/a%252fb", "/a%2fb"},
		{"live", ownDomain, "/live/a%zz", "GET/a%zz", "/a%zz"},
	} {
		for _, version := range []string{"1.0", "2.0"} {
			n := &notary{}
			event := httpAPI(t, version, c.stage, c.domain, c.path, c.arn, nil)
			got := decision(t, says(apikey.CodeValid), event, func(o *admission.Options) { o.Signer = n })
			if got != "allow "+validKeyID || len(n.asked) != 1 || n.asked[0].Path != c.want || n.asked[0].Method != "GET" {
				t.Errorf("%s, %+v: %s, %+v", version, c, got, n.asked)
			}
		}
	}
}

// A path whose rule cannot be told has none, so it is refused, however many rules are for its ends.
func TestAPathThatCannotBeToldHasNoRule(t *testing.T) {
	for _, arn := range []string{"GET/x", "GET/{proxy+}", "$default"} {
		event := httpAPI(t, "2.0", "live", customDomain, "/orders/docs/a", arn, nil)
		got := decision(t, says(apikey.CodeValid), event, func(o *admission.Options) {
			o.Public, o.Routes = paths(t, "/docs/*,/orders/*"), rules(t, "/orders/*=;/docs/*=;*=")
		})
		if got != "refuse no_route_rule" {
			t.Errorf("%s: %s", arn, got)
		}
	}
}

// The gate learns the address and the time from every shape that tells them.
func TestTheGateIsAskedWhatEachShapeSays(t *testing.T) {
	for name, tells := range map[string]bool{
		"authorizer-allow": true, "authorizer-http-1": true, "authorizer-http-2": true, "authorizer-websocket": true,
		"authorizer-token": false,
	} {
		j := says(apikey.CodeRevoked)
		var log bytes.Buffer
		_, _ = newAuthorizer(t, j, &log, nil).Invoke(t.Context(), read(t, name+".json")) // it is refused
		known := j.asked.Source == netip.MustParseAddr("203.0.113.7") && j.asked.Time.Equal(time.UnixMilli(1795521600000))
		unknown := !j.asked.Source.IsValid() && j.asked.Time.IsZero()
		if !tells && !unknown || tells && !known {
			t.Errorf("%s: asked %+v", name, j.asked)
		}
		if id := strings.Contains(log.String(), `"extendedRequestId":"UK1abcDEFghiJKL="`); id != tells {
			t.Errorf("%s: log %s", name, log.String())
		}
	}
}

// A decoded path that still has an escape may have been encoded twice. It is never public and has no
// rule.
func TestADecodedPathIsNotDecodedAgain(t *testing.T) {
	for path, want := range map[string]string{
		"/docs/x": "allow anonymous", "/docs/é": "allow anonymous",
		"/docs/%2e%2e/x": "refuse no_route_rule", "/docs/../x": "refuse no_route_rule", "/docs/%78": "refuse no_route_rule",
		"/docs/100%": "refuse no_route_rule", "/docs/\x00": "refuse no_route_rule", "/docs/a?b": "refuse no_route_rule",
		"/tts/%78": "refuse no_route_rule", "/tts/x": "allow " + validKeyID,
	} {
		for _, version := range []string{"1.0", "2.0"} {
			event := httpAPI(t, version, "live", ownDomain, "/live"+path, "GET"+path, nil)
			got := decision(t, says(apikey.CodeValid), event, func(o *admission.Options) {
				o.Public, o.Routes = paths(t, "/docs/*"), rules(t, "/tts/*=tts;/x=admin")
			})
			if got != want {
				t.Errorf("%s %q: %s, want %s", version, path, got, want)
			}
		}
	}
}

// The payload format 2.0 has each parameter twice: decoded, and in the query as it came. A backend may
// read either.
func TestBothFormsOfAQueryAreRead(t *testing.T) {
	format := newFormat(t)
	for _, c := range []struct {
		raw, api string // the query, and the decoded api_key
		want     string
	}{
		{"", "", "allow " + validKeyID},
		{"a=b&c=%zz", "", "allow " + validKeyID},
		{"_method=DELETE", "", "refuse method_override"},
		{"a=b;%5Fmethod=DELETE", "", "refuse method_override"},
		{"api_key=" + otherToken, "", "two"},
		{"", otherToken, "two"},
		{"a=b;api%5Fkey=" + otherToken, "", "two"},
		{"api_key=" + token, token, "allow " + validKeyID},
		{"api_key=" + token + "&api_key=" + otherToken, token + "," + otherToken, "two"},
	} {
		j := says(apikey.CodeValid)
		event := httpAPI(t, "2.0", "$default", ownDomain, "/a", "GET/a", map[string]any{
			"rawQueryString": c.raw, "queryStringParameters": map[string]any{"api_key": c.api},
		})
		got := decision(t, j, event, nil)
		if j.asked.Credential.Equal(format.Credential(token, otherToken)) {
			got = "two"
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// Values of one name are joined in HTTP APIs. Two tokens never become one, and a token that is joined
// with another scheme stays one.
func TestJoinedValuesAreApart(t *testing.T) {
	format := newFormat(t)
	for value, want := range map[string]apikey.Credential{
		"Bearer " + token + ",Bearer " + otherToken:      format.Credential(token, otherToken),
		"Bearer " + token + "," + otherToken:             format.Credential(token, otherToken),
		"Basic dXNlcjpwYXNz,Bearer " + token:             format.Credential(token),
		`Digest username="u", uri="/,x",Bearer ` + token: format.Credential(token),
		`Digest username="u",` + token:                   format.Credential(),
		"Bearer " + token + ",Bearer " + jwt:             format.Credential(token),
		",Bearer " + token + ", ,":                       format.Credential(token),
	} {
		j := says(apikey.CodeValid)
		event := httpAPI(t, "2.0", "$default", ownDomain, "/a", "GET/a", map[string]any{"headers": map[string]any{"authorization": value}})
		if decision(t, j, event, nil); !j.asked.Credential.Equal(want) {
			t.Errorf("%s: another credential than wanted", value)
		}
	}
}

// latchkey's own API is a REST API, so no route of an HTTP API is one that manages keys.
func TestAnHTTPAPIHasNoRouteOfLatchkeysOwn(t *testing.T) {
	for _, version := range []string{"1.0", "2.0"} {
		event := httpAPI(t, version, "$default", ownDomain, "/api/v1/api-keys", "GET/api/v1/api-keys", map[string]any{
			"routeKey": "GET /api/v1/api-keys", "resource": "/api/v1/api-keys", "headers": map[string]any{"authorization": jwt},
			"stageVariables": map[string]any{"LATCHKEY_MANAGEMENT": "true"},
		})
		users := &registrar{verdict: admission.UserVerdict{User: admission.User{ID: "alice"}}}
		got := decision(t, says(apikey.CodeMissing), event, func(o *admission.Options) { o.Users = users })
		if got != "refuse missing_key" || users.asked != "" {
			t.Errorf("%s: %s, asked about %q", version, got, users.asked)
		}
	}
}

// These are the complete answers to an HTTP API with the payload format 2.0.
func TestAnHTTPAPIGetsAPolicyOrASimpleAnswer(t *testing.T) {
	const policy = `"principalId":"0123456789abcdef","policyDocument":{"Version":"2012-10-17","Statement":[{
		"Action":"execute-api:Invoke","Effect":"EFFECT",
		"Resource":"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/live/GET/v1/models"}]}`
	const allowed = `"context":{"keyId":"0123456789abcdef","userId":"u1","name":"demo","scopes":"tts stt","environment":"live",
		"userIdHeader":"u1","keyIdHeader":"0123456789abcdef","scopeHeader":"tts stt","internal":false,
		"generation":"1795521600000","limit":5,"remaining":4,"reset":1795521661}`
	const denied = `"context":{"code":"rate_limit_exceeded","message":"Rate limit exceeded. Try again in 7 seconds.",
		"limit":5,"remaining":0,"reset":1795521661,"rateLimitPolicy":"\"key-10\";q=5;w=10","rateLimit":"\"key-10\";r=0","retryAfter":7}`
	for _, c := range []struct {
		simple bool
		code   apikey.Code
		want   string
	}{
		{false, apikey.CodeValid, strings.Replace(policy, "EFFECT", "Allow", 1) + "," + allowed},
		{false, apikey.CodeRateLimited, strings.Replace(policy, "EFFECT", "Deny", 1) + "," + denied},
		{true, apikey.CodeValid, `"isAuthorized":true,` + allowed},
		{true, apikey.CodeRateLimited, `"isAuthorized":false,` + denied},
	} {
		o := admission.Options{Gate: says(c.code), Format: newFormat(t), Logger: discard}
		a := authorizer.New(authorizer.Options{Door: admission.New(o), Simple: c.simple})
		got, err := a.Invoke(t.Context(), read(t, "authorizer-http-2.json"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decode(t, []byte("{"+c.want+"}")), decode(t, got)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c, diff)
		}
		// All other shapes get a policy, whatever HTTP APIs get.
		for _, name := range []string{"authorizer-allow.json", "authorizer-token.json", "authorizer-http-1.json", "authorizer-websocket.json"} {
			if got, err := a.Invoke(t.Context(), read(t, name)); err != nil || !bytes.Contains(got, []byte(`"policyDocument"`)) {
				t.Errorf("%s: %s, %v", name, got, err)
			}
		}
	}
}
