// Package httpapitest checks bodies against the OpenAPI document, for tests.
package httpapitest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schemas are the JSON schemas of an OpenAPI 3.1 document.
type Schemas struct{ compiler *jsonschema.Compiler }

const documentURL = "https://latchkey.example/openapi.json"

// NewSchemas reads a document.
func NewSchemas(document []byte) (*Schemas, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return &Schemas{c}, c.AddResource(documentURL, parsed)
}

// Fits returns an error if a JSON body is not of the schema at a place of the document, which is named by the keys
// that lead there.
func (s *Schemas) Fits(body []byte, place ...string) error {
	var at strings.Builder
	for _, key := range place {
		at.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(key))
	}
	schema, err := s.compiler.Compile(documentURL + "#" + at.String())
	if err != nil {
		return fmt.Errorf("read the schema %s: %w", at.String(), err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	return schema.Validate(value)
}
