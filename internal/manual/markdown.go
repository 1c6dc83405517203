package manual

import (
	"bytes"
	"encoding/base64"
	"html"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"latchkey/internal/docs"
)

// heading is a heading of a page that a link can lead to.
type heading struct {
	level     int
	id, title string
	web       string // title in HTML, with its code
}

// document is a Markdown file, ready to be rendered.
type document struct {
	title    string // the heading of level 1
	headings []heading
	source   []byte
	root     ast.Node
}

// newMarkdown returns a parser and renderer of the manual's Markdown: CommonMark, tables, and no HTML.
func newMarkdown() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithParserOptions(parser.WithParagraphTransformers(util.Prioritized(tables{}, 200))),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(elements{}, 100))),
	)
}

// parse reads a Markdown file. It removes the heading of level 1, which [document.title] has, and makes
// links lead to pages of the manual.
func parse(md goldmark.Markdown, source []byte, files fs.FS) (*document, error) {
	d := &document{source: source, root: md.Parser().Parse(text.NewReader(source))}
	seen := map[string]int{}
	var title ast.Node
	var links []*ast.Link
	err := ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 1 && title == nil {
				title, d.title = n, plain(n, source)
				return ast.WalkSkipChildren, nil
			}
			h := heading{level: n.Level, title: plain(n, source)}
			h.id = docs.Anchor(h.title, seen)
			n.SetAttributeString("id", []byte(h.id))
			var web bytes.Buffer
			if err := renderChildren(&web, md, n, source); err != nil {
				return ast.WalkStop, err
			}
			h.web = web.String()
			d.headings = append(d.headings, h)
		case *ast.Link:
			links = append(links, n)
		case *ast.Image:
			n.Destination = embedded(n.Destination, files)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	if title != nil {
		title.Parent().RemoveChild(title.Parent(), title)
	}
	for _, n := range links {
		to, ok := webLink(string(n.Destination))
		if n.Destination = []byte(to); !ok {
			unlink(n)
		}
	}
	return d, nil
}

// renderChildren renders the text of a node without its links.
func renderChildren(w *bytes.Buffer, md goldmark.Markdown, n ast.Node, source []byte) error {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if _, ok := c.(*ast.Link); ok {
			w.WriteString(html.EscapeString(plain(c, source)))
			continue
		}
		if err := md.Renderer().Render(w, source, c); err != nil {
			return err
		}
	}
	return nil
}

// plain is the text of a node without its markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			value := c.Value(source)
			if n.Kind() != ast.KindCodeSpan {
				value = util.UnescapePunctuations(value)
			}
			b.Write(value)
		case *ast.String:
			b.Write(c.Value)
		default:
			b.WriteString(plain(c, source))
		}
	}
	return b.String()
}

// webLink returns the URL of a link in the manual. It reports false for a file that the manual does
// not have, such as the source of a package.
func webLink(to string) (string, bool) {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "#") {
		return to, true
	}
	file, anchor, found := strings.Cut(to, "#")
	if strings.Contains(file, "/") || path.Ext(file) == ".go" {
		return "", false
	}
	if name, ok := strings.CutSuffix(file, ".md"); ok {
		file = address(name)
	}
	if found {
		return file + "#" + anchor, true
	}
	return file, true
}

// address is the relative URL of the page that a Markdown file without its extension becomes. The page
// api is where the API can be tried, so the reference page of the same name has another URL.
func address(name string) string {
	switch name {
	case "index":
		return "./"
	case "api":
		return "http-api"
	}
	return name
}

// unlink replaces a link by its content.
func unlink(n *ast.Link) {
	parent := n.Parent()
	for c := n.FirstChild(); c != nil; {
		next := c.NextSibling()
		parent.InsertBefore(parent, n, c)
		c = next
	}
	parent.RemoveChild(parent, n)
}

// embedded is the URL of a picture. A picture that is no text is a part of its page, because a Lambda
// function answers with text.
func embedded(to []byte, files fs.FS) []byte {
	if path.Ext(string(to)) != ".png" {
		return to
	}
	picture, err := fs.ReadFile(files, string(to))
	if err != nil {
		return to
	}
	return []byte("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture))
}

// elements renders the elements that differ from goldmark's own: those that can be wider than the page
// scroll by themselves, and HTML is shown as text.
type elements struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (elements) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, code)
	r.Register(ast.KindCodeBlock, code)
	r.Register(ast.KindImage, picture)
	r.Register(ast.KindHTMLBlock, markup)
	r.Register(ast.KindRawHTML, markup)
	registerTables(r)
}

func code(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if fenced, ok := n.(*ast.FencedCodeBlock); ok {
		language = string(fenced.Language(source))
	}
	_, _ = w.WriteString(`<pre tabindex="0" data-language=` + strconv.Quote(html.EscapeString(language)) + `><code>`)
	for _, line := range n.Lines().Sliced(0, n.Lines().Len()) {
		_, _ = w.WriteString(html.EscapeString(string(line.Value(source))))
	}
	_, _ = w.WriteString("</code></pre>\n")
	return ast.WalkSkipChildren, nil
}

func picture(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	to := html.EscapeString(string(n.(*ast.Image).Destination))
	alt := html.EscapeString(plain(n, source))
	_, _ = w.WriteString(`<span class="picture" role="group" aria-label="Picture" tabindex="0">` +
		`<img src="` + to + `" alt="` + alt + `"></span>`)
	return ast.WalkSkipChildren, nil
}

// markup shows HTML as the text that it is. It leaves out comments.
func markup(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	var lines *text.Segments
	block := false
	switch n := n.(type) {
	case *ast.RawHTML:
		lines = n.Segments
	case *ast.HTMLBlock:
		lines, block = n.Lines(), true
		if n.HasClosure() && !slices.Contains(lines.Sliced(0, lines.Len()), n.ClosureLine) {
			lines.Append(n.ClosureLine)
		}
	}
	shown := strings.TrimSpace(string(lines.Value(source)))
	switch {
	case strings.HasPrefix(shown, "<!--") && strings.HasSuffix(shown, "-->"):
	case block:
		_, _ = w.WriteString("<p>" + html.EscapeString(shown) + "</p>\n")
	default:
		_, _ = w.WriteString(html.EscapeString(shown))
	}
	return ast.WalkSkipChildren, nil
}
