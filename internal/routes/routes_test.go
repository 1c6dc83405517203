package routes_test

import (
	"net/url"
	"path"
	"strings"
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

// What counts is the route that a backend will see, however it is written. Where
// backends differ about that, and the rules do, nobody gets past the stricter one.
func TestNoSpellingOfAPathGetsPastItsRule(t *testing.T) {
	const some = "POST /tts/admin=tts:admin;POST /tts/*=tts;GET /v1/models=models;HEAD /ping=ping;GET /ping=pong;/caf%C3%A9=cafe;/end/=end;*="
	rules, err := routes.Parse(some)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, want string }{
		{"POST", "/tts/admin", "tts:admin"}, {"POST", "/tts/%61dmin", "tts:admin"}, {"POST", "/tts/%61%64%6D%69%6e", "tts:admin"}, {"post", "/tts/admin", "tts:admin"},
		{"POST", "/tts/admin/", "refused"}, {"POST", "/tts/Admin", "refused"}, {"POST", "/TTS/admin", "refused"}, {"POST", "/tts/%41dmin", "refused"},
		{"POST", "/tts/admin;x", "refused"}, {"POST", "/tts/x/..;/admin", "refused"}, {"POST", "/tts/admin%0a", "refused"}, {"POST", "/tts/admin%00", "refused"},
		{"POST", "/tts/%E4", "tts"}, {"POST", "/tts/admin/x", "tts"}, {"POST", "/tts/a%20b", "tts"}, {"POST", "/tts/x/", "tts"}, {"POST", "/tts/", "tts"},
		{"POST", "/tts", ""}, {"POST", "/Tts/x", "refused"}, {"PUT", "/tts/admin", ""},
		{"GET", "/v1/%6dodels", "models"}, {"GET", "/v1/models/", "refused"}, {"HEAD", "/v1/models", "models"}, {"DELETE", "/v1/models", ""},
		{"HEAD", "/ping", "ping"}, {"GET", "/ping", "pong"}, {"GET", "/caf%c3%a9", "cafe"}, {"GET", "/café", "cafe"},
		{"GET", "/end/", "end"}, {"GET", "/end", "refused"}, {"GET", "/", ""}, {"GET", "/Other/", ""},
	} {
		got, err := rules.Scope(c.method, c.path)
		if err != nil {
			got = "refused"
		}
		if got != c.want {
			t.Errorf("%s %s asks for %q, want %q", c.method, c.path, got, c.want)
		}
	}
	public, err := routes.ParsePaths("/docs/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/docs/..;/admin", "/docs/%2e%2e;/admin", "/docs/x;/../admin", "/docs/%0a"} {
		if public.Cover("GET", path) {
			t.Errorf("%s is public", path)
		}
	}
}

func TestAWrongRuleIsRefused(t *testing.T) {
	for _, wrong := range []string{"POST /tts", "tts=tts", "GET POST /x=x", "/x*y=z", "=x", "/x=BAD", "/*x=y", "**=x", "/a/**=x",
		"GTE /x=tts", "ANY /x=tts", "GET /x=tts;get /x=", "/x*=tts;/x*=",
		"/%zz=x", "/a/../b=x", "//a=x", "/%2a=x", "/a/%2e%2e/*=x", "/x=y;/%78="} {
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
// a rule has it however it is written.
func FuzzRules(f *testing.F) {
	open, err := routes.Parse("/open/*=;*=closed")
	if err != nil {
		f.Fatal(err)
	}
	closed, err := routes.Parse("/closed=closed;*=")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"/open/x", "/open/../x", "/open/%2e%2e/x", "", "x", "/%", "/open//x", "/open/..;/x", "/%6fpen/x", "/Closed", "/%63losed/", "/x/..;/closed"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		scope, err := open.Scope("GET", raw)
		if err == nil && scope == "" && !strings.HasPrefix(backend(raw), "/open/") {
			t.Errorf("%q is open", raw)
		}
		if scope, err = closed.Scope("GET", raw); err == nil && scope == "" && strings.EqualFold(strings.TrimSuffix(backend(raw), "/"), "/closed") {
			t.Errorf("%q is not closed", raw)
		}
	})
}

// backend reads a path as the most lenient ones do.
func backend(raw string) string {
	plain, _ := url.PathUnescape(raw)
	plain = strings.ReplaceAll(plain, "\\", "/")
	segments := strings.Split(plain, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	lenient := path.Clean(strings.Join(segments, "/"))
	if strings.HasSuffix(plain, "/") && lenient != "/" {
		return lenient + "/"
	}
	return lenient
}
