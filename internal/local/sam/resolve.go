package sam

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// resolver replaces intrinsic functions by plain YAML.
type resolver struct {
	parameters map[string]string
	conditions map[string]yaml.Node
}

// newResolver returns a resolver for the document. A parameter that is not given has its default.
func newResolver(d document, given map[string]string) (resolver, error) {
	r := resolver{maps.Clone(given), d.Conditions}
	if r.parameters == nil {
		r.parameters = make(map[string]string)
	}
	for name := range given {
		if _, known := d.Parameters[name]; !known {
			return resolver{}, fmt.Errorf("there is no parameter %s", name)
		}
	}
	for name, parameter := range d.Parameters {
		if _, ok := given[name]; !ok {
			r.parameters[name] = parameter.Default
		}
	}
	return r, nil
}

// resolve replaces each !Ref of a parameter by its value and each !If by one of its branches. It
// removes the properties and items that are AWS::NoValue. Any other intrinsic function becomes a
// text, such as "!GetAtt Table.Arn".
func (r resolver) resolve(node *yaml.Node) error {
	if node.Tag == "!If" {
		branch, err := r.branch(node)
		if err != nil {
			return err
		}
		*node = *branch
		return r.resolve(node)
	}
	size := 1
	if node.Kind == yaml.MappingNode {
		size = 2 // a name and its value
	}
	var content []*yaml.Node
	for item := range slices.Chunk(node.Content, size) {
		value := item[size-1]
		if err := r.resolve(value); err != nil {
			return err
		}
		if !isNoValue(value) {
			content = append(content, item...)
		}
	}
	node.Content = content
	if isNoValue(node) || !strings.HasPrefix(node.Tag, "!") || strings.HasPrefix(node.Tag, "!!") {
		return nil
	}
	text := node.Tag + " " + node.Value
	if value, ok := r.parameters[node.Value]; ok && node.Tag == "!Ref" {
		text = value
	}
	if node.Tag == "!Sub" {
		text = r.substitute(node.Value)
	}
	*node = yaml.Node{Kind: yaml.ScalarNode, Value: text}
	return nil
}

// isNoValue reports whether a property with this value is left out.
func isNoValue(node *yaml.Node) bool { return node.Tag == "!Ref" && node.Value == "AWS::NoValue" }

// substitute replaces the parameters in the text of a !Sub. If the text names anything else, it
// returns the whole !Sub unchanged.
func (r resolver) substitute(text string) string {
	complete := true
	done := os.Expand(text, func(name string) string {
		value, ok := r.parameters[name]
		complete = complete && ok
		return value
	})
	if !complete {
		return "!Sub " + text
	}
	return done
}

// branch returns the value of an !If.
func (r resolver) branch(node *yaml.Node) (*yaml.Node, error) {
	if len(node.Content) != 3 {
		return nil, fmt.Errorf("line %d: !If takes a condition and two values", node.Line)
	}
	holds, err := r.holds(node.Content[0].Value)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	if holds {
		return node.Content[1], nil
	}
	return node.Content[2], nil
}

// holds evaluates a condition, which must compare a parameter with a text:
//
//	!Equals [!Ref Parameter, text]
//	!Not [!Equals [!Ref Parameter, text]]
func (r resolver) holds(name string) (bool, error) {
	condition, want := r.conditions[name], true
	if condition.Tag == "!Not" && len(condition.Content) == 1 {
		condition, want = *condition.Content[0], false
	}
	if condition.Tag == "!Equals" && len(condition.Content) == 2 {
		left, right := condition.Content[0], condition.Content[1]
		value, ok := r.parameters[left.Value]
		if ok && left.Tag == "!Ref" && right.Kind == yaml.ScalarNode && strings.HasPrefix(right.Tag, "!!") {
			return (value == right.Value) == want, nil
		}
	}
	return false, fmt.Errorf("the condition %s does not compare a parameter with a text", name)
}
