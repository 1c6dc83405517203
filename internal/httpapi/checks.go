package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
)

type validateInput struct {
	Body struct {
		APIKey    shown    `json:"apiKey" doc:"The key to judge, or pk…:sk…" example:"sk_live_3fGq8ZpLw1xKc0Ty7bNvRmJ2uQeHsD9aXoYi5VtE6kWzBgFr2U0NGI"`
		PublicKey *string  `json:"publicKey,omitempty" doc:"Must belong to the key" example:"pk_live_3fGq8ZpLw1xKc0Ty"`
		Scope     *string  `json:"scope,omitempty" maxLength:"128" doc:"What the key must be allowed to do" example:"tts"`
		Cost      *integer `json:"cost,omitempty" minimum:"0" maximum:"1000000" doc:"Requests to spend. Left out or 0, nothing is spent." example:"1"`
		SourceIP  *string  `json:"sourceIp,omitempty" maxLength:"64" doc:"Where the key was used from" example:"203.0.113.7"`
	}
}

type validateOutput struct{ Body verdict }

type verdict struct {
	Valid      bool                 `json:"valid"`
	Code       oneOf[verdictCodes]  `json:"code" doc:"valid, or why it is not" example:"valid"`
	Error      string               `json:"error,omitempty"`
	KeyID      string               `json:"keyId,omitempty" doc:"This and the other fields are present once the key is proven to be known" example:"3fGq8ZpLw1xKc0Ty"`
	UserID     string               `json:"userId,omitempty" example:"u1"`
	Name       string               `json:"name,omitempty" example:"ci"`
	Scopes     *[]string            `json:"scopes,omitempty" nullable:"false"`
	RateLimit  *nullable[rateLimit] `json:"rateLimit,omitempty" nullable:"true" doc:"null for a key without a limit"`
	Unlimited  bool                 `json:"unlimited,omitempty" doc:"There, and true, for a key without a limit"`
	Quota      *quota               `json:"quota,omitempty"`
	ExpiresAt  string               `json:"expiresAt,omitempty" format:"date-time" example:"2027-01-31T12:00:00Z"`
	RetryAfter int64                `json:"retryAfter,omitempty" doc:"Seconds, when the limit or the quota refuses" example:"12"`
	Left
}

type whoamiOutput struct {
	Limit     number `header:"X-RateLimit-Limit" doc:"This and the next two are of the tighter one of limit and quota. A key without a limit has none of them."`
	Remaining number `header:"X-RateLimit-Remaining"`
	Reset     number `header:"X-RateLimit-Reset" doc:"Epoch second"`
	Body      struct {
		KeyID       string                    `json:"keyId" example:"3fGq8ZpLw1xKc0Ty"`
		UserID      string                    `json:"userId" example:"u1"`
		Name        string                    `json:"name" example:"ci"`
		Scopes      []string                  `json:"scopes" nullable:"false"`
		Environment oneOf[callersEnvironment] `json:"environment" doc:"Empty for a static key, and for a user without a key" example:"live"`
		Internal    bool                      `json:"internal"`
		Unlimited   bool                      `json:"unlimited,omitempty" doc:"There, and true, for a key without a limit, and for a user without a key"`

		RateLimit nullable[whoamiLimit] `json:"rateLimit" doc:"The tighter one of limit and quota; null for a key without a limit, and for a user without a key"`
		Left
	}
}

type whoamiLimit struct {
	Requests  int64 `json:"requests" example:"100"`
	Remaining int64 `json:"remaining" example:"99"`
	Reset     int64 `json:"reset" doc:"Epoch second" example:"1795521660"`
}

// number is a whole number in a header that is left out where it is empty.
type number string

// Schema describes the type to huma.
func (number) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
}

func (a *api) registerChecks(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "validate-key", Method: http.MethodPost, Path: keysPath + "/validate", Tags: []string{"checks"}, Security: append(open(), protected()...),
		Summary: "Judge a key", Description: "Answers 200 whatever the verdict. It spends nothing unless cost says how much. If the deployment protects the route, the calling service must send a key of its own.",
	}, 400, 401, 413, 415, 429, 503), a.validate)
	huma.Register(h, operation(huma.Operation{
		OperationID: "whoami", Method: http.MethodGet, Path: "/api/v1/whoami", Tags: []string{"checks"}, Security: protected(),
		Summary: "Who the caller is", Description: "For any key, whose call counts as one request, and for a user who comes with a token of an issuer: then keyId is empty.",
	}, 400, 401, 429, 503), a.whoami)
}

func (a *api) validate(ctx context.Context, in *validateInput) (*validateOutput, error) {
	b := in.Body
	request := apikey.Request{Time: arrival(ctx)}
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

func (a *api) verdictOf(v apikey.Verdict) verdict {
	out := verdict{Valid: v.Valid(), Code: oneOf[verdictCodes](v.Code), Error: v.Message(), RetryAfter: int64(v.RetryAfter / time.Second)}
	if k := v.Key; k != nil {
		scopes := append([]string{}, k.Scopes...)
		if out.KeyID = k.ID; !v.Ended.IsZero() {
			return out // what became of the key is for whoever has its new secret
		}
		out.UserID, out.Name, out.Scopes = k.UserID, k.Name, &scopes
		limit := a.usedLimitOf(k, v.Usage)
		out.RateLimit, out.Quota, out.Left = &limit, usedQuotaOf(k, v.Usage), leftOf(k, v.Usage)
		out.Unlimited, out.ExpiresAt = k.Unlimited, stamp(k.ExpiresAt)
	}
	return out
}

func (a *api) whoami(ctx context.Context, _ *struct{}) (*whoamiOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	out := &whoamiOutput{}
	b := &out.Body
	var l *whoamiLimit
	if limit, ok := p.number("limit"); ok {
		l = &whoamiLimit{Requests: limit}
		l.Remaining, _ = p.number("remaining")
		l.Reset, _ = p.number("reset")
		b.Left = Left{&l.Requests, &l.Remaining, &l.Reset}
	} else if a.UnlimitedNumbers {
		l = &whoamiLimit{unlimitedRequests, unlimitedRequests, a.Now().Unix()}
	}
	if l != nil {
		out.Limit, out.Remaining, out.Reset = numberOf(l.Requests), numberOf(l.Remaining), numberOf(l.Reset)
	}
	b.RateLimit.Value = l
	b.KeyID, b.UserID, b.Name, b.Scopes, b.Environment = p.text("keyId"), p.text("userId"), p.text("name"), p.scopes(), oneOf[callersEnvironment](p.text("environment"))
	b.Internal, _ = strconv.ParseBool(p.text("internal"))
	b.Unlimited, _ = strconv.ParseBool(p.text("unlimited"))
	return out, nil
}

func numberOf(n int64) number { return number(strconv.FormatInt(n, 10)) }
