package sam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parameter is a parameter of the template, with the values that it allows.
type Parameter struct {
	Default     string   `yaml:"Default"`
	Description string   `yaml:"Description"`
	Type        string   `yaml:"Type"`
	Pattern     string   `yaml:"AllowedPattern"` // of the whole value, or of each part of a list
	Constraint  string   `yaml:"ConstraintDescription"`
	Values      []string `yaml:"AllowedValues"` // if empty, others decide
	Min         *int64   `yaml:"MinValue"`
	Max         *int64   `yaml:"MaxValue"`
}

// Parameters returns the parameters of the template that the program was built with, by their names.
func Parameters() (map[string]Parameter, error) {
	var d struct {
		Parameters map[string]Parameter `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(own, &d); err != nil {
		return nil, fmt.Errorf("the embedded template: %w", err)
	}
	return d.Parameters, nil
}

// Check returns nil if CloudFormation would accept the value. Otherwise the error says what is
// allowed.
func (p Parameter) Check(value string) error {
	switch {
	case len(p.Values) > 0 && !slices.Contains(p.Values, value):
		return fmt.Errorf("must be one of %s", strings.Join(p.Values, ", "))
	case p.Type == "Number":
		return p.checkNumber(value)
	case p.Pattern == "":
		return nil
	}
	pattern, err := regexp.Compile("^(?:" + p.Pattern + ")$")
	if err != nil {
		return fmt.Errorf("cannot be checked: %w", err)
	}
	parts := []string{value}
	if p.Type == "CommaDelimitedList" {
		parts = strings.Split(value, ",")
	}
	for _, part := range parts {
		if !pattern.MatchString(strings.TrimSpace(part)) && !pattern.MatchString(part) {
			if p.Constraint != "" {
				return errors.New(p.Constraint)
			}
			return errors.New("has another form: " + p.Description)
		}
	}
	return nil
}

func (p Parameter) checkNumber(value string) error {
	n, err := strconv.ParseInt(value, 10, 64)
	low, high := p.Min != nil && n < *p.Min, p.Max != nil && n > *p.Max
	switch {
	case err == nil && !low && !high:
		return nil
	case p.Max == nil && p.Min == nil:
		return errors.New("must be a whole number")
	case p.Max == nil:
		return fmt.Errorf("must be a whole number of at least %d", *p.Min)
	case p.Min == nil:
		return fmt.Errorf("must be a whole number of at most %d", *p.Max)
	}
	return fmt.Errorf("must be a whole number from %d to %d", *p.Min, *p.Max)
}

// MaxEnvironment is the largest size of a function's variables, in bytes. Lambda refuses more.
const MaxEnvironment = 4 << 10

// unknownValue is the size that is assumed for a value that only AWS knows, such as an ARN.
const unknownValue = 128

// Environments returns the size of each function's variables in bytes, as the JSON that Lambda
// measures, by the function's logical ID. Parameters that are not given have their defaults.
func Environments(parameters map[string]string) (map[string]int, error) {
	var d document
	if err := yaml.Unmarshal(own, &d); err != nil {
		return nil, fmt.Errorf("the embedded template: %w", err)
	}
	if err := d.set(parameters); err != nil {
		return nil, err
	}
	sizes := make(map[string]int)
	for id, r := range d.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		var f variables
		if err := r.Properties.Decode(&f); err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
		all := maps.Clone(d.Globals.Function.Environment.Variables)
		maps.Copy(all, f.Environment.Variables)
		size, err := d.size(all)
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
		sizes[id] = size
	}
	return sizes, nil
}

// variables is the part of a function that has its variables.
type variables struct {
	Environment struct {
		Variables map[string]yaml.Node `yaml:"Variables"`
	} `yaml:"Environment"`
}

func (d document) size(all map[string]yaml.Node) (int, error) {
	values := make(map[string]string)
	for name, node := range all {
		if err := d.resolve(&node); err != nil {
			return 0, err
		}
		values[name] = node.Value
		if strings.HasPrefix(node.Value, "!") {
			values[name] = strings.Repeat("x", unknownValue)
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(values); err != nil {
		return 0, err
	}
	return len(bytes.TrimSpace(text.Bytes())), nil
}
