//go:build sam

package samtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
)

// variables are the variables of the functions, each with the parameter of its value. It is empty
// if the value does not come from a parameter.
var variables = map[string]string{
	"TABLE_NAME": "", "SECRET_ARN": "", "AWS_SDK_UA_APP_ID": "", "LATCHKEY_SECRET": "", "AWS_ENDPOINT_URL_DYNAMODB": "DynamoEndpoint", "KEY_PREFIX": "KeyPrefix",
	"FRESHNESS": "Freshness", "ACCEPT_ENVIRONMENTS": "AcceptEnvironments", "MAX_KEYS_PER_USER": "MaxKeysPerUser", "ROUTE_SCOPES": "RouteScopes",
	"TRUSTED_PROXY_HOPS": "TrustedProxyHops", "QUERY_API_KEY": "QueryApiKey", "UNLIMITED_NUMBERS": "UnlimitedNumbers",
	"SERVICE": "", "USAGE_DAYS": "UsageDays", "AUDIT_DAYS": "AuditDays", "PUBLIC_PATHS": "PublicPaths", "REQUIRE_AUTH": "RequireAuth",
	"RATE_LIMIT_REQUESTS": "RateLimitRequests", "RATE_LIMIT_WINDOW": "RateLimitWindow",
	"OIDC_ISSUER": "OidcIssuer", "OIDC_AUDIENCE": "OidcAudience", "OIDC_ADMIN_CLAIM": "OidcAdminClaim",
	"OIDC_USER_CLAIM": "OidcUserClaim", "OIDC_ROLE_CLAIM": "OidcRoleClaim", "OIDC_GROUPS_CLAIM": "OidcGroupsClaim",
	"ROUTE_COSTS": "RouteCosts", "KEY_MAX_DAYS": "KeyMaxDays", "KEY_DEFAULT_DAYS": "KeyDefaultDays", "KEY_IDLE_DAYS": "KeyIdleDays",
	"CONSOLE_CLIENT_ID": "ConsoleClientId",
	"USER_MAX_REQUESTS": "UserMaxRequests", "USER_SCOPES": "UserScopes",
	"UPSTREAM_URL": "UpstreamUrl", "UPSTREAM_PREFIX": "UpstreamPrefix", "UPSTREAM_CACHE_TTL": "UpstreamCacheTtl", "UPSTREAM_TIMEOUT": "UpstreamTimeout",
}

// known returns the names of the variables that the functions read.
func known() []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		names = append(names, name)
	}
	return names
}

func functionsHaveTheirSettings(s *stack, p *problems) {
	all := s.of("AWS::Lambda::Function")
	p.equal("functions", slices.Sorted(maps.Keys(all)), []string{authorizer, "KeysFunction", "ValidateFunction"})
	for id, f := range all {
		is := func(want string, path ...any) { p.equal(fmt.Sprint(id, ": ", path), text(f.Properties, path...), want) }
		is("provided.al2023", "Runtime")
		is("bootstrap", "Handler")
		is("256", "MemorySize")
		is("10", "Timeout")
		is("["+s.Parameters["Architecture"]+"]", "Architectures")
		is("${"+id+"Role.Arn}", "Role")
		is("JSON", "LoggingConfig", "LogFormat")
		is(s.Parameters["LogLevel"], "LoggingConfig", "ApplicationLogLevel")
		// At INFO, Lambda's own lines cost more than a check.
		is("WARN", "LoggingConfig", "SystemLogLevel")
		is("${"+strings.TrimSuffix(id, "Function")+"Logs}", "LoggingConfig", "LogGroup")
		is(strings.TrimPrefix(s.Parameters["Tracing"], "Disabled"), "TracingConfig", "Mode")
		// Reserved concurrency would take concurrency from the rest of the account, and refuse
		// callers above a limit that no operator has chosen.
		is("", "ReservedConcurrentExecutions")

		values := make(map[string]string)
		declared, _ := at(f.Properties, "Environment", "Variables").(object)
		for name, value := range declared {
			values[name] = fmt.Sprint(value)
			if parameter, ok := variables[name]; !ok || !slices.Contains(known(), name) {
				p.add("%s: the function does not know the variable %s", id, name)
			} else if parameter != "" && values[name] != s.Parameters[parameter] {
				p.add("%s: %s is %s", id, name, values[name])
			}
		}
		p.equal(id+": name in metrics", values["SERVICE"], "${AWS::StackName}-"+strings.ToLower(strings.TrimSuffix(id, "Function")))
		p.equal(id+": table and secret", values["TABLE_NAME"]+values["SECRET_ARN"]+values["LATCHKEY_SECRET"], "${Table}${Secret}")
		if _, ok := values["LATCHKEY_SECRET"]; !ok {
			p.add("%s: sam local cannot be given a secret", id)
		}
		values["TABLE_NAME"] = "latchkey-Table-1ABCDEF" // the form of a name that CloudFormation chooses
		if _, err := config.Load(values); err != nil {
			p.add("%s: would not start: %v", id, err)
		}
	}
}

