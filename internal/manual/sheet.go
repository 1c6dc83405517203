package manual

import (
	"bytes"
	"fmt"
	"html"
)

// sheet is one page as a browser shows it: the text, between the navigation and the list of headings.
type sheet struct {
	title, name string
	groups      []group
	headings    []heading
	text        string // HTML
	scripts     []string
}

const (
	beginning = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s · latchkey</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="manual.css">
%s</head>
<body>
<a class="skip" href="#text">Skip to the text</a>
<header>
<a class="home" href="./">latchkey <span>manual</span></a>
<search id="search" hidden>
<label class="unseen" for="query">Search the headings</label>
<input id="query" type="search" placeholder="Search" autocomplete="off" spellcheck="false">
<p class="unseen" id="count" role="status"></p>
<ul id="found" hidden></ul>
</search>
<a class="to-pages" href="#pages">Pages</a>
</header>
<main id="text" tabindex="-1">
<h1>%s</h1>
`
	ending = `</div>
</main>
<nav id="pages" class="pages" aria-label="Pages">
%s</nav>
</body>
</html>
`
)

func (s sheet) html() []byte {
	var w, scripts, links bytes.Buffer
	for _, name := range s.scripts {
		fmt.Fprintf(&scripts, "<script type=\"module\" src=\"%s\"></script>\n", name)
	}
	title := html.EscapeString(s.title)
	fmt.Fprintf(&w, beginning, title, &scripts, title)
	if len(s.headings) > 1 {
		w.WriteString("<nav class=\"headings\" aria-label=\"On this page\">\n<p>On this page</p>\n<ul>\n")
		for _, h := range s.headings {
			if h.level <= 3 {
				fmt.Fprintf(&w, "<li class=\"level%d\"><a href=\"#%s\">%s</a></li>\n", h.level, html.EscapeString(h.id), h.web)
			}
		}
		w.WriteString("</ul>\n</nav>\n")
	}
	w.WriteString("<div class=\"text\">\n" + s.text)
	s.link(&links, entry{"./", "Overview"})
	for _, g := range s.groups {
		fmt.Fprintf(&links, "<h2>%s</h2>\n<ul>\n", html.EscapeString(g.title))
		for _, e := range g.entries {
			links.WriteString("<li>")
			s.link(&links, e)
			links.WriteString("</li>\n")
			if e.address == address("api") {
				links.WriteString("<li>")
				s.link(&links, entry{"api", "Try the API"})
				links.WriteString("</li>\n")
			}
		}
		links.WriteString("</ul>\n")
	}
	fmt.Fprintf(&w, ending, &links)
	return w.Bytes()
}

// link writes a link of the navigation. The one to the page itself is marked.
func (s sheet) link(w *bytes.Buffer, e entry) {
	current := ""
	if e.address == s.name || e.address == "./" && s.name == indexName {
		current = ` aria-current="page"`
	}
	fmt.Fprintf(w, "<a href=\"%s\"%s>%s</a>\n", html.EscapeString(e.address), current, html.EscapeString(e.title))
}
