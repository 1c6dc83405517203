//go:build sam

package samtest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	lambdaauthorizer "latchkey/internal/authorizer"
	"latchkey/internal/gate"
	local "latchkey/internal/local/sam"
	"latchkey/internal/ratelimit"
)

const (
	backend = "https://api.example.com/v1"

	topic = "arn:aws:sns:eu-central-1:123456789012:on-call"
	key   = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

	existingSecret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:Secret-1ABCDEF-a1b2c3"
)

// deployments are sets of parameters. Together they have each condition true and false.
var deployments = map[string]parameters{
	"only defaults": nil,
	"everything on": {
		"DenyStatus": "403", "AlarmTopicArn": topic, "KmsKeyArn": key, "Tracing": "Active", "AccessLog": "json", "AccountLogRole": "create", "StageName": "v1",
		"LogRetentionDays": "365", "Architecture": "x86_64", "OidcIssuer": "https://login.example.com", "OidcAudience": "latchkey", "OidcAdminClaim": "groups=admins", "UserScopes": "tts",
	},
	"a backend that has no own paths":       {"BackendUrl": backend, "OwnPrefix": "none"},
	"nothing of its own at the root":        {"OwnPrefix": "latchkey"},
	"no console":                            {"ConsoleEnabled": "false"},
	"a backend and no console":              {"BackendUrl": backend, "ConsoleEnabled": "false"},
	"a backend":                             {"BackendUrl": backend, "BinaryMediaTypes": "audio/mpeg", "ProtectValidate": "true"},
	"a backend in a network":                {"PlainBackendUrl": "http://api.internal:8080", "VpcLinkId": "abc123", "AssertionAudience": "urn:tts"},
	"a backend and an access log":           {"BackendUrl": backend, "AccessLog": "json"},
	"a backend and an access log of lines":  {"BackendUrl": backend, "AccessLog": "line"},
	"lines, and the account has a role":     {"AccessLog": "line", "AccountLogRole": "exists"},
	"no role is made without an access log": {"AccessLog": "off", "AccountLogRole": "create"},
	"alarms and no dashboard":               {"Monitoring": "alarms", "AccessLog": "json"},
	"alarms of a backend and no dashboard":  {"Monitoring": "alarms", "AccessLog": "line", "BackendUrl": backend},
	"a table and a secret that are there":   {"ExistingTableName": "latchkey-restored", "ExistingSecretArn": existingSecret, "KmsKeyArn": key},
	"a secret that is there":                {"ExistingSecretArn": existingSecret},
	"no monitoring":                         {"Monitoring": "off", "AccessLog": "json", "BackendUrl": backend},
	"a domain":                              withDomain("CorsOrigin=https://app.example.com", "CorsMaxAge=0"),
	"a domain with all that belongs to it":  withDomain("DomainZoneId=Z123", "DomainBasePath=auth", "ExecuteApiEndpoint=enabled", "BackendUrl="+backend, "CorsHeaders=X-API-Key,OpenAI-Beta"),
}

func TestEveryDeploymentKeepsTheRules(t *testing.T) {
	var jobs []job
	names := slices.Sorted(maps.Keys(deployments))
	for _, name := range names {
		jobs = append(jobs, job{Template: templateText(t), Parameters: deployments[name]})
	}
	for i, translation := range translate(t, jobs) {
		s, err := deploy(jobs[i], translation)
		if err != nil {
			t.Errorf("%s: %v", names[i], err)
			continue
		}
		for rule, problems := range check(s) {
			t.Errorf("%s: %s:\n%s", names[i], rule, strings.Join(problems, "\n"))
		}
	}
}

