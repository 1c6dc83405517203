//go:build sam

package samtest_test

import (
	"maps"
	"strings"
	"testing"
)

// mutant is one mistake in the template. At least one rule must find it.
type mutant struct {
	name, old, new string
	with           parameters
	unseen         bool // the linter must not find the mistake, which shows that the rule is needed
}

// in returns a template with the mistake.
func (m mutant) in(template string) string { return strings.ReplaceAll(template, m.old, m.new) }

var mutants = []mutant{
	{name: "misspelt time to live of the authorizer", old: "authorizerResultTtlInSeconds: 0", new: "authorizerResultTtlInSecs: 0", unseen: true},
	{name: "answers are cached", old: "authorizerResultTtlInSeconds: 0", new: "authorizerResultTtlInSeconds: 300"},
	{name: "misspelt type of the authorizer", old: "                type: request\n", new: "                typ: request\n", unseen: true},
	{name: "an authorizer for a single token", old: "                type: request\n", new: "                type: token\n"},
	{name: "an identity source", old: "                type: request\n", new: "                type: request\n                identitySource: method.request.header.X-API-Key\n", unseen: true},
	{name: "another function is the authorizer", old: "${AuthorizerFunction.Arn}/invocations", new: "${KeysFunction.Arn}/invocations"},

	{name: "a route without a key", old: "          /api/v1/whoami:\n            get:\n              security: [{latchkey: []}]\n", new: "          /api/v1/whoami:\n            get:\n", unseen: true},
	{name: "misspelt security", old: "          /api/v1/whoami:\n            get:\n              security:", new: "          /api/v1/whoami:\n            get:\n              securty:", unseen: true},
	{name: "an open route requires a key", old: "          /latchkey/health:\n            get:\n", new: "          /latchkey/health:\n            get:\n              security: [{latchkey: []}]\n"},
	{name: "a backend's paths are latchkey's", old: "!And [!Equals [!Ref OwnPrefix, auto], !Not [!Condition HasBackend]]", new: "!Equals [!Ref OwnPrefix, auto]", with: parameters{"BackendUrl": backend}, unseen: true},
	{name: "no own paths at the root though a parameter asks for them", old: "!Or [!Equals [!Ref OwnPrefix, none], ", new: "!Or [!Equals [!Ref OwnPrefix, root], ", with: parameters{"BackendUrl": backend, "OwnPrefix": "none"}, unseen: true},
	{name: "the console cannot be left away", old: "          /latchkey/console: !If\n            - HasConsole\n", new: "          /latchkey/console: !If\n            - HasConsoleAtRoot\n", with: parameters{"OwnPrefix": "latchkey"}},
	{name: "the console is at the root though it is off", old: "HasConsoleAtRoot: !And [!Condition HasConsole, !Condition IsAtRoot]", new: "HasConsoleAtRoot: !And [!Condition IsAtRoot, !Condition IsAtRoot]", with: parameters{"ConsoleEnabled": "false"}, unseen: true},
	{name: "a page without a rate of its own", old: "- {HttpMethod: GET, ResourcePath: \"/~1latchkey~1docs~1{page+}\", ThrottlingRateLimit: !Ref PageRate, ThrottlingBurstLimit: !Ref PageBurst}", new: "- !Ref AWS::NoValue", unseen: true},
	{name: "the console does not know its issuers", old: "          # The console signs people in there.\n          OIDC_ISSUER: !Ref OidcIssuer\n", new: "", with: parameters{"OidcIssuer": "https://login.example.com", "OidcAudience": "latchkey"}},
	{name: "a path with another name", old: "          /api/v1/whoami:", new: "          /api/v1/who:"},
	{name: "another method", old: "            patch:\n", new: "            put:\n"},
	{name: "the method of the route for the invocation", old: "type: aws_proxy, httpMethod: POST, uri: !Sub 'arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${ValidateFunction",
		new: "type: aws_proxy, httpMethod: GET, uri: !Sub 'arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${ValidateFunction"},
	{name: "validate always requires a key", old: "[!If [ProtectsValidate, {latchkey: []}, !Ref AWS::NoValue]]", new: "[{latchkey: []}]"},
	{name: "validate never requires a key", old: "[!If [ProtectsValidate, {latchkey: []}, !Ref AWS::NoValue]]", new: "[]", with: parameters{"ProtectValidate": "true"}},
	{name: "validate in the keys function", old: "${ValidateFunction.Arn}/invocations", new: "${KeysFunction.Arn}/invocations"},

	{name: "a preflight requires a key", old: "          /api/v1/whoami:\n", new: "          /api/v1/whoami:\n            options:\n              security: [{latchkey: []}]\n" +
		"              x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{\"statusCode\":200}'}}\n", unseen: true},
	{name: "no preflights", old: "      Cors:\n        AllowOrigin: !Sub \"'${CorsOrigin}'\"\n        AllowHeaders: !Sub \"'${CorsHeaders}'\"\n        AllowMethods: \"'GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS'\"\n        MaxAge: !Sub \"'${CorsMaxAge}'\"\n", new: ""},
	{name: "a preflight without a method", old: "'GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS'", new: "'GET,POST,PATCH,OPTIONS'"},
	{name: "the backend has no preflight", old: "              options:\n                responses:\n", new: "              x-options:\n                responses:\n", with: parameters{"BackendUrl": backend}},
	{name: "the backend needs no key", old: "            - x-amazon-apigateway-any-method:\n                security: [{latchkey: []}]\n", new: "            - x-amazon-apigateway-any-method:\n", with: parameters{"BackendUrl": backend}, unseen: true},
	{name: "a header with a name that is not encoded", old: "context.authorizer.userIdHeader", new: "context.authorizer.userId", with: parameters{"BackendUrl": backend}, unseen: true},
	{name: "a client chooses its own identity", old: "context.authorizer.userIdHeader", new: "method.request.header.X-User-Id", with: parameters{"BackendUrl": backend}, unseen: true},
	{name: "scopes that may be empty", old: "context.authorizer.scopeHeader", new: "context.authorizer.scopes", with: parameters{"BackendUrl": backend}, unseen: true},
	{name: "no assertion", old: "                    integration.request.header.X-Latchkey-Assertion: context.authorizer.assertion\n", new: "", with: parameters{"BackendUrl": backend}, unseen: true},
	{name: "a client asserts itself", old: "context.authorizer.assertion", new: "method.request.header.X-Latchkey-Assertion", with: parameters{"BackendUrl": backend}, unseen: true},
	{name: "assertions for no audience", old: "        LATCHKEY_AUDIENCE: !Sub", new: "        LATCHKEY_AUDIENC: !Sub", with: parameters{"BackendUrl": backend}, unseen: true},
	{name: "assertions for another audience", old: "'${AssertionAudience}#", new: "'${VpcLinkId}#", with: parameters{"BackendUrl": backend, "AssertionAudience": "urn:tts", "VpcLinkId": "abc123"}, unseen: true},
	{name: "a VPC link that is not used", old: "connectionType: !If [HasVpcLink, VPC_LINK, !Ref AWS::NoValue]", new: "connectionType: !If [HasVpcLink, INTERNET, !Ref AWS::NoValue]", with: parameters{"BackendUrl": backend, "VpcLinkId": "abc123"}, unseen: true},
	{name: "an answer that is not streamed", old: "                  responseTransferMode: STREAM\n", new: "", with: parameters{"BackendUrl": backend}},

	{name: "misspelt response type", old: "          ACCESS_DENIED:\n", new: "          ACCESS_DENID:\n", unseen: true},
	{name: "misspelt status", old: "            statusCode: !Ref DenyStatus\n", new: "            statusCod: !Ref DenyStatus\n"},
	{name: "a fixed status", old: "            statusCode: !Ref DenyStatus\n", new: "            statusCode: \"429\"\n", with: parameters{"DenyStatus": "403"}},
	{name: "another status", old: "          UNAUTHORIZED:\n            statusCode: \"401\"", new: "          UNAUTHORIZED:\n            statusCode: \"403\""},
	{name: "no status", old: "          MISSING_AUTHENTICATION_TOKEN:\n            statusCode: \"404\"\n", new: "          MISSING_AUTHENTICATION_TOKEN:\n"},
	{name: "a header's value without quotes", old: `gatewayresponse.header.Retry-After: "'1'"`, new: `gatewayresponse.header.Retry-After: "1"`, unseen: true},
	{name: "a misspelt header", old: "gatewayresponse.header.X-RateLimit-Reset", new: "gatewayresponse.headr.X-RateLimit-Reset", unseen: true},
	{name: "a header from an unknown variable", old: "context.authorizer.retryAfter", new: "context.authorizer.retry_after"},
	{name: "a response without CORS", old: "            responseParameters: {gatewayresponse.header.Access-Control-Allow-Origin: !Sub \"'${CorsOrigin}'\"}\n            responseTemplates: {application/json: '{\"error\":{\"message\":\"Internal",
		new: "            responseTemplates: {application/json: '{\"error\":{\"message\":\"Internal"},
	{name: "a header that a browser cannot read", old: "'RateLimit,RateLimit-Policy,Retry-After,X-RateLimit-Limit,X-RateLimit-Remaining,X-RateLimit-Reset'", new: "'Retry-After'"},
	{name: "a body's value without quotes", old: `"code":"$context.authorizer.code"`, new: `"code":$context.authorizer.code`, unseen: true},
	{name: "a body that repeats text of the caller", old: "$context.authorizer.message", new: "$context.error.message"},
	{name: "a body that is no JSON", old: "responseTemplates: {application/json: '{\"error\":{\"message\":\"Internal", new: "responseTemplates: {text/plain: '{\"error\":{\"message\":\"Internal"},
	{name: "a body of another form", old: `{"error":{"message":"No such route",`, new: `{"error":{"msg":"No such route",`},

	{name: "users without a key are refused", old: "        LATCHKEY_MANAGEMENT: \"true\"\n", new: "        LATCHKEY_MANAGMENT: \"true\"\n", unseen: true},
	{name: "a second stage", old: "    OpenApiVersion: 3.0.1\n", new: "    AlwaysDeploy: true\n", unseen: true},
	{name: "parameters are not deployed", old: "      AlwaysDeploy: true\n", new: ""},
	{name: "an edge endpoint", old: "Type: REGIONAL", new: "Type: EDGE"},
	{name: "a header of preflights is not declared", old: "Access-Control-Max-Age: {schema", new: "Access-Control-Maxage: {schema"},
	{name: "the URL of API Gateway answers beside the domain", old: "DisableExecuteApiEndpoint: !If [HidesExecuteApi, true, false]", new: "DisableExecuteApiEndpoint: false", with: withDomain()},
	{name: "no URL answers", old: "DisableExecuteApiEndpoint: !If [HidesExecuteApi, true, false]", new: "DisableExecuteApiEndpoint: true"},
	{name: "old TLS", old: "      SecurityPolicy: TLS_1_2\n", new: "", with: withDomain(), unseen: true},
	{name: "an edge domain", old: "EndpointConfiguration: {Types: [REGIONAL]}", new: "EndpointConfiguration: {Types: [EDGE]}", with: withDomain(), unseen: true},
	{name: "the base path has no effect", old: "      BasePath: !If [HasBasePath, !Ref DomainBasePath, !Ref AWS::NoValue]\n", new: "", with: withDomain("DomainBasePath=auth")},
	{name: "another stage behind the domain", old: "      Stage: !Ref Api.Stage\n", new: "      Stage: prod\n", with: withDomain(), unseen: true},
	{name: "records of another name", old: "{Name: !Ref DomainName, Type: A,", new: "{Name: example.com, Type: A,", with: withDomain("DomainZoneId=Z123"), unseen: true},
	{name: "the output forgets the domain", old: "      - HasDomain\n      - !If [HasBasePath", new: "      - HasDomainRecords\n      - !If [HasBasePath", with: withDomain(), unseen: true},
	{name: "every origin in the answers of the gateway", old: "gatewayresponse.header.Access-Control-Allow-Origin: !Sub \"'${CorsOrigin}'\"", new: "gatewayresponse.header.Access-Control-Allow-Origin: \"'*'\"", with: parameters{"CorsOrigin": "https://app.example.com"}, unseen: true},
	{name: "a function that allows every origin", old: "          CORS_ORIGIN: !Ref CorsOrigin\n", new: "          CORS_ORIGIN: \"*\"\n", with: parameters{"CorsOrigin": "https://app.example.com"}},
	{name: "no throttling of validate", old: "/~1api~1v1~1api-keys~1validate", new: "/api/v1/api-keys/validate"},
	{name: "no throttling of the route of proxies", old: "{HttpMethod: PATCH, ResourcePath: \"/~1api~1v1~1authorize~1{proxy+}\",", new: "{HttpMethod: PATCH, ResourcePath: \"/~1api~1v1~1authorise~1{proxy+}\","},
	{name: "a preflight is an Allow for proxies", old: "            options:\n              responses: {}\n", new: "            x-options:\n              responses: {}\n"},
	{name: "proxies may not ask", old: "/*/api/v1/authorize*", new: "/GET/api/v1/authorize"},
	{name: "no throttling of revoke-by-token", old: "/~1api~1v1~1api-keys~1revoke-by-token", new: "/api/v1/api-keys/revoke-by-token"},
	{name: "no throttling of reports of leaks", old: "/~1api~1v1~1leaks~1github", new: "/api/v1/leaks/github"},
	{name: "revoke-by-token without a throttle of its own", old: "ThrottlingRateLimit: !Ref RevokeRate", new: "ThrottlingRateLimit: !Ref ValidateRate"},
	{name: "no throttling", old: "          ThrottlingRateLimit: !Ref ApiRate\n", new: ""},
	{name: "the authorizer may not be invoked", old: "${Api}/authorizers/*", new: "${Api}/authorizer/*"},
	{name: "a route may not be invoked", old: "${StageName}/POST/api/v1/api-keys/validate", new: "${StageName}/GET/api/v1/api-keys/validate"},
	{name: "a missing permission", old: "  KeysPermission:\n    Type: AWS::Lambda::Permission\n    Properties:\n      Action: lambda:InvokeFunction\n      FunctionName: !Ref KeysFunction",
		new: "  KeysPermission:\n    Type: AWS::Lambda::Permission\n    Properties:\n      Action: lambda:InvokeFunction\n      FunctionName: !Ref ValidateFunction", unseen: true},
	{name: "any API may invoke", old: "${AWS::AccountId}:${Api}/authorizers/*", new: "${AWS::AccountId}:*"},
	{name: "a query in the access log", old: "$context.httpMethod $context.resourcePath |", new: "$context.httpMethod $context.resourcePath$context.requestOverride.querystring |", with: parameters{"AccessLog": "line"}},
	{name: "a path in the access log", old: "$context.httpMethod $context.resourcePath |", new: "$context.httpMethod $context.path |", with: parameters{"AccessLog": "line"}},
	{name: "a path in the access log as JSON", old: `"resource":"$context.resourcePath"`, new: `"resource":"$context.path"`, with: parameters{"AccessLog": "json"}},
	{name: "an access log that API Gateway refuses", old: " | $context.requestId | $context.extendedRequestId", new: " | $context.extendedRequestId", with: parameters{"AccessLog": "line"}},
	{name: "a missing log group", old: "    Type: AWS::Logs::LogGroup\n    Condition: LogsAccess\n", new: "    Type: AWS::Logs::LogGroup\n    Condition: MakesAccountRole\n",
		with: parameters{"AccessLog": "json", "AccountLogRole": "exists"}},
	{name: "the account's role is created after the log", old: "!If [MakesAccountRole, !Ref Account, exists]", new: "exists", with: parameters{"AccessLog": "json", "AccountLogRole": "create"}},
	{name: "the account's role is created before the API", old: "    DependsOn: Api\n", new: "", with: parameters{"AccessLog": "json", "AccountLogRole": "create"}, unseen: true},
	{name: "an access log with only the request ID that a client can choose", old: " | $context.extendedRequestId", new: "", with: parameters{"AccessLog": "line"}},
	{name: "a response that API Gateway does not allow", old: "          THROTTLED:\n", new: "          REQUEST_TOO_LARGE: {statusCode: \"413\"}\n          THROTTLED:\n", unseen: true},
	{name: "Lambda's own lines for each request", old: "      SystemLogLevel: WARN\n", new: "", unseen: true},

	{name: "a wildcard action", old: "                - dynamodb:PutItem\n", new: "                - dynamodb:*\n"},
	{name: "a wildcard resource", old: "!Sub '${Table.Arn}/index/by-user'", new: "!Sub '${Table.Arn}/index/*'"},
	{
		name: "rights on another table than the one that is there", with: parameters{"ExistingTableName": "latchkey-restored", "ExistingSecretArn": existingSecret},
		old: "!Sub 'arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${ExistingTableName}']", new: "!GetAtt Table.Arn]",
	},
	{
		name: "the function reads its own secret although there is one", with: parameters{"ExistingSecretArn": existingSecret},
		old: "SECRET_ARN: !If [MakesSecret, !Ref Secret, !Ref ExistingSecretArn]", new: "SECRET_ARN: !Ref Secret",
	},
	{name: "logs that end with the stack", old: "    Type: AWS::Logs::LogGroup\n    DeletionPolicy: Retain\n", new: "    Type: AWS::Logs::LogGroup\n"},
	{name: "a policy without its version", old: "        - Version: \"2012-10-17\"\n          Statement:\n", new: "        - Statement:\n"},
	{name: "an action too many", old: "                - dynamodb:DeleteItem\n", new: "                - dynamodb:DeleteItem\n                - dynamodb:Scan\n"},
	{name: "an action too few", old: "                - dynamodb:PutItem\n", new: "", unseen: true},
	{name: "a policy for all secrets", old: "              Resource: !If [MakesSecret, !Ref Secret, !Ref ExistingSecretArn]\n", new: "              Resource: \"*\"\n"},
	{name: "no permission to use the KMS key", old: "Action: kms:Decrypt", new: "Action: kms:DescribeKey", with: parameters{"KmsKeyArn": key}},
	{name: "a function without a timeout", old: "    Timeout: 10\n", new: ""},
	{name: "reserved concurrency", old: "    MemorySize: 256\n", new: "    MemorySize: 256\n    ReservedConcurrentExecutions: 10\n"},
	{name: "misspelt variable", old: "          TRUSTED_PROXY_HOPS:", new: "          TRUSTED_PROXY_HOP:", unseen: true},
	{name: "a parameter without an effect", old: "          FRESHNESS: !Ref Freshness\n", new: "          FRESHNESS: 9s\n"},
	{name: "a value that config refuses", old: "          KEY_PREFIX: !Ref KeyPrefix\n", new: "          KEY_PREFIX: pk\n"},
	{name: "logs that never end", old: "      RetentionInDays: !Ref LogRetentionDays\n", new: ""},

	{name: "the table is deleted with the stack", old: "    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n    Properties:\n      BillingMode", new: "    Properties:\n      BillingMode"},
	{name: "no deletion protection", old: "DeletionProtectionEnabled: true", new: "DeletionProtectionEnabled: false"},
	{name: "no recovery", old: "PointInTimeRecoveryEnabled: true", new: "PointInTimeRecoveryEnabled: false"},
	{name: "the index has no order", old: "            - AttributeName: createdKey\n              KeyType: RANGE", new: "            - AttributeName: pk\n              KeyType: RANGE"},
	{name: "the index shows secrets", old: "              - metadata\n", new: "              - metadata\n              - secrets\n"},
	{name: "a secret of another form", old: "        SecretStringTemplate:", new: "        ExcludeLowercase: true\n        SecretStringTemplate:"},
	{name: "the table with another KMS key", old: "KMSMasterKeyId: !Ref KmsKeyArn", new: "KMSMasterKeyId: alias/aws/dynamodb", with: parameters{"KmsKeyArn": key}},

	{name: "misspelt metric", old: "MetricName: Failures", new: "MetricName: Failure", unseen: true},
	{name: "misspelt dimension", old: "{Name: code, Value: unavailable}", new: "{Name: code, Value: unavailble}"},
	{name: "an alarm without data", old: "TreatMissingData: notBreaching", new: "TreatMissingData: breaching"},
	{name: "an alarm that cannot start", old: "      Threshold: 800\n", new: "      Threshold: 8000\n", unseen: true},
	{name: "an alarm that starts for usual answers", old: "      Threshold: 800\n", new: "      Threshold: 80\n", unseen: true},
	{name: "an alarm over minutes that have no data yet", old: "      EvaluationPeriods: 5\n", new: "      EvaluationPeriods: 3\n", unseen: true},
	{name: "alarms that stay without monitoring", old: "  HasAlarms: !Not [!Equals [!Ref Monitoring, \"off\"]]\n", new: "  HasAlarms: !Not [!Equals [!Ref Monitoring, \"none\"]]\n", with: parameters{"Monitoring": "off"}},
	{name: "a dashboard that nobody asked for", old: "  HasDashboard: !Equals [!Ref Monitoring, full]\n", new: "  HasDashboard: !Condition HasAlarms\n", with: parameters{"Monitoring": "alarms"}},
	{name: "metrics that no alarm needs", old: "        METRICS: !Ref Monitoring\n", new: "        METRICS: full\n", with: parameters{"Monitoring": "alarms"}, unseen: true},
	{name: "a throttled stage looks like a key's limit", old: "\"code\":\"too_many_requests\"", new: "\"code\":\"rate_limit_exceeded\"", unseen: true},
	{name: "an alarm for keys at their limits", old: "{ $.responseType = \"THROTTLED\" }", new: "{ $.status = 429 }", with: parameters{"AccessLog": "json"}, unseen: true},
	{name: "an alarm for keys at their limits, in lines", old: "key = \"-\", bar2, method, path, bar3, status = 429", new: "key, bar2, method, path, bar3, status = 429", with: parameters{"AccessLog": "line"}, unseen: true},
	{name: "a query for a field that no line has", old: "resource, sourceIp, extendedRequestId", new: "route, sourceIp, extendedRequestId", unseen: true},
	{name: "a query over some of the logs", old: "[!Ref AuthorizerLogs, !Ref ValidateLogs, !Ref KeysLogs]", new: "[!Ref AuthorizerLogs, !Ref ValidateLogs]", unseen: true},
	{name: "an alarm that starts too late", old: "      Threshold: 1\n", new: "      Threshold: 50\n", unseen: true},
	{name: "an alarm with a threshold that a rate cannot reach", old: "Threshold: 0.01", new: "Threshold: 1"},
	{name: "a fraction in place of a percentage", old: "100 * FILL(unavailable, 0) / verdicts", new: "FILL(unavailable, 0) / verdicts"},
	{name: "the minimum of all failures", old: "SUM(FILL(METRICS(), 0))", new: "MIN(FILL(METRICS(), 0))"},
	{name: "an operation that no alarm watches", old: "{Name: Operation, Value: BatchGetItem}", new: "{Name: Operation, Value: GetItem}"},
	{name: "an alarm that notifies nobody", old: "!If [HasAlarmTopic, [!Ref AlarmTopicArn], !Ref AWS::NoValue]", new: "[]", with: parameters{"AlarmTopicArn": topic}},
	{name: "the dashboard is no JSON", old: `"${ApiErrorsAlarm.Arn}", `, new: `"${ApiErrorsAlarm.Arn}" `},
	{name: "the dashboard shows nothing", old: `"Latchkey", "LeaseHits"`, new: `"Latchkey", "LeaseHit"`},
	{name: "a missing output", old: "  AuthorizerArn:\n    Description", new: "  Authorizer:\n    Description"},
}

