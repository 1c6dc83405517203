package httpapi_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"latchkey/internal/httpapi"
	"latchkey/internal/registry"
)

// Each answer of a function names the one origin whose pages may read it, or none. An event that
// cannot be read is answered by the adapter.
func TestEachAnswerAllowsTheOriginOfTheOptions(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	for _, origin := range []string{"https://app.example.com", "*", ""} {
		invoke := httpapi.Lambda(httpapi.New(httpapi.Options{
			Registry: &registry.Registry{}, Now: time.Now, Logger: logger, CORSOrigin: origin,
		}), logger, origin)
		for name, e := range map[string]events.APIGatewayProxyRequest{
			"a document":                   {HTTPMethod: "GET", Path: "/openapi.json"},
			"no route":                     {HTTPMethod: "GET", Path: "/nothing"},
			"no event of a REST API":       {},
			"a body that is not in base64": {HTTPMethod: "POST", Path: "/nothing", Body: "%", IsBase64Encoded: true},
		} {
			a, err := invoke(t.Context(), e)
			header := http.Header(a.MultiValueHeaders).Clone()
			if header == nil {
				header = make(http.Header)
			}
			for name, value := range a.Headers {
				header.Set(name, value)
			}
			if got := header.Get("Access-Control-Allow-Origin"); err != nil || a.StatusCode == 0 || got != origin {
				t.Errorf("%s: %d allows %q, want %q (%v)", name, a.StatusCode, got, origin, err)
			}
		}
	}
}
