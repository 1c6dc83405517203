package routes_test

import (
	"testing"

	"latchkey/internal/routes"
)

func TestTheMostSpecificRuleCounts(t *testing.T) {
	const some = "POST /tts/*=tts; POST /tts/admin=tts:admin;GET /v1/models=;* /files/*=files;GET /files/*=files:read;" +
		"/v1/*/speech=speech;/v1/audio/speech=audio;PUT /v1/*/speech/*=any:speech"
	for _, c := range []struct{ rules, method, path, want string }{
		{"", "GET", "/any/thing", ""},
		{some, "POST", "/tts/x", "tts"}, {some, "POST", "/tts/admin", "tts:admin"}, {some, "POST", "/tts", "refused"},
		{some, "GET", "/v1/models", ""}, {some, "GET", "/v1/models/", "refused"}, {some, "GET", "/tts/x", "refused"},
		{some, "PUT", "/files/a", "files"}, {some, "GET", "/files/a", "files:read"},
		{some, "GET", "/v1/video/speech", "speech"}, {some, "GET", "/v1/audio/speech", "audio"}, {some, "GET", "/v1/a/b/speech", "refused"},
		{some, "GET", "/v1//speech", "refused"}, {some, "PUT", "/v1/x/speech/y/z", "any:speech"}, {some, "GET", "/v1/x/speech/y", "refused"},
		{some, "GET", "/other", "refused"}, {some + ";*=", "GET", "/other", ""}, {some + ";*=base", "GET", "/other", "base"},
		{some + ";*=", "", "", "refused"},
		{some + ";*=", "POST", "/tts;v=1/x", "refused"}, {some + ";*=", "GET", "/x/..;/files/a", "refused"}, {some + ";*=", "GET", "/x/%2e%2e%3Bv/files/a", "refused"},
	} {
		rules, err := routes.Parse(c.rules)
		if err != nil {
			t.Fatal(err)
		}
		got, err := rules.Scope(c.method, c.path)
		if err != nil {
			got = "refused"
		}
		if got != c.want {
			t.Errorf("%s %s asks for %q, want %q", c.method, c.path, got, c.want)
		}
	}
}

func TestAWrongRuleIsRefused(t *testing.T) {
	for _, wrong := range []string{"POST /tts", "tts=tts", "GET POST /x=x", "/x*y=z", "=x", "/x=BAD", "/*x=y", "**=x", "/a/**=x",
		"GTE /x=tts", "ANY /x=tts", "GET /x=tts;get /x=", "/x*=tts;/x*="} {
		if _, err := routes.Parse(wrong); err == nil {
			t.Errorf("rule %q is accepted", wrong)
		}
	}
	for _, wrong := range []string{"health", "/a*b", "*", "/**"} {
		if _, err := routes.ParsePaths(wrong); err == nil {
			t.Errorf("path %q is accepted", wrong)
		}
	}
}

// A path that a backend could take for another one has no rule, and one that has
// a rule has it whatever its letters are.
func FuzzRules(f *testing.F) {
	rules, err := routes.Parse("/open/*=;*=closed")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"/open/x", "/open/../x", "/open/%2e%2e/x", "", "x", "/%", "/open//x", "/open/..;/x"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		scope, err := rules.Scope("GET", path)
		if err == nil && scope == "" && (len(path) < 6 || path[:6] != "/open/") {
			t.Errorf("%q is open", path)
		}
	})
}
