package authorizer_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/oidc"
)

// A policy names the method that was asked for. Where API Gateway does not take that name, it names the methods of the
// same API, stage and verb, and nothing beyond: no result is remembered, so that the policy is for this request alone.
func TestThePolicyNamesWhatAPIGatewayTakes(t *testing.T) {
	const api = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/"
	const china = "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3d4e5/v-1_x/"
	const gov = "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3d4e5/$default/"
	long := func(prefix string, length int) string { return prefix + strings.Repeat("x", length-len(prefix)) }
	for _, c := range []struct{ arn, want string }{
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
		// No name that would open more than one verb of one stage.
		{api + "*/x", ""}, {api + "?ET/x", ""}, {api + "*", ""}, {"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*/GET/x", ""},
		{"arn:aws:execute-api:us-east-1:123456789012:*/prod/GET/x", ""}, {"arn:aws:execute-api:*:123456789012:a/prod/GET/x", ""}, {"*", ""}, {"arn:*/a/b/c", ""},
		{"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5", ""}, {"x", ""}, {long("x", 513), ""}, {"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod", ""},
	} {
		for _, code := range []apikey.Code{apikey.CodeValid, apikey.CodeRateLimited} {
			for name, edit := range map[string]func(*authorizer.Options){"judged": nil, "anonymous": func(o *authorizer.Options) { o.Anonymous = true }} {
				event, err := json.Marshal(map[string]any{"methodArn": c.arn})
				if err != nil {
					t.Fatal(err)
				}
				answer, err := newAuthorizer(t, &judge{verdict: verdict(code)}, &bytes.Buffer{}, edit).Invoke(t.Context(), event)
				if c.want == "" {
					if err == nil || err.Error() == "Unauthorized" || answer != nil {
						t.Errorf("%s, %s: %s, %v; want that it could not decide", c.arn, name, answer, err)
					}
					continue
				}
				var policy struct {
					PolicyDocument struct{ Statement []struct{ Resource string } }
				}
				if err != nil || json.Unmarshal(answer, &policy) != nil || len(policy.PolicyDocument.Statement) != 1 || policy.PolicyDocument.Statement[0].Resource != c.want {
					t.Errorf("%s, %s: %s, %v; want %s", c.arn, name, answer, err, c.want)
				}
			}
		}
	}
}

// With a custom domain API Gateway leaves its base path in an event's path. Rules, public paths and latchkey's own routes
// go by methodArn and the resource, which do not have it.
func TestABasePathOfACustomDomainChangesNothing(t *testing.T) {
	for _, base := range []string{"", "/auth", "/docs", "/tts"} {
		for _, c := range []struct {
			path, resource, fields string
			want                   string // the scope that is asked for, or who is let in
		}{
			{"/tts/x", "/{proxy+}", "", "tts"},
			{"/other", "/{proxy+}", "", "refused"},
			{"/docs/x", "/{proxy+}", "", "anonymous"},
			{"/api/v1/api-keys", "/api/v1/api-keys", own, "no scope"},
			{"/api/v1/api-keys", "/api/v1/api-keys", own + bearer + ",", "alice"},
			{"/api/v1/whoami", "/api/v1/whoami", own + bearer + ",", "alice"},
		} {
			j := &judge{verdict: verdict(apikey.CodeValid)}
			a := newAuthorizer(t, j, &bytes.Buffer{}, func(o *authorizer.Options) {
				o.Routes, o.Public = rules(t, "/tts/*=tts"), paths(t, "/docs/*")
				o.Users = &registrar{verdict: oidc.Verdict{User: oidc.User{ID: "alice"}}}
			})
			answer, err := a.Invoke(t.Context(), []byte(`{"methodArn":"arn:aws:execute-api:r:1:a/stage/GET`+c.path+`","resource":"`+c.resource+`",`+c.fields+
				`"path":"`+base+c.path+`","requestContext":{"path":"`+base+c.path+`"}}`))
			var got struct{ Context struct{ UserID string } }
			_ = json.Unmarshal(answer, &got) // none: refused
			switch {
			case err != nil:
				got.Context.UserID = "refused"
			case j.asked.Cost == 1 && j.asked.Scope == "":
				got.Context.UserID = "no scope"
			case j.asked.Cost == 1:
				got.Context.UserID = j.asked.Scope
			}
			if got.Context.UserID != c.want {
				t.Errorf("%s below %q: %s, want %s", c.path, base, got.Context.UserID, c.want)
			}
		}
	}
}
