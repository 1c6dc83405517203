package sam

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// rule is one entry of the section Rules, which CloudFormation checks before it creates anything.
type rule struct {
	Condition  yaml.Node `yaml:"RuleCondition"`
	Assertions []struct {
		Assert      yaml.Node `yaml:"Assert"`
		Description string    `yaml:"AssertDescription"`
	} `yaml:"Assertions"`
}

// CheckRules reports the first of the template's rules that parameters break, as CloudFormation would.
// Parameters that are not given have their defaults.
func CheckRules(parameters map[string]string) error {
	var d document
	if err := yaml.Unmarshal(own, &d); err != nil {
		return fmt.Errorf("the embedded template: %w", err)
	}
	if err := d.set(parameters); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(d.Rules)) {
		if err := d.keeps(d.Rules[name]); err != nil {
			return err
		}
	}
	return nil
}

// keeps returns the description of the first assertion of a rule that does not hold.
func (d document) keeps(r rule) error {
	if !r.Condition.IsZero() {
		if applies, err := d.evaluate(&r.Condition); err != nil || !applies {
			return err
		}
	}
	for _, a := range r.Assertions {
		held, err := d.evaluate(&a.Assert)
		if err != nil {
			return err
		}
		if !held {
			return errors.New(a.Description)
		}
	}
	return nil
}
