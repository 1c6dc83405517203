package sam

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxEnvironment is the largest size of a function's variables, in bytes. Lambda refuses more.
const MaxEnvironment = 4 << 10

// unknownValue is the size that is assumed for a value that only AWS knows, such as an ARN.
const unknownValue = 128

// Environment has the variables of one function.
type Environment struct {
	// Values are the values by the names of the variables. A value that only AWS knows is a row of x.
	Values map[string]string
	// Parameters are the names of the parameters from which values come, by the names of the variables.
	Parameters map[string]string
}

// Environments returns the variables of each function, by the function's logical ID. Parameters that
// are not given have their defaults.
func Environments(parameters map[string]string) (map[string]Environment, error) {
	var d document
	if err := yaml.Unmarshal(own, &d); err != nil {
		return nil, fmt.Errorf("the embedded template: %w", err)
	}
	if err := d.set(parameters); err != nil {
		return nil, err
	}
	environments := make(map[string]Environment)
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
		e, err := d.environment(all)
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
		environments[id] = e
	}
	return environments, nil
}

// variables is the part of a function that has its variables.
type variables struct {
	Environment struct {
		Variables map[string]yaml.Node `yaml:"Variables"`
	} `yaml:"Environment"`
}

func (d document) environment(all map[string]yaml.Node) (Environment, error) {
	e := Environment{make(map[string]string), make(map[string]string)}
	for name, node := range all {
		value := &node
		for value.Tag == "!If" {
			branch, err := d.branch(value)
			if err != nil {
				return Environment{}, err
			}
			value = branch
		}
		if _, ok := d.Parameters[value.Value]; ok && value.Tag == "!Ref" {
			e.Parameters[name] = value.Value
		}
		if err := d.resolve(value); err != nil {
			return Environment{}, err
		}
		e.Values[name] = value.Value
		if strings.HasPrefix(value.Value, "!") {
			e.Values[name] = strings.Repeat("x", unknownValue)
		}
	}
	return e, nil
}

// Size returns the size of the variables in bytes, as the JSON that Lambda measures.
func (e Environment) Size() int {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(e.Values) // never fails for texts
	return len(strings.TrimSpace(text.String()))
}
