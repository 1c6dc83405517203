package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// principal is the context that the authorizer made for the caller. API Gateway turns every value
// into text, and sam local leaves numbers as they are.
type principal map[string]any

// principalOf takes the principal from API Gateway's own request context. The adapter also has a
// header for it, which any client could send, so it is never read.
func principalOf(ctx context.Context) principal {
	c, _ := core.GetAPIGatewayContextFromContext(ctx)
	return principal(c.Authorizer)
}

// isNobody reports whether the authorizer named neither a key nor a user.
func (p principal) isNobody() bool { return p.text("keyId") == "" && p.text("userId") == "" }

// text returns a value as text, or "" if there is none.
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

// number returns a value that is a whole number.
func (p principal) number(name string) (int64, bool) {
	var n int64
	_, err := fmt.Sscanf(p.text(name), "%d", &n)
	return n, err == nil
}

// flag reports whether a value is true.
func (p principal) flag(name string) bool {
	set, _ := strconv.ParseBool(p.text(name))
	return set
}

// scopes returns the caller's scopes, which the authorizer separates by spaces.
func (p principal) scopes() apikey.Scopes {
	return append(apikey.Scopes{}, strings.Fields(p.text("scopes"))...)
}

// groups returns the groups of a user, which the authorizer percent-encodes and separates by commas.
func (p principal) groups() (groups []string) {
	for encoded := range strings.SplitSeq(p.text("groups"), ",") {
		if group, err := url.PathUnescape(encoded); err == nil && group != "" {
			groups = append(groups, group)
		}
	}
	return groups
}

// caller returns the caller without the conditions and the source of the request.
func (p principal) caller() registry.Caller {
	c := registry.Caller{KeyID: p.text("keyId"), UserID: p.text("userId"), Scopes: p.scopes()}
	if c.KeyID == "" {
		c.Subject, c.Groups = p.text("subject"), p.groups()
	}
	if generation, ok := p.number("generation"); ok {
		replaced := p.text("replaced")
		c.Presented = &registry.Presented{Generation: generation, Replaced: replaced != "" && replaced != "false"}
	}
	return c
}

// requestPath returns the path of the request as the caller wrote it, with the stage or the base
// path of a custom domain. Only API Gateway knows these.
func requestPath(ctx context.Context) string {
	c, _ := core.GetAPIGatewayContextFromContext(ctx)
	return cmp.Or(strings.TrimSuffix(c.Path, "/"), api.KeysPath)
}

// origin returns the source address of a request and its ID at API Gateway. On AWS a client can
// choose requestId, which is therefore only used if there is no extendedRequestId.
func (a *server) origin(ctx context.Context) registry.Origin {
	c, _ := core.GetAPIGatewayContextFromContext(ctx)
	o := registry.Origin{RequestID: cmp.Or(c.ExtendedRequestID, c.RequestID)}
	if source := apikey.Source(c.Identity.SourceIP, outcomeOf(ctx).forwarded, a.TrustedProxyHops); source.IsValid() {
		o.SourceIP = source.String()
	}
	return o
}

// arrival returns the time at which API Gateway received the request, or the zero time.
func arrival(ctx context.Context) time.Time {
	c, ok := core.GetAPIGatewayContextFromContext(ctx)
	if !ok || c.RequestTimeEpoch <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(c.RequestTimeEpoch)
}