func TestEveryMistakeBreaksARule(t *testing.T) {
	original := templateText(t)
	var jobs []job
	for _, m := range mutants {
		changed := m.in(original)
		if changed == original {
			t.Fatalf("%s: the template has no %q", m.name, m.old)
		}
		jobs = append(jobs, job{Template: changed, Parameters: m.with})
	}
	unbroken := maps.Clone(rules)
	for i, translation := range translate(t, jobs) {
		m := mutants[i]
		s, err := deploy(jobs[i], translation)
		if err != nil {
			t.Errorf("%s: it cannot be deployed, so no rule is needed: %v", m.name, err)
			continue
		}
		broken := check(s)
		if len(broken) == 0 {
			t.Errorf("%s: no rule is broken", m.name)
		}
		for rule := range broken {
			delete(unbroken, rule)
		}
	}
	for rule := range unbroken {
		t.Errorf("no mistake breaks the rule: %s", rule)
	}
}

// The linter takes seconds for a template. Therefore it gets as many mistakes at once as leave each other
// alone: the places where one mistake is made have none of the others.
func TestTheLinterFindsNoneOfThese(t *testing.T) {
	original := templateText(t)
	var left []mutant
	for _, m := range mutants {
		if m.unseen {
			left = append(left, m)
		}
	}
	var jobs []job
	var names [][]string
	for len(left) > 0 {
		template, made, later := original, []string{}, []mutant(nil)
		for _, m := range left {
			places := strings.Count(original, m.old)
			changed := m.in(template)
			if strings.Count(template, m.old) != places || strings.Count(changed, m.new) < places {
				later = append(later, m)
				continue
			}
			template, made = changed, append(made, m.name)
		}
		jobs, names, left = append(jobs, job{Template: template, Lint: true}), append(names, made), later
	}
	for i, translation := range translate(t, jobs) {
		if translation.Error != "" || len(translation.Findings) > 0 {
			t.Errorf("the linter finds one of %q: %v %s", names[i], translation.Findings, translation.Error)
		}
	}
}
