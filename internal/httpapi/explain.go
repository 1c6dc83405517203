package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
	"latchkey/internal/routes"
)

type explainInput struct {
	IDInput
	Body struct {
		Method   string   `json:"method" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS" example:"POST"`
		Path     string   `json:"path" maxLength:"2048" doc:"As API Gateway sees it, without the stage" example:"/tts/speak"`
		SourceIP *string  `json:"sourceIp,omitempty" maxLength:"64" example:"203.0.113.7"`
		Cost     *integer `json:"cost,omitempty" minimum:"0" maximum:"1000000" doc:"1 where it is left out" example:"1"`
		At       *string  `json:"at,omitempty" doc:"RFC 3339; now where it is left out" example:"2027-01-31T12:00:00Z"`
	}
}

type explainOutput struct {
	Body struct {
		Code   oneOf[explainedCodes] `json:"code" doc:"valid, or the first check that refuses" example:"insufficient_scope"`
		Checks []checkStep           `json:"checks" nullable:"false"`
	}
}

type checkStep struct {
	Check  oneOf[checkNames] `json:"check" example:"scope"`
	Pass   bool              `json:"pass"`
	Detail string            `json:"detail" doc:"What decided" example:"asked for is tts; the key has \"stt\""`
}

func (a *api) registerExplain(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "explain-key", Method: http.MethodPost, Path: keysPath + "/{id}/explain", Tags: []string{"checks"}, Security: protected(),
		Summary: "Why a key would be let through or refused",
		Description: "Needs keys:read. Goes through the checks of a request with this key, in their order and to the end. It spends nothing. " +
			"The secret itself is not among them: a wrong one is an unknown key.",
	}, 400, 401, 403, 404, 413, 415, 429, 503), a.explain)
}

func (a *api) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	r := apikey.Request{Cost: 1}
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
	route := checkStep{Check: checkRoute, Pass: true}
	switch {
	case a.Public.Cover(b.Method, b.Path):
		route.Detail = "the path is public: it asks for no key"
		out.Body.Code, out.Body.Checks = oneOf[explainedCodes](apikey.CodeValid), []checkStep{route}
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
	out.Body.Code, out.Body.Checks = oneOf[explainedCodes](code), []checkStep{route}
	if !route.Pass {
		out.Body.Code = noRouteRule
	}
	for _, s := range steps {
		out.Body.Checks = append(out.Body.Checks, checkStep{oneOf[checkNames](s.Check), s.Pass, s.Detail})
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
func (a *api) managesKeys(method, at string) bool {
	r, err := http.NewRequest(method, at, nil)
	if err != nil || !clean(r.URL) {
		return false
	}
	_, pattern := a.mux.Handler(r)
	_, resource, _ := strings.Cut(pattern, " ")
	return routes.Manages(resource)
}
