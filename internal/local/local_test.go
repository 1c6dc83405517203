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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/local"
	"latchkey/internal/local/sam"
)

// stack is a gateway before functions that answer as a test wants.
type stack struct {
	authorize func(map[string]any) (any, error)
	serve     func(events.APIGatewayProxyRequest) (any, error)
	access    io.Writer // nil: nobody reads it

	parameters map[string]string // of the template
	now        func() time.Time  // nil: a clock that stands still
}

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

func policy(effect string, e map[string]any, context map[string]any) any {
	return map[string]any{
		"principalId": "k", "context": context,
		"policyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{"Action": "execute-api:Invoke", "Effect": effect, "Resource": e["methodArn"]},
		}},
	}
}

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

func TestAnAuthorizersAnswerDecidesWhichResponse(t *testing.T) {
	const api = "arn:aws:execute-api:us-east-1:123456789012:local/prod/"
	allowing := func(resource string) func(map[string]any) (any, error) {
		return func(map[string]any) (any, error) {
			return policy("Allow", map[string]any{"methodArn": resource}, nil), nil
		}
	}
	limited := map[string]any{"code": "rate_limit_exceeded", "message": "Slow down.", "limit": 5, "remaining": 0, "reset": 1795521661, "retryAfter": 7}
	for _, c := range []struct {
		name   string
		answer func(map[string]any) (any, error)
		status int
		header string // one that must be there
		code   string
	}{
		{"Unauthorized", func(map[string]any) (any, error) { return nil, errors.New("Unauthorized") }, 401, "Www-Authenticate", "invalid_api_key"},
		{"another error", func(map[string]any) (any, error) { return nil, errors.New("unauthorized") }, 503, "Retry-After", "unavailable"},
		{"a panic", func(map[string]any) (any, error) { panic("x") }, 503, "Retry-After", "unavailable"},
		{"nonsense", func(map[string]any) (any, error) { return "yes", nil }, 503, "Retry-After", "unavailable"},
		{"a nested context", func(e map[string]any) (any, error) {
			return policy("Allow", e, map[string]any{"a": []int{1}}), nil
		}, 503, "Retry-After", "unavailable"},
		{"Deny for a limit", func(e map[string]any) (any, error) { return policy("Deny", e, limited), nil }, 429, "X-Ratelimit-Reset", "rate_limit_exceeded"},
		{"Deny without context stays JSON", func(e map[string]any) (any, error) { return policy("Deny", e, nil), nil }, 429, "Content-Type", ""},
		{"Allow of a resource that is too long", allowing(api + "GET/" + strings.Repeat("x", 512)), 503, "Retry-After", "unavailable"},
		{"Allow of another method", allowing(api + "GET/other"), 429, "Content-Type", ""},
		{"Allow of all paths of another method", allowing(api + "PUT/*"), 429, "Content-Type", ""},
		{"a wildcard before the end", allowing(api + "*/api/v1/whoami"), 503, "Retry-After", "unavailable"},
		{"no resource", allowing(""), 503, "Retry-After", "unavailable"},
		{"another effect", func(e map[string]any) (any, error) { return policy("allow", e, nil), nil }, 503, "Retry-After", "unavailable"},
		{"no statement", func(e map[string]any) (any, error) {
			return map[string]any{"principalId": "k", "policyDocument": map[string]any{}}, nil
		}, 503, "Retry-After", "unavailable"},
		{"a condition", func(e map[string]any) (any, error) {
			return map[string]any{"principalId": "k", "policyDocument": map[string]any{"Statement": []any{
				map[string]any{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": e["methodArn"], "Condition": map[string]any{}},
			}}}, nil
		}, 503, "Retry-After", "unavailable"},
	} {
		s := &stack{authorize: c.answer, serve: func(events.APIGatewayProxyRequest) (any, error) {
			t.Errorf("%s: the function ran", c.name)
			return nil, nil
		}}
		status, header, body := get(t, "GET", s.start(t)+"/api/v1/whoami")
		var envelope struct {
			Error *struct{ Code string }
		}
		if err := json.Unmarshal([]byte(body), &envelope); err != nil || envelope.Error == nil || envelope.Error.Code != c.code ||
			status != c.status || header.Get(c.header) == "" || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %s %v %v", c.name, status, body, header, err)
		}
	}
}

