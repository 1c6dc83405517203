package sam_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/local/sam"
)

// load reads template.yaml after replacing texts in it, given as pairs of old and new.
func load(t *testing.T, parameters map[string]string, change ...string) (*sam.Template, error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(string(text), change[i]) {
			t.Fatalf("the template has no %q", change[i])
		}
	}
	path := filepath.Join(t.TempDir(), "template.yaml")
	changed := strings.NewReplacer(change...).Replace(string(text))
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return sam.Load(path, parameters)
}

// With each of these changes AWS would serve something that the local stack does not.
func TestUnsupportedTemplateIsRefused(t *testing.T) {
	const noAuthorizerTTL = "                authorizerResultTtlInSeconds: 0\n"
	for _, c := range []struct{ old, new, names string }{
		// Unknown properties.
		{"authorizerResultTtlInSeconds: 0", "authorizerResultTtlInSecs: 0", "authorizerResultTtlInSecs"},
		{"type: request\n", "type: request\n                identitySource: x\n", "identitySource"},
		{"                type: request", "                typ: request", "typ"},
		{"security: [{latchkey: []}]", "securty: [{latchkey: []}]", "securty"},
		{"        paths:\n", "        security: [{latchkey: []}]\n        paths:\n", "security"},
		{"            patch:\n", "            ptch:\n", "ptch"},
		{"            statusCode: !Ref DenyStatus", "            statusCod: 429", "statusCod"},
		{"      AlwaysDeploy: true", "      CacheClusterEnabled: true", "CacheClusterEnabled"},
		{"      BillingMode: PAY_PER_REQUEST", "      BilingMode: PAY_PER_REQUEST", "BilingMode"},
		{"    OpenApiVersion: 3.0.1", "    OpenApiVersion: 3.0.1\n    Auth: {}", "Auth"},
		{"          ThrottlingRateLimit: !Ref ApiRate", "          ThrottlingRateLimits: 5", "ThrottlingRateLimits"},
		{"        MaxAge: ", "        MaxAg: ", "MaxAg"},

		// Authorizers and routes.
		{"authorizerResultTtlInSeconds: 0", "authorizerResultTtlInSeconds: 300", "authorizerResultTtlInSeconds"},
		{noAuthorizerTTL, "", "authorizerResultTtlInSeconds"},
		{"                type: request", "                type: token", "request"},
		{"authtype: custom", "authtype: oauth2", "custom"},
		{"security: [{latchkey: []}]", "security: [{another: []}]", "another"},
		{"security: [{latchkey: []}]", "security: [{latchkey: []}, {latchkey: []}]", "security"},
		{"security: [{latchkey: []}]", "security: [{latchkey: [], another: []}]", "security"},
		{"type: aws_proxy", "type: aws", "aws_proxy"},
		{"httpMethod: POST", "httpMethod: GET", "POST"},
		{"type: aws_proxy, httpMethod: POST", "type: aws_proxy, httpMethod: POST, timeoutInMillis: 50", "aws_proxy"},
		{"${ValidateFunction.Arn}/invocations", "${Table.Arn}/invocations", "Table"},
		{"${ValidateFunction.Arn}/invocations", "${ValidateFunction.Arn}", "ValidateFunction"},
		{"      CodeUri: functions/keys", "      CodeUri: functions/keys\n      Events: {A: {Type: Api}}", "Events"},
		{"          /api/v1/whoami:", "          api/v1/whoami:", "api/v1/whoami"},

		// The API behind the gateway.
		{"responseTransferMode: STREAM", "responseTransferMode: BUFFERED", "STREAM"},
		{"timeoutInMillis: 900000", "timeoutInMillis: 0", "timeoutInMillis"},
		{"httpMethod: ANY", "httpMethod: GET", "ANY"},
		{"context.authorizer.userIdHeader", "method.request.header.X-User-Id", "X-User-Id"},
		{"context.authorizer.userIdHeader", "context.identity.sourceIp", "X-User-Id"},
		{"method.request.path.proxy", "method.request.querystring.proxy", "proxy"},
		{"                    integration.request.path.proxy: method.request.path.proxy\n", "", "{proxy}"},

		// Gateway responses, preflights and throttles.
		{"$context.authorizer.message", "$context.error.message", "context.error.message"},
		{"$context.authorizer.message", "$input.path", "input"},
		{"context.authorizer.retryAfter", "method.request.header.X", "Retry-After"},
		{"gatewayresponse.header.Retry-After", "gatewayresponse.querystring.x", "querystring"},
		{"statusCode: !Ref DenyStatus", "statusCode: none", "none"},
		{`MaxAge: !Sub "'${CorsMaxAge}'"`, "MaxAge: !Ref CorsMaxAge", "600"},
		{"ThrottlingRateLimit: !Ref ApiRate", "ThrottlingRateLimit: 0", "rate"},
		{`HttpMethod: "*"`, "HttpMethod: GET", "GET /*"},

		// Conditions and resources.
		{"StageName: !Ref StageName", "StageName: !If [Nothing, a, b]", "Nothing"},
		{"  HasBackend: !Not [", "  HasBackend: !Nor [", "HasBackend"},
		{"!And [!Condition HasConsole, !Condition IsAtRoot]", "!And [!Condition HasConsole]", "HasConsoleAtRoot"},
		{"!And [!Condition HasConsole, !Condition IsAtRoot]", "!And [!Condition HasConsole, !Condition AtRoot]", "AtRoot"},
		{"StageName: !Ref StageName", "StageName: !If [HasBackend, a]", "!If"},
		{`!Equals [!Ref BackendUrl, ""]`, "!Equals [!Ref AWS::Region, x]", "HasBackend"},
		{"    Type: AWS::DynamoDB::Table", "    Type: AWS::DynamoDB::Table\n    Condition: X", "Condition"},
		{"    Type: AWS::DynamoDB::Table", "    Type: AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table"},
		{"    Type: AWS::SecretsManager::Secret", "    Type: AWS::Serverless::HttpApi", "HttpApi"},
	} {
		parameters := map[string]string{"BackendUrl": "http://127.0.0.1:9"}
		if _, err := load(t, parameters, c.old, c.new); err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: %v; want an error that names %s", c.new, err, c.names)
		}
	}
	if _, err := load(t, map[string]string{"Unknown": "x"}); err == nil || !strings.Contains(err.Error(), "Unknown") {
		t.Errorf("an unknown parameter: %v", err)
	}
}

