package manual_test

import (
	"bytes"
	"encoding/json"
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"latchkey/internal/console"
	"latchkey/internal/docs"
	"latchkey/internal/manual"
)

// newManualAt returns the manual below a prefix.
func newManualAt(prefix string) http.Handler {
	return manual.New(manual.Options{Prefix: prefix, Text: docs.Files, Libraries: console.Libraries()})
}

func newManual() http.Handler { return newManualAt("") }

// get returns what a page of the manual answers.
func get(t testing.TB, h http.Handler, at string) (status int, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", at, nil))
	if kind := w.Header().Get("Content-Type"); w.Code == 200 && strings.Contains(w.Body.String(), "<html") && kind != "text/html; charset=utf-8" {
		t.Errorf("%s has the type %q", at, kind)
	}
	return w.Code, w.Body.String()
}

// pageOf is the path at which a Markdown file is served.
func pageOf(file string) string {
	switch name := strings.TrimSuffix(file, ".md"); name {
	case "index":
		return "/docs/"
	case "api":
		return "/docs/http-api"
	default:
		return "/docs/" + name
	}
}

// all returns the text of each page of the manual by its path.
func all(t testing.TB, h http.Handler) map[string]string {
	t.Helper()
	files, err := fs.Glob(docs.Files, "*.md")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	texts := map[string]string{}
	for _, at := range append([]string{"/docs/api"}, files...) {
		if path.Ext(at) == ".md" {
			at = pageOf(at)
		}
		status, text := get(t, h, at)
		if status != 200 {
			t.Errorf("%s: %d", at, status)
		}
		texts[at] = text
	}
	return texts
}

var (
	targets = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	ids     = regexp.MustCompile(` id="([^"]*)"`)
	scripts = regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|<[^>]*\s(style|on[a-z]+)=|"javascript:`)
	titles  = regexp.MustCompile(`<h1>([^<]*)</h1>`)
)

func TestEachFileIsAPage(t *testing.T) {
	h := newManual()
	texts := all(t, h)
	for at, text := range texts {
		if n := len(titles.FindAllString(text, -1)); n != 1 {
			t.Errorf("%s has %d headings of level 1", at, n)
		}
		if scripts.MatchString(text) {
			t.Errorf("%s has a script or a style of its own: %q", at, scripts.FindString(text))
		}
		if strings.Contains(text, "raw HTML omitted") || strings.Contains(text, "<!--") {
			t.Errorf("%s has a comment", at)
		}
		if n := strings.Count(text, `aria-current="page"`); n != 1 {
			t.Errorf("%s marks %d pages of the navigation as present", at, n)
		}
		seen := map[string]bool{}
		for _, m := range ids.FindAllStringSubmatch(text, -1) {
			if seen[m[1]] {
				t.Errorf("%s has two elements with the id %s", at, m[1])
			}
			seen[m[1]] = true
		}
	}
	if _, text := get(t, h, "/docs/limits"); !strings.Contains(text, "<h1>Limits and quotas</h1>") ||
		!strings.Contains(text, `<h2 id="leases">Leases</h2>`) || !strings.Contains(text, `<li class="level2"><a href="#leases">Leases</a></li>`) {
		t.Errorf("the page on limits is\n%.3000s", text)
	}
}

// Links are resolved as a browser does below a stage and a base path.
func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	h := newManual()
	texts, links, outside := all(t, h), 0, 0
	check := func(from, to string) {
		t.Helper()
		base, err := url.Parse("https://api.example.com/prod/base" + from)
		if err != nil {
			t.Fatal(err)
		}
		at, err := base.Parse(html.UnescapeString(to))
		switch {
		case err != nil:
			t.Errorf("%s links to %q: %v", from, to, err)
			return
		case at.Scheme == "data":
			return
		case at.Host != base.Host:
			if outside++; at.Scheme != "https" && at.Hostname() != "127.0.0.1" {
				t.Errorf("%s links to %s", from, at)
			}
			return
		}
		links++
		page, ok := strings.CutPrefix(at.Path, "/prod/base")
		if !ok || !strings.HasPrefix(page, "/docs/") {
			t.Errorf("%s links to %s, outside of the manual", from, at)
			return
		}
		status, text := get(t, h, page)
		if status != 200 {
			t.Errorf("%s links to %s: %d", from, page, status)
		}
		if at.Fragment != "" && !strings.Contains(text, ` id="`+html.EscapeString(at.Fragment)+`"`) {
			t.Errorf("%s links to %s: there is no #%s", from, page, at.Fragment)
		}
	}
	for from, text := range texts {
		for _, m := range targets.FindAllStringSubmatch(text, -1) {
			check(from, m[1])
		}
	}
	_, text := get(t, h, "/docs/search.json")
	var places []struct{ Title, Page, To string }
	if err := json.Unmarshal([]byte(text), &places); err != nil || len(places) < 200 {
		t.Fatalf("%d places, %v", len(places), err)
	}
	for _, p := range places {
		check("/docs/search.json", p.To)
	}
	if links < 1000 {
		t.Errorf("only %d links were found, and %d to the outside", links, outside)
	}
}

