package authorizer_test

import (
	"bytes"
	"strings"
	"testing"

	"latchkey/internal/apikey"
)

// Policy: API Gateway has one answer for all refusals, so the log alone says why a request has no key.
func TestTheLogSaysWhyThereIsNoKey(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
	for _, c := range []struct{ headers, why string }{
		{``, "no key was sent"},
		{`"X-API-Key":[""]`, "no key was sent"},
		{`"Authorization":["Basic dXNlcjpwYXNz"]`, "Authorization has another scheme than Bearer"},
		{`"authorization":["Token sk_live_x"]`, "Authorization has another scheme than Bearer"},
		{`"Authorization":["AWS4-HMAC-SHA256 Credential=x"]`, "Authorization has another scheme than Bearer"},
		{`"Authorization":["Bearer"]`, "Authorization has the scheme Bearer and no key"},
		{`"Authorization":["Bearer  "]`, "Authorization has the scheme Bearer and no key"},
		{`"Authorization":["Bearer ` + jwt + `"]`, "Authorization has a JSON Web Token, which is no key, and no user may come with one here"},
		{`"X-API-Key":["` + jwt + `"]`, "X-API-Key or Api-Key has a JSON Web Token, which is no key"},
	} {
		var log bytes.Buffer
		event := `{"type":"REQUEST","methodArn":"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/v1/models","multiValueHeaders":{` + c.headers + `}}`
		a := newAuthorizer(t, &judge{verdict: apikey.Verdict{Code: apikey.CodeMissing}}, &log, nil)
		if _, err := a.Invoke(t.Context(), []byte(event)); err == nil || err.Error() != "Unauthorized" {
			t.Errorf("%s: %v", c.headers, err)
		}
		if !strings.Contains(log.String(), `"why":"`+c.why+`"`) || strings.Contains(log.String(), "eyJ") || strings.Contains(log.String(), "dXNl") {
			t.Errorf("%s: %s, want %q", c.headers, log.String(), c.why)
		}
	}
}
