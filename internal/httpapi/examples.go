package httpapi

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

// example is a request of an operation, nil if it has no body, and the answer of its success, nil if that has none.
type example struct{ request, answer any }

const (
	exampleID    = "3fGq8ZpLw1xKc0Ty"
	exampleToken = "sk_live_3fGq8ZpLw1xKc0Ty7bNvRmJ2uQeHsD9aXoYi5VtE6kWzBgFr2U0NGI"
)

// addExamples adds an example of each body to the document. A deployment with a key of the id and the token above
// answers each request as it is here. The values are of the types that the handlers use, so no field can be misspelt.
func addExamples(document *huma.OpenAPI) {
	all := examples()
	for _, item := range document.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Delete} {
			if o == nil {
				continue
			}
			if !slices.ContainsFunc(o.Parameters, func(p *huma.Param) bool { return p.Name == "Idempotency-Key" }) {
				delete(o.Responses, "422") // huma adds it to all; here it is for a name that was used before
			}
			e := all[o.OperationID]
			if o.RequestBody != nil {
				for _, media := range o.RequestBody.Content {
					media.Example = e.request
				}
			}
			for status, response := range o.Responses {
				answer := e.answer
				if n, err := strconv.Atoi(status); err != nil || n >= http.StatusBadRequest {
					answer = errorExample(n)
				}
				for _, media := range response.Content {
					media.Example = answer
				}
			}
		}
	}
}

// errorExample returns an error for a status. API Gateway answers the requests that the authorizer refuses.
func errorExample(status int) *apiError {
	param := "authorization"
	switch status {
	case http.StatusUnauthorized:
		e := &apiError{Envelope: envelope(api.InvalidRequestError, codeInvalidKey, apikey.Refused)}
		e.Detail.Param = &param
		return e
	case http.StatusTooManyRequests:
		return &apiError{Envelope: envelope(api.RateLimitError, codeLimit, "Rate limit exceeded. Try again in 12 seconds.")}
	case http.StatusBadRequest:
		return newError(status, "ratelimit", "ratelimit is unknown: did you mean rateLimit?")
	}
	return newError(status, "", "")
}

