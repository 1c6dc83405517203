//go:build sam

package samtest_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/docs"
)

// manualTemplate returns the template in the manual that users copy.
func manualTemplate(t testing.TB) string {
	t.Helper()
	page, err := docs.ReadPage(filepath.Join(module, "internal", "docs", "protect.md"))
	if err != nil {
		t.Fatal(err)
	}
	var templates []string
	for _, b := range page.Blocks {
		if b.Language == "yaml" && strings.Contains(b.Text, "Transform: AWS::Serverless") {
			templates = append(templates, b.Text)
		}
	}
	if len(templates) != 1 {
		t.Fatalf("protect.md has %d templates, want 1", len(templates))
	}
	return templates[0]
}

const theirAuthorizer = "arn:aws:lambda:us-east-1:123456789012:function:latchkey-AuthorizerFunction-x"

// deployed returns templates as CloudFormation deploys them, nil for those that SAM refuses, and
// latchkey's own.
func deployed(t testing.TB, templates ...string) (all []*stack, own *stack, findings []string) {
	t.Helper()
	var jobs []job
	for i, template := range append(templates, templateText(t)) {
		jobs = append(jobs, job{Template: template, Parameters: parameters{"LatchkeyAuthorizerArn": theirAuthorizer}, Lint: i == 0})
	}
	jobs[len(templates)].Parameters = nil
	for i, answer := range translate(t, jobs) {
		s, err := deploy(jobs[i], answer)
		if err != nil && (i == 0 || i == len(templates)) {
			t.Fatal(err)
		}
		all, findings = append(all, s), append(findings, answer.Findings...)
	}
	return all[:len(templates)], all[len(templates)], findings
}

func TestTheManualsStackUsesTheAuthorizerAsLatchkeysOwnDoes(t *testing.T) {
	mistakes := []struct{ old, new string }{
		{"ReauthorizeEvery: 0", "ReauthorizeEvry: 0"},
		{"ReauthorizeEvery: 0", "Headers: [X-API-Key]"},
		{"FunctionPayloadType: REQUEST", "FunctionPayloadTyp: REQUEST"},
		{"            DisableFunctionDefaultPermissions: true\n", ""},
		{"            FunctionInvokeRole: !GetAtt AskLatchkey.Arn\n", ""},
		{"FunctionArn: !Ref LatchkeyAuthorizerArn", "FunctionArn: !GetAtt HelloFunction.Arn"},
		{"Resource: !Ref LatchkeyAuthorizerArn", `Resource: "*"`},
		{"Service: apigateway.amazonaws.com", "Service: lambda.amazonaws.com"},
		{"        DefaultAuthorizer: Latchkey\n", ""},
		{"AddDefaultAuthorizerToCorsPreflight: false", "AddDefaultAuthorizerToCorsPreflight: true"},
		{"ACCESS_DENIED:", "ACCESS_DENID:"},
		{"StatusCode: 429", "StatusCode: 403"},
		{"AUTHORIZER_CONFIGURATION_ERROR:", "AUTHORIZER_CONFIG_ERROR:"},
		{"context.authorizer.retryAfter", "context.authorizer.retry"},
		{`"code":"$context.authorizer.code"`, `"code":$context.authorizer.code`},
		{"    OpenApiVersion: 3.0.1", "    AlwaysDeploy: true"},
		{"'Authorization,X-API-Key,Api-Key,Content-Type'", "'Content-Type'"},
	}
	text := manualTemplate(t)
	templates := []string{text}
	for _, m := range mistakes {
		changed := strings.Replace(text, m.old, m.new, 1)
		if changed == text {
			t.Errorf("the manual's stack has no %q", m.old)
		}
		templates = append(templates, changed)
	}
	all, own, findings := deployed(t, templates...)
	if len(findings) > 0 {
		t.Errorf("the linter finds:\n%s", strings.Join(findings, "\n"))
	}
	for _, problem := range consumerFaults(all[0], own) {
		t.Error(problem)
	}
	for i, m := range mistakes {
		if s := all[i+1]; s != nil && len(consumerFaults(s, own)) == 0 {
			t.Errorf("%q in place of %q is not found", m.new, m.old)
		}
	}
}