func TestParametersDecideConditions(t *testing.T) {
	for _, c := range []struct {
		parameters               map[string]string
		backend, protectValidate bool
	}{
		{nil, false, false},
		{map[string]string{"BackendUrl": "http://127.0.0.1:9/base"}, true, false},
		{map[string]string{"ProtectValidate": "true"}, false, true},
		{map[string]string{"BackendUrl": "", "ProtectValidate": "false"}, false, false},
	} {
		template, err := load(t, c.parameters)
		if err != nil {
			t.Errorf("%v: %v", c.parameters, err)
			continue
		}
		var backends []string
		for _, r := range template.Routes {
			if r.Path == "/api/v1/api-keys/validate" && (r.Authorizer != "") != c.protectValidate {
				t.Errorf("%v: validate has the authorizer %q", c.parameters, r.Authorizer)
			}
			if r.Backend != nil {
				backends = append(backends, r.Method+" "+r.Path+" -> "+r.Backend.URL)
			}
		}
		var want []string
		if c.backend {
			want = []string{"ANY / -> http://127.0.0.1:9/base/", "ANY /{proxy+} -> http://127.0.0.1:9/base/{proxy}"}
		}
		if !slices.Equal(backends, want) {
			t.Errorf("%v: backends %v, want %v", c.parameters, backends, want)
		}
	}
}

