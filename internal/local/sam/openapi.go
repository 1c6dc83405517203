package sam

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The following types list the properties that the local stack knows of an OpenAPI document with
// API Gateway's extensions; see strict.

type openAPI struct {
	OpenAPI    noEffect `yaml:"openapi"`
	Info       noEffect `yaml:"info"`
	Components struct {
		SecuritySchemes map[string]securityScheme `yaml:"securitySchemes"`
	} `yaml:"components"`
	Paths            map[string]map[string]operation `yaml:"paths"` // by path, then by method
	GatewayResponses map[string]gatewayResponse      `yaml:"x-amazon-apigateway-gateway-responses"`
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
	Integration integration           `yaml:"x-amazon-apigateway-integration"`
}

type integration struct {
	Type         string            `yaml:"type"`
	HTTPMethod   string            `yaml:"httpMethod"`
	URI          string            `yaml:"uri"`
	Parameters   map[string]string `yaml:"requestParameters"`
	TransferMode string            `yaml:"responseTransferMode"`
	Timeout      int               `yaml:"timeoutInMillis"`
	Connection   noEffect          `yaml:"connectionType"` // no VPC link stands before an API on this machine
	ConnectionID noEffect          `yaml:"connectionId"`
	Templates    noEffect          `yaml:"requestTemplates"` // of a mock
	Responses    noEffect          `yaml:"responses"`        // of a mock
}

// Backend is an HTTP API that receives requests. Its response is passed on as it arrives.
type Backend struct {
	URL     string           // may contain {name}, which stands for a path parameter
	Headers map[string]Value // replace the client's own headers of these names
	Timeout time.Duration    // for the beginning of the response
}

// routes returns all routes, sorted by path, then by method. functions must hold the logical IDs of
// the functions that exist.
func (o openAPI) routes(functions map[string]time.Duration) ([]Route, error) {
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
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("paths.%s: a path must begin with /", path)
		}
		for method, operation := range methods {
			// SAM makes such a mock from the property Cors, which Template.Preflight serves.
			if method == "options" && operation.Integration.Type == "mock" {
				continue
			}
			route, err := operation.route(method, authorizers)
			if err != nil {
				return nil, fmt.Errorf("paths.%s.%s: %w", path, method, err)
			}
			for _, id := range []string{route.Function, route.Authorizer} {
				if id != "" && functions[id] == 0 {
					return nil, fmt.Errorf("paths.%s.%s: there is no function %s", path, method, id)
				}
			}
			route.Path = path
			routes = append(routes, route)
		}
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return routes, nil
}

func (o operation) route(method string, authorizers map[string]string) (Route, error) {
	route := Route{Method: strings.ToUpper(method)}
	if method == "x-amazon-apigateway-any-method" {
		route.Method = "ANY"
	} else if !slices.Contains([]string{"get", "head", "post", "put", "patch", "delete", "options"}, method) {
		return Route{}, fmt.Errorf("there is no method %s", method)
	}
	var err error
	switch o.Integration.Type {
	case "aws_proxy":
		route.Function, err = o.Integration.function()
	case "http_proxy":
		route.Backend, err = o.Integration.backend()
	default:
		err = fmt.Errorf("the type is %q, which must be aws_proxy or http_proxy", o.Integration.Type)
	}
	if err != nil {
		return Route{}, fmt.Errorf("x-amazon-apigateway-integration: %w", err)
	}
	route.Authorizer, err = o.authorizer(authorizers)
	return route, err
}

// authorizer returns the function of the route's authorizer. It is empty for an open route.
func (o operation) authorizer(authorizers map[string]string) (string, error) {
	if len(o.Security) == 0 {
		return "", nil
	}
	if len(o.Security) > 1 || len(o.Security[0]) != 1 {
		return "", errors.New("security: must name one authorizer")
	}
	name := slices.Collect(maps.Keys(o.Security[0]))[0]
	if authorizers[name] == "" {
		return "", fmt.Errorf("security: there is no authorizer %q", name)
	}
	return authorizers[name], nil
}

// function returns the function that the integration invokes. An invocation is a POST, whatever the
// method of the route.
func (i integration) function() (string, error) {
	if i.HTTPMethod != "POST" || i.Parameters != nil || i.TransferMode != "" || i.Timeout != 0 {
		return "", errors.New("aws_proxy: the local stack supports only the httpMethod POST and the uri of a function")
	}
	return invoked(i.URI)
}

func (i integration) backend() (*Backend, error) {
	if i.HTTPMethod != "ANY" || i.TransferMode != "STREAM" || i.Timeout <= 0 {
		return nil, errors.New("http_proxy: the local stack supports only the httpMethod ANY, " +
			"the responseTransferMode STREAM and a timeoutInMillis above 0")
	}
	b := &Backend{URL: i.URI, Headers: make(map[string]Value), Timeout: time.Duration(i.Timeout) * time.Millisecond}
	plain := i.URI
	for to, from := range i.Parameters {
		header, toHeader := strings.CutPrefix(to, "integration.request.header.")
		name, toPath := strings.CutPrefix(to, "integration.request.path.")
		value, err := parseValue(from)
		switch {
		case toHeader && err == nil:
			b.Headers[header] = value
		case toPath && from == "method.request.path."+name:
			plain = strings.ReplaceAll(plain, "{"+name+"}", "")
		default:
			return nil, fmt.Errorf("the local stack does not support the request parameter %s: %s", to, from)
		}
	}
	u, err := url.Parse(plain)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Contains(plain, "{") {
		return nil, fmt.Errorf("the uri %q is not that of an HTTP API, with a request parameter for each {name}", i.URI)
	}
	return b, nil
}

// function returns the logical ID of the authorizer's function.
func (s securityScheme) function() (string, error) {
	a := s.Authorizer
	if s.AuthType != "custom" || a.Type != "request" {
		return "", fmt.Errorf("the authorizer is of type %q (%q), and must be request (custom)", a.Type, s.AuthType)
	}
	// Without the property, API Gateway reuses an answer for five minutes.
	if a.TTL == nil || *a.TTL != 0 {
		return "", errors.New("authorizerResultTtlInSeconds must be 0")
	}
	return invoked(a.URI)
}

// invoked returns the logical ID of the function that a URI invokes.
func invoked(uri string) (string, error) {
	const before = "!Sub arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${"
	name, begins := strings.CutPrefix(uri, before)
	name, ends := strings.CutSuffix(name, ".Arn}/invocations")
	if !begins || !ends {
		return "", fmt.Errorf("%q does not invoke a function of the template", uri)
	}
	return name, nil
}
