package api_test

import (
	"encoding/json"
	"fmt"

	"latchkey/internal/api"
)

// The zero value of a member omits it, and null clears the field.
func ExamplePatch() {
	text, err := json.Marshal(api.Patch{Name: api.Set("ci"), ExpiresAt: api.Null[string]()})
	fmt.Println(string(text), err)
	// Output: {"name":"ci","expiresAt":null} <nil>
}
