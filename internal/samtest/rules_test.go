//go:build sam

package samtest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/httpapi"
	"latchkey/internal/registry"
)

// rules are the rules that a deployed stack must keep. They are functions and not tests, so that
// they can also check mutants of the template.
var rules = map[string]func(*stack, *problems){
	"the authorizer runs for each request":       authorizerRunsEachTime,
	"every route of the HTTP API has its method": routesAreThoseOfTheAPI,
	"preflights are answered without a key":      preflightsAreOpen,
	"gateway responses keep the contract":        gatewayResponsesKeepTheContract,
	"there is one regional stage":                thereIsOneStage,
	"the domain leads to the stage":              domainLeadsToTheStage,
	"the stage is throttled":                     stageIsThrottled,
	"API Gateway may invoke the functions":       permissionsFit,
	"the access log shows no query":              accessLogShowsNoQuery,
	"functions have all their settings":          functionsHaveTheirSettings,
	"a role allows only what its function does":  rolesAreLeast,
	"table and secret outlive the stack":         dataOutlivesTheStack,
	"logs are deleted after some days":           logsEnd,
	"alarms say what to do":                      alarmsSayWhatToDo,
	"the dashboard shows all metrics and alarms": dashboardShowsAll,
	"the query finds the lines of refusals":      queryFindsRefusals,
	"the outputs exist":                          outputsExist,
	"every reference has its resource":           referencesResolve,
}

type problems []string

func (p *problems) add(format string, arguments ...any) {
	*p = append(*p, fmt.Sprintf(format, arguments...))
}

func (p *problems) equal(what string, got, want any) {
	if diff := cmp.Diff(want, got); diff != "" {
		p.add("%s (-want +got):\n%s", what, diff)
	}
}

// check returns the problems of a stack by the rule that they break.
func check(s *stack) map[string]problems {
	broken := make(map[string]problems)
	for name, rule := range rules {
		var p problems
		if rule(s, &p); len(p) > 0 {
			broken[name] = p
		}
	}
	return broken
}

type object = map[string]any

func (s *stack) body() any { return at(s.Resources["Api"].Properties, "Body") }

func (s *stack) paths() object {
	paths, _ := at(s.body(), "paths").(object)
	return paths
}

func invocation(function string) string {
	return "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${" + function + ".Arn}/invocations"
}

const authorizer = "AuthorizerFunction"

func authorizerRunsEachTime(s *stack, p *problems) {
	// The whole value is compared, because an additional identity source is as wrong as a misspelt
	// name.
	p.equal("security schemes", at(s.body(), "components", "securitySchemes"), any(object{"latchkey": object{
		"type": "apiKey", "name": "Unused", "in": "header", "x-amazon-apigateway-authtype": "custom",
		"x-amazon-apigateway-authorizer": object{
			"type": "request", "authorizerUri": invocation(authorizer), "authorizerResultTtlInSeconds": 0.0,
		},
	}}))
}

// choices are those of a deployment that decide its routes. The zero value has the routes that always
// exist. start-api evaluates no condition, and so serves these alone.
type choices struct {
	protected bool // validate requires a key
	atRoot    bool // latchkey's own paths are at the root too
	console   bool // there is a console
}

func choicesOf(s *stack) choices {
	own := s.Parameters["OwnPrefix"]
	return choices{
		protected: s.Parameters["ProtectValidate"] == "true", console: s.Parameters["ConsoleEnabled"] == "true",
		atRoot: own == "none" || own == "auto" && s.backendURL() == "",
	}
}

// byDefault are the choices of the parameters' defaults.
var byDefault = choices{atRoot: true, console: true}

// paths are the operations of an OpenAPI document, and whether they take a key.
type paths map[string]map[string]struct{ Security []map[string]any }

// documented returns the paths in the OpenAPI document of the HTTP API. Making the document takes long.
var documented = sync.OnceValue(func() paths {
	w := httptest.NewRecorder()
	httpapi.New(httpapi.Options{Registry: &registry.Registry{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}).ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	var document struct{ Paths paths }
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		panic(err)
	}
	delete(document.Paths, "/health")
	delete(document.Paths, "/.well-known/jwks.json")
	return document.Paths
})

// authorizePath is the route of proxies. A preflight of SAM would be an Allow for them.
const authorizePath = "/api/v1/authorize"

