package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// Policy: the error for a request without a key may depend on its text, because no secret was
// judged. The error for a wrong, unknown or revoked key is always the same.
func TestARefusalSaysWhatToDoUnlessASecretWasJudged(t *testing.T) {
	s := newService(t)
	path, revoked, _ := s.made("")
	if a := s.send(s.root, "POST", path+"/revoke", ""); a.status != 200 {
		t.Fatal(a.text)
	}
	_, disabled, _ := s.made(`,"enabled":false`)
	other := s.send(s.root, "POST", keys, `{}`).json["key"].(string)
	const same = "Invalid or revoked API key"
	for _, c := range []struct{ key, code, text string }{
		{"", "missing_key", "Missing API key: apiKey is empty"},
		{" ", "missing_key", "Missing API key: apiKey is empty"},
		{"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MX0.c2lnbmF0dXJl", "missing_key",
			"Missing API key: apiKey holds a JSON Web Token, which is no API key. Only the routes that manage keys take one, as Authorization: Bearer"},
		{"a-key-of-somebody-else, another-key-of-theirs", "two_keys", "Two different API keys were sent: send one"},
		{"x", "malformed_key", same},
		{"a-key-of-somebody-else", "unknown_key", same},
		{other[:len(other)-1] + "_", "unknown_key", same},
		{revoked, "revoked_key", same},
		{disabled, "disabled_key", same},
	} {
		a := s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+c.key+`"}`)
		if a.json["code"] != c.code || a.json["error"] != c.text {
			t.Errorf("%s: %s, want %q", c.code, a.text, c.text)
		}
	}
	// Without an authorizer in front, the routes themselves say how to send a key.
	a := s.send(nil, "GET", "/api/v1/whoami", "")
	a.isError(t, "no caller", 401, "authorization")
	if want := "Missing API key: send it as X-API-Key or as Authorization: Bearer"; a.message() != want {
		t.Errorf("%q, want %q", a.message(), want)
	}
}

// An operator finds out why a customer is refused by the key's id or by the address. Each line also
// says which route was asked, and by which ID the caller knows the response. No line has the path,
// the query or a token.
func TestALineOfARefusalSaysWhichRequestItIsAbout(t *testing.T) {
	s := newService(t)
	path, token, _ := s.made("")
	id := strings.TrimPrefix(path, keys+"/")
	if a := s.send(s.root, "POST", path+"/revoke", ""); a.status != 200 {
		t.Fatal(a.text)
	}
	reader := s.caller("u1")
	for _, c := range []struct {
		name, resource string
		event          events.APIGatewayProxyRequest
		want           map[string]any
	}{
		{"validate refuses a key", keys + "/validate", events.APIGatewayProxyRequest{
			HTTPMethod: "POST", Path: keys + "/validate", Body: `{"apiKey":"` + token + `"}`,
		}, map[string]any{"status": 200.0, "code": "revoked_key", "keyId": id}},
		{"a caller may not do it", keys + "/{id}/revoke", events.APIGatewayProxyRequest{
			HTTPMethod: "POST", Path: path + "/revoke", RequestContext: events.APIGatewayProxyRequestContext{Authorizer: reader},
		}, map[string]any{"status": 403.0, "code": "insufficient_scope", "keyId": reader["keyId"]}},
		{"a caller without a key", "/api/v1/whoami", events.APIGatewayProxyRequest{
			HTTPMethod: "GET", Path: "/api/v1/whoami", MultiValueQueryStringParameters: map[string][]string{"api_key": {token}},
		}, map[string]any{"status": 401.0, "code": "missing_key"}},
	} {
		e := c.event
		e.MultiValueHeaders = map[string][]string{"Content-Type": {"application/json"}}
		e.RequestContext.HTTPMethod, e.RequestContext.ResourcePath = e.HTTPMethod, c.resource
		e.RequestContext.RequestID, e.RequestContext.ExtendedRequestID = "chosen-by-the-client", "UK1abcDEFghiJKL="
		e.RequestContext.Identity.SourceIP = "203.0.113.7"
		s.log.Reset()
		s.invoke(e)
		var got map[string]any
		if err := json.Unmarshal(s.log.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v: %s", c.name, err, s.log.String())
		}
		if got["level"] == "DEBUG" {
			t.Errorf("%s: nobody sees the line", c.name)
		}
		for _, name := range []string{"time", "level", "msg"} {
			delete(got, name)
		}
		c.want["method"], c.want["resource"] = e.HTTPMethod, c.resource
		c.want["sourceIp"], c.want["extendedRequestId"] = "203.0.113.7", "UK1abcDEFghiJKL="
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	s.log.Reset()
	_, valid, _ := s.made("")
	s.log.Reset()
	if s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+valid+`"}`); !strings.Contains(s.log.String(), `"DEBUG"`) {
		t.Errorf("a key that passes costs a line: %s", s.log.String())
	}
}
