package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/smoke"
)

// detour is an API Gateway that differs in one thing. It changes requests before the local stack, or
// between the local stack and the backend. A nil function changes nothing.
type detour struct {
	fails string // a pattern of the names of the checks that must fail
	front func(*http.Request)
	back  func(*http.Request)
	// answer changes the backend's answer.
	answer      func(*http.Response)
	clientsHost bool // the backend gets the client's Host
}

// echoedStack is a local stack whose backend is an echo, with a detour before each of them.
type echoedStack struct {
	*stack
	now atomic.Pointer[detour]
}

func startEchoed(t *testing.T, variables ...string) *echoedStack {
	t.Helper()
	e := &echoedStack{}
	e.now.Store(&detour{})
	echo := httptest.NewServer(&smoke.Echo{})
	t.Cleanup(echo.Close)
	to, err := url.Parse(echo.URL)
	if err != nil {
		t.Fatal(err)
	}
	between := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = p.In.Host
			if back := e.now.Load().back; back != nil {
				back(p.Out)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if answer := e.now.Load().answer; answer != nil {
				answer(r)
			}
			return nil
		},
	})
	t.Cleanup(between.Close)
	e.stack = start(t, t.TempDir(), append(variables, "FRESHNESS=0", "LOG_LEVEL=ERROR", "BACKEND_URL="+between.URL+"/base")...)
	return e
}

// smokes runs the checks of the backend.
func (e *echoedStack) smokes(t *testing.T, d detour) map[string]bool {
	t.Helper()
	at := gateway{request: func(r *http.Request) {
		if d.front != nil {
			d.front(r)
		}
	}}.start(t, e.stack)
	if d.clientsHost {
		d.back = func(r *http.Request) { r.Host = at.Host }
	}
	e.now.Store(&d)
	checks, err := smokes(t.Context(), t, e.stack, at, func(o *smoke.Options) { o.Echo = true })
	if err != nil {
		t.Error(err)
	}
	return checks
}

// Each change of the way to a backend fails exactly its checks. Together, they fail every check of
// the backend.
func TestTheSmokeTestOfABackendCatchesEachDifference(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	s := startEchoed(t)
	clean := s.smokes(t, detour{})
	if len(differing(clean)) > 0 || len(clean) < 40 {
		t.Fatalf("%d checks, differ: %q\n%s", len(clean), differing(clean), s.log)
	}
	caught := make(map[string]bool)
	for name, d := range detours() {
		t.Run(name, func(t *testing.T) {
			found, expected := differing(s.smokes(t, d)), regexp.MustCompile("^("+d.fails+")$")
			if len(found) == 0 {
				t.Error("nothing differs")
			}
			for _, check := range found {
				caught[check] = true
				if !expected.MatchString(check) {
					t.Errorf("differs as well: %s", check)
				}
			}
		})
	}
	for _, check := range slices.Sorted(maps.Keys(clean)) {
		if !caught[check] && !regexp.MustCompile("^(create a key|the record of a key|a key|delete): ").MatchString(check) {
			t.Errorf("no change fails the check %q", check)
		}
	}
	s.hasNoSmokeKeys(t)
}

// smuggle hides a header from the authorizer, and restores it for the backend.
func smuggle(fails string, form *regexp.Regexp) detour {
	return detour{fails: fails,
		front: func(r *http.Request) {
			for name, values := range r.Header {
				if form.MatchString(name) {
					delete(r.Header, name)
					r.Header["Smuggled-"+strings.ReplaceAll(name, "_", "+")] = values
				}
			}
		},
		back: func(r *http.Request) {
			for name, values := range r.Header {
				if hidden, found := strings.CutPrefix(name, "Smuggled-"); found {
					delete(r.Header, name)
					r.Header[strings.ReplaceAll(hidden, "+", "_")] = values
				}
			}
		},
	}
}