// The authorizer allows all paths of a method if API Gateway does not accept the name of one.
func TestAPolicyMayAllowAllPathsOfAMethod(t *testing.T) {
	s := &stack{
		authorize: func(map[string]any) (any, error) {
			return policy("Allow", map[string]any{"methodArn": "arn:aws:execute-api:us-east-1:123456789012:local/prod/GET/*"}, nil), nil
		},
		serve: func(events.APIGatewayProxyRequest) (any, error) { return map[string]any{"statusCode": 200}, nil },
	}
	if status, _, body := get(t, "GET", s.start(t)+"/api/v1/whoami"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
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
		if e.PathParameters["id"] != "abc%2Fd" || e.Resource != "/api/v1/api-keys/{id}" || len(e.MultiValueQueryStringParameters["a"]) != 2 {
			t.Errorf("path %v of %s, query %v", e.PathParameters, e.Resource, e.MultiValueQueryStringParameters)
		}
		if f := e.Headers["X-Forwarded-For"]; f != "6.6.6.6, 127.0.0.1" || e.RequestContext.Identity.SourceIP != "127.0.0.1" {
			t.Errorf("forwarded %q, source %q", f, e.RequestContext.Identity.SourceIP)
		}
		if e.RequestContext.RequestTimeEpoch != 1795521600000 {
			t.Errorf("time %d", e.RequestContext.RequestTimeEpoch)
		}
		return events.APIGatewayProxyResponse{StatusCode: 201, Body: "aGk=", IsBase64Encoded: true, MultiValueHeaders: map[string][]string{
			"X-A": {"1", "2"}, "WWW-Authenticate": {"x"},
		}}, nil
	}
	status, header, body := get(t, "GET", s.start(t)+"/api/v1/api-keys/abc%2Fd?a=1&a=2", "X-Forwarded-For: 6.6.6.6", "forged: 1")
	if status != 201 || body != "hi" || len(header["X-A"]) != 2 || header.Get("Www-Authenticate") != "" {
		t.Errorf("%d %s %v", status, body, header)
	}
}

func TestWhatTheGatewayAnswersItself(t *testing.T) {
	s := &stack{
		authorize: func(e map[string]any) (any, error) { return policy("Allow", e, nil), nil },
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
		{"GET", "/nothing", 404}, {"PUT", "/health", 404}, {"GET", "/health/", 404}, {"GET", "//health", 404}, {"OPTIONS", "/nothing", 404},
		{"OPTIONS", "/api/v1/whoami", 200}, {"GET", "/health", 502}, {"GET", "/openapi.json", 502},
	} {
		status, header, body := get(t, c.method, url+c.path)
		if status != c.status || !json.Valid([]byte(body)) || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
}

// API Gateway answers a body that is too large with a response of its own, which a template cannot change.
func TestATooLargeBodyIsAnsweredAsByAPIGateway(t *testing.T) {
	s := &stack{
		authorize: func(e map[string]any) (any, error) { return policy("Allow", e, nil), nil },
		serve:     func(events.APIGatewayProxyRequest) (any, error) { return map[string]any{"statusCode": 200}, nil },
	}
	response, err := http.Post(s.start(t)+"/api/v1/api-keys", "application/json", strings.NewReader(strings.Repeat("x", 10<<20+1)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 413 || string(body) != `{"message":"Request Too Long"}` || response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %s %v %v", response.StatusCode, body, response.Header, err)
	}
	template, err := sam.Load(filepath.Join("..", "..", "template.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	template.Responses["REQUEST_TOO_LARGE"] = sam.Response{Status: 413}
	if _, err := local.NewGateway(template, nil, time.Now, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "REQUEST_TOO_LARGE") {
		t.Errorf("a response that API Gateway does not take: %v", err)
	}
}

type invoker func(context.Context, []byte) ([]byte, error)

func (f invoker) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

func TestAnEnvironmentServesOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int64
		pool := local.NewPool(func() lambda.Handler {
			started.Add(1)
			busy := false
			return invoker(func(ctx context.Context, payload []byte) ([]byte, error) {
				if busy {
					t.Error("two requests in one environment")
				}
				busy = true
				time.Sleep(time.Second)
				busy = false
				switch string(payload) {
				case "panic":
					panic("x")
				case "slow":
					time.Sleep(time.Hour)
				}
				return payload, nil
			})
		}, 3)
		call := func(payload string) error {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := pool.Invoke(ctx, []byte(payload))
			return err
		}
		for range 5 {
			if err := call("a"); err != nil {
				t.Fatal(err)
			}
		}
		if started.Load() != 1 {
			t.Errorf("%d environments for one request at a time", started.Load())
		}
		done := make(chan error)
		for range 6 {
			go func() { done <- call("a") }()
		}
		for range 6 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if started.Load() != 3 {
			t.Errorf("%d environments, want the 3 that are allowed", started.Load())
		}
		for _, bad := range []string{"panic", "slow"} {
			if err := call(bad); err == nil {
				t.Errorf("%s: no error", bad)
			}
		}
		if err := call("a"); err != nil {
			t.Errorf("after a panic and a timeout: %v", err)
		}
		before := started.Load()
		time.Sleep(2 * time.Hour) // what was given up, or is not needed, ends
		if err := call("a"); err != nil || started.Load() != before+1 {
			t.Errorf("%d environments after a night without requests, want a new one: %v", started.Load()-before, err)
		}
		time.Sleep(2 * time.Hour)
	})
}
