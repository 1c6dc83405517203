package devstack

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

// Template is what the local stack takes from a SAM template. References to parameters have their defaults.
type Template struct {
	Table     dynamo.Schema
	Stage     string
	Routes    []Route                    // sorted by path and method
	Timeouts  map[string]time.Duration   // by the function's logical ID
	Cors      Cors                       // its zero value: preflights are not answered
	Responses map[string]GatewayResponse // by response type, such as ACCESS_DENIED
}

// Route is one method of one path. Path may have {name} segments and end in {name+}; Method may be ANY.
type Route struct {
	Method, Path string
	Function     string // logical ID of the function behind it
	Authorizer   string // logical ID of the authorizer's function, empty for an open route
}

// Cors is how a preflight is answered; each value keeps the single quotes that API Gateway wants around it.
type Cors struct {
	AllowOrigin  string `yaml:"AllowOrigin"`
	AllowHeaders string `yaml:"AllowHeaders"`
	AllowMethods string `yaml:"AllowMethods"`
	MaxAge       string `yaml:"MaxAge"`
}

// GatewayResponse is what API Gateway itself answers. A StatusCode of 0 keeps the response type's own.
type GatewayResponse struct {
	StatusCode         int `yaml:"StatusCode"`
	ResponseParameters struct {
		Headers map[string]string `yaml:"Headers"`
	} `yaml:"ResponseParameters"`
	ResponseTemplates struct {
		JSON string `yaml:"application/json"`
	} `yaml:"ResponseTemplates"`
}

// The following types list the properties that are honoured. A field of type noEffect is known and changes nothing on a
// laptop; what is not listed is an error.

type noEffect = any

type apiProperties struct {
	StageName             string                     `yaml:"StageName"`
	Cors                  Cors                       `yaml:"Cors"`
	GatewayResponses      map[string]GatewayResponse `yaml:"GatewayResponses"`
	OpenApiVersion        noEffect                   `yaml:"OpenApiVersion"`
	EndpointConfiguration noEffect                   `yaml:"EndpointConfiguration"`
	MethodSettings        noEffect                   `yaml:"MethodSettings"`
	TracingEnabled        noEffect                   `yaml:"TracingEnabled"`
	AccessLogSetting      noEffect                   `yaml:"AccessLogSetting"`
	Description           noEffect                   `yaml:"Description"`
	Tags                  noEffect                   `yaml:"Tags"`
	Auth                  struct {
		DefaultAuthorizer                   string                   `yaml:"DefaultAuthorizer"`
		AddDefaultAuthorizerToCorsPreflight *bool                    `yaml:"AddDefaultAuthorizerToCorsPreflight"`
		Authorizers                         map[string]apiAuthorizer `yaml:"Authorizers"`
	} `yaml:"Auth"`
}

type apiAuthorizer struct {
	FunctionArn         string `yaml:"FunctionArn"`
	FunctionPayloadType string `yaml:"FunctionPayloadType"`
	Identity            struct {
		ReauthorizeEvery *int `yaml:"ReauthorizeEvery"`
	} `yaml:"Identity"`
}

type apiEvent struct {
	RestApiId string `yaml:"RestApiId"`
	Method    string `yaml:"Method"`
	Path      string `yaml:"Path"`
	Auth      struct {
		Authorizer string `yaml:"Authorizer"`
	} `yaml:"Auth"`
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
	Timeout int `yaml:"Timeout"`
	Events  map[string]struct {
		Type       string    `yaml:"Type"`
		Properties yaml.Node `yaml:"Properties"`
	} `yaml:"Events"`
}

type resource struct {
	Type       string    `yaml:"Type"`
	Properties yaml.Node `yaml:"Properties"`
}

// defaultTimeout is Lambda's own.
const defaultTimeout = 3 * time.Second

// LoadTemplate reads the SAM template at path. An unknown property of the API, its events, authorizers, gateway
// responses or of the table is an error that names it.
func LoadTemplate(path string) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	t, err := parseTemplate(text)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", path, err)
	}
	return t, nil
}

