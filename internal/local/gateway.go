package local

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"latchkey/internal/local/sam"
)

// Gateway serves a template's routes as an API Gateway REST API does. The package comment lists the
// differences. It is safe for concurrent use.
type Gateway struct {
	template  *sam.Template
	functions map[string]*Pool
	service   Service // in place of the functions, unless nil
	now       func() time.Time
	logger    *slog.Logger
	resources resources
	responses map[string]sam.Response
	room      *semaphore.Weighted // for bodies
}

// NewGateway returns a gateway for t. functions must hold a pool for every function that a route or
// an authorizer names, by its logical ID. The logger receives what callers are not told, such as
// why a function failed.
func NewGateway(t *sam.Template, functions map[string]*Pool, now func() time.Time,
	logger *slog.Logger) (*Gateway, error) {
	g, err := newGateway(t, now, logger)
	if err != nil {
		return nil, err
	}
	for _, route := range t.Routes {
		for _, id := range []string{route.Function, route.Authorizer} {
			if id != "" && functions[id] == nil {
				return nil, fmt.Errorf("%s %s: no function %s was given", route.Method, route.Path, id)
			}
		}
	}
	g.functions = functions
	return g, nil
}

// newGateway returns a gateway with nothing behind its routes.
func newGateway(t *sam.Template, now func() time.Time, logger *slog.Logger) (*Gateway, error) {
	responses, err := newResponses(t.Responses)
	return &Gateway{
		template: t, now: now, logger: logger, resources: newResources(t.Routes, t.Throttles),
		responses: responses, room: semaphore.NewWeighted(roomForBodies),
	}, err
}

// Close ends the instances of all functions; see [Pool.Close].
func (g *Gateway) Close() {
	for _, pool := range g.functions {
		pool.Close()
	}
}

// exchange is one request and its response.
type exchange struct {
	w          http.ResponseWriter
	r          *http.Request
	id         string
	authorizer map[string]string // the authorizer's context
}

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, r: r, id: newUUID()}
	if strings.ContainsAny(r.URL.RawQuery, "|{}") {
		g.respondUnread(x, badRequest) // API Gateway wants them to be escaped
		return
	}
	path := pathOf(r)
	resource, parameters, found := g.resources.find(path)
	if !found {
		g.respond(x, unknownRoute)
		return
	}
	route := resource.methods[r.Method]
	if route == nil && r.Method == http.MethodOptions && g.template.Preflight != nil {
		g.preflight(w)
		return
	}
	if route == nil && anyMethod(r.Method) {
		route = resource.methods["ANY"]
	}
	if route == nil {
		g.respond(x, unknownRoute)
		return
	}
	if n, ok := w.(RouteNoter); ok {
		n.NoteRoute(route.Method, route.Path)
	}
	if !route.throttle.allow(g.now()) {
		g.respondUnread(x, throttled)
		return
	}
	if r.ContentLength > maxBody {
		g.respondUnread(x, requestTooLarge)
		return
	}
	if g.service != nil {
		g.serve(x, resource, route, path)
		return
	}
	g.runFunctions(x, route, parameters)
}

// runFunctions answers a request by the functions of its route, or by its backend.
func (g *Gateway) runFunctions(x *exchange, route *route, parameters map[string]string) {
	w, r := x.w, x.r
	event := g.newEvent(x, route.Path, parameters)
	if route.Authorizer != "" && !g.admit(x, route.Authorizer, event) {
		return
	}
	// A body is read only after the authorizer has admitted the request. A caller without a key
	// therefore cannot fill the memory.
	body, release, err := g.read(w, r)
	if err != nil {
		g.respond(x, unreadable(err))
		return
	}
	// The time for sending a request ends here. Connections without deadlines, as in tests, return an
	// error that changes nothing.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if route.Backend != nil {
		g.forward(x, route.Backend, body, release, parameters)
		return
	}
	defer release()
	if err := g.integrate(x, route.Function, event.forFunction(x.authorizer, body)); err != nil {
		g.logger.Error("function failed", "requestId", x.id, "method", r.Method, "function", route.Function, "error", err)
		g.respond(x, functionFailed)
	}
}

// unreadable returns the response type for an error of [Gateway.read].
func unreadable(err error) string {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return requestTooLarge
	case errors.Is(err, errNoRoom):
		return throttled
	}
	return badRequest
}

// admit asks an authorizer about a request. It reports whether the request may go on. If so, the
// exchange has the authorizer's context. If not, admit has responded to the request.
func (g *Gateway) admit(x *exchange, function string, e event) bool {
	ctx := x.r.Context()
	values, refusal, cause := g.authorize(ctx, function, e)
	noteKey(ctx, cmp.Or(values["keyId"], values["principalId"]))
	x.authorizer = values
	if cause != nil {
		g.logger.Error("authorizer failed", "requestId", x.id, "method", x.r.Method, "function", function, "error", cause)
	}
	if refusal != "" {
		g.respondUnread(x, refusal)
		return false
	}
	return true
}

// preflight answers as the mock integration that SAM adds to every path.
func (g *Gateway) preflight(w http.ResponseWriter) {
	for name, value := range g.template.Preflight {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}\n")
}