func TestTheLinterFindsNothing(t *testing.T) {
	c := exec.CommandContext(t.Context(), samTool(t, "sam"), "validate", "--lint", "--template", "template.yaml")
	c.Dir, c.Env = module, offline()
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "is a valid SAM Template") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheLocalStackServesTheSameRoutes(t *testing.T) {
	template, err := local.Load(filepath.Join(module, "template.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []route
	for _, r := range template.Routes {
		got = append(got, route{r.Method, r.Path, r.Function, r.Authorizer})
	}
	if want := routesOfTheAPI(byDefault); !slices.Equal(sorted(got), want) {
		t.Errorf("the local stack has\n%v, the API\n%v", got, want)
	}
	want := gatewayResponses("429")
	for kind, r := range template.Responses {
		if strconv.Itoa(r.Status) != cmp.Or(want[kind].status, "0") {
			t.Errorf("%s: the local stack answers %d", kind, r.Status)
		}
	}
	if len(template.Responses) != len(want) {
		t.Errorf("the local stack has %d gateway responses", len(template.Responses))
	}
}

// effect is a value of a parameter, other than its default, and the property that has the value.
type effect struct {
	parameter, value string
	with             parameters // other parameters that must be set
	where            []any      // resource, then properties
}

// effects has a line for each parameter.
var effects = []effect{
	{"Architecture", "x86_64", nil, []any{"KeysFunction", "Architectures", 0}},
	{"StageName", "v1", nil, []any{"ApiStage", "StageName"}},
	{"DynamoEndpoint", "http://dynamodb:8000", nil, variable(authorizer, "AWS_ENDPOINT_URL_DYNAMODB")},
	{"KeyPrefix", "acme", nil, variable("KeysFunction", "KEY_PREFIX")},
	{"Freshness", "5s", nil, variable(authorizer, "FRESHNESS")},
	{"Fence", "trust", nil, variable(authorizer, "FENCE")},
	{"MaxKeysPerUser", "7", nil, variable("KeysFunction", "MAX_KEYS_PER_USER")},
	{"OidcIssuer", "https://login.example.com, https://b/", parameters{"OidcAudience": "latchkey"}, variable(authorizer, "OIDC_ISSUER")},
	{"OidcAudience", "latchkey,https://api.example.com", parameters{"OidcIssuer": "https://a/"}, variable(authorizer, "OIDC_AUDIENCE")},
	{"OidcAdminClaim", "groups=latchkey-admins", parameters{"OidcIssuer": "https://a/", "OidcAudience": "latchkey"}, variable(authorizer, "OIDC_ADMIN_CLAIM")},
	{"OidcUserClaim", "org_id", nil, variable(authorizer, "OIDC_USER_CLAIM")},
	{"OidcRoleClaim", "org_role=owner, admin", nil, variable(authorizer, "OIDC_ROLE_CLAIM")},
	{"OidcGroupsClaim", "https://a.example.com/groups", nil, variable(authorizer, "OIDC_GROUPS_CLAIM")},
	{"RouteCosts", "POST /tts/*=5;GET /v1/models=0", nil, variable(authorizer, "ROUTE_COSTS")},
	{"KeyMaxDays", "365", nil, variable("KeysFunction", "KEY_MAX_DAYS")},
	{"KeyDefaultDays", "90", nil, variable("KeysFunction", "KEY_DEFAULT_DAYS")},
	{"KeyIdleDays", "30", nil, variable("ValidateFunction", "KEY_IDLE_DAYS")},
	{"UserMaxRequests", "7", nil, variable("KeysFunction", "USER_MAX_REQUESTS")},
	{"UserScopes", "tts, stt:*", nil, variable("KeysFunction", "USER_SCOPES")},
	{"RouteScopes", "POST /tts/*=tts;*=", nil, variable(authorizer, "ROUTE_SCOPES")},
	{"TrustedProxyHops", "1", nil, variable(authorizer, "TRUSTED_PROXY_HOPS")},
	{"QueryApiKey", "false", nil, variable(authorizer, "QUERY_API_KEY")},
	{"UnlimitedNumbers", "true", nil, variable("KeysFunction", "UNLIMITED_NUMBERS")},
	{"ProtectValidate", "true", nil, []any{"Api", "Body", "paths", "/api/v1/api-keys/validate", "post", "security", 0}},
	{"AcceptEnvironments", "live", nil, variable("ValidateFunction", "ACCEPT_ENVIRONMENTS")},
	{"Monitoring", "off", nil, variable(authorizer, "METRICS")},
	{"LogLevel", "DEBUG", nil, []any{authorizer, "LoggingConfig", "ApplicationLogLevel"}},
	{"LogRetentionDays", "365", nil, []any{"AuthorizerLogs", "RetentionInDays"}},
	{"DenyStatus", "403", nil, []any{"Api", "Body", "x-amazon-apigateway-gateway-responses", "ACCESS_DENIED", "statusCode"}},
	{"ApiRate", "10", nil, []any{"ApiStage", "MethodSettings", 0, "ThrottlingRateLimit"}},
	{"ApiBurst", "10", nil, []any{"ApiStage", "MethodSettings", 0, "ThrottlingBurstLimit"}},
	{"ValidateRate", "10", nil, []any{"ApiStage", "MethodSettings", 1, "ThrottlingRateLimit"}},
	{"ValidateBurst", "10", nil, []any{"ApiStage", "MethodSettings", 1, "ThrottlingBurstLimit"}},
	{"PageRate", "12", nil, []any{"ApiStage", "MethodSettings", 4, "ThrottlingRateLimit"}},
	{"PageBurst", "12", nil, []any{"ApiStage", "MethodSettings", 4, "ThrottlingBurstLimit"}},
	{"OwnPrefix", "latchkey", nil, []any{"Api", "Body", "paths", "/console", "get", "x-amazon-apigateway-integration", "type"}},
	{"ConsoleEnabled", "false", nil, []any{"Api", "Body", "paths", "/latchkey/console", "get", "x-amazon-apigateway-integration", "type"}},
	{"ConsoleClientId", "latchkey-console", parameters{"OidcIssuer": "https://a/", "OidcAudience": "latchkey"}, variable("KeysFunction", "CONSOLE_CLIENT_ID")},
	{"RevokeRate", "11", nil, []any{"ApiStage", "MethodSettings", 2, "ThrottlingRateLimit"}},
	{"RevokeBurst", "11", nil, []any{"ApiStage", "MethodSettings", 2, "ThrottlingBurstLimit"}},
	{"BackendUrl", backend, nil, []any{"Api", "Body", "paths", "/{proxy+}", "x-amazon-apigateway-any-method", "x-amazon-apigateway-integration", "uri"}},
	{"PlainBackendUrl", "http://api.internal:8080", nil, []any{"Api", "Body", "paths", "/{proxy+}", "x-amazon-apigateway-any-method", "x-amazon-apigateway-integration", "uri"}},
	{"VpcLinkId", "abc123", parameters{"BackendUrl": backend}, []any{"Api", "Body", "paths", "/{proxy+}", "x-amazon-apigateway-any-method", "x-amazon-apigateway-integration", "connectionId"}},
	{"AssertionAudience", "urn:tts", parameters{"BackendUrl": backend}, []any{"ApiStage", "Variables", "LATCHKEY_AUDIENCE"}},
	{"AssertionAlgorithm", "HS256", nil, variable("KeysFunction", "ASSERTION_ALGORITHM")},
	{"HttpApiAnswer", "simple", nil, variable(authorizer, "HTTP_API_ANSWER")},
	{"MetadataHeader", "true", nil, variable(authorizer, "METADATA_HEADER")},
	{"LeakKeysUrl", "https://api.github.com/meta/public_keys/secret_scanning", nil, variable("KeysFunction", "LEAK_KEYS_URL")},
	{"BinaryMediaTypes", "audio/mpeg", parameters{"BackendUrl": backend}, []any{"Api", "Body", "x-amazon-apigateway-binary-media-types", 0}},
	{"DomainName", "b.example.com", withDomain(), []any{"ApiDomain", "DomainName"}},
	{"DomainCertificateArn", strings.ReplaceAll(certificate, "1234-", "4321-"), withDomain(), []any{"ApiDomain", "RegionalCertificateArn"}},
	{"DomainZoneId", "Z123", withDomain(), []any{"ApiDomainRecords", "HostedZoneId"}},
	{"DomainBasePath", "auth", withDomain(), []any{"ApiDomainMapping", "BasePath"}},
	{"ExecuteApiEndpoint", "enabled", withDomain(), []any{"Api", "Body", "servers", 0, "x-amazon-apigateway-endpoint-configuration", "disableExecuteApiEndpoint"}},
	{"CorsOrigin", "https://app.example.com", nil, variable("ValidateFunction", "CORS_ORIGIN")},
	{"CorsHeaders", "X-API-Key,OpenAI-Beta", nil, preflightHeader("Headers")},
	{"CorsMaxAge", "60", nil, preflightHeader("Max-Age")},
	{"UsageDays", "30", nil, variable(authorizer, "USAGE_DAYS")},
	{"AuditDays", "30", nil, variable("KeysFunction", "AUDIT_DAYS")},
	{"PublicPaths", "/docs/*", nil, variable(authorizer, "PUBLIC_PATHS")},
	{"RequireAuth", "false", nil, variable(authorizer, "REQUIRE_AUTH")},
	{"RateLimitRequests", "7", nil, variable(authorizer, "RATE_LIMIT_REQUESTS")},
	{"RateLimitWindow", "7", nil, variable(authorizer, "RATE_LIMIT_WINDOW")},
	{"UpstreamUrl", "https://keys.example.com", nil, variable(authorizer, "UPSTREAM_URL")},
	{"UpstreamPrefix", "acme_", nil, variable(authorizer, "UPSTREAM_PREFIX")},
	{"UpstreamCacheTtl", "7", nil, variable(authorizer, "UPSTREAM_CACHE_TTL")},
	{"UpstreamTimeout", "7", nil, variable("ValidateFunction", "UPSTREAM_TIMEOUT")},
	{"AlarmTopicArn", topic, nil, []any{"SlowAlarm", "AlarmActions", 0}},
	{"KmsKeyArn", key, nil, []any{"Table", "SSESpecification", "KMSMasterKeyId"}},
	{"ExistingTableName", "latchkey-restored", parameters{"ExistingSecretArn": existingSecret}, variable("KeysFunction", "TABLE_NAME")},
	{"ExistingSecretArn", existingSecret, nil, variable("ValidateFunction", "SECRET_ARN")},
	{"Tracing", "Active", nil, []any{authorizer, "TracingConfig", "Mode"}},
	{"AccessLog", "json", nil, []any{"ApiStage", "AccessLogSetting", "DestinationArn"}},
	{"AccountLogRole", "create", parameters{"AccessLog": "json"}, []any{"AccessLogs", "Tags", 0, "Value"}},
}

func variable(function, name string) []any { return []any{function, "Environment", "Variables", name} }

func preflightHeader(name string) []any {
	if name != "Max-Age" {
		name = "Allow-" + name
	}
	return []any{"Api", "Body", "paths", "/latchkey/console", "options", "x-amazon-apigateway-integration", "responses", "default", "responseParameters",
		"method.response.header.Access-Control-" + name}
}

func TestEachParameterHasItsEffect(t *testing.T) {
	var jobs []job
	for _, e := range effects {
		with := parameters{}
		maps.Copy(with, e.with)
		with[e.parameter] = e.value
		without := maps.Clone(e.with)
		if strings.HasPrefix(e.parameter, "Oidc") && len(e.with) == 1 {
			without = nil // issuer and audience need each other
		}
		jobs = append(jobs, job{Template: templateText(t), Parameters: without}, job{Template: templateText(t), Parameters: with})
	}
	all := translate(t, jobs)
	for i, e := range effects {
		var values [2]string
		for j := range values {
			s, err := deploy(jobs[2*i+j], all[2*i+j])
			if err != nil {
				t.Fatalf("%s: %v", e.parameter, err)
			}
			values[j] = text(s.Resources[e.where[0].(string)].Properties, e.where[1:]...)
		}
		want := e.value
		switch e.parameter {
		case "AccessLog":
			want = "${AccessLogs.Arn}"
		case "AccountLogRole":
			want = "${Account}"
		case "ExecuteApiEndpoint":
			want = "false"
		case "CorsHeaders", "CorsMaxAge":
			want = "'" + want + "'"
		case "OwnPrefix", "ConsoleEnabled":
			want = "" // no such path
		case "BackendUrl", "PlainBackendUrl":
			want += "/{proxy}"
		case "AssertionAudience":
			want += "#" + backend
		case "ProtectValidate":
			want = fmt.Sprint(map[string]any{"latchkey": []any{}})
		}
		if values[0] == values[1] || values[1] != want {
			t.Errorf("%s: %q becomes %q, want %q", e.parameter, values[0], values[1], want)
		}
	}
	for name := range section(all[0].Translated, "Parameters") {
		if !slices.ContainsFunc(effects, func(e effect) bool { return e.parameter == name }) {
			t.Errorf("%s has no line in effects", name)
		}
	}
}

func TestParametersAreGroupedDescribedAndChecked(t *testing.T) {
	translated := translate(t, []job{{Template: templateText(t)}})[0].Translated
	grouped := make(map[string]int)
	groups, _ := at(translated, "Metadata", "AWS::CloudFormation::Interface", "ParameterGroups").([]any)
	for _, g := range groups {
		for _, name := range oneOrMore(at(g, "Parameters")) {
			grouped[name]++
		}
	}
	declared := section(translated, "Parameters")
	for name, p := range declared {
		if grouped[name] != 1 {
			t.Errorf("%s is in %d groups", name, grouped[name])
		}
		if d := text(p, "Description"); len(d) < 20 || !strings.HasSuffix(d, ".") {
			t.Errorf("%s: %q", name, d)
		}
		// A guided deployment repeats the question for a hidden parameter until it gets a value.
		// And everybody who may see the functions could read the value in their variables.
		if at(p, "NoEcho") != nil {
			t.Errorf("%s is a secret: it belongs in the stack's secret", name)
		}
		if at(p, "AllowedPattern") == nil && at(p, "AllowedValues") == nil && at(p, "MinValue") == nil {
			t.Errorf("%s accepts every value", name)
		}
		if at(p, "Default") == nil {
			t.Errorf("%s has no default", name)
		} else if !accepts(t, p, text(p, "Default")) {
			t.Errorf("%s does not accept its default", name)
		}
	}
	if len(grouped) != len(declared) {
		t.Errorf("the groups name %d parameters of %d", len(grouped), len(declared))
	}
	for _, e := range effects {
		if !accepts(t, declared[e.parameter], e.value) {
			t.Errorf("%s does not accept %q", e.parameter, e.value)
		}
	}
	refused := map[string][]string{
		"Architecture": {"arm", ""}, "StageName": {"", "a/b", "a b"}, "DynamoEndpoint": {"dynamodb:8000", "ftp://x"}, "KeyPrefix": {"", "SK", "s_k", "1k"},
		"Freshness": {"", "1", "-1s", "1h", "soon", "1ms", "20ms", "249ms", "0.1s", "0.24s", ".5s"}, "MaxKeysPerUser": {"0", "-1", "many"}, "TrustedProxyHops": {"-1", "11"},
		"RouteScopes": {"POST /tts", "tts=tts", "POST tts=tts", "/a*b=tts", "/a=TTS", "POST  GET /a=tts", "/a=b c", "/a/**=b", "/a*/b=c"},
		"QueryApiKey": {"yes", ""}, "UnlimitedNumbers": {"yes", ""}, "Fence": {"", "read", "Trust"}, "ProtectValidate": {"yes", ""}, "AcceptEnvironments": {"", "prod", "live,", "live;test"}, "LogLevel": {"debug", "TRACE"}, "LogRetentionDays": {"0", "31"},
		"ExistingTableName": {"ab", "arn:aws:dynamodb:eu-west-1:123456789012:table/a", "a b"},
		"ExistingSecretArn": {"secret", "arn:aws:secretsmanager:eu-west-1:1:secret:a", "arn:aws:ssm:eu-west-1:123456789012:secret:a"},
		"BackendUrl":        {"api.example.com", "https://api.example.com/", "https://x?y", "ftp://x", "http://api.example.com", "https://u@x", "https://x/%20"},
		"PlainBackendUrl":   {"https://api.example.com", "http://x/", "x"}, "VpcLinkId": {"arn:aws:x", "A"}, "AssertionAudience": {"a b", "é"}, "AssertionAlgorithm": {"", "none", "RS256"}, "PublicPaths": {"health", "/a*b", "/a b"},
		"UsageDays": {"0", "401"}, "AuditDays": {"0", "3654"}, "RequireAuth": {"no", ""}, "RateLimitRequests": {"0"}, "RateLimitWindow": {"0", "86401"}, "UpstreamUrl": {"keys.example.com", "https://u:p@x"},
		"UpstreamPrefix": {"a b", "a,b"}, "UpstreamCacheTtl": {"-1"}, "UpstreamTimeout": {"0", "9"},
		"BinaryMediaTypes": {"audio"}, "HttpApiAnswer": {"", "policy", "Simple"}, "MetadataHeader": {"", "yes"},
		"LeakKeysUrl": {"http://api.github.com/x", "api.github.com/x", "https://u@x", "https://x?y", "https://x y"},
		"OidcIssuer":  {"login.example.com", "https://a?b", "https://a,", "ftp://a"}, "OidcAudience": {" a", "a ", ","}, "OidcAdminClaim": {"groups", "=a", "groups="},
		"RouteCosts":    {"POST /tts", "POST /tts=", "/a=-1", "/a=1.5", "/a=1000001", "/a=b", "a=1", "/a*b=1", "/a=1 2", "GET POST /a=1"},
		"OidcUserClaim": {"", "a=b", "a,b", "a b"}, "OidcRoleClaim": {"org_role", "=owner", "org_role=", "org_role=,"}, "OidcGroupsClaim": {"a=b", "a,b", "a b"},
		"KeyMaxDays": {"-1", "36501", "x"}, "KeyDefaultDays": {"-1", "36501"}, "KeyIdleDays": {"-1", "36501"},
		"UserMaxRequests": {"0", "1000001"}, "UserScopes": {"A", "a b", "a,"},
		"DenyStatus": {"401", "200"}, "ApiRate": {"0"}, "ApiBurst": {"0"}, "ValidateRate": {"0"}, "ValidateBurst": {"0"}, "RevokeRate": {"0"}, "RevokeBurst": {"0"}, "PageRate": {"0"}, "PageBurst": {"0"},
		"OwnPrefix": {"", "/latchkey", "Auto"}, "ConsoleEnabled": {"", "yes"}, "ConsoleClientId": {"a b", "\n"},
		"AlarmTopicArn": {"on-call", "arn:aws:sqs:eu-central-1:123456789012:q"}, "KmsKeyArn": {"alias/x", "arn:aws:kms:eu-central-1:123456789012:alias/x"},
		"Monitoring":           {"", "on", "false", "FULL"},
		"DomainName":           {"https://api.example.com", "api.example.com/", "API.example.com", "A.example.com", "localhost", "api..example.com", "-a.example.com", "*.example.com", "a.1"},
		"DomainCertificateArn": {"x", "arn:aws:iam::123456789012:server-certificate/x", certificate + "0", strings.Replace(certificate, ":acm:", ":iam:", 1)}, "DomainZoneId": {"z1", "/hostedzone/Z1", "Z"},
		"DomainBasePath": {"/auth", "auth/", "a/b", "a b", "(none)", ".."}, "ExecuteApiEndpoint": {"", "true", "off"},
		"CorsOrigin":  {"", "app.example.com", "https://app.example.com/", "https://a.example.com,https://b.example.com", "https://*.example.com", "null", "*'", "https://a b"},
		"CorsHeaders": {"", "*", "X-A, X-B", "X-A,", "X_A", "X-A'"}, "CorsMaxAge": {"-1", "86401", "ten"},
		"Tracing": {"on", "true"}, "AccessLog": {"on", ""}, "AccountLogRole": {"", "yes"},
	}
	for name, p := range declared {
		if len(refused[name]) == 0 {
			t.Errorf("%s needs a line above with values that CloudFormation must refuse", name)
		}
		for _, value := range refused[name] {
			if accepts(t, p, value) {
				t.Errorf("%s accepts %q", name, value)
			}
		}
		if c := text(p, "ConstraintDescription"); !strings.HasPrefix(c, "must be ") {
			t.Errorf("%s needs a ConstraintDescription, such as: must be a URL, or empty. It has %q", name, c)
		}
	}
	for _, value := range []string{"0", "0s", "250ms", "1000ms", "0.25s", "0.5s", "1s", "1.5s", "90s", "1m30s", "60m"} {
		if !accepts(t, declared["Freshness"], value) {
			t.Errorf("Freshness does not accept %q", value)
		}
	}
	for _, value := range []string{"*=", "/a=", "POST /tts/*=tts;GET /v1/models=; *=any:thing", "* /a=x;", "GET /v1/*/models=;/*/x/*=y"} {
		if !accepts(t, declared["RouteScopes"], value) {
			t.Errorf("RouteScopes does not accept %q", value)
		}
	}
	for _, value := range []string{"", "*=0", "/a=1000000", "POST /tts/*=5;GET /v1/models=0; *=10", "* /a=999999;"} {
		if !accepts(t, declared["RouteCosts"], value) {
			t.Errorf("RouteCosts does not accept %q", value)
		}
	}
}

// accepts reports whether CloudFormation accepts a value for a parameter.
func accepts(t testing.TB, parameter any, value string) bool {
	t.Helper()
	if values := at(parameter, "AllowedValues"); values != nil && !slices.Contains(oneOrMore(values), value) {
		return false
	}
	items := []string{value}
	if text(parameter, "Type") == "CommaDelimitedList" {
		items = strings.Split(value, ",")
	}
	for _, item := range items {
		if pattern := text(parameter, "AllowedPattern"); pattern != "" && !regexp.MustCompile(`^(?:`+pattern+`)$`).MatchString(item) {
			return false
		}
	}
	if text(parameter, "Type") != "Number" {
		return true
	}
	var n float64
	if err := json.Unmarshal([]byte(value), &n); err != nil {
		return false
	}
	low, hasLow := at(parameter, "MinValue").(float64)
	high, hasHigh := at(parameter, "MaxValue").(float64)
	return (!hasLow || n >= low) && (!hasHigh || n <= high)
}

// limited is a gate that refuses every request because of a limit.
type limited struct{}

func (limited) Check(context.Context, gate.Request) (apikey.Verdict, error) {
	return apikey.Verdict{
		Code: apikey.CodeRateLimited, Key: &apikey.Key{ID: "k"}, RetryAfter: time.Second,
		Status: ratelimit.Status{Limit: 5, Reset: time.Unix(1, 0)},
	}, nil
}

func TestADenialHasAllValuesOfItsGatewayResponse(t *testing.T) {
	a := lambdaauthorizer.New(lambdaauthorizer.Options{Door: admission.New(admission.Options{Gate: limited{}, Logger: slog.New(slog.DiscardHandler)})})
	answer, err := a.Invoke(t.Context(), []byte(`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/x"}`))
	if err != nil {
		t.Fatal(err)
	}
	var denial struct{ Context map[string]any }
	if err := json.Unmarshal(answer, &denial); err != nil {
		t.Fatal(err)
	}
	for _, header := range gatewayResponses("429")["ACCESS_DENIED"].headers {
		if name := strings.TrimPrefix(header, "context.authorizer."); denial.Context[name] == nil {
			t.Errorf("there is no %s in %v", name, denial.Context)
		}
	}
	for _, name := range []string{"message", "code"} {
		if value := reflect.ValueOf(denial.Context[name]); value.Kind() != reflect.String || value.Len() == 0 || strings.ContainsAny(value.String(), `"\`) {
			t.Errorf("%s is %v", name, denial.Context[name])
		}
	}
}
