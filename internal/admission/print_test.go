package admission_test

import (
	"fmt"
	"strings"
	"testing"

	"latchkey/internal/admission"
)

// A request that is printed shows no token.
func TestNoTokenOfARequestIsPrinted(t *testing.T) {
	const token = "canary-7Hq2mZ4xV9"
	r := admission.Request{
		Headers: admission.HeadersOf(map[string][]string{"X-Api-Key": {token}, "Authorization": {"Bearer " + token}}),
		Query:   admission.QueryOf(map[string][]string{"api_key": {token}}),
	}
	if len(r.Headers.APIKey) != 1 || len(r.Headers.Authorization) != 1 || len(r.Query.APIKey) != 1 {
		t.Fatal("the request has no token")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{r, &r, []any{r.Headers}, r.Query} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%x", "canary")) {
				t.Errorf("%s shows a token: %s", verb, text)
			}
		}
	}
}
