package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
)

// registerDocument adds the routes of the document. The one with a prefix names latchkey's own paths
// with it, so that each of its paths leads to latchkey in every deployment.
func (a *server) registerDocument() {
	of := sync.OnceValue(a.document)
	a.mux.Handle("GET "+api.DocumentPath, document(api.DocumentPath, of))
	a.mux.Handle("GET "+api.OwnPrefix+api.DocumentPath, document(api.OwnPrefix+api.DocumentPath, func() *huma.OpenAPI {
		prefixed := *of()
		prefixed.Paths = maps.Clone(prefixed.Paths)
		for _, path := range []string{api.HealthPath, api.KeySetPath} {
			if item, ok := prefixed.Paths[path]; ok {
				prefixed.Paths[api.OwnPrefix+path] = item
				delete(prefixed.Paths, path)
			}
		}
		return &prefixed
	}))
}

// document serves the OpenAPI document at a path. Its server is the address that it was read from,
// because its paths do not have the stage. The rest is encoded once, since that takes milliseconds
// and anyone may ask.
func document(at string, of func() *huma.OpenAPI) http.HandlerFunc {
	rest := sync.OnceValue(func() []byte {
		text, err := json.Marshal(of())
		if err != nil {
			panic(err) // cannot happen: every value can be encoded
		}
		return text[1:]
	})
	return func(w http.ResponseWriter, r *http.Request) {
		server := huma.Server{
			URL:         cmp.Or(strings.TrimSuffix(strings.TrimSuffix(arrivalOf(r.Context()).Path, "/"), at), "/"),
			Description: "Where this document was read from",
		}
		own, err := json.Marshal(&server)
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = fmt.Fprintf(w, `{"servers":[%s],%s`, own, rest()) // fails if the caller has gone
	}
}