func examples() map[string]example {
	name, user, seconds := "ci", "u1", api.Integer(3600)
	scope, source, public := "tts", "203.0.113.7", "pk_live_"+exampleID
	metadata, scopes := map[string]string{"team": "builds"}, []string{"tts"}
	days, cost := api.Integer(90), api.Integer(1)
	now, end, limit, left, reset := "2026-11-24T12:00:00.000Z", "2027-02-22T12:00:00.000Z", int64(100), int64(99), int64(1795521661)
	token := api.NewToken(exampleToken)
	usedLimit := api.Nullable[api.RateLimit]{Value: &api.RateLimit{Requests: limit, Window: 60, Remaining: &left, Reset: &reset}}
	numbers := api.WindowStatus{Limit: &limit, Remaining: &left, Reset: &reset}

	issued := api.Record{
		ID: exampleID, UserID: user, Name: name, Environment: "live", Status: "active", KeyPrefix: "sk_live_3fGq", PublicKey: public,
		Scopes: scopes, RateLimit: api.Nullable[api.RateLimit]{Value: &api.RateLimit{Requests: limit, Window: 60}}, AllowedCIDRs: []string{}, Metadata: metadata,
		Enabled: true, ExpiresAt: end, CreatedAt: now,
	}
	record := issued
	record.RateLimit, record.LastUsedAt, record.WindowStatus = usedLimit, &api.Nullable[string]{Value: &now}, numbers
	revoked := record
	revoked.Status, revoked.RevokedAt = "revoked", now

	var create createInput
	create.Body.UserID = &user
	create.Body.Fields = api.Fields{
		Name: &name, Scopes: &scopes, RateLimit: &api.LimitInput{Requests: 100, Window: 60}, Metadata: &metadata, ExpiresInDays: &days,
	}
	team := metadata["team"]
	patched := api.Patch{
		Name:      api.Set(name),
		RateLimit: api.Set(api.LimitPatch{Requests: api.Set(api.Integer(200)), Window: api.Set(api.Integer(60))}),
		Metadata:  api.Set(map[string]*string{"team": &team}),
	}
	var created createOutput
	created.Body.Record, created.Body.Key = issued, token
	var list listOutput
	list.Body.Data = []api.Record{record}
	var rotated rotateOutput
	rotated.Body.Record, rotated.Body.Key, rotated.Body.PreviousKeyValidUntil = issued, token, "2026-11-24T13:00:00.000Z"
	var one tokenInput
	one.Body.Key = token
	var many revokedOutput
	many.Body.Revoked = 3
	var trail trailOutput
	trail.Body.Data = []api.TrailEntry{{
		At: now, Actor: api.TrailActor{Type: "key", ID: exampleID}, Action: "update", KeyID: exampleID,
		Changes: map[string]api.TrailChange{"name": {Before: "staging", After: name}}, RequestID: "UK1abcDEFghiJKL=", SourceIP: source,
	}}
	var usage usageOutput
	usage.Body.Data, usage.Body.Total = []api.DayUsage{{Date: "2026-11-01", Requests: 1200}, {Date: "2026-11-02", Requests: 34}}, 1234
	var stats statsOutput
	used, window := int64(1), int64(60)
	stats.Body.Data = []api.Stats{{
		KeyID: exampleID, Name: name, KeyPrefix: "sk_live_3fGq", UserID: user, Requests: &used, Window: &window, Limit: &limit, Remaining: &left,
		LastUsedAt: api.Nullable[string]{Value: &now},
	}}
	var explain explainInput
	explain.Body.Method, explain.Body.Path, explain.Body.SourceIP, explain.Body.Cost = "POST", "/tts/speak", &source, &cost
	var explained explainOutput
	explained.Body.Code = api.ExplainCode(apikey.CodeInsufficientScope)
	explained.Body.Checks = []api.CheckStep{
		{Check: checkRoute, Pass: true, Detail: "a rule asks for the scope tts"},
		{Check: "scope", Detail: `asked for is tts; the key has "stt"`},
	}
	var validate validateInput
	validate.Body.APIKey, validate.Body.PublicKey, validate.Body.Scope = token, &public, &scope
	validate.Body.Cost, validate.Body.SourceIP = &cost, &source
	var whoami whoamiOutput
	whoami.Body.KeyID, whoami.Body.UserID, whoami.Body.Name, whoami.Body.Scopes, whoami.Body.Environment = exampleID, user, name, scopes, "live"
	whoami.Body.RateLimit, whoami.Body.WindowStatus = api.Nullable[api.WhoamiLimit]{Value: &api.WhoamiLimit{Requests: limit, Remaining: left, Reset: reset}}, numbers
	var health healthOutput
	health.Body.Status = "ok"

	return map[string]example{
		"create-key": {create.Body, created.Body}, "list-keys": {nil, list.Body}, "get-key": {nil, record},
		"update-key": {patched, record},
		"revoke-key": {nil, revoked}, "delete-key": {},
		"rotate-key": {api.RotateRequest{GracePeriod: &seconds}, rotated.Body}, "end-grace": {nil, record}, "revoke-user-keys": {nil, many.Body},
		"lookup-key": {one.Body, record}, "revoke-by-token": {one.Body, nil},
		"key-audit": {nil, trail.Body}, "user-audit": {nil, trail.Body},
		"key-usage": {nil, usage.Body}, "user-usage": {nil, usage.Body}, "key-stats": {nil, stats.Body},
		"explain-key": {explain.Body, explained.Body},
		"validate-key": {validate.Body, api.Verdict{
			Valid: true, Code: api.VerdictCode(apikey.CodeValid), KeyID: exampleID, UserID: user, Name: name, Scopes: &scopes,
			RateLimit: &usedLimit, ExpiresAt: end, WindowStatus: numbers,
		}},
		"whoami": {nil, whoami.Body}, "health": {nil, health.Body},
	}
}
