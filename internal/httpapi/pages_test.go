package httpapi_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"latchkey/internal/httpapi"
	"latchkey/internal/pages"
	"latchkey/internal/registry"
)

// echo answers with the path and the query of a request, and with a header of its own.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/docs/panic" {
			panic("canary")
		}
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = io.WriteString(w, name+" "+r.URL.EscapedPath()+" "+r.URL.RawQuery)
	})
}

func newPages(t *testing.T) func(events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	h := httpapi.New(httpapi.Options{
		Registry: &registry.Registry{}, Now: time.Now, Logger: logger,
		Pages: map[string]http.Handler{"/docs": echo("docs"), "/latchkey/docs": echo("own")},
	})
	invoke := httpapi.Lambda(h, logger, "*", "/docs", "/latchkey/docs")
	return func(e events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
		e.RequestContext.Path = e.Path
		a, err := invoke(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

func TestPagesGetTheirPathWithoutStageAndBasePath(t *testing.T) {
	invoke := newPages(t)
	for _, c := range []struct{ resource, path, page, want string }{
		{"/docs", "/docs", "", "docs /docs "},
		{"/docs", "/docs/", "", "docs /docs/ "},
		{"/docs/{page+}", "/docs/a/b.html", "a/b.html", "docs /docs/a/b.html "},
		{"/docs/{page+}", "/docs/a/", "a/", "docs /docs/a/ "},
		{"/docs/{page+}", "/docs/..%2f..%2fetc", "..%2f..%2fetc", "docs /docs/..%2f..%2fetc "},
		{"/docs/{page+}", "/docs/../x", "../x", "docs /docs/../x "},
		{"/docs/{page+}", "/docs/a b?c#d", "a b?c#d", "docs /docs/a%20b%3Fc%23d "},
		{"/docs/{page+}", "/docs/%zz", "%zz", "docs /docs/%25zz "},
		{"/docs/{page+}", "/docs/🔑", "🔑", "docs /docs/%F0%9F%94%91 "},
		{"/latchkey/docs", "/latchkey/docs/", "", "own /latchkey/docs/ "},
		{"/latchkey/docs/{page+}", "/latchkey/docs/a", "a", "own /latchkey/docs/a "},
	} {
		for _, base := range []string{"", "/auth", "/docs", "/auth/v2"} {
			e := events.APIGatewayProxyRequest{HTTPMethod: "GET", Resource: c.resource, Path: base + c.path}
			if c.page != "" {
				e.PathParameters = map[string]string{"page": c.page}
			}
			if a := invoke(e); a.StatusCode != 200 || a.Body != c.want {
				t.Errorf("%s below %q: %d %q, want %q", c.path, base, a.StatusCode, a.Body, c.want)
			}
		}
	}
}

// The real pages of a folder, with the stage or the base path that the caller's path has.
func TestAFolderRedirectsBelowTheBasePath(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	folder := pages.New(pages.Options{Mount: "/latchkey/docs", Source: pages.Files(fstest.MapFS{"index.html": {Data: []byte("x")}})})
	invoke := httpapi.Lambda(httpapi.New(httpapi.Options{
		Registry: &registry.Registry{}, Now: time.Now, Logger: logger, Pages: map[string]http.Handler{"/latchkey/docs": folder},
	}), logger, "*", "/latchkey/docs")
	for _, base := range []string{"", "/prod", "/auth", "/auth/v2", "/latchkey/docs"} {
		for _, c := range []struct {
			path, asked, location string
			status                int
		}{
			{"/latchkey/docs", "/latchkey/docs", "/latchkey/docs/index.html", 307},
			{"/latchkey/docs", "/latchkey/docs/", "/latchkey/docs/index.html", 307}, // the slash is lost in the path
			{"/latchkey/docs/", "/latchkey/docs/", "", 200},
			{"/latchkey/docs/index.html", "/latchkey/docs/index.html", "", 200},
		} {
			e := events.APIGatewayProxyRequest{HTTPMethod: "GET", Resource: "/latchkey/docs", Path: base + c.path}
			if strings.HasSuffix(c.path, "html") {
				e.Resource, e.PathParameters = "/latchkey/docs/{page+}", map[string]string{"page": "index.html"}
			}
			e.RequestContext.Path = base + c.asked
			want := c.location
			if want != "" {
				want = base + want
			}
			a, err := invoke(t.Context(), e)
			if got := http.Header(a.MultiValueHeaders).Get("Location"); err != nil || a.StatusCode != c.status || got != want {
				t.Errorf("%s below %q: %d to %q, want %d to %q (%v)", c.asked, base, a.StatusCode, got, c.status, want, err)
			}
		}
	}
}

// An issuer sends people back to the console with values in the query, which no route of the API knows.
func TestPagesAnswerForThemselves(t *testing.T) {
	invoke := newPages(t)
	a := invoke(events.APIGatewayProxyRequest{
		HTTPMethod: "GET", Resource: "/docs", Path: "/docs/", MultiValueQueryStringParameters: map[string][]string{"code": {"a", "b"}},
	})
	if a.StatusCode != 200 || !strings.HasSuffix(a.Body, " code=a&code=b") {
		t.Errorf("%d %q", a.StatusCode, a.Body)
	}
	header := http.Header(a.MultiValueHeaders)
	if header.Get("Cache-Control") != "no-cache" || header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers %v", header)
	}
	if a := invoke(events.APIGatewayProxyRequest{HTTPMethod: "GET", Resource: "/docs/{page+}", Path: "/docs/panic", PathParameters: map[string]string{"page": "panic"}}); a.StatusCode != 500 || strings.Contains(a.Body, "canary") {
		t.Errorf("a panic: %d %s", a.StatusCode, a.Body)
	}
	for _, path := range []string{"/doc", "/docsx", "/docsx/a", "/latchkey", "/latchkey/", "/latchkey/api/v1/whoami", "/latchkey/latchkey/docs", "/latchkey/docsx"} {
		if a := invoke(events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: path}); a.StatusCode != 404 || !strings.Contains(a.Body, "not_found") {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.Body)
		}
	}
}

func TestTheDocumentNamesHealthWhereItIs(t *testing.T) {
	invoke := newPages(t)
	for _, c := range []struct{ path, server, health, not string }{
		{"/openapi.json", "/", "/health", "/latchkey/health"},
		{"/prod/openapi.json", "/prod", "/health", "/latchkey/health"},
		{"/latchkey/openapi.json", "/", "/latchkey/health", "/health"},
		{"/prod/latchkey/openapi.json", "/prod", "/latchkey/health", "/health"},
		{"/prod/latchkey/openapi.json/", "/prod", "/latchkey/health", "/health"},
	} {
		resource := strings.TrimSuffix(strings.TrimPrefix(c.path, "/prod"), "/")
		a := invoke(events.APIGatewayProxyRequest{HTTPMethod: "GET", Resource: resource, Path: c.path})
		var document struct {
			Servers []struct{ URL string }
			Paths   map[string]map[string]any
		}
		if err := json.Unmarshal([]byte(a.Body), &document); err != nil {
			t.Fatalf("%s: %d %v", c.path, a.StatusCode, err)
		}
		if document.Servers[0].URL != c.server || document.Paths[c.health]["get"] == nil || document.Paths[c.not] != nil {
			t.Errorf("%s: servers %v, %s %v, %s %v", c.path, document.Servers, c.health, document.Paths[c.health], c.not, document.Paths[c.not])
		}
		if len(document.Paths) < 20 || document.Paths["/api/v1/whoami"]["get"] == nil {
			t.Errorf("%s: %d paths", c.path, len(document.Paths))
		}
	}
}
