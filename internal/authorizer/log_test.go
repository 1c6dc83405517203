package authorizer_test

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/docs/bill"
	"latchkey/internal/metrics"
)

// An operator finds out why a customer is refused by the key's id or by the address. Each line also
// says which route was asked, and by which ID the caller knows the response. It has no path and no
// query, because a caller may have put a token there.
func TestALineOfARefusalSaysWhichRequestItIsAbout(t *testing.T) {
	const event = `{"type":"REQUEST","methodArn":"arn:aws:execute-api:eu-central-1:123456789012:a1b2c3/prod/POST/v1/canary",
		"resource":"/{proxy+}","path":"/v1/canary","headers":{"X-API-Key":"sk_live_canary"},"queryStringParameters":{"q":"canary"},
		"requestContext":{"requestId":"canary","extendedRequestId":"UK1abcDEFghiJKL=","requestTimeEpoch":1795521600000,
		"identity":{"sourceIp":"203.0.113.7","userAgent":"canary"}}}`
	where := map[string]any{"method": "POST", "resource": "/{proxy+}", "sourceIp": "203.0.113.7", "extendedRequestId": "UK1abcDEFghiJKL="}
	ruled := func(o *admission.Options) { o.Routes = rules(t, "/a=b") }
	for _, c := range []struct {
		name  string
		judge *judge
		set   settings
		want  map[string]any
	}{
		{"a revoked key", says(apikey.CodeRevoked), nil, map[string]any{"code": "revoked_key", "keyId": "0123456789abcdef"}},
		{"a key at its limit", says(apikey.CodeRateLimited), nil, map[string]any{"code": "rate_limited", "keyId": "0123456789abcdef"}},
		{"a route without a rule", says(apikey.CodeValid), ruled, map[string]any{"code": "no_route_rule"}},
		{"a request that could not be judged", &judge{err: errors.New("no answer")}, nil, map[string]any{"code": "unavailable", "error": "no answer"}},
	} {
		var log bytes.Buffer
		a := newAuthorizer(t, c.judge, &log, c.set)
		_, _ = a.Invoke(t.Context(), []byte(event)) // it is refused
		var got map[string]any
		unmarshal(t, log.Bytes(), &got)
		for _, name := range []string{"time", "level", "msg"} {
			delete(got, name)
		}
		for name, value := range where {
			c.want[name] = value
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// CloudWatch charges for each byte of a line. The manual's bill counts refusals with this size.
func TestALineOfARefusalIsShort(t *testing.T) {
	var log bytes.Buffer
	handler := slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr})
	a := newAuthorizer(t, says(apikey.CodeAddressNotAllowed), &log, func(o *admission.Options) {
		// The handler of aws-lambda-go adds the last attribute to each line.
		o.Logger = metrics.Log(handler, "a-stack-with-a-name-authorizer").With("requestId", "7c1a9f0e-5b1d-4c1e-9a53-2f6d8f0b7a11")
	})
	_, _ = a.Invoke(t.Context(), []byte(`{"type":"REQUEST","methodArn":"arn:aws:execute-api:eu-central-1:123456789012:a1b2c3/prod/DELETE/x",
		"resource":"/api/v1/api-keys/{id}/credits","requestContext":{"extendedRequestId":"UK1abcDEFghiJKL=",
		"identity":{"sourceIp":"2001:db8:85a3:1234:5678:8a2e:370:7334"}}}`)) // it is refused
	t.Logf("%d bytes: %s", log.Len(), log.String())
	if log.Len() > bill.RefusalBytes {
		t.Errorf("the line has %d bytes, want at most %d: %s", log.Len(), bill.RefusalBytes, log.String())
	}
}
