package sam

import (
	"errors"
	"fmt"
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
