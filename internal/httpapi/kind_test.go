package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/httpapi"
)

// An event that is no request of a REST API is a mistake of the operator, so the log names its
// kind.
func TestAnEventOfAnotherKindIsLogged(t *testing.T) {
	s := newService(t)
	for name, e := range map[string]events.APIGatewayProxyRequest{
		"an empty one":            {},
		"a schedule, a warm-up":   {Body: "canary"},
		"payload format 2.0":      {Headers: map[string]string{"x-api-key": "canary"}, RequestContext: events.APIGatewayProxyRequestContext{RequestID: "canary"}},
		"a method without a path": {HTTPMethod: "GET"},
		"a path without a method": {Path: "/canary"},
	} {
		s.log.Reset()
		a := s.invoke(e)
		if a.status != 400 || !strings.Contains(s.log.String(), `"code":"malformed_event"`) || !strings.Contains(s.log.String(), "payload format 1.0") ||
			!strings.Contains(s.log.String(), `"level":"ERROR"`) || strings.Contains(s.log.String(), "canary") {
			t.Errorf("%s: %d %s, log %s", name, a.status, a.text, s.log.String())
		}
	}
}

// A payload that cannot be decoded is answered and logged as an event of another kind.
func TestAPayloadThatIsNoEventIsLogged(t *testing.T) {
	s := newService(t)
	for _, payload := range []string{
		``, `[]`, `"canary"`, `{"httpMethod":"GET","path":7}`, `{"httpMethod":"GET","path":"/health"`,
		`{"httpMethod":"GET","path":"/health","headers":{"canary":{}}}`,
	} {
		s.log.Reset()
		text, err := httpapi.Function(s.handle).Invoke(t.Context(), []byte(payload))
		var answer events.APIGatewayProxyResponse
		if err != nil || json.Unmarshal(text, &answer) != nil || answer.StatusCode != 400 || answer.Headers["Content-Type"] != "application/json" ||
			!strings.Contains(s.log.String(), `"code":"malformed_event"`) || strings.Contains(s.log.String(), "canary") {
			t.Errorf("%s: %s, %v, log %s", payload, text, err, s.log.String())
		}
	}
}

// The function reads an event, and writes an answer, as the handler of aws-lambda-go does.
func TestAnEventIsReadAsByTheUsualHandler(t *testing.T) {
	s := newService(t)
	files, err := filepath.Glob("../../events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	payloads := [][]byte{
		[]byte(`{"httpMethod":"POST","path":"/api/v1/api-keys/validate","multiValueHeaders":{"Content-Type":["application/json"]},` +
			`"body":"{\"apiKey\":\"\u00e9<&>\u2028\"}","requestContext":{"authorizer":{"a":1.5,"b":[null,true],"c":{}}}}`),
		[]byte(`{"httpMethod":"GET","path":"/health","path":"/openapi.json","unknown":{"a":[]},"headers":null}`),
		[]byte("{\"httpMethod\":\"GET\",\"path\":\"/health\",\"headers\":{\"X-A\":\"\xff\"}}"),
	}
	for _, file := range files {
		payload, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, payload)
	}
	for _, payload := range payloads {
		var seen [2]events.APIGatewayProxyRequest
		var answers [2]map[string]any
		for n := range seen {
			f := httpapi.Function(func(ctx context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
				seen[n] = e
				return s.handle(ctx, e)
			})
			h := lambda.Handler(f)
			if n == 1 {
				h = lambda.NewHandler((func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error))(f))
			}
			text, err := h.Invoke(t.Context(), payload)
			if err != nil || json.Unmarshal(text, &answers[n]) != nil {
				t.Fatalf("%s: %s, %v", payload, text, err)
			}
		}
		delete(answers[0], "isBase64Encoded") // one of them leaves out false
		delete(answers[1], "isBase64Encoded")
		if diff := cmp.Diff(seen[1], seen[0]) + cmp.Diff(answers[1], answers[0]); diff != "" {
			t.Errorf("%s\n-usual +ours:\n%s", bytes.TrimSpace(payload), diff)
		}
	}
}
