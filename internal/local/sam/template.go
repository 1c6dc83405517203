package sam

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/dynamo"
)

// Template is what the local stack takes from a SAM template, with the parameters' defaults and the conditions as they
// decide them.
type Template struct {
	Table     dynamo.Schema
	Stage     string
	Variables map[string]string          // of the stage
	Routes    []Route                    // sorted by path and method
	Timeouts  map[string]time.Duration   // by the function's logical ID
	Cors      Cors                       // its zero value: preflights are not answered
	Responses map[string]GatewayResponse // by response type, such as ACCESS_DENIED
	Throttles []MethodSetting
}

// Route is one method of one path. Path may have {name} segments and end in {name+}; Method may be ANY.
type Route struct {
	Method, Path string
	Function     string // logical ID of the function behind it, or
	Backend      *Backend
	Authorizer   string // logical ID of the authorizer's function, empty for an open route
}

// Cors is how a preflight is answered; each value keeps the single quotes that API Gateway wants around it.
type Cors struct {
	AllowOrigin  string `yaml:"AllowOrigin"`
	AllowHeaders string `yaml:"AllowHeaders"`
	AllowMethods string `yaml:"AllowMethods"`
	MaxAge       string `yaml:"MaxAge"`
}

// GatewayResponse is what API Gateway itself answers. An empty StatusCode keeps the response type's own.
type GatewayResponse struct {
	StatusCode string            `yaml:"statusCode"`
	Parameters map[string]string `yaml:"responseParameters"` // by gatewayresponse.header.<name>
	Templates  struct {
		JSON string `yaml:"application/json"`
	} `yaml:"responseTemplates"`
}

// MethodSetting bounds how often one method may be called, or with HttpMethod "*" and ResourcePath "/*" each of all others
// together. A method is named as in a stage: its path has ~1 for each slash but the first.
type MethodSetting struct {
	HTTPMethod   string `yaml:"HttpMethod"`
	ResourcePath string `yaml:"ResourcePath"`
	Rate         string `yaml:"ThrottlingRateLimit"` // requests a second
	Burst        string `yaml:"ThrottlingBurstLimit"`
}

// The following types list the properties that are honoured. A field of type noEffect is known and changes nothing on a
// laptop; what is not listed is an error.

type noEffect = any

type apiProperties struct {
	StageName             string            `yaml:"StageName"`
	Variables             map[string]string `yaml:"Variables"`
	Cors                  Cors              `yaml:"Cors"`
	DefinitionBody        openAPI           `yaml:"DefinitionBody"`
	OpenApiVersion        noEffect          `yaml:"OpenApiVersion"`
	AlwaysDeploy          noEffect          `yaml:"AlwaysDeploy"`
	EndpointConfiguration noEffect          `yaml:"EndpointConfiguration"`
	MethodSettings        []MethodSetting   `yaml:"MethodSettings"`
	TracingEnabled        noEffect          `yaml:"TracingEnabled"`
	AccessLogSetting      noEffect          `yaml:"AccessLogSetting"`
	Description           noEffect          `yaml:"Description"`
	Tags                  noEffect          `yaml:"Tags"`
}

type tableProperties struct {
	dynamo.Schema                    `yaml:",inline"`
	BillingMode                      noEffect `yaml:"BillingMode"`
	DeletionProtectionEnabled        noEffect `yaml:"DeletionProtectionEnabled"`
	PointInTimeRecoverySpecification noEffect `yaml:"PointInTimeRecoverySpecification"`
	SSESpecification                 noEffect `yaml:"SSESpecification"`
	Tags                             noEffect `yaml:"Tags"`
}

// functionProperties is read leniently: how a function is built and run is the business of whoever makes its Pool.
type functionProperties struct {
	Timeout int      `yaml:"Timeout"`
	Events  noEffect `yaml:"Events"`
}

type resource struct {
	Type       string    `yaml:"Type"`
	Condition  string    `yaml:"Condition"`
	Properties yaml.Node `yaml:"Properties"`
}

// defaultTimeout is Lambda's own.
const defaultTimeout = 3 * time.Second

