package local

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"latchkey/internal/local/sam"
)

// The response types that the gateway uses.
const (
	badRequest         = "DEFAULT_4XX"
	unauthorized       = "UNAUTHORIZED"
	accessDenied       = "ACCESS_DENIED"
	unknownRoute       = "MISSING_AUTHENTICATION_TOKEN"
	requestTooLarge    = "REQUEST_TOO_LARGE" // a template cannot change it
	throttled          = "THROTTLED"
	authorizerFailed   = "AUTHORIZER_FAILURE"
	malformedAnswer    = "AUTHORIZER_CONFIGURATION_ERROR"
	functionFailed     = "DEFAULT_5XX"
	backendUnreachable = "INTEGRATION_FAILURE"
	backendTooSlow     = "INTEGRATION_TIMEOUT"
)

// ownStatus returns the status that API Gateway has for each response type that a template may
// change. INVALID_SIGNATURE never occurs on the local stack.
func ownStatus() map[string]int {
	return map[string]int{
		badRequest: http.StatusBadRequest, functionFailed: http.StatusBadGateway,
		unauthorized: http.StatusUnauthorized, accessDenied: http.StatusForbidden,
		unknownRoute: http.StatusForbidden, "INVALID_SIGNATURE": http.StatusForbidden,
		throttled:        http.StatusTooManyRequests,
		authorizerFailed: http.StatusInternalServerError, malformedAnswer: http.StatusInternalServerError,
		backendUnreachable: http.StatusGatewayTimeout, backendTooSlow: http.StatusGatewayTimeout,
	}
}

// newResponses returns the response of each type. A type that is not declared has the headers and
// the body of DEFAULT_4XX or DEFAULT_5XX. A response without a status has the status of its type.
func newResponses(declared map[string]sam.Response) (map[string]sam.Response, error) {
	own := ownStatus()
	for kind := range declared {
		if own[kind] == 0 {
			return nil, fmt.Errorf("gateway response %s: API Gateway or the local stack does not support the type", kind)
		}
	}
	responses := map[string]sam.Response{
		requestTooLarge: {Status: 413, Body: []sam.Value{{Text: `{"message":"Request Too Long"}`}}},
	}
	for kind, status := range own {
		response, found := declared[kind]
		if !found && status < 500 {
			response, found = declared[badRequest]
		} else if !found {
			response, found = declared[functionFailed]
		}
		if !found {
			return nil, errors.New("the local stack needs the gateway responses DEFAULT_4XX and DEFAULT_5XX")
		}
		response.Status = cmp.Or(response.Status, status)
		responses[kind] = response
	}
	return responses, nil
}

// respond answers with the gateway response of the given type. A header whose value is empty is left
// out.
func (g *Gateway) respond(x *exchange, kind string) {
	response := g.responses[kind]
	header := x.w.Header()
	for name, value := range response.Headers {
		if text := value.In(x.authorizer); text != "" {
			header.Set(name, text)
		}
	}
	var body strings.Builder
	for _, part := range response.Body {
		body.WriteString(part.In(x.authorizer))
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	x.w.WriteHeader(response.Status)
	_, _ = x.w.Write([]byte(body.String())) // fails if the caller has gone
}

// respondUnread answers a request whose body is not read. net/http would first read much of the body
// to reuse the connection, which is worthwhile only for a small one.
func (g *Gateway) respondUnread(x *exchange, kind string) {
	if x.r.ContentLength < 0 || x.r.ContentLength > smallBody {
		x.w.Header().Set("Connection", "close")
	}
	g.respond(x, kind)
}
