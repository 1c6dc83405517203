package httpapi_test

import "testing"

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
