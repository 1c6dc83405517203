package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The bodies that carry tokens show them as JSON, and to no printer.
func TestATokenInABodyPrintsRedacted(t *testing.T) {
	const canary = "canary-7Hq2mZ4xV9"
	var validate validateInput
	var token tokenInput
	var create createOutput
	var rotate rotateOutput
	for _, body := range []any{&validate.Body, &token.Body, &create.Body, &rotate.Body} {
		if err := json.Unmarshal([]byte(`{"key":"`+canary+`","apiKey":"`+canary+`"}`), body); err != nil {
			t.Fatal(err)
		}
		if text, err := json.Marshal(body); err != nil || !strings.Contains(string(text), `"`+canary+`"`) {
			t.Errorf("%T as JSON: %s, %v", body, text, err)
		}
	}
	for _, v := range []any{validate, &validate, validate.Body, token, token.Body, create, create.Body.Key, &create, rotate, struct{ inner any }{rotate}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("%T, printed as %s: %s", v, verb, text)
			}
		}
	}
}
