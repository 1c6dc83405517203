package smoke

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"latchkey/internal/api"
)

// echoed checks what reaches the API at BackendUrl, which must be an [Echo].
type echoed struct {
	*run
	key  string // the header with the key
	base string // the path of BackendUrl
}

// below is the path of all requests that an Echo gets.
const below = "/latchkey-smoke/"

// echo makes a key and checks a backend with it.
func (r *run) echo() {
	user, scopes := "latchkey-smoke-"+rand.Text(), []string{"smoke:read", "smoke:write"}
	id, token, ok := r.createKey("a key", api.CreateRequest{UserID: &user, Fields: api.Fields{
		Scopes: &scopes, RateLimit: &api.LimitInput{Requests: 1000, Window: window},
	}})
	if !ok {
		return
	}
	e := &echoed{run: r, key: "X-API-Key: " + token}
	if e.arrives() {
		e.identity(user, id, strings.Join(scopes, " "))
		e.proof(user, id, strings.Join(scopes, " "))
		e.forgeries()
		e.paths()
		e.bodies()
		e.streams()
	} else {
		r.skip("all checks of the backend: BackendUrl leads to no latchkey echo")
	}
	r.assumption = passes
	r.remove("delete", id)
}

// ask sends a request with the key. The path is below the one of all requests.
func (e *echoed) ask(name, method, path string, body []byte, headers ...string) answer {
	a, response := e.open(e.ctx, name, method, below+path, body, append([]string{e.key}, headers...)...)
	if response == nil {
		return a
	}
	return e.whole(e.ctx, a, response)
}

func (a answer) received() (got Received) {
	_ = json.Unmarshal([]byte(a.body), &got) // an error leaves fields empty
	return got
}

// saw wants the backend to have received a value.
func saw(what, want string, of func(Received) string) expectation {
	return expectation{"the backend's " + what, want, func(a answer) (string, bool) {
		got := of(a.received())
		return got, got == want
	}}
}

// sawHeader wants the backend to have received exactly one value of a header. If want is empty, the
// header must not arrive.
func sawHeader(name, want string) expectation {
	return saw("header "+name, cmp.Or(want, "nothing"), func(g Received) string {
		return cmp.Or(strings.Join(g.Headers.Values(name), ", "), "nothing")
	})
}

// arrives reports whether BackendUrl leads to an Echo. It finds the path of BackendUrl.
func (e *echoed) arrives() bool {
	e.assumption = forwards
	a := e.ask("a request", http.MethodGet, "plain?x=1&y=a%20b", nil, "x-smoke-case: As It Is")
	got := a.received()
	base, found := strings.CutSuffix(got.Path, below+"plain")
	e.base = base
	e.expect(a, status(200), saw("server", echoName, func(g Received) string { return g.Server }),
		saw("method", http.MethodGet, func(g Received) string { return g.Method }))
	if got.Server != echoName {
		return false
	}
	e.check("a request: the backend's path", found, "…"+below+"plain", got.Path)
	e.expect(a, saw("query", "x=1&y=a+b", func(g Received) string {
		values, _ := url.ParseQuery(g.Query) // what can be read of it
		return values.Encode()
	}), sawHeader("X-Smoke-Case", "As It Is"))
	e.assumption = ownHost
	e.check("a request: the backend's host", got.Host != "" && got.Host != e.URL.Host, "the host of BackendUrl", got.Host)
	e.assumption = drops
	e.expect(e.ask("a request with Content-Encoding", http.MethodPost, "encoded", []byte("text"),
		"Content-Encoding: identity"), status(200), sawHeader("Content-Encoding", ""))
	return true
}

// identity checks the headers that say who the caller is.
func (e *echoed) identity(user, id, scopes string) {
	e.assumption = maps
	e.expect(e.ask("the caller", http.MethodGet, "caller", nil), status(200),
		sawHeader("X-User-Id", user), sawHeader("X-Key-Id", id), sawHeader("X-Scopes", scopes))
}

