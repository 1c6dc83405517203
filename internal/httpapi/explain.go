package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/registry"
	"latchkey/internal/routes"
)

type explainInput struct {
	IDInput
	Content jsonBody[api.ExplainRequest]
}

type explainOutput struct{ Body api.ExplainResponse }

func (a *server) registerExplain() {
	handle(a, &huma.Operation{
		OperationID: "explain-key", Method: http.MethodPost, Path: api.KeysPath + "/{id}/explain", Tags: []string{"checks"},
		Summary: "Why a key would be allowed or refused",
		Description: "Needs keys:read. Lists the checks of a request with this key, in their order and to the end. " +
			"It spends nothing. The secret is not checked: a wrong one is an unknown key.",
		Errors: []int{400, 401, 403, 404, 413, 415, 429, 503},
	}, a.explain)
}

func (a *server) explain(ctx context.Context, c registry.Caller, in *explainInput) (*explainOutput, error) {
	body := in.Content.Value
	request, err := explained(body)
	if err != nil {
		return nil, err
	}
	record, err := a.Registry.Find(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	route, public := a.explainRoute(body, &request)
	out := &explainOutput{api.ExplainResponse{Code: api.ExplainCode(apikey.CodeValid), Checks: []api.CheckStep{route}}}
	if public {
		return out, nil
	}
	code, steps, err := a.Explain(ctx, record, request)
	if err != nil {
		return nil, err
	}
	out.Body.Code = api.ExplainCode(code)
	if !route.Pass {
		out.Body.Code = api.ExplainCode(apikey.CodeNoRouteRule)
	}
	for _, s := range steps {
		step := api.CheckStep{Check: api.CheckName(s.Check), Pass: s.Pass, Detail: s.Detail}
		out.Body.Checks = append(out.Body.Checks, step)
	}
	return out, nil
}

// explained returns the request of the gate that a body describes, without what the rules for routes
// say.
func explained(body api.ExplainRequest) (gate.Request, error) {
	r := gate.Request{Cost: 1}
	if !strings.HasPrefix(body.Path, "/") {
		return r, invalid("path", "must begin with /")
	}
	if body.Cost != nil {
		r.Cost = int64(*body.Cost)
	}
	var err error
	if r.Source, err = source(body.SourceIP); err != nil {
		return r, err
	}
	at, err := moment("at", body.At)
	if at != nil {
		r.Time = *at
	}
	return r, err
}

// explainRoute explains the check of the route, which comes before the checks of the gate. It sets
// the scope that the route needs and, unless the body has a cost, what the request costs. A public
// route needs no key, so it has no other checks.
func (a *server) explainRoute(body api.ExplainRequest, r *gate.Request) (step api.CheckStep, public bool) {
	method, path := body.Method, body.Path
	step = api.CheckStep{Check: checkOf(apikey.CodeNoRouteRule), Pass: true}
	if a.Public.Cover(method, path) {
		step.Detail = "the path is public: it asks for no key"
		return step, true
	}
	if a.managesKeys(method, path) {
		step.Detail = "latchkey's own, which asks for a scope itself"
		return step, false
	}
	scope, err := a.Routes.Scope(method, path)
	switch r.Scope = scope; {
	case err != nil:
		step.Pass = false
		step.Detail = "there are rules for routes, and none for this one: " +
			"no rule names it, or a server could read the path in two ways"
	case scope != "":
		step.Detail = "a rule asks for the scope " + scope
	default:
		step.Detail = "no rule asks for a scope"
	}
	if body.Cost == nil {
		r.Cost, r.RouteCost = a.Costs.Cost(method, path), true
	}
	return step, false
}

// checkOf returns the name of the check that refuses with a code.
func checkOf(code apikey.Code) api.CheckName { return api.CheckName(code.Info().Check) }

// managesKeys reports whether API Gateway would pass a request to one of the routes here that
// manage keys. A path that only resembles one of theirs belongs to a backend.
func (a *server) managesKeys(method, at string) bool {
	r, err := http.NewRequest(method, at, nil)
	if err != nil || !clean(r.URL) {
		return false
	}
	_, pattern := a.mux.Handler(r)
	_, resource, _ := strings.Cut(pattern, " ")
	return routes.Manages(resource)
}
