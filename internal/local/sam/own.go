package sam

import (
	_ "embed"
	"fmt"
)

// own is a copy of template.yaml, because a file above the package cannot be embedded. A test compares
// the two, and make manual writes the copy.
//
//go:embed template.yaml
var own []byte

// Own reads the template that the program was built with, as [Load] does.
func Own(parameters map[string]string) (*Template, error) {
	t, err := parse(own, parameters)
	if err != nil {
		return nil, fmt.Errorf("the embedded template: %w", err)
	}
	return t, nil
}
