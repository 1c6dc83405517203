package manual

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"

	"latchkey/internal/pages"
)

const (
	htmlType  = "text/html; charset=utf-8"
	indexFile = "index.md"
	indexName = "index.html"
)

// entry is a page in the navigation.
type entry struct{ address, title string }

// group is a part of the navigation, such as the guides.
type group struct {
	title   string
	entries []entry
}

// book is the manual. It is safe for concurrent use. Each page is rendered once, when it is first asked
// for.
type book struct {
	files    fs.FS
	base     string // the relative URL of the API
	markdown goldmark.Markdown
	groups   []group
	pages    map[string]func() (pages.Page, error) // by name
}

// open reads the index page, whose links to other pages are the navigation, in their order.
func open(o Options) (*book, error) {
	files := o.Text
	b := &book{files: files, markdown: newMarkdown(), pages: map[string]func() (pages.Page, error){}}
	b.base = "../" + strings.Repeat("../", strings.Count(o.Prefix, "/"))
	index, err := fs.ReadFile(files, indexFile)
	if err != nil {
		return nil, err
	}
	d, err := parse(b.markdown, index, files)
	if err != nil {
		return nil, err
	}
	b.groups = navigation(d)
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, err
	}
	for _, file := range names {
		name := path.Base(address(strings.TrimSuffix(file, ".md")))
		if file == indexFile {
			name = indexName
		}
		b.pages[name] = sync.OnceValues(func() (pages.Page, error) { return b.page(file, name) })
	}
	b.pages["api"] = sync.OnceValues(func() (pages.Page, error) { return b.tryPage(), nil })
	b.pages["search.json"] = sync.OnceValues(b.search)
	return b, nil
}

func navigation(index *document) []group {
	var groups []group
	_ = ast.Walk(index.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Heading:
			if entering && n.Level == 2 {
				groups = append(groups, group{title: plain(n, index.source)})
			}
		case *ast.Link:
			if to := string(n.Destination); entering && len(groups) > 0 && !strings.ContainsAny(to, ":#/") {
				last := &groups[len(groups)-1]
				last.entries = append(last.entries, entry{to, plain(n, index.source)})
			}
		}
		return ast.WalkContinue, nil
	})
	return groups
}

func (b *book) document(file string) (*document, error) {
	source, err := fs.ReadFile(b.files, file)
	if err != nil {
		return nil, err
	}
	d, err := parse(b.markdown, source, b.files)
	if err != nil {
		return nil, fmt.Errorf("read the page %s: %w", file, err)
	}
	return d, nil
}

func (b *book) page(file, name string) (pages.Page, error) {
	d, err := b.document(file)
	if err != nil {
		return pages.Page{}, err
	}
	var text bytes.Buffer
	if err := b.markdown.Renderer().Render(&text, d.source, d.root); err != nil {
		return pages.Page{}, fmt.Errorf("render the page %s: %w", file, err)
	}
	s := sheet{
		title: d.title, name: name, groups: b.groups, headings: d.headings, text: text.String(),
		scripts: []string{"manual.js"},
	}
	if name == "http-api" {
		s.text = "<p><a href=\"api\">Try the API in the browser</a>, with a key of yours.</p>\n" + s.text
	}
	return pages.Page{Type: htmlType, Body: s.html()}, nil
}

// tryPage is the page on which the routes of the API can be called.
func (b *book) tryPage() pages.Page {
	s := sheet{
		title: "Try the API", name: "api", groups: b.groups, scripts: []string{"manual.js", "try/page.js"},
		text: `<div id="try" data-base="` + b.base + `"><noscript><p>This page needs JavaScript. ` +
			`<a href="http-api">HTTP API</a> describes the same routes.</p></noscript></div>` + "\n",
	}
	return pages.Page{Type: htmlType, Body: s.html()}
}

// found is a place that the search knows.
type found struct {
	Title string `json:"title"`
	Page  string `json:"page"`
	To    string `json:"to"`
}

// search lists the headings of all pages, in the order of the navigation.
func (b *book) search() (pages.Page, error) {
	all := []found{}
	for _, g := range b.groups {
		for _, e := range g.entries {
			file := e.address + ".md"
			if e.address == address("api") {
				file = "api.md"
			}
			d, err := b.document(file)
			if err != nil {
				return pages.Page{}, err
			}
			all = append(all, found{d.title, "", e.address})
			for _, h := range d.headings {
				all = append(all, found{h.title, d.title, e.address + "#" + h.id})
			}
		}
	}
	body, err := json.Marshal(all)
	return pages.Page{Type: "application/json", Body: body}, err
}

// find returns the page with a name. A page that cannot be rendered does not exist; a test renders all.
func (b *book) find(name string) (pages.Page, bool) {
	render, ok := b.pages[name]
	if !ok {
		return pages.Page{}, false
	}
	page, err := render()
	return page, err == nil
}
