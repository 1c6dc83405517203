// Package httpapi is the HTTP API: it turns requests into calls of the gate and
// the registry, and their answers into JSON. Who calls is what the authorizer
// has found, taken from API Gateway's request context and from nowhere else.
//
// Routes are declared with huma, which checks inputs and writes the OpenAPI
// document. Every error, whoever found it, leaves through the table in errors.go.
package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/registry"
	"latchkey/internal/routes"
)

// Checker is what judges; see [gate.Gate].
type Checker interface {
	Check(ctx context.Context, r gate.Request) (apikey.Verdict, error)
}

// Options are what the routes stand on. All are required but where noted.
type Options struct {
	Gate Checker
	// Registry is what manages; nil: there are no routes to manage with. Describing
	// them takes most of the time that New does.
	Registry *registry.Registry
	Format   apikey.Format
	// Explain says why a request would be judged as it would; see
	// [gate.Gate.Explain].
	Explain func(apikey.Record, gate.Request) (apikey.Code, []gate.Step, error)
	// Routes and Public are the rules that the authorizer goes by.
	Routes, Public routes.Rules
	// Health reports whether the table answers.
	Health func(context.Context) error
	// TrustedProxyHops is how many proxies of our own stand before API Gateway.
	TrustedProxyHops int
	// QueryAPIKey says whether a key may stand in the query as api_key.
	QueryAPIKey bool
	// UnlimitedNumbers shows 999999 requests in 60 seconds for keys without a limit, in
	// place of null, to clients that need numbers.
	UnlimitedNumbers bool

	Now    func() time.Time
	Logger *slog.Logger
}

type server struct {
	Options
	mux        *http.ServeMux
	schemas    huma.Registry
	huma       huma.API
	operations map[string]*huma.Operation // by the mux's pattern
	health     health
}

// New returns the whole API. API Gateway and the functions' roles decide which
// routes a function serves.
func New(o Options) http.Handler {
	a := &server{Options: o, mux: http.NewServeMux(), operations: make(map[string]*huma.Operation)}
	a.huma = humago.New(a.mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "latchkey", Version: "1.0.0",
				Description: "Issues, checks, limits and revokes API keys.",
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			OnAddOperation: []huma.AddOpFunc{func(_ *huma.OpenAPI, o *huma.Operation) { a.operations[o.Method+" "+o.Path] = o }},
			Tags: []*huma.Tag{
				{Name: "keys", Description: "Managing API keys. Lists are eventually consistent, everything else is not. A key that a rotation has replaced may read until its grace period ends, and change nothing (403, replaced_key)."},
				{Name: "checks", Description: "Judging a key and asking who one is."},
				{Name: "service", Description: "The service itself."},
			},
			Components: &huma.Components{
				Schemas: newSchemas(),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "Authorization: Bearer <key>, or a user's JSON Web Token where an issuer is configured"},
					"header": {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "X-API-Key: <key>. Api-Key is read as well."},
					"query":  {Type: "apiKey", In: "query", Name: "api_key"},
				},
			},
		},
		Formats:       map[string]huma.Format{mediaJSON: {Marshal: writeJSON}},
		DefaultFormat: mediaJSON,
	})
	a.schemas = a.huma.OpenAPI().Components.Schemas
	if o.Registry != nil {
		a.registerKeys()
		a.registerLifecycle()
		a.registerTrails()
		a.registerExplain()
		a.registerStats()
		a.registerUsage()
	}
	a.registerChecks()
	a.registerService()
	a.mux.Handle("GET "+api.DocumentPath, document(a.huma.OpenAPI()))
	return a.guard()
}

// writeJSON leaves <, > and & as they are: people read the responses, and none is HTML.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
