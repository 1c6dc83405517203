package sam

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// set replaces the defaults of parameters. All other parameters keep theirs.
func (d document) set(parameters map[string]string) error {
	for name, value := range parameters {
		if _, known := d.Parameters[name]; !known {
			return fmt.Errorf("there is no parameter %s", name)
		}
		d.Parameters[name] = parameter{value}
	}
	return nil
}

// resolve replaces each !Ref of a parameter by its value and each !If by one of its branches. It
// removes the properties and items that are AWS::NoValue. Any other intrinsic function becomes a
// text, such as "!GetAtt Table.Arn".
func (d document) resolve(node *yaml.Node) error {
	if node.Tag == "!If" {
		branch, err := d.branch(node)
		if err != nil {
			return err
		}
		*node = *branch
		return d.resolve(node)
	}
	size := 1
	if node.Kind == yaml.MappingNode {
		size = 2 // a name and its value
	}
	var content []*yaml.Node
	for item := range slices.Chunk(node.Content, size) {
		value := item[size-1]
		if err := d.resolve(value); err != nil {
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
	if p, ok := d.Parameters[node.Value]; ok && node.Tag == "!Ref" {
		text = p.Default
	}
	if node.Tag == "!Sub" {
		text = d.substitute(node.Value)
	}
	*node = yaml.Node{Kind: yaml.ScalarNode, Value: text}
	return nil
}

// isNoValue reports whether a property with this value is left out.
func isNoValue(node *yaml.Node) bool { return node.Tag == "!Ref" && node.Value == "AWS::NoValue" }

// substitute replaces the parameters in the text of a !Sub. If the text names anything else, it
// returns the whole !Sub unchanged.
func (d document) substitute(text string) string {
	complete := true
	done := os.Expand(text, func(name string) string {
		p, ok := d.Parameters[name]
		complete = complete && ok
		return p.Default
	})
	if !complete {
		return "!Sub " + text
	}
	return done
}

// branch returns the value of an !If.
func (d document) branch(node *yaml.Node) (*yaml.Node, error) {
	if len(node.Content) != 3 {
		return nil, fmt.Errorf("line %d: !If takes a condition and two values", node.Line)
	}
	holds, err := d.holds(node.Content[0].Value)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	if holds {
		return node.Content[1], nil
	}
	return node.Content[2], nil
}

// holds evaluates a condition of the template by its name.
func (d document) holds(name string) (bool, error) {
	condition := d.Conditions[name]
	held, err := d.evaluate(&condition)
	if err != nil {
		return false, fmt.Errorf("the condition %s %w", name, err)
	}
	return held, nil
}

// evaluate evaluates an expression of a condition. Its innermost parts must compare a parameter with
// a text: !Equals [!Ref Parameter, text].
func (d document) evaluate(node *yaml.Node) (bool, error) {
	parts := node.Content
	switch {
	case node.Tag == "!Condition" && node.Kind == yaml.ScalarNode:
		return d.holds(node.Value)
	case node.Tag == "!Not" && len(parts) == 1:
		held, err := d.evaluate(parts[0])
		return !held, err
	case (node.Tag == "!And" || node.Tag == "!Or") && len(parts) > 1:
		all := node.Tag == "!And"
		result := all
		for _, part := range parts {
			held, err := d.evaluate(part)
			if err != nil {
				return false, err
			}
			if held != all {
				result = held
			}
		}
		return result, nil
	case node.Tag == "!Equals" && len(parts) == 2:
		left, right := parts[0], parts[1]
		p, ok := d.Parameters[left.Value]
		if ok && left.Tag == "!Ref" && right.Kind == yaml.ScalarNode && strings.HasPrefix(right.Tag, "!!") {
			return p.Default == right.Value, nil
		}
	}
	return false, errors.New("does not compare a parameter with a text")
}
