package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

// example has the body of a request and that of its successful response. A body that does not exist
// is nil.
type example struct{ request, answer any }

const (
	exampleID     = "3fGq8ZpLw1xKc0Ty"
	exampleToken  = "sk_live_3fGq8ZpLw1xKc0Ty7bNvRmJ2uQeHsD9aXoYi5VtE6kWzBgFr2U0NGI"
	examplePublic = "pk_live_" + exampleID
	examplePrefix = "sk_live_3fGq"
	exampleUser   = "u1"
	exampleName   = "ci"
	exampleSource = "203.0.113.7"
	exampleNow    = "2026-11-24T12:00:00.000Z"
	exampleHash   = "9a8fbaaadf7ddf0b7f80f7f826449deada5f199b0d6a507c8f51eb313e51be01" // of exampleToken
	exampleEnd    = "2027-02-22T12:00:00.000Z"

	exampleLimit int64 = 100
	exampleLeft  int64 = 99
	exampleReset int64 = 1795521661
)

// addExamples adds an example of each body to the document. A deployment with a key of the id and
// the token above, with the plan of the example of put-plan, and with lifetime quotas for credits,
// answers each request as the examples show. The values are of the types that the
// handlers use, so no field can be misspelt.
func addExamples(document *huma.OpenAPI) {
	all := examples()
	for _, item := range document.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if o == nil {
				continue
			}
			if !slices.ContainsFunc(o.Parameters, func(p *huma.Param) bool { return p.Name == "Idempotency-Key" }) {
				delete(o.Responses, "422") // huma adds it to all; here only a used Idempotency-Key has it
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

// errorExample returns an error with a status. API Gateway answers the requests that the authorizer
// refuses.
func errorExample(status int) *apiError {
	switch status {
	case http.StatusUnauthorized:
		return newError(apikey.CodeInvalidKey, "authorization", "")
	case http.StatusTooManyRequests:
		return newError(apikey.CodeRateLimitExceeded, "", apikey.CodeRateLimitExceeded.Sentence("", 12*time.Second))
	case http.StatusBadRequest:
		return newError(apikey.CodeInvalidRequest, "ratelimit", "ratelimit is unknown: did you mean rateLimit?")
	}
	return newError(apikey.CodeOf(status), "", "")
}

// examples returns the examples of each operation by its id.
func examples() map[string]example {
	all := map[string]example{
		"whoami": {nil, api.WhoamiResponse{
			KeyID: exampleID, UserID: exampleUser, Name: exampleName, Scopes: exampleScopes(), Environment: "live",
			RateLimit:    api.NotNull(api.WhoamiLimit{Requests: exampleLimit, Remaining: exampleLeft, Reset: exampleReset}),
			WindowStatus: exampleWindow(),
		}},
		"health": {nil, api.HealthResponse{Status: "ok"}},
		"key-set": {nil, api.KeySet{Keys: []api.PublicKey{{
			Type: "OKP", Curve: "Ed25519", X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", ID: "a3Jkq8Yx0vQ2",
			Use: "sig", Algorithm: "EdDSA",
		}}}},
	}
	for _, part := range []map[string]example{keyExamples(), checkExamples(), reportExamples(), peopleExamples()} {
		maps.Copy(all, part)
	}
	return all
}

func exampleScopes() []string { return []string{"tts"} }

func exampleWindow() api.WindowStatus {
	limit, left, reset := exampleLimit, exampleLeft, exampleReset
	return api.WindowStatus{Limit: &limit, Remaining: &left, Reset: &reset}
}

func exampleUsedLimit() api.Nullable[api.RateLimit] {
	w := exampleWindow()
	return api.NotNull(api.RateLimit{Requests: exampleLimit, Window: 60, Remaining: w.Remaining, Reset: w.Reset})
}

// exampleRecord returns the record of the key that a create has issued.
func exampleRecord() api.Record {
	return api.Record{
		ID: exampleID, UserID: exampleUser, Name: exampleName, Environment: "live", Status: "active",
		KeyPrefix: examplePrefix, PublicKey: examplePublic, Scopes: exampleScopes(),
		RateLimit: api.NotNull(api.RateLimit{Requests: exampleLimit, Window: 60}), AllowedCIDRs: []string{},
		Metadata: map[string]string{"team": "builds"}, Enabled: true, ExpiresAt: exampleEnd, CreatedAt: exampleNow,
	}
}

func keyExamples() map[string]example {
	token := api.NewToken(exampleToken)
	issued := exampleRecord()
	lastUsed := api.NotNull(exampleNow)
	record := issued
	record.RateLimit, record.LastUsedAt, record.WindowStatus = exampleUsedLimit(), &lastUsed, exampleWindow()
	revoked := record
	reason := "laptop was stolen"
	revoked.Status, revoked.RevokedAt, revoked.RevocationReason = "revoked", exampleNow, reason
	rotated := issued
	rotated.PreviousKeyValidUntil = "2026-11-24T13:00:00.000Z"

	name, user, scopes, team := exampleName, exampleUser, exampleScopes(), "builds"
	days, seconds := api.Integer(90), api.Integer(3600)
	create := api.CreateRequest{UserID: &user, Fields: api.Fields{
		Name: &name, Scopes: &scopes, RateLimit: &api.LimitInput{Requests: 100, Window: 60},
		Metadata: &issued.Metadata, ExpiresInDays: &days,
	}}
	patch := api.Patch{
		Name:      api.Set(name),
		RateLimit: api.Set(api.LimitPatch{Requests: api.Set(api.Integer(200)), Window: api.Set(api.Integer(60))}),
		Metadata:  api.Set(map[string]*string{"team": &team}),
	}
	return map[string]example{
		"create-key":       {create, api.CreateResponse{Record: issued, Key: token}},
		"list-keys":        {nil, api.ListResponse{Data: []api.Record{record}}},
		"get-key":          {nil, record},
		"update-key":       {patch, record},
		"revoke-key":       {api.RevokeRequest{Reason: &reason}, revoked},
		"delete-key":       {},
		"rotate-key":       {api.RotateRequest{GracePeriod: &seconds}, api.RotateResponse{Record: rotated, Key: token}},
		"end-grace":        {nil, record},
		"revoke-user-keys": {api.RevokeRequest{Reason: &reason}, api.RevokedResponse{Revoked: 3}},
		"lookup-key":       {api.TokenRequest{Key: token}, record},
		"revoke-by-token":  {api.TokenRequest{Key: token}, nil},
		"report-leaks": {
			[]api.LeakMatch{{
				Token: token, Type: "latchkey_api_key", URL: "https://github.com/example/app/blob/main/config.py", Source: "commit",
			}},
			[]api.LeakFeedback{{TokenHash: exampleHash, TokenType: "latchkey_api_key", Label: api.TruePositive}},
		},
	}
}

func checkExamples() map[string]example {
	scope, source, public, cost := "tts", exampleSource, examplePublic, api.Integer(1)
	scopes, limit := exampleScopes(), exampleUsedLimit()
	return map[string]example{
		"explain-key": {
			api.ExplainRequest{Method: "POST", Path: "/tts/speak", SourceIP: &source, Cost: &cost},
			api.ExplainResponse{Code: api.ExplainCode(apikey.CodeInsufficientScope), Checks: []api.CheckStep{
				{Check: checkOf(apikey.CodeNoRouteRule), Pass: true, Detail: "a rule asks for the scope tts"},
				{Check: checkOf(apikey.CodeInsufficientScope), Detail: `asked for is tts; the key has "stt"`},
			}},
		},
		"validate-key": {
			api.ValidateRequest{
				APIKey: api.NewToken(exampleToken), PublicKey: &public, Scope: &scope, Cost: &cost, SourceIP: &source,
			},
			api.Verdict{
				Valid: true, Code: api.VerdictCode(apikey.CodeValid), KeyID: exampleID, UserID: exampleUser, Name: exampleName,
				Scopes: &scopes, Metadata: map[string]string{"team": "builds"},
				RateLimit: &limit, ExpiresAt: exampleEnd, WindowStatus: exampleWindow(),
			},
		},
	}
}

func reportExamples() map[string]example {
	trail := api.TrailResponse{Data: []api.TrailEntry{{
		At: exampleNow, Actor: api.TrailActor{Type: "key", ID: exampleID, Name: exampleName},
		Action: "update", KeyID: exampleID,
		Changes:   map[string]api.TrailChange{"name": {Before: "staging", After: exampleName}},
		RequestID: "UK1abcDEFghiJKL=", SourceIP: exampleSource,
	}}}
	usage := api.UsageResponse{Total: 1234, Data: []api.DayUsage{
		{Date: "2026-11-01", Requests: 1200}, {Date: "2026-11-02", Requests: 34},
	}}
	requests, window, w := int64(1), int64(60), exampleWindow()
	stats := api.StatsResponse{Data: []api.Stats{{
		KeyID: exampleID, Name: exampleName, KeyPrefix: examplePrefix, UserID: exampleUser,
		Requests: &requests, Window: &window, Limit: w.Limit, Remaining: w.Remaining,
		LastUsedAt: api.NotNull(exampleNow),
	}}}
	return map[string]example{
		"key-audit": {nil, trail}, "user-audit": {nil, trail},
		"key-usage": {nil, usage}, "user-usage": {nil, usage},
		"key-stats": {nil, stats},
	}
}