// Load reads the SAM template at path. An unknown property of the API, of the OpenAPI document in it or of the
// table is an error that names it.
//
// Parameters that are not given have their defaults.
func Load(path string, parameters map[string]string) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	t, err := parseTemplate(text, parameters)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", path, err)
	}
	return t, nil
}

func parseTemplate(text []byte, parameters map[string]string) (*Template, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	r, err := newResolver(&root, parameters)
	if err != nil {
		return nil, err
	}
	var document struct {
		Globals   yaml.Node `yaml:"Globals"`
		Resources yaml.Node `yaml:"Resources"`
	}
	if err := root.Decode(&document); err != nil {
		return nil, err
	}
	for _, section := range []*yaml.Node{&document.Globals, &document.Resources} {
		if err := r.resolve(section); err != nil {
			return nil, err
		}
	}
	var globals struct {
		Function struct {
			Timeout int `yaml:"Timeout"`
		} `yaml:"Function"`
		Api yaml.Node `yaml:"Api"`
	}
	if err := document.Globals.Decode(&globals); err != nil {
		return nil, fmt.Errorf("globals: %w", err)
	}
	resources := make(map[string]resource)
	if err := document.Resources.Decode(&resources); err != nil {
		return nil, fmt.Errorf("resources: %w", err)
	}

	t := &Template{Timeouts: make(map[string]time.Duration)}
	var api apiProperties
	var apiID, tableID string
	if err := strict(&globals.Api, "Globals.Api", &api); err != nil {
		return nil, err
	}
	for id, r := range resources {
		at := "Resources." + id + ".Properties"
		switch r.Type {
		case "AWS::DynamoDB::Table":
			if tableID != "" {
				return nil, fmt.Errorf("%s and %s: the local stack has one table", tableID, id)
			}
			tableID = id
			var table tableProperties
			if err := strict(&r.Properties, at, &table); err != nil {
				return nil, err
			}
			t.Table = table.Schema
		case "AWS::Serverless::Api":
			if apiID != "" {
				return nil, fmt.Errorf("%s and %s: the local stack has one API", apiID, id)
			}
			apiID = id
			if err := strict(&r.Properties, at, &api); err != nil {
				return nil, err
			}
		case "AWS::Serverless::Function":
			function := functionProperties{Timeout: globals.Function.Timeout}
			if err := r.Properties.Decode(&function); err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
			// One source of routes: the API's document.
			if function.Events != nil {
				return nil, fmt.Errorf("%s: Events are not honoured by the local stack", at)
			}
			t.Timeouts[id] = defaultTimeout
			if function.Timeout > 0 {
				t.Timeouts[id] = time.Duration(function.Timeout) * time.Second
			}
		case "AWS::ApiGateway::GatewayResponse", "AWS::Serverless::HttpApi":
			return nil, fmt.Errorf("resource %s: %s is not honoured by the local stack", id, r.Type)
		default:
			continue
		}
		if r.Condition != "" {
			return nil, fmt.Errorf("resource %s: a Condition is not honoured by the local stack", id)
		}
	}
	if apiID == "" || tableID == "" {
		return nil, errors.New("needs an AWS::Serverless::Api and an AWS::DynamoDB::Table")
	}
	t.Stage, t.Variables, t.Cors, t.Responses = api.StageName, api.Variables, api.Cors, api.DefinitionBody.GatewayResponses
	t.Throttles = api.MethodSettings
	t.Routes, err = api.DefinitionBody.routes()
	if err != nil {
		return nil, fmt.Errorf("the API %s: DefinitionBody: %w", apiID, err)
	}
	for _, route := range t.Routes {
		for _, id := range []string{route.Function, route.Authorizer} {
			if id != "" && t.Timeouts[id] == 0 {
				return nil, fmt.Errorf("the API %s: there is no function %s", apiID, id)
			}
		}
	}
	slices.SortFunc(t.Routes, func(a, b Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return t, nil
}

// strict decodes node into the struct that into points to and refuses properties that the struct does not have. Only a
// yaml.Decoder can do that, so the node goes through text once more; line numbers would mislead and at says where.
func strict(node *yaml.Node, at string, into any) error {
	if node.IsZero() {
		return nil
	}
	text, err := yaml.Marshal(node)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}