// detours returns all changes by name.
func detours() map[string]detour {
	sets := func(fails, name, value string) detour {
		return detour{fails: fails, back: func(r *http.Request) { r.Header[name] = []string{value} }}
	}
	// repath changes the escaped path of a request to the backend.
	repath := func(fails, old, new string) detour {
		return detour{fails: fails, back: func(r *http.Request) {
			path := regexp.MustCompile(old).ReplaceAllString(r.URL.EscapedPath(), new)
			r.URL.Path, _ = url.PathUnescape(path)
			r.URL.RawPath = path
		}}
	}
	refusesPath := func(fails string, form *regexp.Regexp) detour {
		return detour{fails: fails, front: func(r *http.Request) {
			if form.MatchString(r.URL.EscapedPath()) {
				r.Header = http.Header{}
			}
		}}
	}
	return map[string]detour{
		"another user":           sets("the caller: the backend's header X-User-Id", "X-User-Id", "smoke"),
		"another key":            sets("the caller: the backend's header X-Key-Id", "X-Key-Id", "smoke"),
		"no assertion":           sets("the assertion: .*", "X-Latchkey-Assertion", "a.b.c"),
		"another limit":          sets("a limited request: the backend's header X-RateLimit-Limit", "X-Ratelimit-Limit", "7"),
		"no limit left":          sets("a limited request: the backend's X-RateLimit-Remaining", "X-Ratelimit-Remaining", "-"),
		"other scopes":           sets("the caller: the backend's header X-Scopes", "X-Scopes", "-"),
		"identity in two values": {fails: "the caller: the backend's header X-User-Id", back: func(r *http.Request) { r.Header.Add("X-User-Id", "smoke") }},
		"identity headers that the authorizer does not see": smuggle(
			"a client's (?i:x[-_](user|key)[-_]id|x[-_]scopes|x[-_]latchkey[-_]assertion|x[-_]ratelimit[-_]limit): outcome|the caller.*",
			regexp.MustCompile(`(?i)^X[-_](User|Key)[-_]Id$|^X[-_](Scopes|Latchkey[-_]Assertion|RateLimit[-_]Limit)$`)),
		"paths that the authorizer does not see":     smuggle("a client's (?i:x.(original|rewrite).url): outcome", regexp.MustCompile(`(?i)^X.(Original|Rewrite).URL$`)),
		"overrides that the authorizer does not see": smuggle("a client's (?i:x.*method.*): outcome", regexp.MustCompile(`(?i)^X.HTTP|^X.Method`)),
		"an override that takes effect": {fails: "a client's (?i:x-http-method-override): outcome", front: func(r *http.Request) {
			if method := r.Header.Get("X-HTTP-Method-Override"); method != "" {
				r.Method = method
				r.Header.Del("X-HTTP-Method-Override")
			}
		}},
		"a query that the authorizer does not see": {fails: "a client's method in the query: outcome",
			front: func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-HTTP", "Hidden", 1) },
			back:  func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "Hidden", "X-HTTP", 1) }},
		"the client's host":                  {fails: "a request: the backend's host", clientsHost: true},
		"Content-Encoding stays":             {fails: "a request with Content-Encoding: the backend's .*", back: func(r *http.Request) { r.Header.Set("Content-Encoding", "identity") }},
		"another method":                     {fails: "a request: the backend's method", back: func(r *http.Request) { r.Method = "PUT" }},
		"another query":                      {fails: "a request: the backend's query", back: func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "y=", "z=", 1) }},
		"headers that are lost":              {fails: "a request: the backend's header X-Smoke-Case", back: func(r *http.Request) { r.Header.Del("X-Smoke-Case") }},
		"another path":                       repath(".*: the backend's path", "plain$", "another"),
		"a letter at the end is another":     repath("a slash at the end: the backend's path", "/a$", "/b"),
		"two slashes become one":             repath("two slashes: the backend's path", "//", "/"),
		"escaped slashes stay escaped twice": repath("an escaped slash: the backend's path", "a/b$", "a%252Fb"),
		"letters are escaped twice":          repath("escaped letters: the backend's path", "%C3%BC", "%25C3%25BC"),
		"wildcards are lost":                 repath("wildcards: the backend's path", `%2A`, ""),
		"long paths are cut":                 repath("a path of 600 characters: the backend's path", "a{512,}", "aaa"),
		"exact ARNs":                         refusesPath("(wildcards|a path of 600 characters): .*", regexp.MustCompile(`\*|a{500}`)),
		"escaped paths are refused":          refusesPath("(an escaped slash|escaped letters|wildcards): .*", regexp.MustCompile("%")),
		"odd slashes are refused":            refusesPath("(two slashes|a slash at the end): .*", regexp.MustCompile("//|/$")),
		"bodies as text":                     {fails: "all bytes: the backend's hash of the body", back: rewrite(func(text string) string { return strings.ToValidUTF8(text, "\uFFFD") })},
		"bodies as ASCII":                    {fails: "(all bytes|a text): the backend's hash of the body", back: rewrite(strconv.QuoteToASCII)},
		"bodies are refused": {fails: "(all bytes|a text|a request with Content-Encoding): .*", front: func(r *http.Request) {
			if r.ContentLength > 0 && strings.Contains(r.URL.Path, "smoke") {
				r.Header = http.Header{}
			}
		}},
		"answers at their end": {fails: "a stream: its parts", answer: func(r *http.Response) {
			text, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(text))
		}},
		"streams are refused":   refusesPath("a stream: .*", regexp.MustCompile("/stream$")),
		"no caller is known":    refusesPath("the caller: .*", regexp.MustCompile("/caller$")),
		"another backend":       {fails: "a request: the backend's (server|method)", answer: func(r *http.Response) { setBody(r, `{}`) }},
		"a backend that is off": refusesPath("a request: (status|the backend's (server|method))", regexp.MustCompile("/plain$")),
	}
}

// rewrite changes the body of a request.
func rewrite(change func(string) string) func(*http.Request) {
	return func(r *http.Request) {
		if r.Body == nil {
			return
		}
		text, _ := io.ReadAll(r.Body)
		changed := change(string(text))
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
	}
}

// The echo answers with the undecoded path. A wrong address is an error of the command line.
func TestTheEchoCommand(t *testing.T) {
	p := command(t, nil, "echo", "--listen", "127.0.0.1:0")
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	at, found := strings.CutPrefix(strings.TrimSpace(line), "echo at ")
	if err != nil || !found {
		t.Fatalf("%q, %v", line, err)
	}
	r, err := http.Post(at+"/a%2Fb//c/?x=1", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var got smoke.Received
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Path != "/a%2Fb//c/" || got.Query != "x=1" || got.BodyBytes != 4 || got.Method != "POST" || got.Headers.Get("Content-Type") != "text/plain" {
		t.Errorf("%+v", got)
	}
	for _, wrong := range []string{"8080", "127.0.0.1:", ""} {
		if code, _, talk := cli(t, "", nil, "echo", "--listen", wrong); code != 2 || !strings.Contains(talk, "an address and a port") {
			t.Errorf("--listen %q: exit code %d, %s", wrong, code, talk)
		}
	}
}