func parseTemplate(text []byte) (*Template, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	var parameters struct {
		Parameters map[string]struct {
			Default yaml.Node `yaml:"Default"`
		} `yaml:"Parameters"`
	}
	if err := root.Decode(&parameters); err != nil {
		return nil, err
	}
	defaults := make(map[string]*yaml.Node)
	for name, p := range parameters.Parameters {
		defaults[name] = &p.Default
	}
	resolve(&root, defaults)

	var document struct {
		Globals struct {
			Function struct {
				Timeout int `yaml:"Timeout"`
			} `yaml:"Function"`
			Api yaml.Node `yaml:"Api"`
		} `yaml:"Globals"`
		Resources yaml.Node `yaml:"Resources"`
	}
	if err := root.Decode(&document); err != nil {
		return nil, err
	}
	resources := make(map[string]resource)
	if err := document.Resources.Decode(&resources); err != nil {
		return nil, fmt.Errorf("resources: %w", err)
	}

	t := &Template{Timeouts: make(map[string]time.Duration)}
	var api apiProperties
	var apiID, tableID string
	if err := strict(&document.Globals.Api, "Globals.Api", &api); err != nil {
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
		case "AWS::ApiGateway::GatewayResponse", "AWS::Serverless::HttpApi":
			return nil, fmt.Errorf("resource %s: %s is not honoured by the local stack", id, r.Type)
		}
	}
	if apiID == "" || tableID == "" {
		return nil, errors.New("needs an AWS::Serverless::Api and an AWS::DynamoDB::Table")
	}
	t.Stage, t.Cors, t.Responses = api.StageName, api.Cors, api.GatewayResponses
	authorizers, err := api.authorizers(resources)
	if err != nil {
		return nil, fmt.Errorf("the API %s: Auth: %w", apiID, err)
	}

	// The mapping's nodes keep the order of the file, which a map does not.
	for i := 0; i+1 < len(document.Resources.Content); i += 2 {
		id := document.Resources.Content[i].Value
		if resources[id].Type != "AWS::Serverless::Function" {
			continue
		}
		properties := resources[id].Properties
		function := functionProperties{Timeout: document.Globals.Function.Timeout}
		if err := properties.Decode(&function); err != nil {
			return nil, fmt.Errorf("resource %s: Properties: %w", id, err)
		}
		t.Timeouts[id] = defaultTimeout
		if function.Timeout > 0 {
			t.Timeouts[id] = time.Duration(function.Timeout) * time.Second
		}
		for name, event := range function.Events {
			at := "Resources." + id + ".Properties.Events." + name
			if event.Type != "Api" {
				return nil, fmt.Errorf("%s: events of type %q are not honoured by the local stack", at, event.Type)
			}
			e := apiEvent{}
			e.Auth.Authorizer = api.Auth.DefaultAuthorizer
			if err := strict(&event.Properties, at+".Properties", &e); err != nil {
				return nil, err
			}
			if e.RestApiId != "!Ref "+apiID {
				return nil, fmt.Errorf("%s: RestApiId is not !Ref %s", at, apiID)
			}
			authorizer, known := authorizers[e.Auth.Authorizer]
			if !known {
				return nil, fmt.Errorf("%s: there is no authorizer %q", at, e.Auth.Authorizer)
			}
			t.Routes = append(t.Routes, Route{
				Method: strings.ToUpper(e.Method), Path: e.Path, Function: id, Authorizer: authorizer,
			})
		}
	}
	slices.SortFunc(t.Routes, func(a, b Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return t, nil
}

// authorizers maps the names that routes use to logical IDs of functions. NONE, and no name, are open.
func (api *apiProperties) authorizers(resources map[string]resource) (map[string]string, error) {
	functions := map[string]string{"": "", "NONE": ""}
	for name, a := range api.Auth.Authorizers {
		function, found := strings.CutSuffix(strings.TrimPrefix(a.FunctionArn, "!GetAtt "), ".Arn")
		if !found || resources[function].Type != "AWS::Serverless::Function" {
			return nil, fmt.Errorf("%s: FunctionArn %q is not !GetAtt of a function's Arn", name, a.FunctionArn)
		}
		if a.FunctionPayloadType != "REQUEST" {
			return nil, fmt.Errorf("%s: FunctionPayloadType is %q, only REQUEST is honoured", name, a.FunctionPayloadType)
		}
		// Left out, API Gateway would remember an answer for five minutes.
		if a.Identity.ReauthorizeEvery == nil || *a.Identity.ReauthorizeEvery != 0 {
			return nil, fmt.Errorf("%s: Identity.ReauthorizeEvery is not 0", name)
		}
		functions[name] = function
	}
	preflight := api.Auth.AddDefaultAuthorizerToCorsPreflight
	if api.Auth.DefaultAuthorizer != "" && (preflight == nil || *preflight) {
		return nil, errors.New("AddDefaultAuthorizerToCorsPreflight is not false")
	}
	return functions, nil
}

// resolve replaces the references to parameters by their defaults, and every other intrinsic function by its own text
// ("!GetAtt Table.Arn"), so that the rest is plain YAML.
func resolve(node *yaml.Node, defaults map[string]*yaml.Node) {
	for _, child := range node.Content {
		resolve(child, defaults)
	}
	if !strings.HasPrefix(node.Tag, "!") || strings.HasPrefix(node.Tag, "!!") {
		return
	}
	if value := defaults[node.Value]; node.Tag == "!Ref" && value != nil {
		*node = yaml.Node{Kind: value.Kind, Tag: value.Tag, Style: value.Style, Value: value.Value, Content: value.Content}
		return
	}
	*node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: node.Tag + " " + node.Value}
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
