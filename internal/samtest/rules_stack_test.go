//go:build sam

package samtest_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"latchkey/internal/config"
)

// variables are the variables of the functions, each with the parameter of its value. It is empty
// if the value does not come from a parameter.
var variables = map[string]string{
	"TABLE_NAME": "", "SECRET_ARN": "", "LATCHKEY_SECRET": "", "AWS_ENDPOINT_URL_DYNAMODB": "DynamoEndpoint", "KEY_PREFIX": "KeyPrefix",
	"FRESHNESS": "Freshness", "FENCE": "Fence", "ACCEPT_ENVIRONMENTS": "AcceptEnvironments", "MAX_KEYS_PER_USER": "MaxKeysPerUser", "ROUTE_SCOPES": "RouteScopes",
	"TRUSTED_PROXY_HOPS": "TrustedProxyHops", "QUERY_API_KEY": "QueryApiKey", "ASSERTION_ISSUER": "", "ASSERTION_ALGORITHM": "AssertionAlgorithm", "HTTP_API_ANSWER": "HttpApiAnswer", "METADATA_HEADER": "MetadataHeader", "LEAK_KEYS_URL": "LeakKeysUrl", "UNLIMITED_NUMBERS": "UnlimitedNumbers", "CORS_ORIGIN": "CorsOrigin",
	"SERVICE": "", "METRICS": "Monitoring", "USAGE_DAYS": "UsageDays", "AUDIT_DAYS": "AuditDays", "PUBLIC_PATHS": "PublicPaths", "REQUIRE_AUTH": "RequireAuth",
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
		p.equal(id+": table and secret", values["TABLE_NAME"]+values["SECRET_ARN"]+values["LATCHKEY_SECRET"], s.table()+s.secret())
		if _, ok := values["LATCHKEY_SECRET"]; !ok {
			p.add("%s: sam local cannot be given a secret", id)
		}
		values["TABLE_NAME"] = "latchkey-Table-1ABCDEF" // the form of a name that CloudFormation chooses
		if _, err := config.Load(values); err != nil {
			p.add("%s: would not start: %v", id, err)
		}
	}
}

// table returns the name of the table, and secret the ARN of the secret: the stack's own, or those
// that were there.
func (s *stack) table() string  { return cmp.Or(s.Parameters["ExistingTableName"], "${Table}") }
func (s *stack) secret() string { return cmp.Or(s.Parameters["ExistingSecretArn"], "${Secret}") }

func (s *stack) tableARN() string {
	if name := s.Parameters["ExistingTableName"]; name != "" {
		return "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/" + name
	}
	return "${Table.Arn}"
}

// rights returns the actions and resources that each function's role must allow.
func (s *stack) rights() map[string][]string {
	table := s.tableARN()
	judge := []string{
		"dynamodb:GetItem " + table, "dynamodb:Query " + table, "dynamodb:UpdateItem " + table,
		"secretsmanager:GetSecretValue " + s.secret(),
	}
	if kms := s.Parameters["KmsKeyArn"]; kms != "" {
		judge = append(judge, "kms:Decrypt "+kms)
	}
	manage := slices.Clone(judge)
	for _, action := range []string{"BatchGetItem", "ConditionCheckItem", "DeleteItem", "PutItem"} {
		manage = append(manage, "dynamodb:"+action+" "+table)
	}
	manage = append(manage, "dynamodb:Query "+table+"/index/by-user", "dynamodb:Scan "+table+"/index/by-user")
	return map[string][]string{authorizer: judge, "ValidateFunction": judge, "KeysFunction": manage}
}

func rolesAreLeast(s *stack, p *problems) {
	for function, want := range s.rights() {
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
			p.equal(function+": version of the policy", text(policy, "PolicyDocument", "Version"), "2012-10-17")
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
	for id, kind := range map[string]string{"Table": "AWS::DynamoDB::Table", "Secret": "AWS::SecretsManager::Secret"} {
		made := 0
		if own := map[string]string{"Table": s.table(), "Secret": s.secret()}[id]; own == "${"+id+"}" {
			made = 1
			p.equal(id, s.Resources[id].DeletionPolicy+" "+s.Resources[id].UpdateReplacePolicy, "Retain Retain")
		}
		p.equal(id+": made", len(s.of(kind)), made)
	}
	if s.table() == "${Table}" {
		theTable(s, p)
	}
	if s.secret() == "${Secret}" {
		theSecret(s, p)
	}
}

func theTable(s *stack, p *problems) {
	kms := s.Parameters["KmsKeyArn"]
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
}

func theSecret(s *stack, p *problems) {
	secret := s.Resources["Secret"].Properties
	p.equal("secret's key", text(secret, "KmsKeyId"), s.Parameters["KmsKeyArn"])
	p.equal("secret", text(secret, "GenerateSecretString"),
		`map[ExcludePunctuation:true GenerateStringKey:master PasswordLength:64 SecretStringTemplate:{"peppers":[]}]`)
	// With a name, a deleted stack could not be created again until its old secret is gone.
	p.equal("secret's name", text(secret, "Name"), "")
}

func logsEnd(s *stack, p *problems) {
	for id, logs := range s.of("AWS::Logs::LogGroup") {
		p.equal(id+": days", text(logs.Properties, "RetentionInDays"), s.Parameters["LogRetentionDays"])
		p.equal(id+": key", text(logs.Properties, "KmsKeyId"), s.Parameters["KmsKeyArn"])
		p.equal(id+": when the stack is deleted", logs.DeletionPolicy+" "+logs.UpdateReplacePolicy, "Retain Retain")
	}
}

func outputsExist(s *stack, p *problems) {
	got := map[string]string{}
	for name, o := range s.Outputs {
		got[name] = o.Value
	}
	want := map[string]string{
		"ApiUrl":        "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + s.Parameters["StageName"],
		"AuthorizerArn": "${AuthorizerFunction.Arn}",
		"TableName":     s.table(),
		"SecretArn":     s.secret(),
	}
	if domain := s.Parameters["DomainName"]; domain != "" {
		want["ApiUrl"] = strings.TrimSuffix("https://"+domain+"/"+s.Parameters["DomainBasePath"], "/")
		want["DomainTarget"] = "${ApiDomain.RegionalDomainName}"
	}
	if s.Parameters["Monitoring"] == "full" {
		want["DashboardUrl"] = "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${Dashboard}"
	}
	p.equal("outputs", got, want)
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
