package edge_test

import (
	"net/url"
	"strings"
	"time"

	"latchkey/internal/fronttest"
)

// shape is one form of API Gateway's authorizer events, with what API Gateway makes of the answers.
type shape struct {
	name string
	// event returns the event of a request, and the path that a Lambda backend would get. It reports false if
	// API Gateway refuses the request itself.
	event  func(request) (event map[string]any, path string, ok bool)
	lacks  []fronttest.Ability
	path   string // for the rows that are about keys alone; empty: /v1/models
	simple bool   // the answer is isAuthorized in place of a policy
	// Statuses of an API Gateway that gets a refusal, a denial for a limit, and an error.
	refused, limited, undecided int
}

// shapes are in the order of the manual's table.
func shapes() []shape {
	headerAlone := []fronttest.Ability{
		fronttest.SeesHeaders, fronttest.SeesQuery, fronttest.KnowsAddress, fronttest.AsksWithoutKey,
		fronttest.TakesBytes,
	}
	bytes := []fronttest.Ability{fronttest.TakesBytes}
	return []shape{
		{name: "REST, `REQUEST`", event: restRequest, lacks: bytes, refused: 401, limited: 429, undecided: 503},
		{name: "REST, `TOKEN`", event: restToken, lacks: headerAlone, refused: 401, limited: 429, undecided: 503},
		{name: "HTTP, 1.0", event: httpFirst, lacks: bytes, refused: 401, limited: 403, undecided: 500},
		{name: "HTTP, 2.0", event: httpSecond, lacks: bytes, refused: 401, limited: 403, undecided: 500},
		{name: "HTTP, 2.0, simple", event: httpSecond, lacks: bytes, simple: true, refused: 401, limited: 403, undecided: 500},
		{name: "WebSocket, `$connect`", event: webSocket, path: "/$connect",
			lacks: []fronttest.Ability{fronttest.HasRoutes, fronttest.TakesBytes}, refused: 401, limited: 403, undecided: 500},
	}
}

// request is a request as API Gateway reads it.
type request struct {
	method, path, rawQuery string
	headers                map[string][]string // by names as the client wrote them
	query                  url.Values
}

// peer is the address from which every request comes.
const peer = "127.0.0.1"

const api = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/"

// last returns the last value of each name.
func last(all map[string][]string) map[string]string {
	single := make(map[string]string)
	for name, values := range all {
		single[name] = values[len(values)-1]
	}
	return single
}

// joined returns the values of each name with commas between them, as HTTP APIs do. fold writes a
// name as the event has it.
func joined(all map[string][]string, fold func(string) string) map[string]string {
	single := make(map[string]string)
	for name, values := range all {
		name = fold(name)
		if before := single[name]; before != "" {
			values = append([]string{before}, values...)
		}
		single[name] = strings.Join(values, ",")
	}
	return single
}

func restRequest(r request) (map[string]any, string, bool) {
	return map[string]any{
		"type": "REQUEST", "methodArn": api + "prod/" + r.method + r.path,
		"resource": "/{proxy+}", "path": r.path, "httpMethod": r.method,
		"headers": last(r.headers), "multiValueHeaders": r.headers,
		"queryStringParameters": last(r.query), "multiValueQueryStringParameters": r.query,
		"requestContext": map[string]any{
			"requestTimeEpoch": time.Now().UnixMilli(), "extendedRequestId": "abc=", "identity": map[string]any{"sourceIp": peer},
		},
	}, "", true
}

// restToken is the event of an API whose token source is Authorization. API Gateway itself refuses a request
// without that header.
func restToken(r request) (map[string]any, string, bool) {
	values := joined(r.headers, strings.ToLower)
	return map[string]any{
		"type": "TOKEN", "authorizationToken": values["authorization"], "methodArn": api + "prod/" + r.method + r.path,
	}, "", values["authorization"] != ""
}

// decoded returns a path as HTTP APIs write it into events: without escapes, and only up to a question mark.
func decoded(path string) (string, bool) {
	plain, err := url.PathUnescape(path)
	plain, _, _ = strings.Cut(plain, "?")
	return plain, err == nil
}

func httpFirst(r request) (map[string]any, string, bool) {
	path, ok := decoded(r.path)
	return map[string]any{
		"version": "1.0", "type": "REQUEST", "methodArn": api + "$default/" + r.method + path,
		"identitySource": nil, "authorizationToken": nil, "resource": "/{proxy+}", "path": path, "httpMethod": r.method,
		"headers": joined(r.headers, strings.ToLower), "queryStringParameters": joined(r.query, strings.Clone),
		"requestContext": map[string]any{
			"apiId": "a1b2c3", "domainName": "a1b2c3.execute-api.us-east-1.amazonaws.com", "stage": "$default", "path": path,
			"requestTimeEpoch": time.Now().UnixMilli(), "requestId": "abc=", "identity": map[string]any{"sourceIp": peer},
		},
	}, path, ok
}

// httpSecond is the event of a stage with a name, which comes before the path.
func httpSecond(r request) (map[string]any, string, bool) {
	path, ok := decoded(r.path)
	return map[string]any{
		"version": "2.0", "type": "REQUEST", "routeArn": api + "live/" + r.method + path, "identitySource": nil,
		"routeKey": "ANY /{proxy+}", "rawPath": "/live" + path, "rawQueryString": r.rawQuery,
		"headers": joined(r.headers, strings.ToLower), "queryStringParameters": joined(r.query, strings.Clone),
		"requestContext": map[string]any{
			"apiId": "a1b2c3", "domainName": "a1b2c3.execute-api.us-east-1.amazonaws.com", "stage": "live",
			"http":      map[string]any{"method": r.method, "path": "/live" + path, "sourceIp": peer},
			"timeEpoch": time.Now().UnixMilli(), "requestId": "abc=",
		},
	}, path, ok
}

func webSocket(r request) (map[string]any, string, bool) {
	return map[string]any{
		"type": "REQUEST", "methodArn": api + "prod/$connect",
		"headers": last(r.headers), "multiValueHeaders": r.headers,
		"queryStringParameters": last(r.query), "multiValueQueryStringParameters": r.query,
		"requestContext": map[string]any{
			"requestTimeEpoch": time.Now().UnixMilli(), "extendedRequestId": "abc=", "identity": map[string]any{"sourceIp": peer},
			"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "abd=",
		},
	}, "", true
}
