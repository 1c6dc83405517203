package local_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// Both events of a request have all members, and every text arrives, except that U+FFFD replaces
// bytes that are not UTF-8.
func TestBothEventsHaveTheWholeRequest(t *testing.T) {
	odd := "é\"\\<&>\u2028"
	var asked, served map[string]any
	s := &stack{}
	s.authorize = func(e map[string]any) (any, error) {
		asked = e
		return policy("Allow", e, map[string]any{"keyId": odd, "none": nil, "limit": json.Number("12345678901234567890")}), nil
	}
	s.serve = func(e events.APIGatewayProxyRequest) (any, error) {
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		return map[string]any{"statusCode": 200}, json.Unmarshal(text, &served)
	}
	r, err := http.NewRequest("POST", s.start(t)+"/api/v1/api-keys/a%2Fb/rotate?a=1&a=%22&b=%ff", strings.NewReader(odd+"\xff"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.Header = "local", http.Header{"X-A": {"1", odd + "\xff"}, "User-Agent": {"me"}, "Accept-Encoding": {"x"}}
	response, err := http.DefaultClient.Do(r)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(response, err)
	}
	response.Body.Close()

	const resource, path = "/api/v1/api-keys/{id}/rotate", "/api/v1/api-keys/a%2Fb/rotate"
	list := func(values ...any) []any { return values }
	context := asked["requestContext"].(map[string]any)
	port := asked["headers"].(map[string]any)["X-Forwarded-Port"]
	want := map[string]any{
		"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:123456789012:local/prod/POST" + path,
		"resource": resource, "path": path, "httpMethod": "POST",
		"headers": map[string]any{"X-A": odd + "\ufffd", "User-Agent": "me", "Accept-Encoding": "x", "Host": "local",
			"Content-Length": "11", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": port, "X-Forwarded-Proto": "http"},
		"multiValueHeaders": map[string]any{"X-A": list("1", odd+"\ufffd"), "User-Agent": list("me"),
			"Accept-Encoding": list("x"), "Host": list("local"), "Content-Length": list("11"),
			"X-Forwarded-For": list("127.0.0.1"), "X-Forwarded-Port": list(port), "X-Forwarded-Proto": list("http")},
		"queryStringParameters":           map[string]any{"a": `"`, "b": "\ufffd"},
		"multiValueQueryStringParameters": map[string]any{"a": list("1", `"`), "b": list("\ufffd")},
		"pathParameters":                  map[string]any{"id": "a%2Fb"},
		"stageVariables":                  asked["stageVariables"],
		"requestContext": map[string]any{
			"accountId": "123456789012", "resourceId": "000000", "stage": "prod", "domainName": "local", "domainPrefix": "local",
			"requestId": context["requestId"], "extendedRequestId": context["extendedRequestId"], "protocol": "HTTP/1.1",
			"identity":     map[string]any{"sourceIp": "127.0.0.1", "userAgent": "me"},
			"resourcePath": resource, "path": path, "httpMethod": "POST", "requestTime": "24/Nov/2026:12:00:00 +0000",
			"requestTimeEpoch": 1795521600000., "apiId": "local", "authorizer": nil,
		},
		"body": "",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("authorizer's event, -want +got:\n%s", diff)
	}
	delete(want, "type")
	delete(want, "methodArn")
	context["authorizer"] = map[string]any{"keyId": odd, "limit": "12345678901234567890", "principalId": "k"}
	want["requestContext"], want["body"] = context, odd+"\ufffd"
	if diff := cmp.Diff(want, served); diff != "" {
		t.Errorf("function's event, -want +got:\n%s", diff)
	}
}