// routesOfTheAPI returns the routes in the OpenAPI document of the HTTP API, those of the document,
// and those of the pages.
func routesOfTheAPI(c choices) []route {
	var all []route
	// HEAD is GET without a body, on each route.
	add := func(r route) {
		if all = append(all, r); r.Method == "GET" {
			r.Method = "HEAD"
			all = append(all, r)
		}
	}
	for _, path := range []string{"/health", "/openapi.json", "/.well-known/jwks.json", "/docs", "/docs/{page+}", "/console", "/console/{file+}"} {
		isConsole := strings.HasPrefix(path, "/console")
		if !isConsole || c.console {
			add(route{Method: "GET", Path: "/latchkey" + path, Function: "KeysFunction"})
		}
		if c.atRoot && (!isConsole || c.console) {
			add(route{Method: "GET", Path: path, Function: "KeysFunction"})
		}
	}
	// The document has one operation of this route, and proxies ask with any method.
	for _, path := range []string{authorizePath, authorizePath + "/{proxy+}"} {
		for _, method := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
			all = append(all, route{Method: method, Path: path, Function: "ValidateFunction"})
		}
	}
	for path, methods := range documented() {
		for method, operation := range methods {
			if path == authorizePath {
				continue
			}
			r := route{Method: strings.ToUpper(method), Path: path, Function: "KeysFunction"}
			if strings.HasSuffix(path, "/validate") {
				r.Function = "ValidateFunction"
			}
			takes := slices.ContainsFunc(operation.Security, func(s map[string]any) bool { return len(s) > 0 })
			open := slices.ContainsFunc(operation.Security, func(s map[string]any) bool { return len(s) == 0 })
			if takes && (!open || c.protected) {
				r.Authorizer = authorizer
			}
			add(r)
		}
	}
	return sorted(all)
}

