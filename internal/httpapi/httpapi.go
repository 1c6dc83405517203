// Package httpapi is the HTTP API. [New] returns its handler, and [Lambda] makes a Lambda function
// of it.
//
// A request goes through the guard (guard.go), through huma, which checks its parameters, and
// through the generic function handle (handle.go), which finds the caller. Its body is read in
// body.go. A handler then calls the gate or the registry, and turns the answer into a type of
// package api. Errors become responses by the table in errors.go.
//
// The caller is the one whom the authorizer has found. It comes from API Gateway's request context
// and from nowhere else.
package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/assertion"
	"latchkey/internal/gate"
	"latchkey/internal/registry"
	"latchkey/internal/routes"
)

// Checker judges keys; see [gate.Gate]. It must be safe for concurrent use.
type Checker interface {
	Check(ctx context.Context, r gate.Request) (apikey.Verdict, error)
}

// ReportVerifier verifies the reports of leak scanners; see [latchkey/internal/leaks.Verifier]. It must
// be safe for concurrent use.
type ReportVerifier interface {
	// Signed reports whether the public key with this identifier has signed the body. It must return
	// an error only if that cannot be decided.
	Signed(ctx context.Context, keyID, signature string, body []byte) (bool, error)
}

// Options configure the API. All fields are required unless their comment says otherwise.
type Options struct {
	// Gate judges the keys of validate requests.
	Gate Checker
	// Door decides about the requests for which a proxy asks. If nil, no proxy may ask.
	Door *admission.Door
	// ForwardAudience is the audience of the assertions for the backends of these proxies. If empty, they get
	// none.
	ForwardAudience string
	// Registry manages keys. If nil, the API has no routes that manage keys.
	Registry *registry.Registry
	// Format reads the deployment's own tokens.
	Format apikey.Format
	// Explain returns the checks of a request with a key; see [gate.Gate.Explain]. It may be nil if
	// Registry is.
	Explain func(context.Context, apikey.Record, gate.Request) (apikey.Code, []gate.Step, error)
	// Routes and Public are the rules of the authorizer. The zero value has none.
	Routes, Public routes.Rules
	// Costs are the authorizer's rules for what a request costs.
	Costs routes.Costs
	// Health returns an error if the table does not answer. It must respect the context's deadline.
	Health func(context.Context) error
	// PublicKeys returns the keys with which backends verify assertions. It may be nil if Registry is.
	PublicKeys func(context.Context) ([]assertion.PublicKey, error)
	// Reports verifies the reports of leak scanners. If nil, none is taken.
	Reports ReportVerifier
	// AskedElsewhere reports whether another key service is asked about a token that is unknown here. If
	// nil, there is none.
	AskedElsewhere func(token string) bool
	// TrustedProxyHops is the number of the operator's own proxies before API Gateway.
	TrustedProxyHops int
	// QueryAPIKey allows the token of the caller in the query parameter api_key.
	QueryAPIKey bool
	// UnlimitedNumbers shows a limit of 999999 requests in 60 seconds for keys without a limit, for
	// clients that need numbers. If false, they have null.
	UnlimitedNumbers bool
	// CORSOrigin is the origin whose pages may read answers in a browser. If empty, none may. With *,
	// pages of every origin may.
	CORSOrigin string
	// Pages are handlers of web pages, by the path at which they and all paths below them are. Their
	// responses are their own: the API sets no header, refuses no query and answers no error in JSON.
	Pages map[string]http.Handler

	Now func() time.Time
	// Logger gets one line for each request that fails, and for each request at level DEBUG.
	Logger *slog.Logger
}

type server struct {
	Options
	mux           *http.ServeMux
	operations    map[string]func() *huma.Operation // by the mux's pattern
	shortcuts     map[route]shortcut
	registrations []func(*registered)
	health        health
}

// New returns a handler of all routes of the API, safe for concurrent use. API Gateway and the
// roles of the functions decide which routes a function serves.
func New(o Options) http.Handler {
	a := newServer(o)
	a.registerShortcuts()
	return a.guard()
}

// newServer returns a server without shortcuts.
func newServer(o Options) *server {
	a := &server{Options: o, mux: http.NewServeMux(), operations: make(map[string]func() *huma.Operation)}
	if o.Registry != nil {
		a.registerKeys()
		a.registerLifecycle()
		a.registerTrails()
		a.registerExplain()
		a.registerStats()
		a.registerUsage()
		a.registerOwners()
		a.registerUsers()
		a.registerPlans()
		a.registerKeySet()
		a.registerLeaks()
	}
	a.registerChecks()
	a.registerAuthorize()
	a.registerService()
	a.registerDocument()
	return a
}

// newOpenAPI returns the document without its operations.
func newOpenAPI() *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "latchkey", Version: "1.0.0",
			Description: "Issues, checks, limits and revokes API keys.",
			License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Tags: []*huma.Tag{
			{Name: "keys", Description: "Managing API keys. Lists are eventually consistent, everything else is not. " +
				"A key that a rotation has replaced may read until its grace period ends, and change nothing (403, replaced_key)."},
			{Name: "people", Description: "Plans for many keys, and what is set for a user: " +
				"all keys of a user keep to it together. Each change bites within FRESHNESS on every instance."},
			{Name: "checks", Description: "Judging a key, and describing the caller."},
			{Name: "service", Description: "The service itself."},
		},
		Components: &huma.Components{
			Schemas: newSchemas(),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer",
					Description: "Authorization: Bearer <key>, or a user's JSON Web Token where an issuer is configured"},
				"header": {Type: "apiKey", In: "header", Name: "X-API-Key",
					Description: "X-API-Key: <key>. Api-Key is read as well."},
				"query": {Type: "apiKey", In: "query", Name: queryKey},
			},
		},
	}
}

// writeJSON writes <, > and & as they are. People read the responses, and none is HTML.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