// consumerFaults compares the stack of an API that uses latchkey's authorizer with latchkey's own.
func consumerFaults(s, own *stack) problems {
	var p problems
	theirs, ours := at(s.Resources["Api"].Properties, "Body"), at(own.Resources["Api"].Properties, "Body")
	p.equal("authorizer", at(theirs, "components", "securitySchemes", "Latchkey", "x-amazon-apigateway-authorizer"), map[string]any{
		"type": "request", "authorizerResultTtlInSeconds": 0.0, "authorizerCredentials": "${AskLatchkey.Arn}",
		"authorizerUri": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/" + theirAuthorizer + "/invocations",
	})
	role := s.Resources["AskLatchkey"].Properties
	p.equal("principal of the role", at(role, "AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service"), "apigateway.amazonaws.com")
	p.equal("statements of the role", at(role, "Policies", 0, "PolicyDocument", "Statement"), []any{
		map[string]any{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": theirAuthorizer},
	})
	for id, r := range s.of("AWS::Lambda::Permission") {
		if at(r.Properties, "FunctionName") == theirAuthorizer {
			p.add("%s is a permission on latchkey's function, which another account may not add", id)
		}
	}
	for _, kind := range []string{"ACCESS_DENIED", "UNAUTHORIZED", "AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR"} {
		p.equal(kind, at(theirs, "x-amazon-apigateway-gateway-responses", kind), at(ours, "x-amazon-apigateway-gateway-responses", kind))
	}
	p.equal("security", at(theirs, "paths", "/hello", "get", "security"), []any{map[string]any{"Latchkey": []any{}}})
	p.equal("security of the preflight", at(theirs, "paths", "/hello", "options", "security"), nil)
	// The headers that may carry a key. Latchkey's own API allows more headers, to change keys.
	p.equal("preflight", at(theirs, "paths", "/hello", "options", "x-amazon-apigateway-integration", "responses", "default", "responseParameters",
		"method.response.header.Access-Control-Allow-Headers"), "'Authorization,X-API-Key,Api-Key,Content-Type'")
	p.equal("openapi, without which SAM adds a stage", at(theirs, "openapi"), "3.0.1")
	return p
}

// The function in the manual, with the context that the authorizer gives it.
func TestTheManualsFunctionPassesTheLimitOn(t *testing.T) {
	all, _, _ := deployed(t, manualTemplate(t))
	code, _ := at(all[0].Resources["HelloFunction"].Properties, "Code", "ZipFile").(string)
	for _, c := range []struct{ caller, headers string }{
		{`{"keyId":"k1","userId":"u1","limit":"5","remaining":"4","reset":"1795521661"}`, `{"Access-Control-Allow-Origin":"*",
			"X-RateLimit-Limit":"5","X-RateLimit-Remaining":"4","X-RateLimit-Reset":"1795521661",
			"Access-Control-Expose-Headers":"X-RateLimit-Limit,X-RateLimit-Remaining,X-RateLimit-Reset"}`},
		{`{"keyId":"k1","userId":"u1","unlimited":"true"}`, `{"Access-Control-Allow-Origin":"*","Access-Control-Expose-Headers":""}`},
	} {
		program := code + "\nprint(json.dumps(handler({'requestContext': {'authorizer': " + c.caller + "}}, None)))\n"
		out, err := exec.CommandContext(t.Context(), samTool(t, "python"), "-c", program).Output()
		if err != nil {
			t.Fatalf("%v of\n%s", err, program)
		}
		var got struct {
			StatusCode int
			Headers    map[string]string
			Body       string
		}
		var want map[string]string
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.headers), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Headers); diff != "" || got.StatusCode != 200 || !strings.Contains(got.Body, `"keyId": "k1"`) {
			t.Errorf("%s: %d %s\n%s", c.caller, got.StatusCode, got.Body, diff)
		}
	}
}
