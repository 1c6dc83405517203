package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// Arrival is what the front door tells of a request: what no client can choose. On Lambda, API
// Gateway's request context tells it. A front door in the same process calls [WithArrival].
type Arrival struct {
	// Caller is the caller whom the front door has let through. The zero Principal has no caller.
	Caller Principal
	// Method and Resource are the method and the pattern of the route, for the log.
	Method, Resource string
	// Path is the path as the client sent it, escaped, with a stage or the base path of a custom
	// domain. If empty, it is the path of the request.
	Path string
	// Peer is the address that connected to the front door.
	Peer string
	// RequestID names the request in audit entries, and ID in the log, by the name and value that the
	// front door's own log has. ID is zero if a client could choose it.
	RequestID string
	ID        slog.Attr
	// Time is when the front door received the request. The zero time means that it is not known.
	Time time.Time
}

type arrivalKey struct{}

// WithArrival returns a context for a request to the handler of [New]. The handler believes a, so it
// must hold nothing that the client could have chosen, except Path.
func WithArrival(ctx context.Context, a *Arrival) context.Context {
	return context.WithValue(ctx, arrivalKey{}, a)
}

// arrivalIn returns the arrival of a request from the context that the handler was given, which is
// never nil. The adapter to Lambda also has a header for it, which any client could send, so it is
// never read.
func arrivalIn(ctx context.Context) *Arrival {
	if a, ok := ctx.Value(arrivalKey{}).(*Arrival); ok {
		return a
	}
	c, ok := core.GetAPIGatewayContextFromContext(ctx)
	if !ok {
		return &Arrival{}
	}
	// On AWS a client can choose requestId, which is therefore only used if there is no
	// extendedRequestId.
	a := &Arrival{
		Caller: principalOf(c.Authorizer), Method: c.HTTPMethod, Resource: c.ResourcePath, Path: c.Path,
		Peer: c.Identity.SourceIP, RequestID: cmp.Or(c.ExtendedRequestID, c.RequestID),
		ID: slog.String("extendedRequestId", c.ExtendedRequestID),
	}
	if c.RequestTimeEpoch > 0 {
		a.Time = time.UnixMilli(c.RequestTimeEpoch)
	}
	return a
}

// arrivalOf returns the arrival of a request that the guard has let in.
func arrivalOf(ctx context.Context) *Arrival { return outcomeOf(ctx).arrival }

// requestPath returns the path of the request as the caller wrote it.
func requestPath(ctx context.Context) string {
	return cmp.Or(strings.TrimSuffix(arrivalOf(ctx).Path, "/"), api.KeysPath)
}

// requested returns the path and the query as the caller sent them.
func requested(r *http.Request, a *Arrival) string {
	uri := cmp.Or(a.Path, r.URL.EscapedPath())
	if r.URL.RawQuery != "" {
		uri += "?" + r.URL.RawQuery
	}
	return uri
}

// origin returns the source address of a request and its ID at the front door.
func (a *server) origin(ctx context.Context) registry.Origin {
	o := outcomeOf(ctx)
	from := registry.Origin{RequestID: o.arrival.RequestID}
	if source := apikey.Source(o.arrival.Peer, o.forwarded, a.TrustedProxyHops); source.IsValid() {
		from.SourceIP = source.String()
	}
	return from
}
