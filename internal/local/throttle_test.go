package local_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"latchkey/internal/apikey"
)

// The clock of the test's stack stands still, so a method may be called only as often as its burst.
func TestAMethodIsThrottledAsTheTemplateSays(t *testing.T) {
	calls := 0
	s := &stack{
		parameters: map[string]string{"RevokeRate": "1", "RevokeBurst": "3", "ValidateRate": "1", "ValidateBurst": "5"},
		serve: func(events.APIGatewayProxyRequest) (any, error) {
			calls++
			return events.APIGatewayProxyResponse{StatusCode: 200, Body: "{}"}, nil
		},
	}
	url := s.start(t)
	for _, c := range []struct {
		method, path string
		burst        int
	}{
		{"POST", "/api/v1/api-keys/revoke-by-token", 3},
		{"POST", "/api/v1/api-keys/validate", 5},
		{"GET", "/health", 9}, // far below the throttle of all other methods
	} {
		calls = 0
		for n := range 9 {
			status, header, body := get(t, c.method, url+c.path)
			switch {
			case n < c.burst && status != 200:
				t.Errorf("%s, call %d: %d %s", c.path, n+1, status, body)
			case n >= c.burst && (status != 429 || header.Get("Retry-After") != "1" || !isThrottled(body)):
				t.Errorf("%s, call %d: %d %s, want 429 with the code and the sentence of a throttled API", c.path, n+1, status, body)
			}
		}
		if calls != c.burst {
			t.Errorf("%s: the function ran %d times, want %d", c.path, calls, c.burst)
		}
	}
}

// isThrottled reports whether a body says that the whole API is throttled, and no key.
func isThrottled(body string) bool {
	want, err := json.Marshal(apikey.CodeTooManyRequests.Info().Text)
	return err == nil && strings.Contains(body, `"code":"too_many_requests"`) && strings.Contains(body, `"message":`+string(want))
}

func TestAThrottledMethodRecovers(t *testing.T) {
	now := time.Unix(1795521600, 0)
	s := &stack{
		parameters: map[string]string{"RevokeRate": "2", "RevokeBurst": "1"},
		now:        func() time.Time { return now },
		serve: func(events.APIGatewayProxyRequest) (any, error) {
			return events.APIGatewayProxyResponse{StatusCode: 200, Body: "{}"}, nil
		},
	}
	url := s.start(t) + "/api/v1/api-keys/revoke-by-token"
	for i, c := range []struct {
		wait   time.Duration
		status int
	}{{0, 200}, {499 * time.Millisecond, 429}, {time.Millisecond, 200}, {0, 429}} {
		now = now.Add(c.wait)
		if status, _, body := get(t, "POST", url); status != c.status {
			t.Errorf("call %d: %d %s, want %d", i+1, status, body, c.status)
		}
	}
}

// An alarm counts the lines of throttled requests: a 429 without a key. A key at its limit has its ID
// there.
func TestAThrottledRequestHasNoKeyInTheAccessLog(t *testing.T) {
	s := &stack{
		access: make(lines, 3), parameters: map[string]string{"ApiRate": "1", "ApiBurst": "2"},
		authorize: func(e map[string]any) (any, error) {
			return policy("Deny", e, map[string]any{"code": "rate_limit_exceeded"}), nil
		},
	}
	url := s.start(t)
	for _, want := range []string{"k | GET /api/v1/whoami | 429", "k | GET /api/v1/whoami | 429", "- | GET /api/v1/whoami | 429"} {
		get(t, "GET", url+"/api/v1/whoami")
		if got := <-s.access.(lines); got != "2026-11-24T12:00:00Z | "+want+"\n" {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
