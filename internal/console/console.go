// Package console is the web page for API keys. Call [New].
//
// The page is a client of the HTTP API and may do no more than its user's key or token. It has no
// build step: the files in assets are served as they are, without their comments.
package console

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"

	"latchkey/internal/pages"
)

//go:embed assets
var assets embed.FS

// Mount is the path of the console.
const Mount = "/console"

// Options configure the console.
type Options struct {
	// Prefix is the path before [Mount], such as /latchkey. It may be empty.
	Prefix string
	// Issuers are the URLs of the OpenID Connect issuers that users may sign in with.
	Issuers []string
	// ClientID names the console at the issuers. If empty, users sign in with a key alone.
	ClientID string
	// Audience is what the console asks the issuer's access tokens to be for. It may be empty.
	Audience string
}

// settings are what the page reads from config.json.
type settings struct {
	Issuers  []string `json:"issuers"`
	ClientID string   `json:"clientId"`
	Audience string   `json:"audience,omitempty"`
	APIBase  string   `json:"apiBase"` // relative to the page
}

// New returns the handler of the console, at [Mount] after the prefix and below. It is safe for
// concurrent use.
func New(o Options) http.Handler {
	below, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // cannot happen: the name is a constant
	}
	files := pages.Files(below)
	source := func(name string) (pages.Page, bool) {
		if name == "config.json" {
			return o.settings(), true
		}
		page, ok := files(name)
		if (strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".css")) && !strings.HasPrefix(name, "vendor/") {
			page.Body = withoutComments(page.Body)
		}
		return page, ok
	}
	return pages.New(pages.Options{Mount: o.Prefix + Mount, Source: source, Connect: pages.Origins(o.Issuers)})
}

// Libraries returns the files of other authors that the console is made of. The manual uses them too.
func Libraries() fs.FS {
	below, err := fs.Sub(assets, "assets/vendor")
	if err != nil {
		panic(err) // cannot happen: the name is a constant
	}
	return below
}

func (o Options) settings() pages.Page {
	// An empty list is [] in JSON, and nil is not.
	body, err := json.Marshal(settings{
		Issuers: append([]string{}, o.Issuers...), ClientID: o.ClientID, Audience: o.Audience,
		APIBase: "../" + strings.Repeat("../", strings.Count(o.Prefix, "/")),
	})
	if err != nil {
		panic(err) // cannot happen: texts can be encoded
	}
	return pages.Page{Type: "application/json", Body: body}
}
