package sam

import (
	"fmt"
	"strconv"
	"strings"
)

// Response is a response that API Gateway makes itself.
type Response struct {
	Status  int // 0 stands for the status of the response type
	Headers map[string]Value
	Body    []Value // one after the other; as on AWS, nothing is escaped
}

// Value is a text. If Name is not empty, it is the value of that name in the authorizer's context.
type Value struct{ Text, Name string }

// In returns the text of v, given the authorizer's context. It is empty if there is no value of that name.
func (v Value) In(context map[string]string) string {
	if v.Name != "" {
		return context[v.Name]
	}
	return v.Text
}

// parseValue reads 'a text' or context.authorizer.NAME.
func parseValue(text string) (Value, error) {
	if name, ok := strings.CutPrefix(text, "context.authorizer."); ok {
		return Value{Name: name}, nil
	}
	plain, err := unquote(text)
	return Value{Text: plain}, err
}

// unquote removes the single quotes that API Gateway requires around a text.
func unquote(text string) (string, error) {
	if len(text) < 2 || text[0] != '\'' || text[len(text)-1] != '\'' {
		return "", fmt.Errorf("%q is neither in single quotes nor context.authorizer.NAME", text)
	}
	return text[1 : len(text)-1], nil
}

// preflight returns the response headers that the property Cors sets.
func preflight(cors map[string]string) (map[string]string, error) {
	names := map[string]string{
		"AllowOrigin": "Access-Control-Allow-Origin", "AllowHeaders": "Access-Control-Allow-Headers",
		"AllowMethods": "Access-Control-Allow-Methods", "MaxAge": "Access-Control-Max-Age",
	}
	var headers map[string]string
	for property, quoted := range cors {
		text, err := unquote(quoted)
		if names[property] == "" || err != nil {
			return nil, fmt.Errorf("the local stack does not support %s: %s in Cors", property, quoted)
		}
		if headers == nil {
			headers = make(map[string]string)
		}
		headers[names[property]] = text
	}
	return headers, nil
}

type gatewayResponse struct {
	StatusCode string            `yaml:"statusCode"`
	Parameters map[string]string `yaml:"responseParameters"` // by gatewayresponse.header.NAME
	Templates  struct {
		JSON string `yaml:"application/json"`
	} `yaml:"responseTemplates"`
}

func (o openAPI) responses() (map[string]Response, error) {
	all := make(map[string]Response)
	for kind, declared := range o.GatewayResponses {
		response, err := declared.response()
		if err != nil {
			return nil, fmt.Errorf("gateway response %s: %w", kind, err)
		}
		all[kind] = response
	}
	return all, nil
}

func (g gatewayResponse) response() (Response, error) {
	r := Response{Headers: make(map[string]Value)}
	var err error
	if g.StatusCode != "" {
		if r.Status, err = strconv.Atoi(g.StatusCode); err != nil || r.Status < 200 || r.Status > 599 {
			return Response{}, fmt.Errorf("the status %q must be a number from 200 to 599", g.StatusCode)
		}
	}
	for parameter, text := range g.Parameters {
		name, ok := strings.CutPrefix(parameter, "gatewayresponse.header.")
		if !ok {
			return Response{}, fmt.Errorf("the local stack does not support the parameter %s", parameter)
		}
		if r.Headers[name], err = parseValue(text); err != nil {
			return Response{}, fmt.Errorf("header %s: %w", name, err)
		}
	}
	r.Body, err = parseBody(g.Templates.JSON)
	return r, err
}

// parseBody reads a text in which $context.authorizer.NAME stands for a value.
func parseBody(text string) ([]Value, error) {
	first, rest, more := strings.Cut(text, "$")
	body := []Value{{Text: first}}
	for more {
		text, rest, more = strings.Cut(rest, "$")
		after := strings.TrimLeft(text, ".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
		variable := strings.TrimRight(strings.TrimSuffix(text, after), ".")
		name, ok := strings.CutPrefix(variable, "context.authorizer.")
		if !ok {
			return nil, fmt.Errorf("the local stack does not support $%s", variable)
		}
		body = append(body, Value{Name: name}, Value{Text: text[len(variable):]})
	}
	return body, nil
}

// throttles reads settings of methods as a stage has them: a path has ~1 for each slash but the first.
func throttles(settings []Throttle) ([]Throttle, error) {
	var read []Throttle
	for _, t := range settings {
		if t.Path != "/*" {
			t.Path = strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(t.Path, "/"))
		}
		if (t.Method == "*") != (t.Path == "/*") || t.Rate <= 0 || t.Burst <= 0 {
			return nil, fmt.Errorf("MethodSettings: %s %s must name one method of one path, or all, "+
				"and have a rate and a burst above 0", t.Method, t.Path)
		}
		read = append(read, t)
	}
	return read, nil
}
