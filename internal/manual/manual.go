// Package manual is the manual as web pages. Call [New].
//
// The pages are Markdown files. Each is rendered when it is first asked for, so that a function starts
// as fast as without them. The page api shows the OpenAPI document and sends requests.
//
// That page is made here with the libraries of the console, because none of the usual viewers can be
// used: Swagger UI has 480 KB gzipped, and RapiDoc and OpenAPI Explorer write inline styles, which the
// pages' policy refuses.
package manual

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"latchkey/internal/pages"
)

//go:embed assets
var assets embed.FS

// Mount is the path of the manual.
const Mount = "/docs"

// Options configure the manual.
type Options struct {
	// Prefix is the path before [Mount], such as /latchkey. It may be empty.
	Prefix string
	// Text has the pages (*.md) and their pictures, such as [latchkey/internal/docs.Files]. The links of
	// index.md are the navigation.
	Text fs.FS
	// Libraries are those of the console, which the page api uses.
	Libraries fs.FS
}

// New returns the handler of the manual, at [Mount] after the prefix and below. It is safe for
// concurrent use.
func New(o Options) http.Handler {
	below, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // cannot happen: the name is a constant
	}
	load := sync.OnceValues(func() (*book, error) { return open(o) })
	files, pictures, vendor := pages.Files(below), pages.Files(o.Text), pages.Files(o.Libraries)
	return pages.New(pages.Options{Mount: o.Prefix + Mount, Source: func(name string) (pages.Page, bool) {
		if page, ok := files(name); ok {
			return page, true
		}
		if page, ok := pictures(name); ok {
			return page, true
		}
		if library, ok := strings.CutPrefix(name, "vendor/"); ok {
			return vendor(library)
		}
		b, err := load()
		if err != nil {
			return pages.Page{}, false
		}
		return b.find(name)
	}})
}