// rights returns the actions and resources that each function's role must allow. kms is the ARN of
// the KMS key, or empty.
func rights(kms string) map[string][]string {
	judge := []string{
		"dynamodb:GetItem ${Table.Arn}", "dynamodb:Query ${Table.Arn}", "dynamodb:UpdateItem ${Table.Arn}",
		"secretsmanager:GetSecretValue ${Secret}",
	}
	if kms != "" {
		judge = append(judge, "kms:Decrypt "+kms)
	}
	manage := append(slices.Clone(judge), "dynamodb:BatchGetItem ${Table.Arn}", "dynamodb:ConditionCheckItem ${Table.Arn}", "dynamodb:DeleteItem ${Table.Arn}", "dynamodb:PutItem ${Table.Arn}", "dynamodb:Query ${Table.Arn}/index/by-user", "dynamodb:Scan ${Table.Arn}/index/by-user")
	return map[string][]string{authorizer: judge, "ValidateFunction": judge, "KeysFunction": manage}
}

func rolesAreLeast(s *stack, p *problems) {
	for function, want := range rights(s.Parameters["KmsKeyArn"]) {
		role := s.Resources[function+"Role"].Properties
		p.equal(function+": principal of the role", text(role, "AssumeRolePolicyDocument", "Statement"),
			"[map[Action:[sts:AssumeRole] Effect:Allow Principal:map[Service:[lambda.amazonaws.com]]]]")
		managed := "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
		if s.Parameters["Tracing"] == "Active" {
			managed += " arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"
		}
		p.equal(function+": managed policies", text(role, "ManagedPolicyArns"), "["+managed+"]")
		var got []string
		policies, _ := role["Policies"].([]any)
		for _, policy := range policies {
			statements, _ := at(policy, "PolicyDocument", "Statement").([]any)
			for _, statement := range statements {
				p.equal(function+": effect", text(statement, "Effect"), "Allow")
				for _, action := range oneOrMore(at(statement, "Action")) {
					for _, resource := range oneOrMore(at(statement, "Resource")) {
						got = append(got, action+" "+resource)
						if strings.Contains(action+resource, "*") {
							p.add("%s: %s on %s", function, action, resource)
						}
						if strings.HasPrefix(action, "kms:") {
							p.equal(function+": services that use the key", text(statement, "Condition", "StringEquals", "kms:ViaService"),
								"[dynamodb.${AWS::Region}.amazonaws.com secretsmanager.${AWS::Region}.amazonaws.com]")
						}
					}
				}
			}
		}
		p.equal(function+": rights", slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
	}
	p.equal("roles", len(s.of("AWS::IAM::Role")), 3+len(s.of("AWS::ApiGateway::Account")))
	if n := len(s.of("AWS::IAM::Policy")) + len(s.of("AWS::IAM::ManagedPolicy")); n > 0 {
		p.add("%d policies beside the roles' own", n)
	}
}

func oneOrMore(v any) []string {
	if list, ok := v.([]any); ok {
		var texts []string
		for _, item := range list {
			texts = append(texts, fmt.Sprint(item))
		}
		return texts
	}
	return []string{fmt.Sprint(v)}
}

func dataOutlivesTheStack(s *stack, p *problems) {
	kms := s.Parameters["KmsKeyArn"]
	for _, id := range []string{"Table", "Secret"} {
		p.equal(id, s.Resources[id].DeletionPolicy+" "+s.Resources[id].UpdateReplacePolicy, "Retain Retain")
	}
	p.equal("tables", len(s.of("AWS::DynamoDB::Table")), 1)
	table := s.Resources["Table"].Properties
	is := func(want string, path ...any) { p.equal(fmt.Sprint("table ", path), text(table, path...), want) }
	is("PAY_PER_REQUEST", "BillingMode")
	is("true", "DeletionProtectionEnabled")
	is("true", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")
	is("map[AttributeName:ttl Enabled:true]", "TimeToLiveSpecification")
	is("[map[AttributeName:pk KeyType:HASH] map[AttributeName:sk KeyType:RANGE]]", "KeySchema")
	is("by-user", "GlobalSecondaryIndexes", 0, "IndexName")
	is("[map[AttributeName:userId KeyType:HASH] map[AttributeName:createdKey KeyType:RANGE]]", "GlobalSecondaryIndexes", 0, "KeySchema")
	for _, a := range oneOrMore(at(table, "AttributeDefinitions")) {
		if !strings.HasSuffix(a, " AttributeType:S]") {
			p.add("table: %s", a)
		}
	}
	is("INCLUDE", "GlobalSecondaryIndexes", 0, "Projection", "ProjectionType")
	for _, attribute := range oneOrMore(at(table, "GlobalSecondaryIndexes", 0, "Projection", "NonKeyAttributes")) {
		if attribute == "secrets" || attribute == "aliases" {
			p.add("the index shows %s", attribute)
		}
	}
	if kms == "" {
		is("", "SSESpecification")
	} else {
		is("map[KMSMasterKeyId:"+kms+" SSEEnabled:true SSEType:KMS]", "SSESpecification")
	}
	secret := s.Resources["Secret"].Properties
	p.equal("secret's key", text(secret, "KmsKeyId"), kms)
	p.equal("secret", text(secret, "GenerateSecretString"),
		`map[ExcludePunctuation:true GenerateStringKey:master PasswordLength:64 SecretStringTemplate:{"peppers":[]}]`)
	// With a name, a deleted stack could not be created again until its old secret is gone.
	p.equal("secret's name", text(secret, "Name"), "")
}

func logsEnd(s *stack, p *problems) {
	for id, logs := range s.of("AWS::Logs::LogGroup") {
		p.equal(id+": days", text(logs.Properties, "RetentionInDays"), s.Parameters["LogRetentionDays"])
		p.equal(id+": key", text(logs.Properties, "KmsKeyId"), s.Parameters["KmsKeyArn"])
	}
}

// series are the existing metrics, each with its sets of dimensions. The functions send those in
// Latchkey.
var series = map[string][]string{
	"Latchkey/Verdicts":                       {"service", "service code"},
	"Latchkey/Latency":                        {"service"},
	"Latchkey/Reads":                          {"service"},
	"Latchkey/Writes":                         {"service"},
	"Latchkey/LeaseHits":                      {"service"},
	"Latchkey/MemoryHits":                     {"service"},
	"Latchkey/Failures":                       {"service"},
	"Latchkey/ColdStart":                      {"service function_name"},
	"AWS/Lambda/Duration":                     {"FunctionName"},
	"AWS/Lambda/Errors":                       {"FunctionName"},
	"AWS/Lambda/Throttles":                    {"FunctionName"},
	"AWS/DynamoDB/ThrottledRequests":          {"TableName Operation"},
	"AWS/DynamoDB/SystemErrors":               {"TableName Operation"},
	"AWS/DynamoDB/ConsumedReadCapacityUnits":  {"TableName"},
	"AWS/DynamoDB/ConsumedWriteCapacityUnits": {"TableName"},
	"AWS/ApiGateway/Count":                    {"ApiName Stage"},
	"AWS/ApiGateway/4XXError":                 {"ApiName Stage"},
	"AWS/ApiGateway/5XXError":                 {"ApiName Stage"},
	"Latchkey/" + backendMetric:               {""},
}

// operations are the operations of the functions on the table. DynamoDB may refuse each of them.
var operations = []string{"BatchGetItem", "GetItem", "Query", "Scan", "TransactWriteItems", "UpdateItem"}

// services returns the names of the functions in metrics. They contain the name of the stack, which
// separates two stacks in one account.
func services() (all []string) {
	for _, name := range []string{"authorizer", "validate", "keys"} {
		all = append(all, "${AWS::StackName}-"+name)
	}
	return all
}

// metric checks that a series exists. dimensions has names and values in turn.
func (s *stack) metric(p *problems, where, metric string, dimensions []string) {
	functions := slices.Sorted(maps.Keys(s.of("AWS::Lambda::Function")))
	codes := []string{"unavailable"}
	for _, code := range []apikey.Code{
		apikey.CodeValid, apikey.CodeMissing, apikey.CodeMalformed, apikey.CodeTwoKeys, apikey.CodeUnknown, apikey.CodeRevoked, apikey.CodeDisabled, apikey.CodeInactive,
		apikey.CodeExpired, apikey.CodeWrongEnvironment, apikey.CodeAddressNotAllowed, apikey.CodeInsufficientScope, apikey.CodeRateLimited, apikey.CodeQuotaExceeded,
		apikey.CodeUserSuspended, apikey.CodeIdle, apikey.CodeCostAboveLimit,
	} {
		codes = append(codes, string(code))
	}
	for i, f := range functions {
		functions[i] = "${" + f + "}"
	}
	values := map[string][]string{
		"service": services(), "code": codes, "function_name": functions, "FunctionName": functions,
		"TableName": {"${Table}"}, "Operation": operations,
		"ApiName": {"${AWS::StackName}"}, "Stage": {s.Parameters["StageName"]},
	}
	var names []string
	for i := 0; i+1 < len(dimensions); i += 2 {
		names = append(names, dimensions[i])
		if !slices.Contains(values[dimensions[i]], dimensions[i+1]) {
			p.add("%s: %s: no series has %s %s", where, metric, dimensions[i], dimensions[i+1])
		}
	}
	if !slices.Contains(series[metric], strings.Join(names, " ")) {
		p.add("%s: there is no %s by %v", where, metric, names)
	}
}

// alarms are the expected alarms.
var alarms = map[string]struct {
	watches    []string // metrics, each with its statistic
	expression string   // empty for a single metric
	threshold  float64
}{
	"UnavailableAlarm":     {[]string{"Latchkey/Verdicts Sum"}, "100 * FILL(unavailable, 0) / verdicts", 1},
	"SlowAlarm":            {[]string{"AWS/Lambda/Duration p99"}, "", 8000}, // 80 % of the timeout, in milliseconds
	"FailuresAlarm":        {[]string{"AWS/Lambda/Errors Sum", "Latchkey/Failures Sum"}, sumOfAll, 0},
	"LambdaThrottlesAlarm": {[]string{"AWS/Lambda/Throttles Sum"}, sumOfAll, 0},
	"TableThrottlesAlarm":  {[]string{"AWS/DynamoDB/ThrottledRequests Sum"}, sumOfAll, 0},
	"TableErrorsAlarm":     {[]string{"AWS/DynamoDB/SystemErrors Sum"}, sumOfAll, 0},
	"ApiErrorsAlarm":       {[]string{"AWS/ApiGateway/5XXError Average"}, "", 0.01},
	backendAlarm:           {[]string{"Latchkey/" + backendMetric + " Sum"}, "", 0},
	"RefusalsAlarm":        {[]string{"Latchkey/Verdicts Sum"}, "IF(verdicts >= 100, 100 * (verdicts - FILL(valid, 0)) / verdicts, 0)", 50},
}

// The backend's alarm exists if there is a backend, and an access log in which its failures are
// counted.
const (
	backendAlarm  = "BackendAlarm"
	backendMetric = "${AWS::StackName}-BackendUnavailable"
)

const sumOfAll = "SUM(FILL(METRICS(), 0))"

func alarmsSayWhatToDo(s *stack, p *problems) {
	all := s.of("AWS::CloudWatch::Alarm")
	wanted := slices.Sorted(maps.Keys(alarms))
	if s.Parameters["BackendUrl"] == "" || s.Parameters["AccessLog"] == "off" {
		wanted = slices.DeleteFunc(wanted, func(id string) bool { return id == backendAlarm })
	}
	p.equal("alarms", slices.Sorted(maps.Keys(all)), wanted)
	filters := s.of("AWS::Logs::MetricFilter")
	p.equal("metric filters", len(filters) == 1, slices.Contains(wanted, backendAlarm))
	for id, f := range filters {
		pattern := `{ ($.responseType = "INTEGRATION_FAILURE") || ($.responseType = "INTEGRATION_TIMEOUT") }`
		if s.Parameters["AccessLog"] == "line" {
			pattern = "[time, zone, bar1, key, bar2, method, path, bar3, status = 504, bar4, request, bar5, extended]"
		}
		p.equal(id+": pattern", text(f.Properties, "FilterPattern"), pattern)
		p.equal(id+": log group", text(f.Properties, "LogGroupName"), "${AccessLogs}")
		p.equal(id+": metric", at(f.Properties, "MetricTransformations"), any([]any{object{
			"MetricNamespace": "Latchkey", "MetricName": backendMetric, "MetricValue": "1", "DefaultValue": 0.0,
		}}))
	}
	actions := "[" + s.Parameters["AlarmTopicArn"] + "]"
	if s.Parameters["AlarmTopicArn"] == "" {
		actions = ""
	}
	for id, a := range all {
		is := func(want string, path ...any) { p.equal(fmt.Sprint(id, ": ", path), text(a.Properties, path...), want) }
		is("3", "EvaluationPeriods")
		is("2", "DatapointsToAlarm")
		is("notBreaching", "TreatMissingData")
		is("GreaterThanThreshold", "ComparisonOperator")
		is(actions, "AlarmActions")
		is(actions, "OKActions")
		if d := text(a.Properties, "AlarmDescription"); strings.Count(d, ".") < 2 || len(d) > 1024 {
			p.add("%s: the description says too little or too much: %q", id, d)
		}
		watched, asked := map[string]bool{}, map[string]bool{}
		watch := func(m any, statistic, period string) {
			var dimensions []string
			list, _ := at(m, "Dimensions").([]any)
			for _, d := range list {
				dimensions = append(dimensions, text(d, "Name"), text(d, "Value"))
				if text(d, "Name") == "Operation" {
					asked[text(d, "Value")] = true
				}
			}
			name := text(m, "Namespace") + "/" + text(m, "MetricName")
			s.metric(p, id, name, dimensions)
			p.equal(id+": period", period, "60")
			watched[name+" "+statistic] = true
		}
		if at(a.Properties, "MetricName") != nil {
			watch(a.Properties, text(a.Properties, "Statistic")+text(a.Properties, "ExtendedStatistic"), text(a.Properties, "Period"))
		}
		metrics, _ := at(a.Properties, "Metrics").([]any)
		expression := text(metrics, 0, "Expression")
		for i, m := range metrics {
			if i == 0 {
				continue
			}
			watch(at(m, "MetricStat", "Metric"), text(m, "MetricStat", "Stat"), text(m, "MetricStat", "Period"))
			p.equal(id+": ReturnData", text(m, "ReturnData"), "false")
			if name := text(m, "Id"); !strings.Contains(expression, "METRICS()") && !strings.Contains(expression, name) {
				p.add("%s: %q does not use %s", id, expression, name)
			}
		}
		if len(asked) > 0 {
			p.equal(id+": operations", slices.Sorted(maps.Keys(asked)), operations)
		}
		p.equal(id+": watches", slices.Sorted(maps.Keys(watched)), alarms[id].watches)
		p.equal(id+": expression", expression, alarms[id].expression)
		p.equal(id+": threshold", at(a.Properties, "Threshold"), any(alarms[id].threshold))
	}
	timeout, _ := at(s.Resources[authorizer].Properties, "Timeout").(float64) // in seconds; the threshold is 80 % in milliseconds
	p.equal("SlowAlarm: threshold", at(all["SlowAlarm"].Properties, "Threshold"), any(timeout*800))
}

var searched = regexp.MustCompile(`^SEARCH\('\{Latchkey,service,code\} MetricName="(\w+)" service="([^"]+)"', 'Sum', 60\)$`)

func dashboardShowsAll(s *stack, p *problems) {
	var board struct {
		Widgets []struct {
			Type          string
			Width, Height int
			Properties    struct {
				Title, Region string
				Alarms        []string
				Metrics       [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(text(s.Resources["Dashboard"].Properties, "DashboardBody")), &board); err != nil {
		p.add("the dashboard is not JSON: %v", err)
		return
	}
	if n := len(board.Widgets); n == 0 || n > 12 {
		p.add("%d widgets", n)
	}
	shown := map[string]bool{}
	for _, w := range board.Widgets {
		where := "widget " + w.Properties.Title
		if w.Width*3 != 24 || w.Height != 6 || w.Properties.Title == "" || w.Type == "metric" && w.Properties.Region != "${AWS::Region}" {
			p.add("%s: %+v", where, w)
		}
		for _, alarm := range w.Properties.Alarms {
			shown[alarm] = true
		}
		for _, m := range w.Properties.Metrics {
			var parts []string
			for _, part := range m {
				switch part := part.(type) {
				case string:
					parts = append(parts, part)
				case object:
					search, _ := part["expression"].(string)
					if match := searched.FindStringSubmatch(search); match != nil {
						s.metric(p, where, "Latchkey/"+match[1], []string{"service", match[2], "code", "valid"})
						shown["Latchkey/"+match[1]] = true
					} else if strings.HasPrefix(search, "SEARCH") {
						p.add("%s: %s", where, search)
					}
				}
			}
			if len(parts) >= 2 {
				name := parts[0] + "/" + parts[1]
				s.metric(p, where, name, parts[2:])
				shown[name] = true
			}
		}
	}
	for id := range alarms {
		if id != backendAlarm && !shown["${"+id+".Arn}"] {
			p.add("%s is not shown", id)
		}
	}
	for name := range series {
		if !shown[name] {
			p.add("%s is not shown", name)
		}
	}
}

func outputsExist(s *stack, p *problems) {
	got := map[string]string{}
	for name, o := range s.Outputs {
		got[name] = o.Value
	}
	p.equal("outputs", got, map[string]string{
		"ApiUrl":        "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + s.Parameters["StageName"],
		"AuthorizerArn": "${AuthorizerFunction.Arn}",
		"TableName":     "${Table}",
		"SecretArn":     "${Secret}",
		"DashboardUrl":  "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${Dashboard}",
	})
}

func referencesResolve(s *stack, p *problems) {
	text, err := json.Marshal([]any{s.Resources, s.Outputs})
	if err != nil {
		p.add("%v", err)
	}
	for _, match := range regexp.MustCompile(`\$\{([A-Za-z0-9:]+)`).FindAllStringSubmatch(string(text), -1) {
		if _, ok := s.Resources[match[1]]; !ok && !strings.HasPrefix(match[1], "AWS::") {
			p.add("there is no %s", match[1])
		}
	}
}
