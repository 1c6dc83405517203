package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/routes"
)

type explainInput struct {
	IDInput
	Body api.ExplainRequest
}

type explainOutput struct{ Body api.ExplainResponse }

func (a *server) registerExplain(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "explain-key", Method: http.MethodPost, Path: api.KeysPath + "/{id}/explain", Tags: []string{"checks"}, Security: protected(),
		Summary: "Why a key would be let through or refused",
		Description: "Needs keys:read. Goes through the checks of a request with this key, in their order and to the end. It spends nothing. " +
			"The secret itself is not among them: a wrong one is an unknown key.",
	}, 400, 401, 403, 404, 413, 415, 429, 503), a.explain)
}

func (a *server) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	r := gate.Request{Cost: 1}
	b := in.Body
	if !strings.HasPrefix(b.Path, "/") {
		return nil, a.failure(ctx, wrong("path", "must begin with /"))
	}
	if b.Cost != nil {
		r.Cost = int64(*b.Cost)
	}
	if b.SourceIP != nil {
		address, err := netip.ParseAddr(*b.SourceIP)
		if err != nil {
			return nil, a.failure(ctx, wrong("sourceIp", "must be an IP address"))
		}
		r.Source = address.Unmap().WithZone("")
	}
	at, err := moment("at", b.At)
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	if at != nil {
		r.Time = *at
	}
	record, err := a.Registry.Find(ctx, p.caller(), in.ID)
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	out := &explainOutput{}
	route := api.CheckStep{Check: checkRoute, Pass: true}
	switch {
	case a.Public.Cover(b.Method, b.Path):
		route.Detail = "the path is public: it asks for no key"
		out.Body.Code, out.Body.Checks = api.ExplainCode(apikey.CodeValid), []api.CheckStep{route}
		return out, nil
	case a.managesKeys(b.Method, b.Path):
		route.Detail = "latchkey's own, which asks for a scope itself"
	default:
		if r.Scope, err = a.Routes.Scope(b.Method, b.Path); err != nil {
			route.Pass, route.Detail = false, "there are rules for routes, and none for this one: no rule names it, or a server could read the path in two ways"
		} else if route.Detail = "no rule asks for a scope"; r.Scope != "" {
			route.Detail = "a rule asks for the scope " + r.Scope
		}
	}
	code, steps, err := a.Explain(record, r)
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	out.Body.Code, out.Body.Checks = api.ExplainCode(code), []api.CheckStep{route}
	if !route.Pass {
		out.Body.Code = noRouteRule
	}
	for _, s := range steps {
		out.Body.Checks = append(out.Body.Checks, api.CheckStep{Check: api.CheckName(s.Check), Pass: s.Pass, Detail: s.Detail})
	}
	return out, nil
}

// noRouteRule is what the authorizer's log calls a refusal of the route, which it
// makes before it looks at the key.
const noRouteRule = "no_route_rule"

// checkRoute is the check that comes before the gate's.
const checkRoute = "route"

// managesKeys reports whether a request would get to one of the routes here that
// manage keys, whose paths API Gateway has as its resources. What only looks like
// one of them is a backend's.
func (a *server) managesKeys(method, at string) bool {
	r, err := http.NewRequest(method, at, nil)
	if err != nil || !clean(r.URL) {
		return false
	}
	_, pattern := a.mux.Handler(r)
	_, resource, _ := strings.Cut(pattern, " ")
	return routes.Manages(resource)
}
