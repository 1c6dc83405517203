package devstack

import (
	"fmt"
	"regexp"
	"strings"
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
	Integration struct {
		Type       string `yaml:"type"`
		HTTPMethod string `yaml:"httpMethod"`
		URI        string `yaml:"uri"`
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
	// The invocation of a function is a POST whatever the method of the route.
	if o.Integration.Type != "aws_proxy" || o.Integration.HTTPMethod != "POST" {
		return Route{}, fmt.Errorf("the integration is %s by %s, only aws_proxy by POST is honoured", o.Integration.Type, o.Integration.HTTPMethod)
	}
	function, err := invoked(o.Integration.URI)
	if err != nil {
		return Route{}, fmt.Errorf("the integration's uri: %w", err)
	}
	route := Route{Function: function}
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
