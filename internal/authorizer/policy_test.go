package authorizer_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// These are the complete answers that integrations and gateway responses build on.
func TestAnswersHaveAPolicyAndAContext(t *testing.T) {
	answer := func(principal, effect, context string) string {
		return `{"principalId":"` + principal + `","policyDocument":{"Version":"2012-10-17","Statement":[{
			"Action":"execute-api:Invoke","Effect":"` + effect + `","Resource":"` + methodArn + `GET/api/v1/whoami"}]},
			"context":{` + context + `}}`
	}
	const key = `"keyId":"0123456789abcdef","userId":"u1","name":"demo","scopes":"tts stt","environment":"live",
		"userIdHeader":"u1","keyIdHeader":"0123456789abcdef","scopeHeader":"tts stt","internal":false,`
	edited := func(edit func(*apikey.Verdict)) *judge {
		j := says(apikey.CodeValid)
		edit(&j.verdict)
		return j
	}
	public := func(o *admission.Options) { o.Public = paths(t, "/*") }
	alice := admission.User{ID: "alice", Name: "Alice", Scopes: apikey.Scopes{"keys:read", "keys:write"}}
	users := func(o *admission.Options) { o.Users = &registrar{verdict: admission.UserVerdict{User: alice}} }
	member := admission.User{
		ID: "acme", Subject: "auth0|alice", Scopes: apikey.Scopes{"keys:read"}, Groups: []string{"a,b", "Platform Team", "é", "x"},
	}
	members := func(o *admission.Options) { o.Users = &registrar{verdict: admission.UserVerdict{User: member}} }
	byUser := request("GET/api/v1/whoami", `"resource":"/api/v1/whoami",`+ownStage+","+withJWT)
	byKey := string(read(t, "authorizer-allow.json"))
	for _, c := range []struct {
		name  string
		gate  *judge
		event string
		set   settings
		want  string
	}{
		{"a valid key", says(apikey.CodeValid), byKey, nil, answer(validKeyID, "Allow",
			key+`"generation":"1795521600000","limit":5,"remaining":4,"reset":1795521661`)},
		{"a token in its grace", edited(func(v *apikey.Verdict) {
			v.Key.PresentSince, v.Replaced = time.UnixMilli(1795525200000), true
		}), byKey, nil, answer(validKeyID, "Allow",
			key+`"generation":"1795525200000","replaced":true,"limit":5,"remaining":4,"reset":1795521661`)},
		{"an unlimited key", edited(func(v *apikey.Verdict) { v.Key.Unlimited = true }), byKey, nil,
			answer(validKeyID, "Allow", key+`"generation":"1795521600000","unlimited":true`)},
		{"a limit", says(apikey.CodeRateLimited), byKey, nil, answer(validKeyID, "Deny",
			`"code":"rate_limit_exceeded","message":"Rate limit exceeded. Try again in 7 seconds.",
			"limit":5,"remaining":0,"reset":1795521661,"rateLimitPolicy":"\"key-10\";q=5;w=10","rateLimit":"\"key-10\";r=0","retryAfter":7`)},
		{"a quota", says(apikey.CodeQuotaExceeded), byKey, nil, answer(validKeyID, "Deny",
			`"code":"insufficient_quota","message":"Quota exceeded. Try again in 3600 seconds.",
			"limit":1000,"remaining":0,"reset":1795521661,"rateLimitPolicy":"\"key-10\";q=5;w=10","rateLimit":"\"key-10\";r=0","retryAfter":3600`)},
		{"credits", edited(func(v *apikey.Verdict) {
			v.Code, v.Status = apikey.CodeQuotaExceeded, ratelimit.Status{Limit: 1000}
		}), byKey, nil, answer(validKeyID, "Deny",
			`"code":"insufficient_quota","message":"Quota exceeded.","limit":1000,"remaining":0,"rateLimitPolicy":"\"key-10\";q=5;w=10","rateLimit":"\"key-10\";r=0"`)},
		{"a public route", &judge{}, byKey, public, answer("anonymous", "Allow",
			`"keyId":"anonymous","userId":"anonymous","name":"anonymous","scopes":"","environment":"","internal":false,
			"userIdHeader":"anonymous","keyIdHeader":"anonymous","scopeHeader":"-"`)},
		{"a user without a key", &judge{}, byUser, users, answer("user", "Allow",
			`"userId":"alice","name":"Alice","scopes":"keys:read keys:write","environment":"","internal":false,
			"userIdHeader":"alice","scopeHeader":"keys:read keys:write","unlimited":true`)},
		{"a member of an organisation and of groups", &judge{}, byUser, members, answer("user", "Allow",
			`"userId":"acme","subject":"auth0|alice","groups":"a%2Cb,Platform%20Team,%C3%A9,x","name":"","scopes":"keys:read",
			"environment":"","internal":false,"userIdHeader":"acme","scopeHeader":"keys:read","unlimited":true`)},
	} {
		got, err := newAuthorizer(t, c.gate, &bytes.Buffer{}, c.set).Invoke(t.Context(), []byte(c.event))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(decode(t, []byte(c.want)), decode(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// A policy names the requested method and path. If API Gateway does not accept that name, it names all
// paths of the same API, stage and method. A methodArn that could stand for more is refused.
func TestThePolicyNamesTheRequest(t *testing.T) {
	const (
		api   = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/"
		china = "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3d4e5/v-1_x/"
		gov   = "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3d4e5/$default/"
		fails = ""
	)
	long := func(prefix string, length int) string { return prefix + strings.Repeat("x", length-len(prefix)) }
	for _, c := range []struct{ methodArn, want string }{
		{api + "GET/", api + "GET/"},
		{api + "GET", api + "GET"},
		{api + "GET/a/b", api + "GET/a/b"},
		{api + "GET/a:b/arn:aws:execute-api/POST/c", api + "GET/a:b/arn:aws:execute-api/POST/c"},
		{china + "POST/a%2Fb", china + "POST/a%2Fb"},
		{gov + "PUT/a", gov + "PUT/a"},
		{long(api+"GET/", 512), long(api+"GET/", 512)},

		{long(api+"GET/", 513), api + "GET/*"},
		{long(china+"GET/", 9000), china + "GET/*"},
		{long(gov+"DELETE/", 513), gov + "DELETE/*"},
		{api + "GET/a*b", api + "GET/*"},
		{api + "GET/*", api + "GET/*"},
		{api + "GET/a?b", api + "GET/*"},
		{api + "GET/${aws:userid}", api + "GET/*"},
		{api + "PATCH/x$", api + "PATCH/*"},
		{china + "GET//*/POST/..", china + "GET/*"},
		{api + "$connect", api + "$connect"},
		{gov + "$default", gov + "$default"},

		{api + "$connect/x", fails},
		{api + "$connect/*", fails},
		{api + "$con*", fails},
		{api + "$", api + "$"},
		{long(api+"$", 513), fails},
		{api + "*", fails},
		{api + "*/x", fails},
		{api + "?ET/x", fails},
		{"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*/GET/x", fails},
		{"arn:aws:execute-api:us-east-1:123456789012:*/prod/GET/x", fails},
		{"arn:aws:execute-api:*:123456789012:a/prod/GET/x", fails},
		{"arn:*/a/b/c", fails},
		{"*", fails},
		{"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5", fails},
		{"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod", fails},
		{"x", fails},
		{long("x", 513), fails},
	} {
		for name, set := range map[string]settings{
			"judged": nil, "anonymous": func(o *admission.Options) { o.Anonymous = true },
		} {
			for _, code := range []apikey.Code{apikey.CodeValid, apikey.CodeRateLimited} {
				event, err := json.Marshal(map[string]any{"methodArn": c.methodArn})
				if err != nil {
					t.Fatal(err)
				}
				if c.want == fails {
					if got := decision(t, says(code), string(event), set); got != "fail malformed event" {
						t.Errorf("%s, %s: %s, want an error", c.methodArn, name, got)
					}
					continue
				}
				answer, err := newAuthorizer(t, says(code), &bytes.Buffer{}, set).Invoke(t.Context(), event)
				if err != nil {
					t.Errorf("%s, %s: %v", c.methodArn, name, err)
					continue
				}
				var policy struct {
					PolicyDocument struct{ Statement []struct{ Resource string } }
				}
				unmarshal(t, answer, &policy)
				if s := policy.PolicyDocument.Statement; len(s) != 1 || s[0].Resource != c.want {
					t.Errorf("%s, %s: %s, want %s", c.methodArn, name, answer, c.want)
				}
			}
		}
	}
}

// A user header belongs to one user only, and percent-decodes to the user's id.
func TestIdentitiesAreSafeInHeaders(t *testing.T) {
	for id, want := range map[string]string{
		"u1": "u1", "alice@example.com": "alice@example.com", "auth0|5f7c": "auth0|5f7c", "a/b+c=d;e:f~": "a/b+c=d;e:f~",
		"-": "-", "a b": "a%20b", "100%": "100%25", "%C3%A9": "%25C3%25A9", "a,b": "a%2Cb",
		"a\tb": "a%09b", "a\x7fb": "a%7Fb",
		"a\r\nX-Scopes: *": "a%0D%0AX-Scopes:%20*",
		"é":                "%C3%A9", "e\u0301": "e%CC%81", "\u00c3\u00a9": "%C3%83%C2%A9", "中文": "%E4%B8%AD%E6%96%87",
		"a\u202eb": "a%E2%80%AEb", "a\u200bb": "a%E2%80%8Bb", "🔑": "%F0%9F%94%91",
	} {
		j := says(apikey.CodeValid)
		j.verdict.Key.UserID, j.verdict.Key.ID, j.verdict.Key.Scopes = id, "static-"+id, nil
		got := contextOf(t, j)
		wantContext := headerContext{
			UserID: id, UserIDHeader: want, KeyID: "static-" + id, KeyIDHeader: "static-" + want, ScopeHeader: "-",
		}
		if got != wantContext {
			t.Errorf("%q: %+v, want %+v", id, got, wantContext)
		}
		if back, err := url.PathUnescape(want); err != nil || back != id {
			t.Errorf("%q decodes to %q, %v", want, back, err)
		}
	}
	j := says(apikey.CodeValid)
	j.verdict.Key.Scopes = apikey.Scopes{"tts:*", "é,x"} // an upstream may name such a scope
	if got := contextOf(t, j); got.ScopeHeader != "tts:* %C3%A9%2Cx" {
		t.Errorf("scopes %q: header %q", j.verdict.Key.Scopes, got.ScopeHeader)
	}
}

// headerContext is the part of a context that backends get in headers.
type headerContext struct{ UserID, UserIDHeader, KeyID, KeyIDHeader, ScopeHeader string }

func contextOf(t testing.TB, j *judge) headerContext {
	t.Helper()
	answer, err := newAuthorizer(t, j, &bytes.Buffer{}, nil).Invoke(t.Context(), read(t, "authorizer-allow.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Context headerContext }
	unmarshal(t, answer, &r)
	return r.Context
}
