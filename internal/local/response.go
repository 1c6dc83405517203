package local

import (
	"encoding/json"
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

// response is a gateway response with the message that API Gateway has for its type.
type response struct {
	sam.Response
	message string
}

// defaults returns the response types that a template may have, each with the status and the message
// that API Gateway has for it. INVALID_SIGNATURE never occurs on the local stack.
func defaults() map[string]response {
	own := func(status int, message string) response { return response{sam.Response{Status: status}, message} }
	return map[string]response{
		badRequest:          own(http.StatusBadRequest, "Bad Request"),
		unauthorized:        own(http.StatusUnauthorized, "Unauthorized"),
		accessDenied:        own(http.StatusForbidden, "User is not authorized to access this resource"),
		"INVALID_SIGNATURE": own(http.StatusForbidden, ""),
		unknownRoute:        own(http.StatusForbidden, "Missing Authentication Token"),
		requestTooLarge:     own(http.StatusRequestEntityTooLarge, "Request Too Long"),
		throttled:           own(http.StatusTooManyRequests, "Too Many Requests"),
		authorizerFailed:    own(http.StatusInternalServerError, ""),
		malformedAnswer:     own(http.StatusInternalServerError, ""),
		functionFailed:      own(http.StatusBadGateway, "Internal server error"),
		backendUnreachable:  own(http.StatusGatewayTimeout, "Internal server error"),
		backendTooSlow:      own(http.StatusGatewayTimeout, "Internal server error"),
	}
}

// newResponses returns the response of each type. A type that is not declared has the headers and
// the body of DEFAULT_4XX or DEFAULT_5XX. A response without a status has the status of its type.
func newResponses(declared map[string]sam.Response) (map[string]response, error) {
	responses := defaults()
	for kind := range declared {
		if _, known := responses[kind]; !known || kind == requestTooLarge {
			return nil, fmt.Errorf("gateway response %s: API Gateway or the local stack does not support the type", kind)
		}
	}
	plain := sam.Response{Body: []sam.Value{{Text: `{"message":`}, {Variable: sam.MessageString}, {Text: "}"}}}
	for kind, own := range responses {
		response, found := declared[kind]
		if !found && kind != requestTooLarge {
			fallback := badRequest
			if own.Status >= 500 {
				fallback = functionFailed
			}
			response, found = declared[fallback]
		}
		if !found {
			response = plain
		}
		if response.Status == 0 {
			response.Status = own.Status
		}
		own.Response = response
		responses[kind] = own
	}
	return responses, nil
}

// respond answers with the gateway response of the given type. A header whose variable is absent or
// empty is left out.
func (g *Gateway) respond(x *exchange, kind string) {
	response := g.responses[kind]
	message, err := json.Marshal(response.message)
	if err != nil {
		message = []byte(`""`)
	}
	x.variables[sam.MessageString] = string(message)
	header := x.w.Header()
	for name, value := range response.Headers {
		if text := value.In(x.variables); text != "" {
			header.Set(name, text)
		}
	}
	var body strings.Builder
	for _, part := range response.Body {
		body.WriteString(part.In(x.variables))
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
