// Package pages serves web pages and their files: the console and the manual. Call [New].
//
// Every response has the same security headers. They allow scripts and styles from files of the
// same origin alone, so a text in a page can never run.
package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// Page is one page, or one file that a page loads. Its body must be UTF-8, because a Lambda function
// answers in JSON.
type Page struct {
	Type string // the value of Content-Type
	Body []byte
}

// Source returns the page with a name such as "index.html" or "views/keys.js". It reports false if
// there is no such page. It must be safe for concurrent use. A name never has an empty segment, "."
// or "..".
type Source func(name string) (Page, bool)

// Options configure the pages of one folder.
type Options struct {
	// Mount is the path of the folder, such as /console.
	Mount string
	// Source has the pages. The page index.html is the folder's own.
	Source Source
	// Connect are origins, such as https://id.example.com, that scripts may speak to. They may always
	// speak to the pages' own origin.
	Connect []string
}

// New returns a handler of all paths at and below a mount. It is safe for concurrent use.
//
// It redirects from the mount to the page index.html below it. RequestURI must be the path as the
// caller sent it, with a stage or the base path of a custom domain before the mount. A gateway may drop
// the slash at the end of a path, so a redirect to a path with such a slash might have no end.
func New(o Options) http.Handler {
	policy := contentSecurityPolicy(o.Connect)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header(), policy)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "A page can only be read", "./")
			return
		}
		name, below := strings.CutPrefix(r.URL.Path, o.Mount+"/")
		if !below && r.URL.Path == o.Mount {
			// The address is not in the page, because it is the caller's text.
			w.Header().Set("Location", first(r.RequestURI, o.Mount))
			refuse(w, http.StatusTemporaryRedirect, "The page is one folder below", path.Base(o.Mount)+"/")
			return
		}
		if name == "" {
			name = "index.html"
		}
		page, ok := Page{}, below && fs.ValidPath(name)
		if ok {
			page, ok = o.Source(name)
		}
		if !ok {
			refuse(w, http.StatusNotFound, "There is no such page", "./"+strings.Repeat("../", strings.Count(name, "/")))
			return
		}
		w.Header().Set("Content-Type", page.Type)
		w.Header().Set("ETag", tagOf(page.Body))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(page.Body))
	})
}

// first returns the address of index.html below a mount. uri is what the caller asked for: the mount
// with or without a slash at its end, and a query that stays. If it is anything else, the address
// is relative.
func first(uri, mount string) string {
	at, query, found := strings.Cut(uri, "?")
	before, ok := strings.CutSuffix(strings.TrimRight(at, "/"), mount)
	// With two slashes at its beginning, the address would be on another host.
	before = strings.TrimLeft(before, "/\\")
	if before != "" {
		before = "/" + before
	}
	address := before + mount + "/index.html"
	if !ok || !strings.HasPrefix(at, "/") {
		address = path.Base(mount) + "/index.html"
	}
	if found {
		address += "?" + query
	}
	return address
}

// setHeaders sets the headers that every response has. A browser asks before it uses a stored page
// again, so a new version takes effect at once.
func setHeaders(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
}

func contentSecurityPolicy(connect []string) string {
	return strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
		"connect-src " + strings.Join(append([]string{"'self'"}, connect...), " "),
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
	}, "; ")
}

func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// refuse answers with a small page. text is a constant, because it is not escaped. home is the
// relative URL of the page that a person can go on with.
func refuse(w http.ResponseWriter, status int, text, home string) {
	w.Header().Set("Content-Type", htmlType)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"+
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"+
		"<meta name=\"color-scheme\" content=\"light dark\">\n"+
		"<title>%[1]s</title>\n<h1>%[1]s</h1>\n<p><a href=\"%[2]s\">Go to the first page</a></p>\n</html>\n", text, home)
}
