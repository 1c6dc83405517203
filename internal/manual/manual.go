// Package manual is the manual as web pages. Call [New].
package manual

import (
	"embed"
	"io/fs"
	"net/http"

	"latchkey/internal/pages"
)

//go:embed assets
var assets embed.FS

// Mount is the path of the manual.
const Mount = "/docs"

// New returns the handler of the manual, at [Mount] and below. It is safe for concurrent use.
func New() http.Handler {
	below, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // cannot happen: the name is a constant
	}
	return pages.New(pages.Options{Mount: Mount, Source: pages.Files(below)})
}
