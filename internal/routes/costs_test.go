package routes_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"latchkey/internal/routes"
)

func costs(t testing.TB, text string) routes.Costs {
	t.Helper()
	rules, err := routes.ParseCosts(text)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestARequestCostsWhatItsRuleSays(t *testing.T) {
	const some = "POST /tts/*=5; POST /tts/free=0;GET /v1/models=0;* /files/*=3;GET /files/*=2;HEAD /ping=0;GET /ping=4;" +
		"/v1/*/speech=7;/v1/audio/speech=1000000;/caf%C3%A9=6;/end/=8;GET /report=9;GET /report.json=0"
	for _, c := range []struct {
		rules, method, path string
		want                int64
	}{
		{"", "GET", "/any/thing", 1}, {"", "GET", "/%zz", 1}, {";", "GET", "//", 1},
		{some, "POST", "/tts/x", 5}, {some, "post", "/tts/x", 5}, {some, "POST", "/tts/free", 0}, {some, "GET", "/tts/x", 1},
		{some, "POST", "/tts/fre%65", 0}, {some, "POST", "/tts/%66ree/x", 5}, {some, "POST", "/tts", 1},
		{some, "GET", "/v1/models", 0}, {some, "HEAD", "/v1/models", 0}, {some, "POST", "/v1/models", 1},
		{some, "PUT", "/files/a", 3}, {some, "GET", "/files/a", 2}, {some, "HEAD", "/files/a", 2},
		{some, "HEAD", "/ping", 0}, {some, "GET", "/ping", 4},
		{some, "GET", "/v1/video/speech", 7}, {some, "GET", "/v1/audio/speech", 1_000_000}, {some, "GET", "/v1/a/b/speech", 1},
		{some, "GET", "/caf%c3%a9", 6}, {some, "GET", "/café", 6}, {some, "GET", "/end/", 8}, {some, "GET", "/other", 1},
		{some, "GET", "/report", 9}, {some, "GET", "/report.json", 0},
		{some + ";*=0", "GET", "/other", 0}, {some + ";*=10", "GET", "/other", 10}, {some + ";*=10", "POST", "/tts/free", 0},

		// A path in another form is no cheaper than the path that a backend may take it for.
		{some, "POST", "/tts/Free", 5}, {some, "POST", "/tts/free/", 5}, {some, "POST", "/tts/free.json", 5},
		{some, "POST", "/TTS/x", 5}, {some, "POST", "/Tts/free", 5},
		{some, "GET", "/v1/models/", 1}, {some, "GET", "/v1/Models", 1}, {some, "GET", "/v1/models.json", 1},
		{some + ";*=0", "POST", "/TTS/x", 5}, {some + ";*=0", "GET", "/end", 8}, {some + ";*=0", "GET", "/CAF%C3%89", 6},
		{some, "GET", "/V1/Audio/Speech", 1_000_000}, {some, "GET", "/v1/audio/speech.xml", 1_000_000},
		{some, "GET", "/report.xml", 9}, {some, "GET", "/Report.json", 9},

		// If it could be any path, it costs as much as the dearest.
		{"POST /tts/*=5;GET /v1/models=0", "POST", "/x/../tts/y", 5}, {"POST /tts/*=5;GET /v1/models=0", "GET", "//v1/models", 1},
		{"POST /tts/*=5;*=0", "POST", "/x/%2e%2e/tts/y", 5}, {"POST /tts/*=5;*=0", "GET", "/x//y", 1}, {"GET /a=5;*=0", "HEAD", "/a;b", 5},
		{"/a=5", "GET", "/%zz", 5}, {"/a=5", "", "", 5},
	} {
		if got := costs(t, c.rules).Cost(c.method, c.path); got != c.want {
			t.Errorf("%s %s costs %d, want %d; the rules are %s", c.method, c.path, got, c.want, c.rules)
		}
	}
}

func TestAPathThatCanBeReadInTwoWaysIsNeverCheap(t *testing.T) {
	rules := costs(t, "GET /admin=7;POST /admin=5;/docs/*=0;/v1.0/models=0;*=0")
	for kind, paths := range readInTwoWays() {
		for _, path := range paths {
			for method, want := range map[string]int64{"GET": 7, "HEAD": 7, "POST": 5, "PUT": 1} {
				if got := rules.Cost(method, path); got != want {
					t.Errorf("%s: %s %s costs %d, want %d", kind, method, path, got, want)
				}
			}
		}
	}
}

// The same path has the same rule, whether the rules are about scopes or about costs.
func TestCostsAndScopesGoByTheSameRule(t *testing.T) {
	const patterns = "POST /tts/*;POST /tts/free;GET /v1/models;/files/*;GET /files/*;HEAD /ping;GET /ping;/v1/*/speech;/end/;/a.b;*"
	var scoped, priced []string
	for n, pattern := range strings.Split(patterns, ";") {
		scoped = append(scoped, fmt.Sprintf("%s=cost:%d", pattern, n+2))
		priced = append(priced, fmt.Sprintf("%s=%d", pattern, n+2))
	}
	scopes, err := routes.Parse(strings.Join(scoped, ";"))
	if err != nil {
		t.Fatal(err)
	}
	prices := costs(t, strings.Join(priced, ";"))
	agreed := 0
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "get"} {
		for _, path := range []string{
			"/", "/tts", "/tts/", "/tts/x", "/tts/free", "/tts/free/x", "/%74ts/free", "/tts/Free", "/v1/models", "/v1/models/",
			"/v1/x/speech", "/v1//speech", "/files/a.b", "/FILES/a", "/ping", "/ping.json", "/end/", "/end", "/a.b", "/a", "/a.b.c", "/x/../ping",
		} {
			scope, err := scopes.Scope(method, path)
			if err != nil {
				continue
			}
			agreed++
			if got := fmt.Sprintf("cost:%d", prices.Cost(method, path)); got != scope {
				t.Errorf("%s %s has %s by its scope, and %s by its cost", method, path, scope, got)
			}
		}
	}
	if agreed < 50 {
		t.Errorf("only %d paths have a scope", agreed)
	}
}

