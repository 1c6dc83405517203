package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlRecords reads the records of each YAML document in text. YAML includes JSON, except for its
// tabs.
func yamlRecords(text []byte, read func(*yaml.Node) ([]record, error)) (all []record, err error) {
	if json.Valid(text) {
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" "))
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		err := d.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, &NotKeysError{Problem: "it is not YAML" + lineOf(err)}
		}
		records, err := read(&document)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
}

// lineOf returns the line number in an error of the YAML package, or "". The error's text itself
// repeats the file.
func lineOf(err error) string {
	rest, _ := strings.CutPrefix(err.Error(), "yaml: line ")
	number, _, _ := strings.Cut(rest, ":")
	if line, err := strconv.Atoi(number); err == nil && line > 0 {
		return fmt.Sprintf(" from line %d on", line)
	}
	return ""
}

// decodeNode decodes a node. Its error does not repeat the node.
func decodeNode(node *yaml.Node, to any) error {
	if err := node.Decode(to); err != nil {
		problem := fmt.Sprintf("line %d has another form than such files have", max(node.Line, 1))
		return &NotKeysError{Problem: problem}
	}
	return nil
}

// decodeNodes decodes each node to an element of the result.
func decodeNodes[T any](nodes []yaml.Node) ([]T, error) {
	all := make([]T, len(nodes))
	for i := range nodes {
		if err := decodeNode(&nodes[i], &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// putToken sets the field key to the text of a node. A node with a tag such as !vault refers to a
// secret in another place.
func putToken(f fields, node *yaml.Node) error {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch {
	case node.Kind == 0 || node.Tag == "!!null":
		return wrong("key", "is missing; the file needs the whole token")
	case strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!"):
		return wrong("key", "is a reference to a secret in another place; write the secret itself")
	case node.Tag != "!!str":
		return wrong("key", "must be a text; put a number in quotes")
	}
	f.put("key", node.Value)
	return nil
}
