package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"latchkey/internal/api"
)

func TestATokenIsJSONAndPrintsRedacted(t *testing.T) {
	const canary = "canary-7Hq2mZ4xV9"
	var validate api.ValidateRequest
	var token api.TokenRequest
	var create api.CreateResponse
	var rotate api.RotateResponse
	for _, body := range []any{&validate, &token, &create, &rotate} {
		if err := json.Unmarshal([]byte(`{"key":"`+canary+`","apiKey":"`+canary+`"}`), body); err != nil {
			t.Fatal(err)
		}
		if text, err := json.Marshal(body); err != nil || !strings.Contains(string(text), `"`+canary+`"`) {
			t.Errorf("%T as JSON: %s, %v", body, text, err)
		}
	}
	for _, v := range []any{validate, &validate, token, create, create.Key, &create, rotate, struct{ inner any }{rotate}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("%T, printed as %s: %s", v, verb, text)
			}
		}
	}
}
