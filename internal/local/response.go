package local

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"latchkey/internal/local/sam"
)

// contextVariable finds what a gateway response's template asks for; any other use of $ is refused when it is read.
var contextVariable = regexp.MustCompile(`\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)`)

// cannedResponse is a gateway response, checked.
type cannedResponse struct {
	status  int
	headers map[string]string // 'static' or context.name
	body    string
}

// newCannedResponses checks every gateway response and adds the ones that the gateway needs and the template lacks.
func newCannedResponses(declared map[string]sam.GatewayResponse) (map[string]cannedResponse, error) {
	responses := map[string]cannedResponse{
		"DEFAULT_4XX": {body: `{"message":$context.error.messageString}`},
		"DEFAULT_5XX": {body: `{"message":$context.error.messageString}`},
	}
	for kind, d := range declared {
		if ownStatus(kind) == 0 {
			return nil, fmt.Errorf("gateway response %s: there is no such type", kind)
		}
		if kind == requestTooLarge {
			return nil, fmt.Errorf("gateway response %s: API Gateway does not allow a change of it", kind)
		}
		headers := make(map[string]string)
		for parameter, value := range d.Parameters {
			name, ok := strings.CutPrefix(parameter, "gatewayresponse.header.")
			if !ok {
				return nil, fmt.Errorf("gateway response %s: the parameter %s is not honoured by the local stack", kind, parameter)
			}
			variable, isContext := strings.CutPrefix(value, "context.")
			if _, quoted := sam.Unquote(value); !quoted && !(isContext && sam.IsContextVariable(variable)) {
				return nil, fmt.Errorf("gateway response %s: header %s: %q is neither in single quotes nor a known context variable", kind, name, value)
			}
			headers[name] = value
		}
		status := 0
		if d.StatusCode != "" {
			var err error
			if status, err = strconv.Atoi(d.StatusCode); err != nil || status < 100 || status > 599 {
				return nil, fmt.Errorf("gateway response %s: %q is no status", kind, d.StatusCode)
			}
		}
		body := d.Templates.JSON
		for _, match := range contextVariable.FindAllStringSubmatch(body, -1) {
			if !sam.IsContextVariable(match[1]) {
				return nil, fmt.Errorf("gateway response %s: %s is not honoured by the local stack", kind, match[0])
			}
		}
		if strings.Contains(contextVariable.ReplaceAllString(body, ""), "$") {
			return nil, fmt.Errorf("gateway response %s: the template has a $ that is not a $context variable", kind)
		}
		responses[kind] = cannedResponse{status, headers, body}
	}
	return responses, nil
}

// ownStatus is the status of a response type whose gateway response does not say another one, 0 for an unknown type.
// API Gateway says 502 for the only use that DEFAULT_5XX itself has here: a function that failed.
func ownStatus(kind string) int {
	switch kind {
	case "DEFAULT_4XX", "BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS":
		return http.StatusBadRequest
	case "UNAUTHORIZED":
		return http.StatusUnauthorized
	case "ACCESS_DENIED", "EXPIRED_TOKEN", "INVALID_API_KEY", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN", "WAF_FILTERED":
		return http.StatusForbidden
	case "RESOURCE_NOT_FOUND":
		return http.StatusNotFound
	case requestTooLarge:
		return http.StatusRequestEntityTooLarge
	case "UNSUPPORTED_MEDIA_TYPE":
		return http.StatusUnsupportedMediaType
	case "QUOTA_EXCEEDED", "THROTTLED":
		return http.StatusTooManyRequests
	case "API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE":
		return http.StatusInternalServerError
	case "DEFAULT_5XX":
		return http.StatusBadGateway
	case "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT":
		return http.StatusGatewayTimeout
	}
	return 0
}

// requestTooLarge is the gateway response that a template cannot change.
const requestTooLarge = "REQUEST_TOO_LARGE"

// respond answers with the gateway response of the given type. variables are those of its context without "context.";
// one that is absent is empty in the body, as on AWS nothing is escaped, and its header is left out.
func (g *Gateway) respond(w http.ResponseWriter, kind, message string, variables map[string]string) {
	status := ownStatus(kind)
	canned, ok := g.responses[kind]
	if kind == requestTooLarge {
		canned.body = `{"message":$context.error.messageString}`
	} else if !ok && status < 500 {
		canned = g.responses["DEFAULT_4XX"]
	} else if !ok {
		canned = g.responses["DEFAULT_5XX"]
	}
	if canned.status != 0 {
		status = canned.status
	}
	quoted, err := json.Marshal(message)
	if err != nil {
		quoted = []byte(`""`)
	}
	variable := func(name string) string {
		switch name {
		case "error.message":
			return message
		case "error.messageString":
			return string(quoted)
		case "error.responseType":
			return kind
		}
		return variables[name]
	}
	header := w.Header()
	for name, value := range canned.headers {
		text, static := sam.Unquote(value)
		if !static {
			text = variable(strings.TrimPrefix(value, "context."))
		}
		if text != "" {
			header.Set(name, text)
		}
	}
	body := contextVariable.ReplaceAllStringFunc(canned.body, func(match string) string {
		return variable(strings.TrimPrefix(match, "$context."))
	})
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A caller that has gone does not read it, and nobody else could be told.
	_, _ = w.Write([]byte(body))
}
