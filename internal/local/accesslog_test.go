package local_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// lines receives the text of each Write.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

const canary = "sk_live_0123456789abcdef0123456789ABCDEF0123456789abcdef012345"

func TestEachRequestIsOneLineOfTheAccessLog(t *testing.T) {
	s := &stack{access: make(lines, 1)}
	url := s.start(t)
	for _, c := range []struct {
		method, path, keyID string
		effect              string // Unauthorized if empty
		status              int    // the function's
		want                string
	}{
		{"GET", "/api/v1/whoami", "k1", "Allow", 200, "k1 | GET /api/v1/whoami | 200"},
		{"POST", "/api/v1/api-keys", "k1", "Allow", 201, "k1 | POST /api/v1/api-keys | 201"},
		{"GET", "/api/v1/whoami", "", "Deny", 0, "k | GET /api/v1/whoami | 429"},
		{"GET", "/api/v1/whoami", "", "", 0, "- | GET /api/v1/whoami | 401"},
		{"GET", "/api/v1/whoami?api_key=canary", "k1", "Allow", 200, "k1 | GET /api/v1/whoami | 200"},
		{"GET", "/api/v1/api-keys/a%0a%20%7C%20b", "k1", "Allow", 404, "k1 | GET /api/v1/api-keys/a%0a%20%7C%20b | 404"},
		{"GET", "/api/v1/whoami", "a\nb", "Allow", 200, `a%0Ab | GET /api/v1/whoami | 200`},
		{"GET", "/api/v1/whoami", "a | GET / | 200", "Allow", 200,
			`a%20%7C%20GET%20/%20%7C%20200 | GET /api/v1/whoami | 200`},
		{"GET", "/api/v1/whoami", "\u2028é%\"", "Allow", 200, `%E2%80%A8%C3%A9%25%22 | GET /api/v1/whoami | 200`},
		{"G|T", "/|%7c%0a", "", "", 0, `- | G%7CT /%7C%7C%0A | 404`},
		{canary, "/nothing", "", "", 0, "- | sk_live_0123... /nothing | 404"},
		{"DELETE", "/api/v1/api-keys/" + canary, "k1", "Allow", 404,
			"k1 | DELETE /api/v1/api-keys/sk_live_0123... | 404"},
		{"GET", "/nothing/pk_live_0123456789abcdef:" + canary + "/x", "", "", 0,
			"- | GET /nothing/pk_live_0123456789abcdef:sk_live_0123.../x | 404"},
		{"GET", "/nothing/" + strings.ReplaceAll(canary, "_", "%5f"), "", "", 0, "- | GET /nothing/sk_live_0123... | 404"},
		{"GET", "/health", "", "", 200, "- | GET /health | 200"},
		{"GET", "/health", "", "", 9000, "- | GET /health | 502"},
		{"OPTIONS", "/api/v1/whoami", "", "", 0, "- | OPTIONS /api/v1/whoami | 200"},
		{"GET", "/nothing?canary", "", "", 0, "- | GET /nothing | 404"},
	} {
		s.authorize = func(e map[string]any) (any, error) {
			if c.effect == "" {
				return nil, errors.New("Unauthorized")
			}
			context := map[string]any{}
			if c.keyID != "" {
				context["keyId"] = c.keyID
			}
			return policy(c.effect, e, context), nil
		}
		s.serve = func(events.APIGatewayProxyRequest) (any, error) {
			return map[string]any{"statusCode": c.status}, nil
		}
		get(t, c.method, url+c.path)
		if got, want := <-s.access.(lines), "2026-11-24T12:00:00Z | "+c.want+"\n"; got != want {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, want)
		}
	}
}
