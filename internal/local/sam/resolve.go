package sam

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// resolver knows what a template's parameters and conditions are when nobody says otherwise.
type resolver struct {
	parameters map[string]*yaml.Node // their defaults
	conditions map[string]*yaml.Node
}

func newResolver(root *yaml.Node, given map[string]string) (resolver, error) {
	var document struct {
		Parameters map[string]struct {
			Default yaml.Node `yaml:"Default"`
		} `yaml:"Parameters"`
		Conditions map[string]yaml.Node `yaml:"Conditions"`
	}
	if err := root.Decode(&document); err != nil {
		return resolver{}, err
	}
	r := resolver{make(map[string]*yaml.Node), make(map[string]*yaml.Node)}
	for name, p := range document.Parameters {
		r.parameters[name] = &p.Default
		if value, ok := given[name]; ok {
			r.parameters[name] = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
			delete(given, name)
		}
	}
	for name := range given {
		return resolver{}, fmt.Errorf("there is no parameter %s", name)
	}
	for name, c := range document.Conditions {
		r.conditions[name] = &c
	}
	return r, nil
}

// resolve replaces references to parameters by their defaults, each !If by the branch that is taken, and every other
// intrinsic function by its own text ("!GetAtt Table.Arn"), so that the rest is plain YAML.
func (r resolver) resolve(node *yaml.Node) error {
	if node.Tag == "!If" {
		branch, err := r.branch(node)
		if err != nil {
			return err
		}
		*node = *branch
		return r.resolve(node)
	}
	step := 1
	if node.Kind == yaml.MappingNode {
		step = 2
	}
	kept := node.Content[:0]
	for i := 0; i+step <= len(node.Content); i += step {
		item := node.Content[i : i+step]
		if err := r.resolve(item[step-1]); err != nil {
			return err
		}
		if !isNoValue(item[step-1]) {
			kept = append(kept, item...)
		}
	}
	node.Content = kept
	if !strings.HasPrefix(node.Tag, "!") || strings.HasPrefix(node.Tag, "!!") || isNoValue(node) {
		return nil
	}
	if value := r.parameters[node.Value]; node.Tag == "!Ref" && value != nil {
		*node = yaml.Node{Kind: value.Kind, Tag: value.Tag, Style: value.Style, Value: value.Value, Content: value.Content}
		return nil
	}
	text := node.Tag + " " + node.Value
	if node.Tag == "!Sub" {
		text = r.substitute(node.Value)
	}
	*node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text}
	return nil
}

var substitution = regexp.MustCompile(`\$\{([A-Za-z0-9]+)\}`)

// substitute puts parameters into the text of a !Sub. With anything else in it, it
// stays as it is.
func (r resolver) substitute(text string) string {
	done := substitution.ReplaceAllStringFunc(text, func(match string) string {
		if value := r.parameters[match[2:len(match)-1]]; value != nil {
			return value.Value
		}
		return match
	})
	if strings.Contains(done, "${") {
		return "!Sub " + text
	}
	return done
}

// isNoValue says whether node is what takes a property out.
func isNoValue(node *yaml.Node) bool { return node.Tag == "!Ref" && node.Value == "AWS::NoValue" }

func (r resolver) branch(node *yaml.Node) (*yaml.Node, error) {
	if len(node.Content) != 3 {
		return nil, fmt.Errorf("line %d: !If takes a condition and two values", node.Line)
	}
	holds, err := r.holds(&yaml.Node{Tag: "!Condition", Value: node.Content[0].Value, Line: node.Line})
	if err != nil {
		return nil, err
	}
	if holds {
		return node.Content[1], nil
	}
	return node.Content[2], nil
}

// holds evaluates a condition. Only what parameters decide is honoured.
func (r resolver) holds(condition *yaml.Node) (bool, error) {
	switch {
	case condition.Tag == "!Condition" && r.conditions[condition.Value] != nil:
		return r.holds(r.conditions[condition.Value])
	case condition.Tag == "!Not" && len(condition.Content) == 1:
		holds, err := r.holds(condition.Content[0])
		return !holds, err
	case condition.Tag == "!Equals" && len(condition.Content) == 2:
		var values [2]string
		for i, side := range condition.Content {
			if value := r.parameters[side.Value]; side.Tag == "!Ref" && value != nil {
				side = value
			}
			if side.Kind != yaml.ScalarNode || !strings.HasPrefix(side.Tag, "!!") {
				return false, fmt.Errorf("line %d: %s %s in a condition is not honoured by the local stack", condition.Line, side.Tag, side.Value)
			}
			values[i] = side.Value
		}
		return values[0] == values[1], nil
	case condition.Tag == "!And", condition.Tag == "!Or":
		for _, part := range condition.Content {
			holds, err := r.holds(part)
			if err != nil || holds == (condition.Tag == "!Or") {
				return holds, err
			}
		}
		return condition.Tag == "!And", nil
	}
	return false, fmt.Errorf("line %d: the condition %s %s is not honoured by the local stack", condition.Line, condition.Tag, condition.Value)
}