// The authorizer asks for the scope and the cost of each request.
func TestAskingForAScopeOrACostTakesNoMemory(t *testing.T) {
	scopes, err := routes.Parse("POST /tts/admin=tts:admin;POST /tts/*=tts;GET /v1/models=models;*=")
	if err != nil {
		t.Fatal(err)
	}
	rules := costs(t, "POST /tts/admin=9;POST /tts/*=5;GET /v1/models=0;/v1/*/speech=7;*=2")
	for _, path := range []string{"/v1/models", "/tts/x", "/other/path"} {
		if n := testing.AllocsPerRun(100, func() { rules.Cost("POST", path) }); n > 0 {
			t.Errorf("the cost of %s: %v allocations", path, n)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = scopes.Scope("POST", path) }); n > 0 {
			t.Errorf("the scope of %s: %v allocations", path, n)
		}
	}
}

func TestAWrongCostIsRefused(t *testing.T) {
	for wrong, says := range map[string]string{
		"POST /tts/*=": "whole number from 0 to 1000000", "POST /tts=-1": "whole number", "/a=1000001": "whole number", "/a=1.5": "whole number",
		"/a=+5": "whole number", "/a=0x5": "whole number", "/a=1e3": "whole number", "/a=five": "whole number", "/a=5=5": "whole number",
		"/a=99999999999999999999": "whole number", "/a=1_000": "whole number",
		"POST /tts": "METHOD /path=cost", "=5": "METHOD /path=cost", "GET POST /a=5": "METHOD /path=cost",
		"GTE /a=5": "method", "tts=5": "path", "/a/../b=5": "path", "/a*b=5": "path", "GET /a=5;get /a=6": "second rule", "*=1;*=1": "second rule",
	} {
		rule := wrong[strings.LastIndex(wrong, ";")+1:]
		if _, err := routes.ParseCosts(wrong); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), rule) {
			t.Errorf("%q: %v; want an error that names the rule and says %q", wrong, err, says)
		}
	}
}

// A path that the most lenient backend reads as an expensive one is expensive.
func FuzzCosts(f *testing.F) {
	rules := costs(f, "/closed=5;/closed/*=5;*=0")
	for _, path := range []string{"/closed", "/Closed/", "/%63losed", "/x/..;/closed", "/closed.json", "/closed%20", "/x", "", "/%", "/closed/a"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		at := strings.ToLower(backend(raw))
		if plain, err := url.PathUnescape(raw); err == nil && strings.HasPrefix(plain, "/closed/") {
			at = "/closed"
		}
		if cost := rules.Cost("GET", raw); cost < 5 && strings.TrimSuffix(at, "/") == "/closed" {
			t.Errorf("%q costs %d", raw, cost)
		}
	})
}
