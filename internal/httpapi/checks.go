package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/registry"
)

type validateInput struct {
	Content jsonBody[api.ValidateRequest]
}

type validateOutput struct{ Body api.Verdict }

type whoamiInput struct {
	Include string `query:"include" enum:"grants" doc:"grants: also what a key may do and grant, which reads the table"`
}

type whoamiOutput struct {
	WindowHeaders
	Body api.WhoamiResponse
}

// WindowHeaders have the window status of the caller.
type WindowHeaders struct {
	Limit     number `header:"X-RateLimit-Limit" doc:"This and the next two are the window status of the tightest limit or quota. Absent for a key without a limit."`
	Remaining number `header:"X-RateLimit-Remaining"`
	Reset     number `header:"X-RateLimit-Reset" doc:"Epoch second. Absent if the tightest one is a lifetime quota"`
	Policy    string `header:"RateLimit-Policy" doc:"Every limit and quota of the caller, by draft-ietf-httpapi-ratelimit-headers-10: q requests in w seconds. Absent for a key without a limit"`
	State     string `header:"RateLimit" doc:"What remains of each: r requests, all again in t seconds. Retry-After takes precedence"`
}

// number is a whole number in a header. An empty number omits the header.
type number string

// Schema implements [huma.SchemaProvider].
func (number) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
}

func (a *server) registerChecks() {
	handleOpen(a, &huma.Operation{
		OperationID: "validate-key", Method: http.MethodPost, Path: api.ValidatePath, Tags: []string{"checks"},
		Security: append(open(), protected()...),
		Summary:  "Judge a key",
		Description: "Answers 200 whatever the verdict. It spends nothing unless cost says how much. " +
			"If the deployment protects the route, the calling service must send a key of its own.",
		Errors: []int{400, 401, 413, 415, 429, 503},
	}, a.validate)
	handle(a, &huma.Operation{
		OperationID: "whoami", Method: http.MethodGet, Path: api.WhoamiPath, Tags: []string{"checks"},
		Summary: "Who the caller is",
		Description: "For any key, and for a user who comes with a token of an issuer: then keyId is empty. " +
			"The call of a key counts as one request. With include=grants, and for every user without a key, " +
			"it also tells what the caller may do and grant.",
		Errors: []int{400, 401, 429, 503},
	}, a.whoami)
}

func (a *server) validate(ctx context.Context, in *validateInput) (*validateOutput, error) {
	body := in.Content.Value
	request := gate.Request{Time: arrivalOf(ctx).Time}
	token, public := apikey.Bare(body.APIKey.Reveal()), ""
	if body.PublicKey != nil {
		public = *body.PublicKey
	}
	request.Credential = a.Format.Pair(apikey.Bare(public), token)
	if body.Scope != nil {
		if request.Scope = *body.Scope; !apikey.ValidScope(request.Scope) {
			return nil, invalid("scope", "must be 1 to 128 characters of a-z 0-9 : . _ * -")
		}
	}
	if body.Cost != nil {
		request.Cost = int64(*body.Cost)
	}
	var err error
	if request.Source, err = source(body.SourceIP); err != nil {
		return nil, err
	}
	// The gate has a limit of its own for the time, which is longer if it has to ask an upstream.
	v, err := a.Gate.Check(context.WithoutCancel(ctx), request)
	if err != nil {
		return nil, err
	}
	o := outcomeOf(ctx)
	o.code, o.refused = string(v.Code), !v.Valid()
	if v.Key != nil {
		o.keyID = v.Key.ID
	}
	out := &validateOutput{a.verdictOf(v)}
	if v.Code == apikey.CodeMissing {
		out.Body.Error = missingKey(token)
	}
	return out, nil
}

// missingKey explains why a text holds no key. It may be specific, because no secret was judged.
func missingKey(text string) string {
	if apikey.IsJWT(text) {
		return "Missing API key: apiKey holds a JSON Web Token, which is no API key. " +
			"Only the routes that manage keys take one, as Authorization: Bearer"
	}
	return "Missing API key: apiKey is empty"
}

