package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"latchkey/internal/local/sam"
)

// Service answers the requests of a gateway in the same process, without events.
type Service interface {
	// Serve answers a request. If its caller is refused, Serve writes nothing and returns the
	// refusal. It returns an error, and writes nothing, if it could not decide about the caller.
	Serve(w http.ResponseWriter, r *Request) (*Refusal, error)
}

// Request is a request that the gateway has found a route for. The path of its URL is that of the
// route: with one slash at its beginning and, except for a folder of pages, none at its end.
type Request struct {
	*http.Request
	Route sam.Route
	ID    string // of the request; no client can choose it
	Path  string // as the client sent it, escaped
	Peer  string // the address that connected
	Time  time.Time
}

// Refusal says that a caller may not go on.
type Refusal struct {
	// Denied is whether the gateway answers with ACCESS_DENIED, and not with UNAUTHORIZED.
	Denied bool
	// Values are the values of the authorizer's context, which ACCESS_DENIED has in its answer.
	Values map[string]string
}

// RouteNoter is a response writer that wants to know the route of its request, as the template has it.
type RouteNoter interface{ NoteRoute(method, path string) }

// NewDirect returns a gateway that has a service behind all routes of t. A route with a backend is an
// error. The logger receives what callers are not told.
func NewDirect(t *sam.Template, s Service, now func() time.Time, logger *slog.Logger) (*Gateway, error) {
	for _, route := range t.Routes {
		if route.Backend != nil {
			return nil, errors.New("a gateway without functions has no backend")
		}
	}
	g, err := newGateway(t, now, logger)
	if err == nil {
		g.service = s
	}
	return g, err
}

// errPanic says that the service has panicked.
var errPanic = errors.New("the service panicked")

// serve answers a request by the service. The request goes on when its client hangs up, as on Lambda:
// a change is not given up halfway.
func (g *Gateway) serve(x *exchange, at *resource, route *route, path string) {
	peer, _ := addresses(x.r)
	sent := path
	if !at.isFolder && path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	inner := x.r.WithContext(context.WithoutCancel(x.r.Context()))
	if inner.URL = routed(x.r.URL, path); inner.URL == nil {
		g.respondUnread(x, badRequest)
		return
	}
	inner.Body = http.MaxBytesReader(x.w, inner.Body, maxBody)
	request := &Request{Request: inner, Route: route.Route, ID: x.id, Path: sent, Peer: peer, Time: g.now()}
	refusal, err := g.serveSafely(x, request)
	switch {
	case errors.Is(err, errPanic):
		g.logger.Error("request failed", "requestId", x.id, "method", x.r.Method, "error", err)
		g.respondUnread(x, functionFailed)
	case err != nil:
		g.respondUnread(x, authorizerFailed)
	case refusal != nil && refusal.Denied:
		x.authorizer = refusal.Values
		g.respondUnread(x, accessDenied)
	case refusal != nil:
		g.respondUnread(x, unauthorized)
	}
}

// serveSafely turns a panic of the service into an error.
func (g *Gateway) serveSafely(x *exchange, r *Request) (refusal *Refusal, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			refusal, err = nil, fmt.Errorf("%w: %T\n%s", errPanic, cause, debug.Stack())
		}
	}()
	return g.service.Serve(x.w, r)
}

// routed returns the URL of a request whose path is that of its route. The query has the parameters
// that API Gateway would pass on. The URL is u itself if it is so already.
func routed(u *url.URL, path string) *url.URL {
	plain := path == u.Path && u.RawPath == "" && u.Host == ""
	if _, err := url.ParseQuery(u.RawQuery); plain && err == nil {
		return u
	}
	to, err := url.ParseRequestURI(path)
	if err != nil {
		return nil
	}
	query := make(url.Values)
	for _, p := range pairsOf(u.RawQuery) {
		query.Add(p.name, p.value)
	}
	to.RawQuery = query.Encode()
	return to
}
