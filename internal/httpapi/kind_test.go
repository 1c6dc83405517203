package httpapi_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
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
