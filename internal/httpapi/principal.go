package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// principal is what the authorizer says of the caller. API Gateway makes every
// value text; sam local leaves numbers as they are.
type principal map[string]any

// caller takes the principal out of API Gateway's own context: a key, or a user
// without one. The adapter also has a header for it, which any client could send:
// it is never read.
func (a *server) caller(ctx context.Context) (principal, error) {
	c, _ := core.GetAPIGatewayContextFromContext(ctx)
	p := principal(c.Authorizer)
	if p.text("keyId") == "" && p.text("userId") == "" {
		e := newError(http.StatusUnauthorized, "authorization", "")
		outcomeOf(ctx).code = string(apikey.CodeMissing)
		return nil, e
	}
	outcomeOf(ctx).keyID = p.text("keyId")
	return p, nil
}

func (p principal) text(name string) string {
	switch value := p[name].(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	default:
		return fmt.Sprint(value)
	}
}

func (p principal) number(name string) (int64, bool) {
	var n int64
	_, err := fmt.Sscanf(p.text(name), "%d", &n)
	return n, err == nil
}

func (p principal) scopes() apikey.Scopes {
	return append(apikey.Scopes{}, strings.Fields(p.text("scopes"))...)
}

func (p principal) caller() registry.Caller {
	c := registry.Caller{KeyID: p.text("keyId"), UserID: p.text("userId"), Scopes: p.scopes()}
	if generation, ok := p.number("generation"); ok {
		replaced := p.text("replaced")
		c.Presented = &registry.Presented{Generation: generation, Replaced: replaced != "" && replaced != "false"}
	}
	return c
}

// place is the path that the caller asked for. Only API Gateway knows of the
// stage, or of what a custom domain has in its place.
func place(ctx context.Context) string {
	c, _ := core.GetAPIGatewayContextFromContext(ctx)
	return cmp.Or(strings.TrimSuffix(c.Path, "/"), api.KeysPath)
}

// origin returns the source address of a request and its ID at API Gateway. On AWS a client can choose requestId, which
// is therefore only used if there is no extendedRequestId.
func (a *server) origin(ctx context.Context) registry.Origin {
	c, _ := core.GetAPIGatewayContextFromContext(ctx)
	o := registry.Origin{RequestID: cmp.Or(c.ExtendedRequestID, c.RequestID)}
	if source := apikey.Source(c.Identity.SourceIP, outcomeOf(ctx).forwarded, a.TrustedProxyHops); source.IsValid() {
		o.SourceIP = source.String()
	}
	return o
}

// arrival is when API Gateway got the request.
func arrival(ctx context.Context) time.Time {
	c, ok := core.GetAPIGatewayContextFromContext(ctx)
	if !ok || c.RequestTimeEpoch <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(c.RequestTimeEpoch)
}
