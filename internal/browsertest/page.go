//go:build browser

package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Look is how a page is shown.
type Look struct {
	Width  int // CSS pixels
	Dark   bool
	Prefix string // of all paths, such as /prod for a stage
}

// The looks that every view is tested with.
var (
	Wide       = Look{Width: 1280}
	WideDark   = Look{Width: 1280, Dark: true, Prefix: "/prod"}
	Narrow     = Look{Width: 320, Prefix: "/prod"}
	NarrowDark = Look{Width: 320, Dark: true}
)

// Looks returns the looks that a view is tested in: all of them if pictures are taken. Otherwise there is
// one of each width, because [Page.Axe] judges the other shade too.
func Looks() []Look {
	if os.Getenv("SCREENSHOTS") != "" {
		return []Look{Wide, WideDark, Narrow, NarrowDark}
	}
	return []Look{WideDark, Narrow}
}

func (l Look) String() string {
	shade := "light"
	if l.Dark {
		shade = "dark"
	}
	return fmt.Sprintf("%d-%s", l.Width, shade)
}

// patience is how long a page may take for what a test expects.
const patience = 10 * time.Second

// Page is a tab of the browser with an origin of its own. Its methods fail the test if they do not
// succeed within ten seconds.
type Page struct {
	URL string // of the stack for this page, with the prefix and without a slash at its end

	t    testing.TB
	look Look
	ctx  context.Context

	mu       sync.Mutex
	fault    func(http.ResponseWriter, *http.Request) bool
	problems []string
	expected []string
}

// prelude runs in each document before the page's own scripts.
const prelude = `
addEventListener("securitypolicyviolation", (e) =>
	console.error("CSP violation", e.violatedDirective, e.blockedURI, e.sourceFile, e.lineNumber));
(() => {
	const now = Date.now.bind(Date);
	let ahead = 0;
	Date.now = () => now() + ahead;
	window.testAdvance = (ms) => { ahead += ms; };
})();`

// Open opens a path of the stack, such as console/, in a new tab.
func Open(t testing.TB, look Look, path string) *Page {
	t.Helper()
	p := &Page{t: t, look: look}
	target, err := url.Parse(running.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		fault := p.fault
		p.mu.Unlock()
		if fault == nil || !fault(w, r) {
			proxy.ServeHTTP(w, r)
		}
	})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix(look.Prefix, handler).ServeHTTP(staged{w, look.Prefix}, r)
	}))
	t.Cleanup(front.Close)
	p.URL = front.URL + look.Prefix

	ctx, cancel := chromedp.NewContext(running.browser, chromedp.WithNewBrowserContext())
	p.ctx = ctx
	t.Cleanup(func() {
		p.check()
		cancel()
	})
	if err := p.watch(ctx); err != nil {
		t.Fatal(err)
	}
	p.do(
		chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			_, err := cdp.Call(ctx, tab, page.AddScriptToEvaluateOnNewDocument,
				page.AddScriptToEvaluateOnNewDocumentParams{Source: prelude})
			return err
		}),
		chromedp.EmulateViewport(int64(look.Width), 800),
	)
	p.shade(look.Dark)
	p.Navigate(path)
	return p
}

// shade makes the device of the page prefer light or dark.
func (p *Page) shade(dark bool) {
	p.t.Helper()
	shade := "light"
	if dark {
		shade = "dark"
	}
	p.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		media := []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: shade}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media})
		return err
	}))
}

// watch collects what must not happen. A request that fails is none of it: the page must show it.
func (p *Page) watch(ctx context.Context) error {
	add := func(format string, args ...any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
	return chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			bad := e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning
			if bad && e.Entry.Source != log.EntrySourceNetwork {
				add("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			text := e.ExceptionDetails.Text
			if o := e.ExceptionDetails.Exception; o != nil {
				text += " " + o.Description
			}
			add("exception: %s", text)
		case *runtime.EventConsoleAPICalled:
			switch e.Type {
			case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert:
				var text []string
				for _, a := range e.Args {
					text = append(text, string(a.Value)+a.Description)
				}
				add("console: %s", strings.Join(text, " "))
			}
		}
	})
}

// Expect allows problems whose text contains part, such as a violation that the test provokes.
func (p *Page) Expect(part string) { p.expected = append(p.expected, part) }

// Problems returns what the page has done that must not happen, such as a violation of its
// Content-Security-Policy.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.problems...)
}

func (p *Page) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
problems:
	for _, problem := range p.problems {
		for _, part := range p.expected {
			if strings.Contains(problem, part) {
				continue problems
			}
		}
		p.t.Errorf("%s: %s", p.look, problem)
	}
}

// do runs actions, and fails the test if they take more than ten seconds.
func (p *Page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.look, err)
	}
}

// Fault makes f see each request of the page first. If f returns true, it has answered. If f is nil,
// the stack answers all.
func (p *Page) Fault(f func(w http.ResponseWriter, r *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Refuse makes requests whose method and path contain the texts fail with a status and an error. An
// empty text is contained in all. Each header is "Name: value". A status of 0 breaks the connection.
func (p *Page) Refuse(method, path string, status int, code, message string, headers ...string) {
	p.Fault(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.Method, method) || !strings.Contains(r.URL.Path, path) {
			return false
		}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"message":%q,"type":"api_error","param":null,"code":%q}}`, message, code)
		return true
	})
}

// Shot writes a picture of the whole page to the folder that SCREENSHOTS names, if it is set.
func (p *Page) Shot(name string) {
	p.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+"-"+p.look.String()+".png"), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Navigate opens another path of the stack in the tab.
func (p *Page) Navigate(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.URL + "/" + path))
}

// Beside opens any URL in another tab of the same profile, as another site that a person visits would
// be. What goes wrong there fails no test.
func (p *Page) Beside(address string) *Page {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	p.t.Cleanup(cancel)
	beside := &Page{URL: address, t: p.t, look: p.look, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		p.t.Fatal(err)
	}
	beside.do(chromedp.Navigate(address))
	return beside
}

// staged adds the stage to the address of a redirect. API Gateway tells its functions the stage, and
// the local stack has none.
type staged struct {
	http.ResponseWriter
	prefix string
}

func (s staged) WriteHeader(status int) {
	if at := s.Header().Get("Location"); strings.HasPrefix(at, "/") {
		s.Header().Set("Location", s.prefix+at)
	}
	s.ResponseWriter.WriteHeader(status)
}