// ownPaths are the paths that are at the root, below /latchkey, or at both.
var ownPaths = []string{"/health", "/openapi.json", "/.well-known/jwks.json", "/docs", "/docs/{page+}", "/console", "/console/{file+}"}

func TestParametersDecideWhereTheOwnPathsAre(t *testing.T) {
	const backend = "http://127.0.0.1:9"
	for _, c := range []struct {
		parameters      map[string]string
		atRoot, console bool
	}{
		{nil, true, true},
		{map[string]string{"BackendUrl": backend}, false, true},
		{map[string]string{"OwnPrefix": "auto", "BackendUrl": backend}, false, true},
		{map[string]string{"OwnPrefix": "latchkey"}, false, true},
		{map[string]string{"OwnPrefix": "latchkey", "BackendUrl": backend}, false, true},
		{map[string]string{"OwnPrefix": "none", "BackendUrl": backend}, true, true},
		{map[string]string{"ConsoleEnabled": "false"}, true, false},
		{map[string]string{"ConsoleEnabled": "false", "BackendUrl": backend}, false, false},
	} {
		template, err := load(t, c.parameters)
		if err != nil {
			t.Errorf("%v: %v", c.parameters, err)
			continue
		}
		var want, throttled []string
		for _, path := range ownPaths {
			isPage := strings.HasPrefix(path, "/docs") || strings.HasPrefix(path, "/console")
			if strings.HasPrefix(path, "/console") && !c.console {
				continue
			}
			prefixes := []string{"/latchkey"}
			if c.atRoot {
				prefixes = append(prefixes, "")
			}
			for _, prefix := range prefixes {
				want = append(want, "GET "+prefix+path, "HEAD "+prefix+path)
				if isPage {
					throttled = append(throttled, "GET "+prefix+path)
				}
			}
		}
		var got, limits []string
		for _, r := range template.Routes {
			if r.Backend == nil && !strings.HasPrefix(r.Path, "/api/v1/") {
				got = append(got, r.Method+" "+r.Path)
			}
		}
		for _, limit := range template.Throttles {
			if !strings.HasPrefix(limit.Path, "/api/v1/") && limit.Path != "/*" {
				limits = append(limits, limit.Method+" "+limit.Path)
			}
		}
		for what, pair := range map[string][2][]string{"routes": {got, want}, "throttles": {limits, throttled}} {
			if slices.Sort(pair[0]); !slices.Equal(pair[0], slices.Sorted(slices.Values(pair[1]))) {
				t.Errorf("%v: %s %v, want %v", c.parameters, what, pair[0], pair[1])
			}
		}
	}
}

func TestOnlyTheseRoutesAreOpen(t *testing.T) {
	template, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	open := []string{"POST /api/v1/api-keys/revoke-by-token", "POST /api/v1/api-keys/validate", "POST /api/v1/leaks/github"}
	for _, method := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
		open = append(open, method+" /api/v1/authorize", method+" /api/v1/authorize/{proxy+}")
	}
	for _, path := range ownPaths {
		open = append(open, "GET "+path, "HEAD "+path, "GET /latchkey"+path, "HEAD /latchkey"+path)
	}
	for _, r := range template.Routes {
		if name := r.Method + " " + r.Path; (r.Authorizer == "") != slices.Contains(open, name) {
			t.Errorf("%s has the authorizer %q", name, r.Authorizer)
		}
	}
	if len(template.Routes) < 10 {
		t.Errorf("%d routes", len(template.Routes))
	}
}

func TestTheIndexHoldsNoSecrets(t *testing.T) {
	template, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(template.Table.GlobalSecondaryIndexes) == 0 {
		t.Error("no index")
	}
	for _, i := range template.Table.GlobalSecondaryIndexes {
		for _, a := range i.Projection.NonKeyAttributes {
			if a == "secrets" || a == "aliases" {
				t.Errorf("the index holds %s", a)
			}
		}
	}
}