// forgeries sends headers that no client may send, in all forms that a server may take for them.
func (e *echoed) forgeries() {
	e.assumption = allHeaders
	forged := "smoke-" + rand.Text()
	for _, name := range []string{"X-User-Id", "X-Key-Id", "X-Scopes", "X-Latchkey-Assertion", "X-RateLimit-Limit"} {
		underscored := strings.ReplaceAll(name, "-", "_")
		for _, form := range []string{name, strings.ToLower(name), strings.ToUpper(name), underscored} {
			e.expect(e.ask("a client's "+form, http.MethodGet, "forged", nil, form+": "+forged), unseen(forged))
		}
	}
	e.assumption = wholePath
	for _, name := range []string{"X-Original-URL", "x_rewrite_url"} {
		e.expect(e.ask("a client's "+name, http.MethodGet, "rewritten", nil, name+": /"+forged), unseen("/"+forged))
	}
	e.assumption = oneMethod
	for _, name := range []string{
		"X-HTTP-Method-Override", "x-http-method-override", "X_HTTP_Method_Override", "X-HTTP-Method", "X-Method-Override",
	} {
		e.expect(e.ask("a client's "+name, http.MethodGet, "method", nil, name+": DELETE"), unseen("DELETE"))
	}
	e.expect(e.ask("a client's method in the query", http.MethodGet, "method?X-HTTP-Method-Override=DELETE", nil),
		unseen("DELETE"))
}

// unseen wants a request to be refused or, as good, the backend not to see a value in it.
func unseen(value string) expectation {
	return expectation{"outcome", "401, or a backend that does not see it", func(a answer) (string, bool) {
		if a.status == http.StatusUnauthorized {
			return "401", true
		}
		g := a.received()
		seen := g.Method == value || strings.Contains(g.Query, value)
		for _, values := range g.Headers {
			seen = seen || slices.Contains(values, value)
		}
		return "the backend sees it", g.Server == echoName && !seen
	}}
}

// paths checks that a backend gets the path that the authorizer has judged.
func (e *echoed) paths() {
	for _, p := range []struct {
		name, path string
		on         Assumption
	}{
		{"an escaped slash", "a%2Fb", wholePath},
		{"a slash at the end", "a/", wholePath},
		{"two slashes", "a//b", wholePath},
		{"escaped letters", "a%20%C3%BC", wholePath},
		{"wildcards", "a*b$c%3Fd", policies},
		{"a path of 600 characters", strings.Repeat("a", 600), policies},
	} {
		e.assumption = p.on
		want := e.base + below + p.path
		path := expectation{"the backend's path", want + ", or decoded", func(a answer) (string, bool) {
			got := a.received().Path
			wanted, _ := url.PathUnescape(want)
			decoded, err := url.PathUnescape(got)
			return got, err == nil && strings.TrimSuffix(decoded, "/") == strings.TrimSuffix(wanted, "/")
		}}
		e.expect(e.ask(p.name, http.MethodGet, p.path, nil), status(200), path)
	}
}

// bodies checks that bodies reach a backend byte by byte.
func (e *echoed) bodies() {
	e.assumption = bytesStay
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, b := range []struct{ name, kind, body string }{
		{"a text", "application/json", `{"text":"ü €"}`},
		{"all bytes", "application/octet-stream", strings.Repeat(string(all), 16)},
	} {
		sum := sha256.Sum256([]byte(b.body))
		e.expect(e.ask(b.name, http.MethodPost, "body", []byte(b.body), "Content-Type: "+b.kind), status(200),
			saw("hash of the body", hex.EncodeToString(sum[:]), func(g Received) string { return g.BodySHA256 }))
	}
}

// streams checks that the first part of an answer arrives before its end. The Echo sends the end only
// when another request asks for it, so no clock decides.
func (e *echoed) streams() {
	e.assumption = chunks
	id := rand.Text()
	a, response := e.open(e.ctx, "a stream", http.MethodGet, below+"stream?id="+id, nil, e.key)
	if response == nil {
		return
	}
	defer response.Body.Close()
	a.status = response.StatusCode
	lines := bufio.NewReader(io.LimitReader(response.Body, maxBody))
	first, err := lines.ReadString('\n')
	if err == nil {
		e.ask("release the stream", http.MethodPost, "release?id="+id, nil)
		a.body, err = lines.ReadString('\n')
	}
	if err != nil {
		a.body = err.Error()
	}
	e.expect(a, status(200))
	e.check("a stream: its parts", first == firstLine && a.body == lastLine, "the first before the last",
		strings.TrimSpace(first)+", then "+strings.TrimSpace(a.body))
}
