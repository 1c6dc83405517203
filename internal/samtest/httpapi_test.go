//go:build sam

package samtest_test

import (
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/docs"
)

// httpAPITemplate returns the template in the manual that puts an HTTP API before an API.
func httpAPITemplate(t testing.TB) string {
	t.Helper()
	page, err := docs.ReadPage(filepath.Join(module, "internal", "docs", "fronts.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range page.Blocks {
		if b.Name == "httpapi.yaml" {
			return b.Text
		}
	}
	t.Fatal("fronts.md has no httpapi.yaml")
	return ""
}

func TestTheManualsHTTPAPIAsksTheAuthorizer(t *testing.T) {
	const backend = "https://api.example.com/v2"
	mistakes := []struct{ old, new string }{
		{"AuthorizerResultTtlInSeconds: 0", "AuthorizerResultTtlInSeconds: 300"},
		{"      AuthorizerResultTtlInSeconds: 0\n", ""},
		{"AuthorizerType: REQUEST", "AuthorizerType: REQUEST\n      IdentitySource: [$request.header.X-API-Key]"},
		{`AuthorizerPayloadFormatVersion: "2.0"`, `AuthorizerPayloadFormatVersion: "1.0"`},
		{"EnableSimpleResponses: false", "EnableSimpleResponses: true"},
		{"      AuthorizerCredentialsArn: !GetAtt AskLatchkey.Arn\n", ""},
		{"Resource: !Ref LatchkeyAuthorizerArn", `Resource: "*"`},
		{"Service: apigateway.amazonaws.com", "Service: lambda.amazonaws.com"},
		{"AuthorizationType: CUSTOM, AuthorizerId: !Ref Latchkey}", "AuthorizationType: NONE}"},
		{"RouteKey: \"PATCH /{proxy+}\"", "RouteKey: \"ANY /{proxy+}\""},
		{"RouteKey: \"DELETE /{proxy+}\"", "RouteKey: $default"},
		{"overwrite:header.X-User-Id", "append:header.X-User-Id"},
		{"$context.authorizer.scopeHeader", "$context.authorizer.scopes"},
		{"        \"overwrite:header.X-Latchkey-Assertion\": $context.authorizer.assertion\n", ""},
		{"LATCHKEY_AUDIENCE: !Ref BackendUrl", "LATCHKEY_AUDIENCE: latchkey"},
		{"[Authorization, X-API-Key, Api-Key, Content-Type]", "[Content-Type]"},
	}
	text := httpAPITemplate(t)
	jobs := []job{{Template: text, Lint: true}}
	for _, m := range mistakes {
		changed := strings.Replace(text, m.old, m.new, 1)
		if changed == text {
			t.Errorf("the manual's stack has no %q", m.old)
		}
		jobs = append(jobs, job{Template: changed})
	}
	for i := range jobs {
		// start-api wants an identity source, which AWS does not.
		jobs[i].AWSOnly = true
		jobs[i].Parameters = parameters{"LatchkeyAuthorizerArn": theirAuthorizer, "BackendUrl": backend}
	}
	for i, answer := range translate(t, jobs) {
		s, err := deploy(jobs[i], answer)
		if i == 0 {
			if err != nil || len(answer.Findings) > 0 {
				t.Fatal(err, answer.Findings)
			}
			for _, problem := range httpAPIFaults(s, backend) {
				t.Error(problem)
			}
			continue
		}
		if m := mistakes[i-1]; err == nil && len(httpAPIFaults(s, backend)) == 0 {
			t.Errorf("%q in place of %q is not found", m.new, m.old)
		}
	}
}

// httpAPIFaults returns what is wrong with the stack of an HTTP API before an API.
func httpAPIFaults(s *stack, backend string) problems {
	var p problems
	p.equal("authorizer", s.Resources["Latchkey"].Properties, map[string]any{
		"ApiId": "${Api}", "Name": "latchkey", "AuthorizerType": "REQUEST", "AuthorizerCredentialsArn": "${AskLatchkey.Arn}",
		"AuthorizerUri":                  "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/" + theirAuthorizer + "/invocations",
		"AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": false, "AuthorizerResultTtlInSeconds": 0.0,
	})
	role := s.Resources["AskLatchkey"].Properties
	p.equal("principal of the role", at(role, "AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service"), "apigateway.amazonaws.com")
	p.equal("statements of the role", at(role, "Policies", 0, "PolicyDocument", "Statement"), []any{
		map[string]any{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": theirAuthorizer},
	})
	p.equal("stage's variables", at(s.Resources["Stage"].Properties, "StageVariables"), map[string]any{"LATCHKEY_AUDIENCE": backend})
	p.equal("URL", at(s.Resources["Backend"].Properties, "IntegrationUri"), backend+"/{proxy}")
	p.equal("headers", at(s.Resources["Backend"].Properties, "RequestParameters"), map[string]any{
		"overwrite:header.X-User-Id": "$context.authorizer.userIdHeader", "overwrite:header.X-Key-Id": "$context.authorizer.keyIdHeader",
		"overwrite:header.X-Scopes": "$context.authorizer.scopeHeader", "overwrite:header.X-Latchkey-Assertion": "$context.authorizer.assertion",
	})
	p.equal("headers of pages", at(s.Resources["Api"].Properties, "CorsConfiguration", "AllowHeaders"),
		[]any{"Authorization", "X-API-Key", "Api-Key", "Content-Type"})
	methods := map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true}
	for id, r := range s.of("AWS::ApiGatewayV2::Route") {
		method, path, _ := strings.Cut(text(r.Properties, "RouteKey"), " ")
		if !methods[method] || path != "/{proxy+}" {
			p.add("%s is a route for %s %s", id, method, path)
		}
		delete(methods, method)
		p.equal(id+": authorization", text(r.Properties, "AuthorizationType"), "CUSTOM")
		p.equal(id+": authorizer", text(r.Properties, "AuthorizerId"), "${Latchkey}")
		p.equal(id+": target", text(r.Properties, "Target"), "integrations/${Backend}")
	}
	if len(methods) > 0 {
		p.add("there is no route for %v", methods)
	}
	return p
}
