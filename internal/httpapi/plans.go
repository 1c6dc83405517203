package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// PlanInput names a plan.
type PlanInput struct {
	Name string `path:"name" maxLength:"128" example:"pro"`
}

type putPlanInput struct {
	PlanInput
	MatchInput
	Content jsonBody[api.PlanRequest]
}

type planOutput struct {
	PlanHeaders
	Body api.Plan
}

// PlanHeaders are the headers of a response with a plan.
type PlanHeaders struct {
	ETag string `header:"ETag" doc:"Changes with every change of the plan"`
}

type planStatsInput struct {
	PlanInput
	PageInput
}

type planStatsOutput struct{ Body api.PlanStatsResponse }

type plansOutput struct{ Body api.PlansResponse }

func (a *server) registerPlans() {
	handle(a, &huma.Operation{
		OperationID: "list-plans", Method: http.MethodGet, Path: api.PlansPath, Tags: []string{"people"},
		Summary:     "List all plans",
		Description: "Needs keys:admin. By name; a plan that was made in the last moments may be missing.",
		Errors:      []int{400, 401, 403, 429, 503},
	}, a.plans)
	handle(a, &huma.Operation{
		OperationID: "get-plan", Method: http.MethodGet, Path: api.PlansPath + "/{name}", Tags: []string{"people"},
		Summary:     "Get a plan",
		Description: "Needs keys:admin, or keys:read for the plan of the caller's own key or user.",
		Errors:      []int{400, 401, 403, 404, 429, 503},
	}, a.plan)
	handle(a, &huma.Operation{
		OperationID: "put-plan", Method: http.MethodPut, Path: api.PlansPath + "/{name}", Tags: []string{"people"},
		Summary: "Make a plan, or change it",
		Description: "Needs keys:admin. The body is the whole plan: an omitted field is empty. " +
			"All keys of the plan keep to it within FRESHNESS. A plan must bound something, and is never deleted.",
		Errors: []int{400, 401, 403, 409, 412, 413, 415, 429, 503},
	}, a.putPlan)
	handle(a, &huma.Operation{
		OperationID: "plan-stats", Method: http.MethodGet, Path: api.PlansPath + "/{name}/stats", Tags: []string{"people"},
		Summary: "The users of a plan, and what they have used",
		Description: "Needs keys:admin. By id; a change of the last moments may be missing. " +
			"A key that names the plan itself does not make its user one of these.",
		Errors: []int{400, 401, 403, 404, 429, 503},
	}, a.planStats)
}

func (a *server) plans(ctx context.Context, c registry.Caller, _ *struct{}) (*plansOutput, error) {
	all, err := a.Registry.Plans(ctx, c)
	if err != nil {
		return nil, err
	}
	out := &plansOutput{api.PlansResponse{Data: []api.Plan{}}}
	for _, p := range all {
		out.Body.Data = append(out.Body.Data, planOf(p))
	}
	return out, nil
}

func (a *server) plan(ctx context.Context, c registry.Caller, in *PlanInput) (*planOutput, error) {
	p, err := a.Registry.Plan(ctx, c, in.Name)
	return planResponse(p, noSuchPlan(err))
}

// noSuchPlan returns an error that names the plan if err says that there is none.
func noSuchPlan(err error) error {
	if errors.Is(err, apikey.ErrNotFound) {
		return newError(apikey.CodeNotFound, "name", "No such plan")
	}
	return err
}

func (a *server) planStats(ctx context.Context, c registry.Caller, in *planStatsInput) (*planStatsOutput, error) {
	users, next, err := a.Registry.PlanStats(ctx, c, in.Name, in.Cursor, in.Limit)
	if err != nil {
		return nil, noSuchPlan(err)
	}
	plan, err := a.Registry.Plan(ctx, c, in.Name)
	if err != nil {
		return nil, noSuchPlan(err)
	}
	out := &planStatsOutput{api.PlanStatsResponse{Data: []api.User{}, NextCursor: next}}
	for _, record := range users {
		u := userOf(record.User)
		u.Bounds = boundsInUse(a.Registry.SharedBounds(record, plan))
		out.Body.Data = append(out.Body.Data, u)
	}
	return out, nil
}

func (a *server) putPlan(ctx context.Context, c registry.Caller, in *putPlanInput) (*planOutput, error) {
	body := in.Content.Value
	if body.Name != nil && *body.Name != in.Name {
		return nil, invalid("name", "must be the name in the path, or be left out")
	}
	p := apikey.Plan{
		Name: in.Name, Key: boundsIn(body.Key), User: boundsIn(body.User),
		Life: apikey.Life{MaxDays: whole(body.MaxDays), DefaultDays: whole(body.DefaultDays), IdleDays: whole(body.IdleDays)},
	}
	if body.Scopes != nil {
		p.Scopes = apikey.Scopes(*body.Scopes)
	}
	return planResponse(a.Registry.PutPlan(ctx, c, p))
}

// planResponse returns the response with a plan, or the error.
func planResponse(p *apikey.Plan, err error) (*planOutput, error) {
	if err != nil {
		return nil, err
	}
	return &planOutput{PlanHeaders{tagOf(p.Rev)}, planOf(p)}, nil
}

func planOf(p *apikey.Plan) api.Plan {
	return api.Plan{
		Name: p.Name, Scopes: append([]string{}, p.Scopes...), Key: boundsOf(p.Key), User: boundsOf(p.User),
		MaxDays: int64(p.Life.MaxDays), DefaultDays: int64(p.Life.DefaultDays), IdleDays: int64(p.Life.IdleDays),
	}
}

// whole returns a number of a body, or 0 if it is omitted.
func whole(n *api.Integer) int {
	if n == nil {
		return 0
	}
	return int(*n)
}

// boundsIn returns the bounds that a body asks for.
func boundsIn(b *api.BoundsInput) (bounds apikey.Bounds) {
	if b == nil {
		return bounds
	}
	if b.Limits != nil {
		bounds.Limits = limitsIn(*b.Limits)
	}
	if b.Quota != nil {
		bounds.Quota = quotaIn(*b.Quota)
	}
	return bounds
}

// limitsIn returns the limits that a body asks for, in its order.
func limitsIn(lines []api.Line) (limits []ratelimit.Limit) {
	for _, l := range lines {
		limits = append(limits, ratelimit.Limit{Requests: int64(l.Amount), Window: time.Duration(l.Window) * time.Second})
	}
	return limits
}

func quotaIn(q api.QuotaInput) ratelimit.Quota {
	return ratelimit.Quota{Requests: int64(q.Requests), Period: ratelimit.Period(q.Period)}
}

// boundsOf returns bounds as the API writes them.
func boundsOf(b apikey.Bounds) api.Bounds {
	return api.Bounds{Limits: linesOf(b.Limits), Quota: plainQuota(b.Quota)}
}

// linesOf returns limits as the API writes them. The list is never nil.
func linesOf(limits []ratelimit.Limit) []api.Line {
	lines := []api.Line{}
	for _, l := range limits {
		lines = append(lines, api.Line{Amount: api.Integer(l.Requests), Window: api.Integer(l.Window / time.Second)})
	}
	return lines
}

// plainQuota returns a quota without its window status, or nil if it is none.
func plainQuota(q ratelimit.Quota) *api.QuotaInput {
	if q == (ratelimit.Quota{}) {
		return nil
	}
	return &api.QuotaInput{Requests: api.Integer(q.Requests), Period: api.Period(q.Period)}
}