// verdictOf returns a verdict as the API writes it. If the token was replaced for good, it tells
// nothing of the key but its id: the rest is for the holder of the new token.
func (a *server) verdictOf(v apikey.Verdict) api.Verdict {
	out := api.Verdict{
		Valid: v.Valid(), Code: api.VerdictCode(v.Code), Error: v.Message(),
		RetryAfter: int64(v.RetryAfter / time.Second),
	}
	k := v.Key
	if k == nil {
		return out
	}
	if out.KeyID = k.ID; !v.Ended.IsZero() {
		return out
	}
	scopes := append([]string{}, v.Scopes()...)
	out.UserID, out.Name, out.Scopes, out.Metadata = k.UserID, k.Name, &scopes, k.Metadata
	// Most keys have one meter, with their own limit or the default one.
	rate, quota, byDefault := v.Status, v.Status, true
	if v.Plan != nil || len(v.Parts) > 1 {
		m := metersOfVerdict(&v)
		rate, quota, byDefault = m.status(k.ID), m.ofQuota(k), m.byDefault()
		out.Limits = boundsInUse(v.Bounds())
	}
	limit := a.usedLimitOf(k, byDefault, rate)
	out.RateLimit, out.Quota = &limit, usedQuotaOf(k, quota)
	if v.Limited() {
		out.WindowStatus = windowStatusOf(v.Status)
	}
	if v.Plan != nil {
		out.Plan = v.Plan.Name
	}
	out.Unlimited, out.ExpiresAt = k.Unlimited, stamp(k.ExpiresAt)
	return out
}

func (a *server) whoami(ctx context.Context, c registry.Caller, in *whoamiInput) (*whoamiOutput, error) {
	out := a.describe(c, &arrivalOf(ctx).Caller)
	if a.Registry == nil || in.Include == "" && c.KeyID != "" {
		return out, nil
	}
	grants, err := a.Registry.Grants(ctx, c)
	if err != nil {
		return nil, err
	}
	out.Body.Grants = grantsOf(grants)
	return out, nil
}

// describe returns the answer of whoami without grants.
func (a *server) describe(c registry.Caller, p *Principal) *whoamiOutput {
	out := &whoamiOutput{Body: api.WhoamiResponse{
		KeyID: p.KeyID, UserID: p.UserID, Name: p.Name, Scopes: append([]string{}, p.Scopes...),
		Environment: api.CallerEnvironment(p.Environment),
		Internal:    p.Internal, Unlimited: p.Unlimited, Subject: c.Subject,
	}}
	for _, group := range c.Groups {
		out.Body.Teams = append(out.Body.Teams, apikey.Team(group))
	}
	var l *api.WhoamiLimit
	if w := p.Window; w != nil {
		l = &api.WhoamiLimit{Requests: w.Limit, Remaining: w.Remaining, Reset: w.Reset}
		out.Body.WindowStatus = api.WindowStatus{Limit: &l.Requests, Remaining: &l.Remaining}
		if w.Reset != 0 { // credits have none
			out.Body.WindowStatus.Reset = &w.Reset
		}
	} else if a.UnlimitedNumbers {
		l = &api.WhoamiLimit{Requests: unlimitedRequests, Remaining: unlimitedRequests, Reset: a.Now().Unix()}
	}
	out.Policy, out.State = p.RateLimit.Policy, p.RateLimit.State
	if l != nil {
		out.Limit, out.Remaining = numberOf(l.Requests), numberOf(l.Remaining)
		if l.Reset != 0 {
			out.Reset = numberOf(l.Reset)
		}
	}
	out.Body.RateLimit.Value = l
	return out
}

func numberOf(n int64) number { return number(strconv.FormatInt(n, 10)) }
