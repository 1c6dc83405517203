package routes_test

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

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
		{some, "GET", "/v1/video/speech", "speech"}, {some, "GET", "/v1/audio/speech", "audio"},
		{some, "GET", "/v1/a/b/speech", "refused"},
		{some, "GET", "/v1//speech", "refused"}, {some, "PUT", "/v1/x/speech/y/z", "any:speech"},
		{some, "GET", "/v1/x/speech/y", "refused"},
		{some, "GET", "/other", "refused"}, {some + ";*=", "GET", "/other", ""}, {some + ";*=base", "GET", "/other", "base"},
		{some + ";*=", "", "", "refused"},
		{some + ";*=", "POST", "/tts;v=1/x", "refused"}, {some + ";*=", "GET", "/x/..;/files/a", "refused"},
		{some + ";*=", "GET", "/x/%2e%2e%3Bv/files/a", "refused"},
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

// A rule applies to every spelling of its path that a backend reads as that path. If backends
// differ about a spelling, and the rules for the two paths differ, the path has no rule.
func TestNoSpellingOfAPathBypassesItsRule(t *testing.T) {
	const some = "POST /tts/admin=tts:admin;POST /tts/*=tts;GET /v1/models=models;HEAD /ping=ping;GET /ping=pong;/caf%C3%A9=cafe;/end/=end;*="
	rules, err := routes.Parse(some)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, want string }{
		{"POST", "/tts/admin", "tts:admin"}, {"POST", "/tts/%61dmin", "tts:admin"},
		{"POST", "/tts/%61%64%6D%69%6e", "tts:admin"}, {"post", "/tts/admin", "tts:admin"},
		{"POST", "/tts/admin/", "refused"}, {"POST", "/tts/Admin", "refused"}, {"POST", "/TTS/admin", "refused"},
		{"POST", "/tts/%41dmin", "refused"},
		{"POST", "/tts/admin;x", "refused"}, {"POST", "/tts/x/..;/admin", "refused"},
		{"POST", "/tts/admin%0a", "refused"}, {"POST", "/tts/admin%00", "refused"},
		{"POST", "/tts/%E4", "refused"}, {"POST", "/tts/%C3%A4", "tts"}, {"POST", "/tts/admin/x", "tts"},
		{"POST", "/tts/a%20b", "tts"}, {"POST", "/tts/x/", "tts"}, {"POST", "/tts/", "tts"},
		{"POST", "/tts", ""}, {"POST", "/Tts/x", "refused"}, {"PUT", "/tts/admin", ""},
		{"GET", "/v1/%6dodels", "models"}, {"GET", "/v1/models/", "refused"}, {"HEAD", "/v1/models", "models"},
		{"DELETE", "/v1/models", ""},
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

// readInTwoWays returns paths that some server could read as another path, by the kind of the fault.
func readInTwoWays() map[string][]string {
	return map[string][]string{
		"a dot at the end": {
			"/admin.", "/admin%2e", "/admin..", "/admin./", "/admin%2E/x", "/docs/..%2e/admin", "/docs/.../admin",
			"/docs/a./b",
		},
		"a space at an end": {
			"/admin%20", "/admin ", "/admin%20/x", "/%20admin", "/docs/..%20/admin", "/docs/.%20./admin%20",
			"/docs/%20../admin", "/docs/.. ./x", "/admin%09", "/admin%0b",
		},
		"a character that cannot be seen": {
			"/admin%00", "/admin%00.json", "/adm%07in", "/admin%0d%0aX:y", "/admin%7f", "/admin%c2%85",
			"/admin%c2%a0", "/%e2%80%8badmin", "/ad%c2%admin", "/admin%e2%80%8e",
			"/admin%e2%80%ae", "/admin%ef%bb%bf", "/admin%e3%80%80", "/admin%e2%80%a8", "/a%e1%9a%80b",
			"/admin%ee%80%80", "/admin%f3%a0%81%a1",
		},
		"no UTF-8": {
			"/docs/%c0%ae%c0%ae/admin", "/admin%c0%80", "/%c1%a1dmin", "/docs/%e0%80%ae/x", "/docs/%f0%80%80%ae/x",
			"/docs/%E4", "/admin%ff", "/docs/%ed%a0%80", "/docs/%f4%90%80%80", "/docs/a%c3",
		},
		"two escapes": {
			"/%2561dmin", "/docs/%252e%252e/admin", "/docs/..%252fadmin", "/docs/%25", "/docs/%u002e%u002e/admin",
			"/docs/%", "/docs/%2", "/docs/%zz", "/admin%2500",
		},
		"slashes": {
			"/docs/..%2fadmin", "/docs//admin", "//admin", "/docs/..\\admin", "/docs/..%5cadmin",
			"/docs/%5c..%5cadmin", "/docs/..;/admin", "/admin;x=y", "/admin%3bx", "/docs/../admin",
			"/docs/./admin", "/docs/%2e%2e/admin", "/docs/x/..", "/docs/%e2%88%95admin", "/docs/..%e2%81%84admin",
			"/docs/..%ef%bc%8fadmin", "/docs/..%ef%bc%bcadmin", "/docs/..%c2%a5admin",
		},
		"a query or a fragment": {"/admin%3fx", "/admin%23x", "/admin%3F", "/docs/..%3f/admin", "/docs/%23/../admin"},
		"a stream of a file":    {"/admin::$DATA", "/admin%3a%3a$DATA"},
		"compatible letters": {
			"/%ef%bd%81dmin", "/%ef%bc%a1%ef%bc%a4%ef%bc%ad%ef%bc%a9%ef%bc%ae", "/a%e1%b5%88min", "/%e2%93%90dmin",
			"/%f0%9d%90%9admin", "/admi%e2%81%bf", "/docs/%ef%bc%8e%ef%bc%8e/admin",
			"/docs/%e2%80%a4%e2%80%a4/admin", "/docs/%e2%80%a5/admin", "/%ef%ac%81le", "/docs/%e2%84%aa",
			"/docs/%c5%bf", "/docs/%c2%b2", "/docs/%e2%85%a0",
		},
		"a letter in two parts": {"/cafe%cc%81", "/docs/o%cc%88"},
		"other symbols": {
			"/docs/%e2%80%90", "/docs/%e2%80%99", "/docs/%f0%9f%98%80", "/admin%c2%b4", "/docs/%e2%80%b3",
		},
	}
}

// Backends read paths in different ways. A path that one could read as another path has no rule,
// and is not public.
func TestAPathThatCanBeReadInTwoWaysHasNoRule(t *testing.T) {
	rules, err := routes.Parse("/admin=admin;/v1.0/models=models;/caf%C3%A9=cafe;*=")
	if err != nil {
		t.Fatal(err)
	}
	public, err := routes.ParsePaths("/docs/*,/admin*,/caf*,/v1.0/*,/\u00fc*")
	if err != nil {
		t.Fatal(err)
	}
	for kind, paths := range readInTwoWays() {
		for _, path := range paths {
			for _, method := range []string{"GET", "POST", "HEAD"} {
				if scope, err := rules.Scope(method, path); err == nil {
					t.Errorf("%s: %s %s asks for %q, want no rule", kind, method, path, scope)
				}
				if public.Cover(method, path) {
					t.Errorf("%s: %s %s is public", kind, method, path)
				}
			}
		}
	}
	// Usual paths keep their rules.
	for path, want := range map[string]string{
		"/admin": "admin", "/v1.0/models": "models", "/caf%C3%A9": "cafe", "/a/b": "", "/.well-known/x": "",
		"/a%20b": "", "/a b/c": "", "/x.tar.gz": "", "/a:b": "", "/a,b": "", "/a@b.c": "",
		"/v1/x:predict": "", "/%E4%B8%AD%E6%96%87": "", "/%D0%BF%D1%83%D1%82%D1%8C": "", "/%E0%A4%B9%E0%A4%BF": "",
		"/o%27x": "", "/a+b": "", "/a=b&c": "", "/~a/-_.!*()": "", "/%C3%BCber": "", "/": "", "/a/": "",
		"/%ED%95%9C": "", "/%F0%A0%80%80": "", "/a$b": "", "/100%25": "refused",
	} {
		got, err := rules.Scope("GET", path)
		if err != nil {
			got = "refused"
		}
		if got != want {
			t.Errorf("%s asks for %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{
		"/docs/a b", "/docs/a%20b", "/docs/x.json", "/docs/", "/docs/%C3%BC", "/docs/.well-known",
	} {
		if !public.Cover("GET", path) {
			t.Errorf("%s is not public", path)
		}
	}
}

// Many frameworks answer /admin.json as /admin. A suffix must not bypass the stricter of the two
// rules.
func TestASuffixDoesNotBypassARule(t *testing.T) {
	rules, err := routes.Parse("GET /admin=admin;/v1.0/models=models;/users/*/keys=keys;/report.json=report;/report=all;/files/*=files;/files/secret=secret;/dir/=dir;/same=;*=")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/admin.json": "refused", "/admin.json/": "refused", "/ADMIN.JSON": "refused", "/admin.": "refused",
		"/admin.a.b": "refused", "/%61dmin.json": "refused", "/admin%2ejson": "refused", "/admin.;": "refused",
		"/v1.0/models.xml": "refused", "/v1.0/models": "models", "/v1": "", "/v1.0": "", "/v1.0/other.json": "",
		"/users/a.b/keys": "keys", "/users/a/keys.json": "refused", "/users/a.b/keys.json": "refused",
		"/report.json": "report", "/report": "all", "/report.xml": "refused", "/files/a.txt": "files",
		"/files/secret.txt": "refused", "/files/secrets.txt": "files", "/dir.json": "refused",
		"/adminx.json": "", "/admins": "", "/admin/x.json": "", "/other.json": "", "/.admin": "", "/same.json": "",
		"/admin.json/x": "",
	} {
		got, err := rules.Scope("GET", path)
		if err != nil {
			got = "refused"
		}
		if got != want {
			t.Errorf("%s asks for %q, want %q", path, got, want)
		}
	}
	if scope, err := rules.Scope("PUT", "/admin.json"); err != nil || scope != "" {
		t.Errorf("another method asks for %q, %v", scope, err)
	}
}

func TestAWrongRuleIsRefused(t *testing.T) {
	for _, wrong := range []string{"POST /tts", "tts=tts", "GET POST /x=x", "/x*y=z", "=x", "/x=BAD", "/*x=y", "**=x", "/a/**=x",
		"GTE /x=tts", "ANY /x=tts", "GET /x=tts;get /x=", "/x*=tts;/x*=",
		"/%zz=x", "/a/../b=x", "//a=x", "/a.=x", "/a%20=x", "/%EF%BD%81=x", "/a;b=x", "/a%3Fb=x", "/a%2Fb=x", "/a%25=x", "/%E4=x", "/a::b=x", "/./=x", "/%2a=x", "/a/%2e%2e/*=x", "/x=y;/%78="} {
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

// A path that a backend could read as another one has no rule. A path with a rule has it in every
// spelling.
func FuzzRules(f *testing.F) {
	open, err := routes.Parse("/open/*=;*=closed")
	if err != nil {
		f.Fatal(err)
	}
	closed, err := routes.Parse("/closed=closed;*=")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"/open/x", "/open/../x", "/open/%2e%2e/x", "", "x", "/%", "/open//x", "/open/..;/x", "/%6fpen/x", "/Closed", "/%63losed/", "/x/..;/closed", "/closed.json", "/closed%20",
		"/closed.", "/%EF%BD%83losed", "/closed%c2%a0", "/open/%c0%ae%c0%ae/x", "/open/..%20/x", "/%2563losed", "/closed%3fx", "/closed/.", "/closed%00"} {
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

// backend reads a path as the most lenient backends do.
func backend(raw string) string {
	plain, _ := url.PathUnescape(raw)
	if again, err := url.PathUnescape(plain); err == nil {
		plain = again
	}
	plain = norm.NFKC.String(strings.ToValidUTF8(plain, "."))
	plain, _, _ = strings.Cut(strings.ReplaceAll(plain, "\\", "/"), "?")
	plain, _, _ = strings.Cut(plain, "#")
	segments := strings.Split(plain, "/")
	for i, segment := range segments {
		segment, _, _ = strings.Cut(segment, ";")
		segment, _, _ = strings.Cut(segment, "::")
		segment = strings.TrimFunc(segment, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
		if shorter := strings.TrimRight(segment, ". "); shorter != "" {
			segment = shorter
		}
		segments[i] = segment
	}
	if name, _, _ := strings.Cut(segments[len(segments)-1], "."); name != "" {
		segments[len(segments)-1] = name // drop its suffix
	}
	lenient := path.Clean(strings.Join(segments, "/"))
	if strings.HasSuffix(plain, "/") && lenient != "/" {
		return lenient + "/"
	}
	return lenient
}

func BenchmarkScope(b *testing.B) {
	rules, err := routes.Parse("POST /tts/admin=tts:admin;POST /tts/*=tts;GET /v1/models=models;/v1/*/speech=speech;/files/*=files;*=")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rules.Scope("POST", "/v1/audio/transcriptions"); err != nil {
			b.Fatal(err)
		}
	}
}
