package sam

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// The following types are what is honoured of an OpenAPI document with API Gateway's extensions; what is not listed is an
// error.

type openAPI struct {
	OpenAPI    noEffect `yaml:"openapi"`
	Info       noEffect `yaml:"info"`
	Components struct {
		SecuritySchemes map[string]securityScheme `yaml:"securitySchemes"`
	} `yaml:"components"`
	Paths            map[string]map[string]operation `yaml:"paths"` // by method
	GatewayResponses map[string]GatewayResponse      `yaml:"x-amazon-apigateway-gateway-responses"`
	BinaryMediaTypes noEffect                        `yaml:"x-amazon-apigateway-binary-media-types"`
}

type securityScheme struct {
	Type       noEffect `yaml:"type"`
	Name       noEffect `yaml:"name"`
	In         noEffect `yaml:"in"`
	AuthType   string   `yaml:"x-amazon-apigateway-authtype"`
	Authorizer struct {
		Type string `yaml:"type"`
		URI  string `yaml:"authorizerUri"`
		TTL  *int   `yaml:"authorizerResultTtlInSeconds"`
	} `yaml:"x-amazon-apigateway-authorizer"`
}

type operation struct {
	Security    []map[string][]string `yaml:"security"`
	Responses   noEffect              `yaml:"responses"`
	Parameters  noEffect              `yaml:"parameters"`
	Integration struct {
		Type         string            `yaml:"type"`
		HTTPMethod   string            `yaml:"httpMethod"`
		URI          string            `yaml:"uri"`
		Parameters   map[string]string `yaml:"requestParameters"`
		TransferMode string            `yaml:"responseTransferMode"`
		Timeout      int               `yaml:"timeoutInMillis"`
		Templates    noEffect          `yaml:"requestTemplates"` // of a mock
		Responses    noEffect          `yaml:"responses"`        // of a mock
	} `yaml:"x-amazon-apigateway-integration"`
}

func (o openAPI) routes() ([]Route, error) {
	authorizers := make(map[string]string)
	for name, s := range o.Components.SecuritySchemes {
		function, err := s.function()
		if err != nil {
			return nil, fmt.Errorf("components.securitySchemes.%s: %w", name, err)
		}
		authorizers[name] = function
	}
	var routes []Route
	for path, methods := range o.Paths {
		for method, operation := range methods {
			// A preflight is answered as Cors says, which SAM makes a mock of.
			if method == "options" && operation.Integration.Type == "mock" {
				continue
			}
			route, err := operation.route(authorizers)
			if err != nil {
				return nil, fmt.Errorf("paths.%s.%s: %w", path, method, err)
			}
			switch method {
			case "get", "head", "post", "put", "patch", "delete", "options":
				route.Method = strings.ToUpper(method)
			case "x-amazon-apigateway-any-method":
				route.Method = "ANY"
			default:
				return nil, fmt.Errorf("paths.%s: there is no method %s", path, method)
			}
			route.Path = path
			routes = append(routes, route)
		}
	}
	return routes, nil
}

func (o operation) route(authorizers map[string]string) (Route, error) {
	var route Route
	var err error
	i := o.Integration
	switch {
	// The invocation of a function is a POST whatever the method of the route.
	case i.Type == "aws_proxy" && i.HTTPMethod == "POST" && i.Parameters == nil && i.TransferMode == "" && i.Timeout == 0:
		route.Function, err = invoked(i.URI)
	case i.Type == "http_proxy" && i.HTTPMethod == "ANY":
		route.Backend, err = newBackend(i.URI, i.Parameters, i.TransferMode == "STREAM", time.Duration(i.Timeout)*time.Millisecond)
	default:
		err = fmt.Errorf("%s by %s is not honoured, only plain aws_proxy by POST and http_proxy by ANY", i.Type, i.HTTPMethod)
	}
	if err != nil {
		return Route{}, fmt.Errorf("the integration: %w", err)
	}
	if len(o.Security) > 1 {
		return Route{}, fmt.Errorf("security: %d alternatives, only one is honoured", len(o.Security))
	}
	for _, requirement := range o.Security {
		for name := range requirement {
			if route.Authorizer != "" || authorizers[name] == "" {
				return Route{}, fmt.Errorf("security: there is no authorizer %q, or more than one", name)
			}
			route.Authorizer = authorizers[name]
		}
	}
	return route, nil
}

// function is the logical ID of the authorizer's function.
func (s securityScheme) function() (string, error) {
	a := s.Authorizer
	switch {
	case s.AuthType != "custom" || a.Type != "request":
		return "", fmt.Errorf("the authorizer is of type %q (%q), only request (custom) is honoured", a.Type, s.AuthType)
	// Left out, API Gateway would remember an answer for five minutes.
	case a.TTL == nil || *a.TTL != 0:
		return "", fmt.Errorf("authorizerResultTtlInSeconds is not 0")
	}
	function, err := invoked(a.URI)
	if err != nil {
		return "", fmt.Errorf("authorizerUri: %w", err)
	}
	return function, nil
}

var invocation = regexp.MustCompile(`^!Sub arn:\$\{AWS::Partition\}:apigateway:\$\{AWS::Region\}:lambda:path/2015-03-31/functions/\$\{([A-Za-z0-9]+)\.Arn\}/invocations$`)

// invoked is the logical ID of the function that a URI invokes.
func invoked(uri string) (string, error) {
	match := invocation.FindStringSubmatch(uri)
	if match == nil {
		return "", fmt.Errorf("%q does not invoke a function of the template", uri)
	}
	return match[1], nil
}

// Backend is an HTTP API that requests are passed on to.
type Backend struct {
	URL     string            // may hold {name} of the path's parameters
	Path    map[string]string // {name} in url, to the name of the path's parameter
	Headers map[string]string // to a 'static' value or context.authorizer.name
	Flush   time.Duration
	Timeout time.Duration
}

// API Gateway's own time for an integration that is not streamed.
const integrationTimeout = 29 * time.Second

func newBackend(uri string, parameters map[string]string, stream bool, timeout time.Duration) (*Backend, error) {
	b := &Backend{URL: uri, Path: make(map[string]string), Headers: make(map[string]string), Timeout: integrationTimeout}
	if stream {
		b.Flush = -1
	}
	if timeout > 0 {
		b.Timeout = timeout
	}
	if u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(uri)); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("its uri %q is not that of an HTTP API", uri)
	}
	for to, from := range parameters {
		variable, isContext := strings.CutPrefix(from, "context.")
		_, static := Unquote(from)
		if header, ok := strings.CutPrefix(to, "integration.request.header."); ok && (static || isContext && IsContextVariable(variable)) {
			b.Headers[header] = from
			continue
		}
		name, toPath := strings.CutPrefix(to, "integration.request.path.")
		parameter, fromPath := strings.CutPrefix(from, "method.request.path.")
		if !toPath || !fromPath {
			return nil, fmt.Errorf("its request parameter %s: %s is not honoured by the local stack", to, from)
		}
		b.Path[name] = parameter
	}
	return b, nil
}

// IsContextVariable reports whether a gateway response may show the variable.
func IsContextVariable(name string) bool {
	switch name {
	case "error.message", "error.messageString", "error.responseType", "requestId", "httpMethod", "path", "stage":
		return true
	}
	return strings.HasPrefix(name, "authorizer.")
}

// Unquote takes the single quotes off that API Gateway wants around a static value.
func Unquote(value string) (string, bool) {
	if len(value) < 2 || value[0] != '\'' || value[len(value)-1] != '\'' {
		return "", false
	}
	return value[1 : len(value)-1], true
}