func sorted(routes []route) []route {
	slices.SortFunc(routes, func(a, b route) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return routes
}

func routesAreThoseOfTheAPI(s *stack, p *problems) {
	want := object{}
	for _, r := range routesOfTheAPI(choicesOf(s)) {
		operation := object{"responses": object{}, "x-amazon-apigateway-integration": object{
			"type": "aws_proxy", "httpMethod": "POST", "uri": invocation(r.Function),
		}}
		if r.Authorizer != "" {
			operation["security"] = []any{object{"latchkey": []any{}}}
		}
		if want[r.Path] == nil {
			want[r.Path] = object{}
		}
		want[r.Path].(object)[strings.ToLower(r.Method)] = operation
	}
	if s.Parameters["ProtectValidate"] != "true" {
		at(want, "/api/v1/api-keys/validate", "post").(object)["security"] = []any{}
	}
	if url := s.backendURL(); url != "" {
		link := s.Parameters["VpcLinkId"]
		want["/"], want["/{proxy+}"] = passedOn(url+"/", link), passedOn(url+"/{proxy}", link)
		proxied := want["/{proxy+}"].(object)["x-amazon-apigateway-any-method"].(object)
		proxied["parameters"] = []any{object{"name": "proxy", "in": "path", "required": true, "schema": object{"type": "string"}}}
		at(proxied, "x-amazon-apigateway-integration", "requestParameters").(object)["integration.request.path.proxy"] = "method.request.path.proxy"
	}
	got := object{}
	for path, methods := range s.paths() {
		m := maps.Clone(methods.(object))
		if !strings.HasPrefix(path, authorizePath) {
			delete(m, "options")
		}
		got[path] = m
	}
	p.equal("paths", got, want)
	// start-api does not support http_proxy: such a route has no function. It evaluates no
	// condition, so validate needs no key there.
	served := slices.DeleteFunc(routesOfTheAPI(choices{}), func(r route) bool { return r.Method == "OPTIONS" })
	p.equal("routes of start-api but OPTIONS", sorted(slices.DeleteFunc(slices.Clone(s.Local), func(r route) bool { return r.Function == "" })), served)
	if types := at(s.body(), "x-amazon-apigateway-binary-media-types"); (types != nil) != (s.backendURL() != "") {
		p.add("binary media types are %v", types)
	}
}

// backendURL returns the URL of the backend. It is empty if there is none.
func (s *stack) backendURL() string {
	return s.Parameters["BackendUrl"] + s.Parameters["PlainBackendUrl"]
}

// passedOn returns the methods of a path that belongs to the backend. link may be empty.
func passedOn(uri, link string) object {
	methods := object{"x-amazon-apigateway-any-method": object{
		"responses": object{}, "security": []any{object{"latchkey": []any{}}},
		"x-amazon-apigateway-integration": object{
			"type": "http_proxy", "httpMethod": "ANY", "uri": uri, "responseTransferMode": "STREAM", "timeoutInMillis": 900000.0,
			// These values replace headers that a client sends.
			"requestParameters": object{
				"integration.request.header.X-User-Id": "context.authorizer.userIdHeader",
				"integration.request.header.X-Key-Id":  "context.authorizer.keyIdHeader",
				"integration.request.header.X-Scopes":  "context.authorizer.scopeHeader",

				"integration.request.header.X-Latchkey-Assertion":  "context.authorizer.assertion",
				"integration.request.header.X-Latchkey-Metadata":   "context.authorizer.metadataHeader",
				"integration.request.header.X-RateLimit-Limit":     "context.authorizer.limit",
				"integration.request.header.X-RateLimit-Remaining": "context.authorizer.remaining",
				"integration.request.header.X-RateLimit-Reset":     "context.authorizer.reset",
			},
		},
	}}
	if link != "" {
		integration := at(methods, "x-amazon-apigateway-any-method", "x-amazon-apigateway-integration").(object)
		integration["connectionType"], integration["connectionId"] = "VPC_LINK", link
	}
	return methods
}

func preflightsAreOpen(s *stack, p *problems) {
	methods := map[string]bool{}
	for _, r := range routesOfTheAPI(byDefault) {
		methods[r.Method] = true
	}
	for _, method := range []string{"HEAD", "OPTIONS", "PUT"} { // a backend may have them
		methods[method] = true
	}
	for path, item := range s.paths() {
		if strings.HasPrefix(path, authorizePath) {
			continue
		}
		options := at(item, "options")
		if at(options, "security") != nil {
			p.add("%s: the preflight requires a key", path)
		}
		integration := at(options, "x-amazon-apigateway-integration")
		p.equal(path+": integration", text(integration, "type"), "mock")
		var request struct{ StatusCode int }
		if err := json.Unmarshal([]byte(text(integration, "requestTemplates", "application/json")), &request); err != nil || request.StatusCode != 200 {
			p.add("%s: the mock's request: %v", path, err)
		}
		headers, _ := at(integration, "responses", "default", "responseParameters").(object)
		allowed := text(headers, "method.response.header.Access-Control-Allow-Methods")
		p.equal(path+": headers", headers, object{
			"method.response.header.Access-Control-Allow-Origin":  "'" + s.Parameters["CorsOrigin"] + "'",
			"method.response.header.Access-Control-Allow-Headers": "'" + s.Parameters["CorsHeaders"] + "'",
			"method.response.header.Access-Control-Allow-Methods": allowed,
			"method.response.header.Access-Control-Max-Age":       "'" + s.Parameters["CorsMaxAge"] + "'",
		})
		got := map[string]bool{}
		for method := range strings.SplitSeq(strings.Trim(allowed, "'"), ",") {
			got[method] = true
		}
		if p.equal(path+": allowed methods", got, methods); allowed == strings.Trim(allowed, "'") {
			p.add("%s: %s is not quoted", path, allowed)
		}
		// API Gateway refuses to deploy a response with a header that is not declared.
		declared := make(map[string]bool)
		names, _ := at(options, "responses", "200", "headers").(object)
		for name := range names {
			declared["method.response.header."+name] = true
		}
		p.equal(path+": declared headers", slices.Sorted(maps.Keys(declared)), slices.Sorted(maps.Keys(headers)))
	}
}

// gatewayResponse is the expected form of a gateway response. code is empty if it comes from the
// authorizer's context.
type gatewayResponse struct {
	status, kind, code string
	headers            map[string]string // without those for CORS
}

func gatewayResponses(denyStatus string) map[string]gatewayResponse {
	later := map[string]string{"Retry-After": "'1'"}
	return map[string]gatewayResponse{
		"ACCESS_DENIED": {denyStatus, "rate_limit_error", "", map[string]string{
			"Retry-After": "context.authorizer.retryAfter",
			"RateLimit":   "context.authorizer.rateLimit", "RateLimit-Policy": "context.authorizer.rateLimitPolicy", "X-RateLimit-Limit": "context.authorizer.limit",
			"X-RateLimit-Remaining": "context.authorizer.remaining", "X-RateLimit-Reset": "context.authorizer.reset",
		}},
		"UNAUTHORIZED":                   {"401", "invalid_request_error", "invalid_api_key", map[string]string{"WWW-Authenticate": `'Bearer realm="latchkey"'`}},
		"AUTHORIZER_FAILURE":             {"503", "api_error", "unavailable", later},
		"AUTHORIZER_CONFIGURATION_ERROR": {"503", "api_error", "unavailable", later},
		"MISSING_AUTHENTICATION_TOKEN":   {"404", "invalid_request_error", "not_found", nil},
		"INVALID_SIGNATURE":              {"404", "invalid_request_error", "not_found", nil},
		"THROTTLED":                      {"429", "rate_limit_error", "too_many_requests", later},
		"INTEGRATION_FAILURE":            {"504", "api_error", "backend_unavailable", nil},
		"INTEGRATION_TIMEOUT":            {"504", "api_error", "backend_unavailable", nil},
		"DEFAULT_4XX":                    {"", "invalid_request_error", "invalid_request", nil},
		"DEFAULT_5XX":                    {"", "api_error", "internal_error", nil},
	}
}

var contextVariable = regexp.MustCompile(`\$context\.([A-Za-z.]+)`)

func gatewayResponsesKeepTheContract(s *stack, p *problems) {
	got, _ := at(s.body(), "x-amazon-apigateway-gateway-responses").(object)
	want := gatewayResponses(s.Parameters["DenyStatus"])
	p.equal("types", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	for kind, r := range want {
		declared, _ := got[kind].(object)
		for name := range declared {
			if !slices.Contains([]string{"statusCode", "responseParameters", "responseTemplates"}, name) {
				p.add("%s: API Gateway does not know %s", kind, name)
			}
		}
		p.equal(kind+": status", text(declared, "statusCode"), r.status)
		headers := object{"gatewayresponse.header.Access-Control-Allow-Origin": "'" + s.Parameters["CorsOrigin"] + "'"}
		for name, value := range r.headers {
			headers["gatewayresponse.header."+name] = value
		}
		if len(r.headers) > 0 {
			exposed := strings.Join(slices.Sorted(maps.Keys(r.headers)), ",")
			headers["gatewayresponse.header.Access-Control-Expose-Headers"] = "'" + exposed + "'"
		}
		p.equal(kind+": headers", at(declared, "responseParameters"), any(headers))

		templates, _ := at(declared, "responseTemplates").(object)
		body := text(templates, "application/json")
		if len(templates) != 1 {
			p.add("%s: templates %v", kind, templates)
		}
		for _, variable := range contextVariable.FindAllStringSubmatch(body, -1) {
			if name := variable[1]; name != "authorizer.message" && name != "authorizer.code" {
				p.add("%s: the body shows %s", kind, name)
			}
		}
		for _, value := range []string{"", "rate_limit_exceeded"} {
			var envelope struct {
				Error *struct {
					Message, Type, Code string
					Param               *string
				}
			}
			decoder := json.NewDecoder(strings.NewReader(contextVariable.ReplaceAllString(body, value)))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&envelope); err != nil || envelope.Error == nil {
				p.add("%s: with a context of %q the body is no envelope: %v", kind, value, err)
				continue
			}
			code := r.code
			if code == "" {
				code = value
			}
			p.equal(kind+": code and type", envelope.Error.Code+" "+envelope.Error.Type, code+" "+r.kind)
			if r.code != "" && envelope.Error.Message == "" {
				p.add("%s: the body has no message", kind)
			}
			if kind == "THROTTLED" {
				p.equal(kind+": message", envelope.Error.Message, apikey.CodeTooManyRequests.Info().Text)
			}
		}
	}
}

func thereIsOneStage(s *stack, p *problems) {
	p.equal("APIs", len(s.of("AWS::ApiGateway::RestApi")), 1)
	p.equal("stages", len(s.of("AWS::ApiGateway::Stage")), 1)
	for _, stage := range s.of("AWS::ApiGateway::Stage") {
		p.equal("name", text(stage.Properties, "StageName"), s.Parameters["StageName"])
		variables := object{
			"LATCHKEY_MANAGEMENT": "true", "LATCHKEY_AUDIENCE": s.Parameters["AssertionAudience"] + "#" + s.backendURL(),
		}
		p.equal("stage variables", at(stage.Properties, "Variables"), any(variables))
		p.equal("tracing", text(stage.Properties, "TracingEnabled"), fmt.Sprint(s.Parameters["Tracing"] == "Active"))
	}
	for id, deployment := range s.of("AWS::ApiGateway::Deployment") {
		if name := at(deployment.Properties, "StageName"); name != nil {
			p.add("%s makes another stage, %v", id, name)
		}
	}
	for _, kind := range []string{"AWS::ApiGateway::GatewayResponse", "AWS::ApiGateway::Authorizer", "AWS::ApiGateway::Method"} {
		if n := len(s.of(kind)); n > 0 {
			p.add("%d of %s beside the API's document", n, kind)
		}
	}
	p.equal("endpoint", text(s.Resources["Api"].Properties, "EndpointConfiguration", "Types", 0), "REGIONAL")
	p.equal("OpenAPI", text(s.body(), "openapi"), "3.0.1")
	p.equal("name", text(s.body(), "info", "title"), "${AWS::StackName}")
	// The translation cannot show this, because SAM hashes the document before it resolves
	// parameters.
	if !strings.Contains(s.Source, "\n      AlwaysDeploy: true\n") {
		p.add("a changed parameter would not be deployed")
	}
}

func stageIsThrottled(s *stack, p *problems) {
	settings := object{}
	for _, stage := range s.of("AWS::ApiGateway::Stage") {
		list, _ := at(stage.Properties, "MethodSettings").([]any)
		for _, m := range list {
			settings[text(m, "HttpMethod")+" "+strings.ReplaceAll(text(m, "ResourcePath"), "~1", "/")] =
				text(m, "ThrottlingRateLimit") + " " + text(m, "ThrottlingBurstLimit")
		}
	}
	want := object{
		"* /*": s.Parameters["ApiRate"] + " " + s.Parameters["ApiBurst"],
		// The path begins with two slashes: the escaped slash belongs to its name.
		"POST //api/v1/api-keys/validate":        s.Parameters["ValidateRate"] + " " + s.Parameters["ValidateBurst"],
		"POST //api/v1/api-keys/revoke-by-token": s.Parameters["RevokeRate"] + " " + s.Parameters["RevokeBurst"],
		"POST //api/v1/leaks/github":             s.Parameters["RevokeRate"] + " " + s.Parameters["RevokeBurst"],
	}
	for _, r := range routesOfTheAPI(choicesOf(s)) {
		if strings.HasPrefix(r.Path, authorizePath) {
			want[r.Method+" /"+r.Path] = s.Parameters["ValidateRate"] + " " + s.Parameters["ValidateBurst"]
		}
		if isPage := strings.Contains(r.Path, "/docs") || strings.Contains(r.Path, "/console"); isPage && r.Method == "GET" {
			want["GET /"+r.Path] = s.Parameters["PageRate"] + " " + s.Parameters["PageBurst"]
		}
	}
	p.equal("rates and bursts", settings, want)
}

func permissionsFit(s *stack, p *problems) {
	const api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/"
	invokes := map[string][]string{authorizer: {api + "authorizers/a1b2c3"}}
	parameter := regexp.MustCompile(`\{\w+\+?\}`)
	for _, r := range routesOfTheAPI(choicesOf(s)) {
		source := api + s.Parameters["StageName"] + "/" + r.Method + parameter.ReplaceAllString(r.Path, "*")
		invokes[r.Function] = append(invokes[r.Function], source)
	}
	permitted := map[string][]string{}
	for id, permission := range s.of("AWS::Lambda::Permission") {
		source := text(permission.Properties, "SourceArn")
		function := strings.NewReplacer("${", "", "}", "", ".Arn", "").Replace(text(permission.Properties, "FunctionName"))
		p.equal(id+": action and principal", text(permission.Properties, "Action")+" "+text(permission.Properties, "Principal"),
			"lambda:InvokeFunction apigateway.amazonaws.com")
		if !strings.HasPrefix(source, api) || source == api+"*" {
			p.add("%s: %s is not of this API alone", id, source)
		}
		permitted[function] = append(permitted[function], source)
	}
	for function, sources := range invokes {
		for _, source := range sources {
			covers := func(pattern string) bool {
				quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
				return regexp.MustCompile("^" + quoted + "$").MatchString(source)
			}
			if !slices.ContainsFunc(permitted[function], covers) {
				p.add("%s may not be invoked for %s", function, source)
			}
		}
	}
}

func accessLogShowsNoQuery(s *stack, p *problems) {
	var settings any
	for _, stage := range s.of("AWS::ApiGateway::Stage") {
		settings = at(stage.Properties, "AccessLogSetting")
	}
	kind := s.Parameters["AccessLog"]
	_, logs := s.Resources["AccessLogs"]
	p.equal("a log group", logs, kind != "off")
	_, account := s.Resources["Account"]
	p.equal("the account's settings", account, kind != "off" && s.Parameters["AccountLogRole"] == "create")
	if account, role := s.Resources["Account"], s.Resources["AccountRole"]; account.Type != "" {
		p.equal("account's role", text(account.Properties, "CloudWatchRoleArn"), "${AccountRole.Arn}")
		p.equal("principal of the role", text(role.Properties, "AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service"), "apigateway.amazonaws.com")
		p.equal("policies of the role", text(role.Properties, "ManagedPolicyArns"),
			"[arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]")
		for id, r := range map[string]resource{"Account": account, "AccountRole": role} {
			p.equal(id+" outlives the stack", r.DeletionPolicy+" "+r.UpdateReplacePolicy, "Retain Retain")
		}
		p.equal("the log depends on", text(s.Resources["AccessLogs"].Properties, "Tags", 0, "Value"), "${Account}")
		// API Gateway refuses settings of an account that never had an API.
		p.equal("the account depends on", text(map[string]any{"DependsOn": account.DependsOn}, "DependsOn"), "Api")
	}
	if kind == "off" {
		p.equal("settings", settings, nil)
		return
	}
	p.equal("destination", text(settings, "DestinationArn"), "${AccessLogs.Arn}")
	format := text(settings, "Format")
	// API Gateway refuses a format without requestId.
	if !strings.Contains(format, "$context.requestId") {
		p.add("the format has no requestId")
	}
	fill := func(variable string) string {
		switch name := strings.TrimPrefix(variable, "$context."); name {
		case "requestTime", "requestId", "extendedRequestId", "authorizer.principalId", "httpMethod", "resourcePath", "status":
			return name
		case "identity.sourceIp", "error.responseType", "authorizer.status", "authorizer.latency", "integration.status",
			"integration.latency", "responseLatency":
			return "-"
		}
		p.add("the log shows %s", variable)
		return ""
	}
	line := contextVariable.ReplaceAllStringFunc(format, fill)
	if kind == "line" {
		p.equal("line", line, "requestTime | authorizer.principalId | httpMethod resourcePath | status | requestId | extendedRequestId")
		// A pattern in brackets only matches lines with as many words as it has terms. The time has
		// two words.
		words := strings.Fields(strings.Replace(line, "requestTime", "date zone", 1))
		for id, filter := range s.of("AWS::Logs::MetricFilter") {
			terms := strings.Split(strings.Trim(text(filter.Properties, "FilterPattern"), "[]"), ", ")
			p.equal(id+": terms", len(terms), len(words))
			status := slices.IndexFunc(terms, func(term string) bool { return strings.HasPrefix(term, "status = ") })
			p.equal(id+": term of the status", status, slices.Index(words, "status"))
			if key := slices.IndexFunc(terms, func(term string) bool { return strings.HasPrefix(term, "key") }); key >= 0 {
				p.equal(id+": term of the key", key, slices.Index(words, "authorizer.principalId"))
			}
		}
		return
	}
	var fields map[string]string
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		p.add("the line is no JSON: %v", err)
	}
	for name, want := range map[string]string{"time": "requestTime", "keyId": "authorizer.principalId", "method": "httpMethod", "resource": "resourcePath", "status": "status",
		"requestId": "requestId", "extendedRequestId": "extendedRequestId"} {
		p.equal("JSON "+name, fields[name], want)
	}
}
