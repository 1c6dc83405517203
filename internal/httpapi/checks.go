package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
)

type validateInput struct{ Body api.ValidateRequest }

type validateOutput struct{ Body api.Verdict }

type whoamiOutput struct {
	Limit     number `header:"X-RateLimit-Limit" doc:"This and the next two are of the tighter one of limit and quota. A key without a limit has none of them."`
	Remaining number `header:"X-RateLimit-Remaining"`
	Reset     number `header:"X-RateLimit-Reset" doc:"Epoch second"`
	Body      api.WhoamiResponse
}

// number is a whole number in a header that is left out where it is empty.
type number string

// Schema describes the type to huma.
func (number) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
}

func (a *server) registerChecks(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "validate-key", Method: http.MethodPost, Path: api.ValidatePath, Tags: []string{"checks"}, Security: append(open(), protected()...),
		Summary: "Judge a key", Description: "Answers 200 whatever the verdict. It spends nothing unless cost says how much. If the deployment protects the route, the calling service must send a key of its own.",
	}, 400, 401, 413, 415, 429, 503), a.validate)
	huma.Register(h, operation(huma.Operation{
		OperationID: "whoami", Method: http.MethodGet, Path: api.WhoamiPath, Tags: []string{"checks"}, Security: protected(),
		Summary: "Who the caller is", Description: "For any key, whose call counts as one request, and for a user who comes with a token of an issuer: then keyId is empty.",
	}, 400, 401, 429, 503), a.whoami)
}

func (a *server) validate(ctx context.Context, in *validateInput) (*validateOutput, error) {
	b := in.Body
	request := gate.Request{Time: arrival(ctx)}
	public := ""
	if b.PublicKey != nil {
		public = *b.PublicKey
	}
	request.Credential = a.Format.Pair(apikey.Bare(public), apikey.Bare(b.APIKey.Reveal()))
	if b.Scope != nil {
		if request.Scope = *b.Scope; !apikey.ValidScope(request.Scope) {
			return nil, a.failure(ctx, wrong("scope", "must be 1 to 128 characters of a-z 0-9 : . _ * -"))
		}
	}
	if b.Cost != nil {
		request.Cost = int64(*b.Cost)
	}
	if b.SourceIP != nil {
		address, err := netip.ParseAddr(*b.SourceIP)
		if err != nil {
			return nil, a.failure(ctx, wrong("sourceIp", "must be an IP address"))
		}
		request.Source = address.Unmap().WithZone("")
	}
	// The gate's own patience counts, which is longer for what an upstream must be asked.
	v, err := a.Gate.Check(context.WithoutCancel(ctx), request)
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	o := outcomeOf(ctx)
	o.code = string(v.Code)
	if v.Key != nil {
		o.keyID = v.Key.ID
	}
	out := &validateOutput{Body: a.verdictOf(v)}
	if v.Code == apikey.CodeMissing {
		out.Body.Error = noKey(apikey.Bare(b.APIKey.Reveal()))
	}
	return out, nil
}

// noKey explains why a text has no key. It may be specific, because no secret was judged.
func noKey(text string) string {
	if apikey.IsJWT(text) {
		return "Missing API key: apiKey holds a JSON Web Token, which is no API key. Only the routes that manage keys take one, as Authorization: Bearer"
	}
	return "Missing API key: apiKey is empty"
}

func (a *server) verdictOf(v apikey.Verdict) api.Verdict {
	out := api.Verdict{Valid: v.Valid(), Code: api.VerdictCode(v.Code), Error: v.Message(), RetryAfter: int64(v.RetryAfter / time.Second)}
	if k := v.Key; k != nil {
		scopes := append([]string{}, k.Scopes...)
		if out.KeyID = k.ID; !v.Ended.IsZero() {
			return out // what became of the key is for whoever has its new secret
		}
		out.UserID, out.Name, out.Scopes = k.UserID, k.Name, &scopes
		limit := a.usedLimitOf(k, v.Status)
		out.RateLimit, out.Quota, out.WindowStatus = &limit, usedQuotaOf(k, v.Status), windowStatusOf(k, v.Status)
		out.Unlimited, out.ExpiresAt = k.Unlimited, stamp(k.ExpiresAt)
	}
	return out
}

func (a *server) whoami(ctx context.Context, _ *struct{}) (*whoamiOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	out := &whoamiOutput{}
	b := &out.Body
	var l *api.WhoamiLimit
	if limit, ok := p.number("limit"); ok {
		l = &api.WhoamiLimit{Requests: limit}
		l.Remaining, _ = p.number("remaining")
		l.Reset, _ = p.number("reset")
		b.WindowStatus = api.WindowStatus{Limit: &l.Requests, Remaining: &l.Remaining, Reset: &l.Reset}
	} else if a.UnlimitedNumbers {
		l = &api.WhoamiLimit{Requests: unlimitedRequests, Remaining: unlimitedRequests, Reset: a.Now().Unix()}
	}
	if l != nil {
		out.Limit, out.Remaining, out.Reset = numberOf(l.Requests), numberOf(l.Remaining), numberOf(l.Reset)
	}
	b.RateLimit.Value = l
	b.KeyID, b.UserID, b.Name, b.Scopes, b.Environment = p.text("keyId"), p.text("userId"), p.text("name"), p.scopes(), api.CallerEnvironment(p.text("environment"))
	b.Internal, _ = strconv.ParseBool(p.text("internal"))
	b.Unlimited, _ = strconv.ParseBool(p.text("unlimited"))
	return out, nil
}

func numberOf(n int64) number { return number(strconv.FormatInt(n, 10)) }
