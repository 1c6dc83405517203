package local_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// The policies are for GET /api/v1/whoami.
func TestAPolicyDecidesWhoIsAdmitted(t *testing.T) {
	const api = "arn:aws:execute-api:us-east-1:123456789012:local/prod/"
	const allow, deny, malformed = 200, 429, 503
	for _, c := range []struct {
		effect, resource string
		want             int
	}{
		{"Allow", api + "GET/api/v1/whoami", allow},
		{"Allow", api + "GET/*", allow}, // as for a path that a policy cannot name
		{"Deny", api + "GET/api/v1/whoami", deny},
		{"Deny", api + "GET/*", deny},
		{"Allow", api + "GET/other", deny},
		{"Allow", api + "PUT/*", deny},
		{"Deny", api + "GET/other", deny},

		{"allow", api + "GET/api/v1/whoami", malformed},
		{"Allow", api + "*/api/v1/whoami", malformed},
		{"Allow", api + "GET/api/v1/whoam?", malformed},
		{"Allow", api + "GET/" + strings.Repeat("x", 512), malformed},
		{"Allow", "", malformed},
	} {
		s := &stack{
			authorize: func(map[string]any) (any, error) {
				return policy(c.effect, map[string]any{"methodArn": c.resource}, nil), nil
			},
			serve: func(events.APIGatewayProxyRequest) (any, error) { return map[string]any{"statusCode": 200}, nil },
		}
		if status, _, body := get(t, "GET", s.start(t)+"/api/v1/whoami"); status != c.want {
			t.Errorf("%s %.99s: %d %s, want %d", c.effect, c.resource, status, body, c.want)
		}
	}
}

// A request that the authorizer does not admit never reaches its function.
func TestTheAuthorizersAnswerDecidesTheResponse(t *testing.T) {
	limited := map[string]any{
		"code": "rate_limit_exceeded", "message": "Slow down.",
		"limit": 5, "remaining": 0, "reset": 1795521661, "retryAfter": 7,
	}
	statements := func(all ...any) func(map[string]any) (any, error) {
		return func(map[string]any) (any, error) {
			document := map[string]any{"Version": "2012-10-17", "Statement": all}
			return map[string]any{"principalId": "k", "policyDocument": document}, nil
		}
	}
	statement := func(more ...string) any {
		s := map[string]any{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "arn"}
		for i := 0; i < len(more); i += 2 {
			s[more[i]] = more[i+1]
		}
		return s
	}
	for _, c := range []struct {
		name   string
		answer func(map[string]any) (any, error)
		status int
		header string // a header that the response must have
		code   string
	}{
		{"the error Unauthorized", func(map[string]any) (any, error) { return nil, errors.New("Unauthorized") },
			401, "Www-Authenticate", "invalid_api_key"},
		{"another error", func(map[string]any) (any, error) { return nil, errors.New("unauthorized") },
			503, "Retry-After", "unavailable"},
		{"a panic", func(map[string]any) (any, error) { panic("x") }, 503, "Retry-After", "unavailable"},
		{"a text", func(map[string]any) (any, error) { return "yes", nil }, 503, "Retry-After", "unavailable"},
		{"a nested context", func(e map[string]any) (any, error) {
			return policy("Allow", e, map[string]any{"a": []int{1}}), nil
		}, 503, "Retry-After", "unavailable"},
		{"Deny with a context", func(e map[string]any) (any, error) { return policy("Deny", e, limited), nil },
			429, "X-Ratelimit-Reset", "rate_limit_exceeded"},
		{"Deny without a context", func(e map[string]any) (any, error) { return policy("Deny", e, nil), nil },
			429, "Content-Type", ""},
		{"no principal", func(e map[string]any) (any, error) {
			answer := policy("Allow", e, nil).(map[string]any)
			delete(answer, "principalId")
			return answer, nil
		}, 503, "Retry-After", "unavailable"},
		{"no statement", statements(), 503, "Retry-After", "unavailable"},
		{"two statements", statements(statement(), statement()), 503, "Retry-After", "unavailable"},
		{"a condition", statements(statement("Condition", "x")), 503, "Retry-After", "unavailable"},
		{"another action", statements(statement("Action", "execute-api:*")), 503, "Retry-After", "unavailable"},
	} {
		s := &stack{authorize: c.answer, serve: func(events.APIGatewayProxyRequest) (any, error) {
			t.Errorf("%s: the function ran", c.name)
			return nil, nil
		}}
		status, header, body := get(t, "GET", s.start(t)+"/api/v1/whoami")
		var envelope struct {
			Error *struct{ Code string }
		}
		if err := json.Unmarshal([]byte(body), &envelope); err != nil || envelope.Error == nil {
			t.Errorf("%s: %d %s %v", c.name, status, body, err)
			continue
		}
		if status != c.status || envelope.Error.Code != c.code || header.Get(c.header) == "" ||
			header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %s %v", c.name, status, body, header)
		}
	}
}