// The page that sends requests finds the API below any prefix, stage and base path.
func TestThePageOfTheAPIKnowsWhereTheAPIIs(t *testing.T) {
	for prefix, base := range map[string]string{"": "../", "/latchkey": "../../", "/a/b": "../../../"} {
		h := newManualAt(prefix)
		status, text := get(t, h, prefix+"/docs/api")
		if status != 200 || !strings.Contains(text, `<div id="try" data-base="`+base+`">`) {
			t.Errorf("%q: %d %s", prefix, status, text)
		}
		if status, _ := get(t, h, "/docs/start"); (status == 200) != (prefix == "") {
			t.Errorf("%q: the page without the prefix is %d", prefix, status)
		}
		for _, name := range []string{"preact.js", "hooks.js", "htm.js"} {
			if status, _ := get(t, h, prefix+"/docs/vendor/"+name); status != 200 {
				t.Errorf("%q: the library %s is %d", prefix, name, status)
			}
		}
	}
}

func TestSearchKnowsTheHeadingsOfAllPages(t *testing.T) {
	h := newManual()
	_, text := get(t, h, "/docs/search.json")
	for _, want := range []string{
		`{"title":"Limits and quotas","page":"","to":"limits"}`, `{"title":"Leases","page":"Limits and quotas","to":"limits#leases"}`,
		`{"title":"POST /api/v1/api-keys","page":"HTTP API","to":"http-api#post-apiv1api-keys"}`, `{"title":"The first 429","page":"Start","to":"start#the-first-429"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the search does not know %s", want)
		}
	}
}

// A page that is not in the navigation could be found by its address alone.
func TestTheIndexListsEachPage(t *testing.T) {
	_, text := get(t, newManual(), "/docs/")
	files, err := fs.Glob(docs.Files, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if to := path.Base(pageOf(file)); file != "index.md" && strings.Count(text, `<a href="`+to+`"`) < 2 {
			t.Errorf("the index does not list %s", file)
		}
	}
}

func TestWhatIsNoPageIsNotFound(t *testing.T) {
	h := newManual()
	for _, at := range []string{
		"/docs/nothing", "/docs/start.md", "/docs/index.md", "/docs/index", "/docs/start/", "/docs/doc.go", "/docs/http-api.md", "/docs/..%2fgo.mod",
		"/docs/" + strings.Repeat("a", 10000), "/docs/%F0%9F%94%91", "/docs/%3Cscript%3E", "/docs/assets/manual.css", "/docs/try", "/docs/try/",
	} {
		if status, text := get(t, h, at); status != 404 || strings.Contains(text, "<script") {
			t.Errorf("%.60s: %d %.200s", at, status, text)
		}
	}
}

// written renders one page that has a text.
func written(t *testing.T, text string) string {
	t.Helper()
	files := fstest.MapFS{
		"index.md":    {Data: []byte("# Index\n\n## Pages\n\n- [Page](page.md)\n")},
		"page.md":     {Data: []byte("# Page\n\n" + text + "\n")},
		"picture.png": {Data: []byte("\x89PNG")},
	}
	status, all := get(t, manual.New(manual.Options{Text: files}), "/docs/page")
	if status != 200 {
		t.Fatalf("%d %s", status, all)
	}
	_, all, _ = strings.Cut(all, "<div class=\"text\">\n")
	all, _, _ = strings.Cut(all, "</div>\n</main>")
	return all
}

func TestMarkdownBecomesHTMLWithoutMarkupOfItsOwn(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a block of HTML", "<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"},
		{"HTML in a line", "a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>\n"},
		{"a comment", "<!-- not run: it needs an account -->\n\nb", "<p>b</p>\n"},
		{"a comment in a line", "a <!-- x --> b", "<p>a  b</p>\n"},
		{"a comment that has no end", "<!-- x\n<script>alert(1)</script>", "<p>&lt;!-- x\n&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"},
		{"a script as a link", "[a](javascript:alert(1))", "<p><a href=\"\">a</a></p>\n"},
		{"a link with quotes", `[a](x"onclick=alert(1))`, "<p><a href=\"x%22onclick=alert(1)\">a</a></p>\n"},
		{"code", "```bash\na < b && \"c\"\n```", "<pre tabindex=\"0\" data-language=\"bash\"><code>a &lt; b &amp;&amp; &#34;c&#34;\n</code></pre>\n"},
		{"code of a language with quotes", "```a\"onload=x\n1\n```", "<pre tabindex=\"0\" data-language=\"a&#34;onload=x\"><code>1\n</code></pre>\n"},
		{"a heading", "## The `a` of [b](start.md) <i>", "<h2 id=\"the-a-of-b-\">The <code>a</code> of <a href=\"start\">b</a> &lt;i&gt;</h2>\n"},
		{"two equal headings", "## A\n\n## A", "<h2 id=\"a\">A</h2>\n<h2 id=\"a-1\">A</h2>\n"},
		{"a link to a page", "[a](limits.md#leases) [b](index.md) [c](api.md#record)", "<p><a href=\"limits#leases\">a</a> <a href=\"./\">b</a> <a href=\"http-api#record\">c</a></p>\n"},
		{"a link to code", "see [gate/`policy`](../gate/policy.go).", "<p>see gate/<code>policy</code>.</p>\n"},
		{"a link to the outside", "[a](https://example.com/x?a=1&b=2)", "<p><a href=\"https://example.com/x?a=1&amp;b=2\">a</a></p>\n"},
		{"a picture that is no text", "![b \"c\"](picture.png)", "<p><span class=\"picture\" role=\"group\" aria-label=\"Picture\" tabindex=\"0\"><img src=\"data:image/png;base64,iVBORw==\" alt=\"b &#34;c&#34;\"></span></p>\n"},
		{"a table", "| a | b |\n|---|---|\n| `x` | [y](start.md) \\| z |\n| 1 | |",
			"<div class=\"wide\" role=\"group\" aria-label=\"Table\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">a</th><th scope=\"col\">b</th></tr></thead><tbody>\n" +
				"<tr><td><code>x</code></td><td><a href=\"start\">y</a> | z</td></tr>\n<tr><td>1</td><td></td></tr>\n</tbody></table></div>\n"},
		{"a line with bars alone", "| a | b |", "<p>| a | b |</p>\n"},
		{"right to left, and emoji", "שלום 🔑", "<p>שלום 🔑</p>\n"},
	} {
		if diff := cmp.Diff(c.want, written(t, c.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestAnEmptyAndAHugePageAreRendered(t *testing.T) {
	if got := written(t, ""); got != "" {
		t.Errorf("the empty page is %q", got)
	}
	if got := written(t, strings.Repeat("a *b* `c`\n\n", 20000)); strings.Count(got, "<p>") != 20000 {
		t.Errorf("the huge page has %d paragraphs", strings.Count(got, "<p>"))
	}
}

// cells are the texts of a page's tables.
func cells(text string) (all []string) {
	text = strings.ReplaceAll(text, `&quot;`, `&#34;`)
	for _, m := range regexp.MustCompile(`(?s)<t[hd](?: [^>]*)?>(.*?)</t[hd]>`).FindAllStringSubmatch(text, -1) {
		all = append(all, regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[1], ""))
	}
	return all
}

// Goldmark's own extension for tables is the reference of the one of the manual.
func TestTablesAreThoseOfGoldmark(t *testing.T) {
	h, seen := newManual(), 0
	files, err := fs.Glob(docs.Files, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := fs.ReadFile(docs.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := goldmark.New(goldmark.WithExtensions(extension.Table)).Convert(source, &b); err != nil {
			t.Fatal(err)
		}
		_, text := get(t, h, pageOf(file))
		want, got := cells(b.String()), cells(text)
		seen += len(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the tables of %s (-goldmark +manual):\n%s", file, diff)
		}
	}
	if seen < 300 {
		t.Errorf("only %d cells were compared", seen)
	}
}

// Requests at once have the same pages. The race detector watches.
func TestPagesAreRenderedOnceForAll(t *testing.T) {
	h := newManual()
	var wait sync.WaitGroup
	texts := make([]string, 8)
	for i := range texts {
		wait.Go(func() {
			_, texts[i] = get(t, h, "/docs/limits")
			_, search := get(t, h, "/docs/search.json")
			texts[i] += search
		})
	}
	wait.Wait()
	if len(slices.Compact(texts)) != 1 {
		t.Error("the pages differ")
	}
}

// Pictures that are no text are parts of pages, so they must be small.
func TestPicturesOfTheConsoleAreSmallAndShown(t *testing.T) {
	files, err := fs.Glob(docs.Files, "screens/*.png")
	if err != nil || len(files) < 5 {
		t.Fatalf("%q, %v", files, err)
	}
	_, text := get(t, newManual(), "/docs/people")
	if n := strings.Count(text, `<img src="data:image/png;base64,`); n != len(files) {
		t.Errorf("the page shows %d pictures of %d", n, len(files))
	}
	for _, file := range files {
		if picture, err := fs.ReadFile(docs.Files, file); err != nil || len(picture) > 60_000 {
			t.Errorf("%s has %d bytes (%v)", file, len(picture), err)
		}
	}
}

// The pages and their scripts are text, as a Lambda function answers.
func TestPagesAreSmall(t *testing.T) {
	h := newManual()
	for at, text := range all(t, h) {
		if len(text) > 500_000 {
			t.Errorf("%s has %d bytes", at, len(text))
		}
	}
}
