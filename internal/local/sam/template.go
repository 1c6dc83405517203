// Package sam reads template.yaml for the local stack. Call [Load] first.
//
// The template is read strictly. A property of the API or of the table that the local stack does
// not know is an error, never ignored.
package sam

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/dynamo"
)

// Template is the part of a SAM template that the local stack serves.
type Template struct {
	Table     dynamo.Schema
	Stage     string
	Variables map[string]string        // stage variables
	Routes    []Route                  // sorted by path, then by method
	Timeouts  map[string]time.Duration // by the logical ID of the function
	Preflight map[string]string        // response headers; nil if preflights are not answered
	Responses map[string]Response      // by response type, such as ACCESS_DENIED
	Throttles []Throttle
}

// Route is one method of one path. Either Function or Backend is set.
type Route struct {
	Method     string // may be ANY
	Path       string // may have {name} segments and end in {name+}
	Function   string // logical ID
	Backend    *Backend
	Authorizer string // logical ID of the authorizer's function; empty for an open route
}

// Throttle limits the calls of one method of one path. With Method "*" and Path "/*" it limits each
// method that has no throttle of its own.
type Throttle struct {
	Method string  `yaml:"HttpMethod"`
	Path   string  `yaml:"ResourcePath"`
	Rate   float64 `yaml:"ThrottlingRateLimit"` // calls a second
	Burst  int     `yaml:"ThrottlingBurstLimit"`
}

// The following types list the properties that the local stack knows; see strict.

type apiProperties struct {
	StageName             string            `yaml:"StageName"`
	Variables             map[string]string `yaml:"Variables"`
	Cors                  map[string]string `yaml:"Cors"`
	DefinitionBody        openAPI           `yaml:"DefinitionBody"`
	OpenApiVersion        noEffect          `yaml:"OpenApiVersion"`
	AlwaysDeploy          noEffect          `yaml:"AlwaysDeploy"`
	EndpointConfiguration noEffect          `yaml:"EndpointConfiguration"`
	DisableExecuteAPI     noEffect          `yaml:"DisableExecuteApiEndpoint"`
	MethodSettings        []Throttle        `yaml:"MethodSettings"`
	TracingEnabled        noEffect          `yaml:"TracingEnabled"`
	AccessLogSetting      noEffect          `yaml:"AccessLogSetting"`
	Description           noEffect          `yaml:"Description"`
	Tags                  noEffect          `yaml:"Tags"`
}

type tableProperties struct {
	dynamo.Schema    `yaml:",inline"`
	BillingMode      noEffect `yaml:"BillingMode"`
	SSESpecification noEffect `yaml:"SSESpecification"`
	Tags             noEffect `yaml:"Tags"`
}

// noEffect is a property that is known and changes nothing on one machine.
type noEffect struct{}

func (*noEffect) UnmarshalYAML(*yaml.Node) error { return nil }

type document struct {
	Parameters map[string]parameter `yaml:"Parameters"`
	Conditions map[string]yaml.Node `yaml:"Conditions"`
	Rules      map[string]rule      `yaml:"Rules"`
	Globals    struct {
		Function struct {
			Timeout   int `yaml:"Timeout"`
			variables `yaml:",inline"`
		} `yaml:"Function"`
		API yaml.Node `yaml:"Api"`
	} `yaml:"Globals"`
	Resources map[string]resource `yaml:"Resources"`
}

type parameter struct {
	Default string `yaml:"Default"`
}

type resource struct {
	Type       string    `yaml:"Type"`
	Condition  string    `yaml:"Condition"`
	Properties yaml.Node `yaml:"Properties"`
}

// Load reads the SAM template at path. A parameter that is not in parameters has its default.
func Load(path string, parameters map[string]string) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	t, err := parse(text, parameters)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", path, err)
	}
	return t, nil
}

func parse(text []byte, parameters map[string]string) (*Template, error) {
	var d document
	if err := yaml.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	if err := d.set(parameters); err != nil {
		return nil, err
	}
	timeouts, err := d.timeouts()
	if err != nil {
		return nil, err
	}
	var table tableProperties
	if err := d.decode("AWS::DynamoDB::Table", &table); err != nil {
		return nil, err
	}
	var api apiProperties
	if err := d.strict(&d.Globals.API, &api); err != nil {
		return nil, fmt.Errorf("Globals.Api: %w", err)
	}
	if err := d.decode("AWS::Serverless::Api", &api); err != nil {
		return nil, err
	}
	t := &Template{Table: table.Schema, Stage: api.StageName, Variables: api.Variables, Timeouts: timeouts}
	var errs [4]error
	t.Preflight, errs[0] = preflight(api.Cors)
	t.Throttles, errs[1] = throttles(api.MethodSettings)
	t.Responses, errs[2] = api.DefinitionBody.responses()
	t.Routes, errs[3] = api.DefinitionBody.routes(timeouts)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("the API: %w", err)
	}
	return t, nil
}

// decode reads the properties of the only resource of a type.
func (d document) decode(kind string, into any) error {
	var found []string
	for id, resource := range d.Resources {
		if resource.Type == kind {
			found = append(found, id)
		}
	}
	if len(found) != 1 {
		return fmt.Errorf("the local stack needs one %s, and not %d", kind, len(found))
	}
	resource := d.Resources[found[0]]
	if resource.Condition != "" {
		made, err := d.holds(resource.Condition)
		if err != nil {
			return fmt.Errorf("resource %s: %w", found[0], err)
		}
		if !made {
			return fmt.Errorf("resource %s: the local stack needs it, but %s does not hold", found[0], resource.Condition)
		}
	}
	if err := d.strict(&resource.Properties, into); err != nil {
		return fmt.Errorf("resource %s: %w", found[0], err)
	}
	return nil
}

// timeouts returns the timeout of each function. It ignores most properties of a function, because
// the owner of the function's pool decides how the function is built and run.
func (d document) timeouts() (map[string]time.Duration, error) {
	const lambdaDefault = 3 // seconds
	timeouts := make(map[string]time.Duration)
	for id, resource := range d.Resources {
		switch resource.Type {
		case "AWS::ApiGateway::GatewayResponse", "AWS::Serverless::HttpApi":
			return nil, fmt.Errorf("resource %s: the local stack does not support %s", id, resource.Type)
		case "AWS::Serverless::Function":
			var function struct {
				Timeout int       `yaml:"Timeout"`
				Events  yaml.Node `yaml:"Events"`
			}
			if err := resource.Properties.Decode(&function); err != nil {
				return nil, fmt.Errorf("resource %s: %w", id, err)
			}
			// The API's document is the only source of routes.
			if !function.Events.IsZero() || resource.Condition != "" {
				return nil, fmt.Errorf("resource %s: the local stack does not support Events or a Condition here", id)
			}
			seconds := cmp.Or(function.Timeout, d.Globals.Function.Timeout, lambdaDefault)
			timeouts[id] = time.Duration(seconds) * time.Second
		}
	}
	return timeouts, nil
}

// strict resolves the node and decodes it into the struct that into points to. A property that the
// struct does not have is an error. Only a yaml.Decoder refuses such properties, so strict encodes
// the node again. The line numbers of its errors are therefore not those of the template.
func (d document) strict(node *yaml.Node, into any) error {
	if node.IsZero() {
		return nil
	}
	if err := d.resolve(node); err != nil {
		return err
	}
	text, err := yaml.Marshal(node)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	return decoder.Decode(into)
}
