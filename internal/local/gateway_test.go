package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/local"
	"latchkey/internal/local/sam"
)

// stack is a gateway whose functions are those of a test.
type stack struct {
	authorize func(map[string]any) (any, error)
	serve     func(events.APIGatewayProxyRequest) (any, error)
	access    io.Writer // receives the access log; may be nil

	parameters map[string]string // of the template
	now        func() time.Time  // a clock that stands still if nil
}

// start serves the stack until the test ends and returns its URL.
func (s *stack) start(t testing.TB) string {
	t.Helper()
	template, err := sam.Load(filepath.Join("..", "..", "template.yaml"), s.parameters)
	if err != nil {
		t.Fatal(err)
	}
	function := func(h any) *local.Pool {
		return local.NewPool(func() lambda.Handler { return lambda.NewHandler(h) }, 4)
	}
	now := s.now
	if now == nil {
		now = func() time.Time { return time.Unix(1795521600, 0) }
	}
	serve := function(func(_ context.Context, e events.APIGatewayProxyRequest) (any, error) { return s.serve(e) })
	gateway, err := local.NewGateway(template, map[string]*local.Pool{
		"AuthorizerFunction": function(func(_ context.Context, e map[string]any) (any, error) { return s.authorize(e) }),
		"ValidateFunction":   serve, "KeysFunction": serve,
	}, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	handler := http.Handler(gateway)
	if s.access != nil {
		handler = local.AccessLog(gateway, s.access, func() time.Time { return time.Unix(1795521600, 999) })
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// admitted is an authorizer that admits every request.
func admitted(e map[string]any) (any, error) { return policy("Allow", e, nil), nil }

// policy is an authorizer's answer for the method of event e.
func policy(effect string, e map[string]any, context map[string]any) any {
	return map[string]any{
		"principalId": "k", "context": context,
		"policyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{"Action": "execute-api:Invoke", "Effect": effect, "Resource": e["methodArn"]},
		}},
	}
}

// get sends a request without a body. Headers are given as "Name: value".
func get(t testing.TB, method, url string, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

func TestARequestReachesItsFunctionAsOnAWS(t *testing.T) {
	s := &stack{}
	s.authorize = func(e map[string]any) (any, error) {
		if e["type"] != "REQUEST" || !strings.HasSuffix(e["methodArn"].(string), "/prod/GET/api/v1/api-keys/abc%2Fd") {
			t.Errorf("authorizer event: %v %v", e["type"], e["methodArn"])
		}
		return policy("Allow", e, map[string]any{"keyId": "k1", "limit": 5, "internal": false}), nil
	}
	s.serve = func(e events.APIGatewayProxyRequest) (any, error) {
		a := e.RequestContext.Authorizer
		if a["keyId"] != "k1" || a["limit"] != "5" || a["internal"] != "false" || a["forged"] != nil {
			t.Errorf("context: %v", a)
		}
		query := e.MultiValueQueryStringParameters
		if e.PathParameters["id"] != "abc%2Fd" || e.Resource != "/api/v1/api-keys/{id}" || len(query["a"]) != 2 {
			t.Errorf("path %v of %s, query %v", e.PathParameters, e.Resource, query)
		}
		peer := e.RequestContext.Identity.SourceIP
		if f := e.Headers["X-Forwarded-For"]; f != "6.6.6.6, 127.0.0.1" || peer != "127.0.0.1" {
			t.Errorf("forwarded %q, source %q", f, peer)
		}
		c := e.RequestContext
		if c.RequestTimeEpoch != 1795521600000 || c.RequestID == "" || c.ExtendedRequestID == "" || c.ExtendedRequestID == c.RequestID {
			t.Errorf("time %d, request id %q, extended %q", c.RequestTimeEpoch, c.RequestID, c.ExtendedRequestID)
		}
		return events.APIGatewayProxyResponse{
			StatusCode: 201, Body: "aGk=", IsBase64Encoded: true,
			MultiValueHeaders: map[string][]string{"X-A": {"1", "2"}, "WWW-Authenticate": {"x"}},
		}, nil
	}
	url := s.start(t) + "/api/v1/api-keys/abc%2Fd?a=1&a=2"
	status, header, body := get(t, "GET", url, "X-Forwarded-For: 6.6.6.6", "forged: 1")
	if status != 201 || body != "hi" || len(header["X-A"]) != 2 || header.Get("Www-Authenticate") != "" {
		t.Errorf("%d %s %v", status, body, header)
	}
}

// Each of these responses has a JSON body and a header for browsers.
func TestTheGatewayAnswersByItself(t *testing.T) {
	s := &stack{
		authorize: admitted,
		serve: func(e events.APIGatewayProxyRequest) (any, error) {
			if e.Path == "/health" {
				return map[string]any{"statusCode": 9000}, nil
			}
			return nil, errors.New("broken")
		},
	}
	url := s.start(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		// Unknown routes.
		{"GET", "/nothing", 404}, {"OPTIONS", "/nothing", 404}, {"PUT", "/health", 404},
		{"GET", "/nothing/", 404}, {"GET", "/health//", 404}, {"GET", "/health/x", 404},
		// A preflight.
		{"OPTIONS", "/api/v1/whoami", 200},
		// A function that answers with an impossible status, and one that fails.
		{"GET", "/health", 502}, {"GET", "/openapi.json", 502},
		// A slash at the end leads to the same route.
		{"GET", "/health/", 502}, {"GET", "//health", 502}, {"GET", "/console/", 502}, {"GET", "/console/x/", 502},
	} {
		status, header, body := get(t, c.method, url+c.path)
		if status != c.status || !json.Valid([]byte(body)) || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
}

// API Gateway answers a body that is too large with a response that a template cannot change.
func TestATooLargeBodyIsAnsweredAsByAPIGateway(t *testing.T) {
	s := &stack{
		authorize: admitted,
		serve:     func(events.APIGatewayProxyRequest) (any, error) { return map[string]any{"statusCode": 200}, nil },
	}
	tooLarge := strings.NewReader(strings.Repeat("x", 10<<20+1))
	response, err := http.Post(s.start(t)+"/api/v1/api-keys", "application/json", tooLarge)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 413 || string(body) != `{"message":"Request Too Long"}` ||
		response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %s %v %v", response.StatusCode, body, response.Header, err)
	}
}

func TestUnknownResponseTypesAreRefused(t *testing.T) {
	for _, kind := range []string{"REQUEST_TOO_LARGE", "ACCESS_DENIE"} {
		template, err := sam.Load(filepath.Join("..", "..", "template.yaml"), nil)
		if err != nil {
			t.Fatal(err)
		}
		template.Responses[kind] = sam.Response{Status: 413}
		_, err = local.NewGateway(template, nil, time.Now, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), kind) {
			t.Errorf("%s: %v; want an error that names it", kind, err)
		}
	}
}
