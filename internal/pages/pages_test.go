package pages_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"latchkey/internal/pages"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' https://id.example.com; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

func newPages() http.Handler {
	files := fstest.MapFS{
		"index.html":    {Data: []byte("<h1>ü</h1>")},
		"app.js":        {Data: []byte("1")},
		"views/keys.js": {Data: []byte("2")},
		"style.css":     {Data: []byte("a{}")},
		"picture.svg":   {Data: []byte("<svg/>")},
		"secret":        {Data: []byte("canary")},
		"secret.key":    {Data: []byte("canary")},
	}
	return pages.New(pages.Options{Mount: "/a/console", Source: pages.Files(files), Connect: []string{"https://id.example.com"}})
}

// send sends a request whose path reaches the handler as it is.
func send(t *testing.T, h http.Handler, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	r.URL = &url.URL{Path: path}
	r.RequestURI = path
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func textOf(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestFilesAreServedByTheirNames(t *testing.T) {
	h := newPages()
	for _, c := range []struct {
		path   string
		status int
		kind   string
		text   string
	}{
		{"/a/console/", 200, "text/html; charset=utf-8", "<h1>ü</h1>"},
		{"/a/console/index.html", 200, "text/html; charset=utf-8", "<h1>ü</h1>"},
		{"/a/console/app.js", 200, "text/javascript; charset=utf-8", "1"},
		{"/a/console/views/keys.js", 200, "text/javascript; charset=utf-8", "2"},
		{"/a/console/style.css", 200, "text/css; charset=utf-8", "a{}"},
		{"/a/console/picture.svg", 200, "image/svg+xml", "<svg/>"},
		{"/a/console/views", 404, "", ""}, // a folder has no list
		{"/a/console/views/", 404, "", ""},
		{"/a/console/secret", 404, "", ""}, // a file without a type is none of a page
		{"/a/console/secret.key", 404, "", ""},
		{"/a/console//app.js", 404, "", ""},
		{"/a/console/./app.js", 404, "", ""},
		{"/a/console/views/../app.js", 404, "", ""},
		{"/a/console/../../../etc/passwd", 404, "", ""},
		{"/a/console/app.js/", 404, "", ""},
		{"/a/console/app.js\x00", 404, "", ""},
		{"/a/console/<script>alert(1)</script>", 404, "", ""},
		{"/a/console/🔑", 404, "", ""},
		{"/a/console/" + strings.Repeat("a/", 5000), 404, "", ""},
		{"/a/consoles", 404, "", ""},
		{"", 404, "", ""},
	} {
		r := send(t, h, "GET", c.path)
		text := textOf(t, r)
		if r.StatusCode != c.status || c.status == 200 && (r.Header.Get("Content-Type") != c.kind || text != c.text) {
			t.Errorf("%.40q: %d %q %.80q", c.path, r.StatusCode, r.Header.Get("Content-Type"), text)
		}
		if c.status == 404 && (r.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(text, "There is no such page") || strings.Contains(text, "script")) {
			t.Errorf("%.40q: %q %.200q", c.path, r.Header.Get("Content-Type"), text)
		}
	}
}

func TestEveryResponseHasTheSecurityHeaders(t *testing.T) {
	h := newPages()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/a/console/", 200}, {"HEAD", "/a/console/app.js", 200}, {"GET", "/a/console/nothing", 404},
		{"GET", "/a/console", 307}, {"POST", "/a/console/", 405}, {"DELETE", "/a/console/app.js", 405},
	} {
		r := send(t, h, c.method, c.path)
		if r.StatusCode != c.status {
			t.Errorf("%s %s: %d", c.method, c.path, r.StatusCode)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-cache",
			"Access-Control-Allow-Origin": "", "Set-Cookie": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", c.method, c.path, name, got, want)
			}
		}
	}
}

// A gateway may drop the slash at the end of a path, whether the browser sent it or not. The redirect
// leads to the same page below any stage and any base path, and never to itself.
func TestTheMountRedirectsToItsFirstPage(t *testing.T) {
	for _, c := range []struct{ asked, want string }{
		{"/a/console", "/a/console/index.html"},
		{"/a/console/", "/a/console/index.html"},
		{"/prod/a/console", "/prod/a/console/index.html"},
		{"/prod/a/console/", "/prod/a/console/index.html"},
		{"/prod/a/console//", "/prod/a/console/index.html"},
		{"/auth/v2/a/console/?x=1&y=a%2Fb", "/auth/v2/a/console/index.html?x=1&y=a%2Fb"},
		{"/a/console/a/console", "/a/console/a/console/index.html"},
		{"//evil.example.com/a/console", "/evil.example.com/a/console/index.html"},
		{`/\evil.example.com/a/console`, "/evil.example.com/a/console/index.html"},
		{"https://evil.example.com/a/console", "console/index.html"},
		{"", "console/index.html"},
		{"/x", "console/index.html"},
	} {
		r := httptest.NewRequest("GET", "/a/console", nil)
		r.RequestURI = c.asked
		w := httptest.NewRecorder()
		newPages().ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code != http.StatusTemporaryRedirect || got != c.want {
			t.Errorf("%q: %d to %q, want %q", c.asked, w.Code, got, c.want)
		}
		if strings.Contains(w.Body.String(), "evil") {
			t.Errorf("%q: the page has the caller's text: %s", c.asked, w.Body)
		}
	}
	if page := send(t, newPages(), "GET", "/a/console/index.html"); page.StatusCode != 200 {
		t.Errorf("the page that the redirect leads to: %d", page.StatusCode)
	}
}

func TestAPageThatIsUnchangedIsNotSentAgain(t *testing.T) {
	h := newPages()
	first := send(t, h, "GET", "/a/console/app.js")
	tag := first.Header.Get("ETag")
	if tag == "" || tag == send(t, h, "GET", "/a/console/style.css").Header.Get("ETag") {
		t.Fatalf("ETag %q", tag)
	}
	if r := send(t, h, "GET", "/a/console/app.js", "If-None-Match", tag); r.StatusCode != 304 || textOf(t, r) != "" || r.Header.Get("Content-Security-Policy") != policy {
		t.Errorf("with its ETag: %d %v", r.StatusCode, r.Header)
	}
	if r := send(t, h, "GET", "/a/console/app.js", "If-None-Match", `"another"`); r.StatusCode != 200 {
		t.Errorf("with another ETag: %d", r.StatusCode)
	}
}

func TestOrigins(t *testing.T) {
	got := pages.Origins([]string{
		"https://id.example.com", "https://id.example.com/realms/a", "http://127.0.0.1:8080/x", "https://[::1]:9/", "", "id.example.com",
		"/path", "https://", "%", "https://a.example;script-src", "https://a.example'", "https://*", "https://user@b.example/",
	})
	if want := []string{"https://id.example.com", "http://127.0.0.1:8080", "https://[::1]:9", "https://b.example"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
