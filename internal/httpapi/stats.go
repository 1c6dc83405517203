package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
)

type statsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string `query:"cursor" maxLength:"256" doc:"nextCursor of the page before"`
	UserID string `query:"userId" maxLength:"128" doc:"Another user's keys"`
}

type statsOutput struct {
	Body struct {
		Data       []Stats `json:"data" nullable:"false"`
		NextCursor string  `json:"nextCursor,omitempty" doc:"There where another page may follow"`
	}
}

// Stats is what a key spends.
type Stats struct {
	KeyID      string           `json:"keyId" example:"3fGq8ZpLw1xKc0Ty"`
	Name       string           `json:"name" example:"ci"`
	KeyPrefix  string           `json:"keyPrefix" doc:"How the key begins, for people to recognise it; empty if it was imported by its hash alone" example:"sk_live_3fGq"`
	UserID     string           `json:"userId" example:"u1"`
	Internal   bool             `json:"internal"`
	Unlimited  bool             `json:"unlimited,omitempty" doc:"The key has no limit, and its requests are not counted: the next four are null"`
	Requests   *int64           `json:"requests" doc:"Requests that were admitted in the present window, with those that functions have leased" example:"100"`
	Window     *int64           `json:"window" doc:"Seconds" example:"60"`
	Limit      *int64           `json:"limit" doc:"Requests in any interval as long as the window" example:"100"`
	Remaining  *int64           `json:"remaining" doc:"Requests that the limit still allows, whatever the quota allows" example:"99"`
	LastUsedAt nullable[string] `json:"lastUsedAt" format:"date-time" doc:"null if the key was never used" example:"2026-11-24T12:00:00.000Z"`
}

func (a *api) registerStats(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "key-stats", Method: http.MethodGet, Path: keysPath + "/stats", Tags: []string{"keys"}, Security: protected(),
		Summary:     "What a user's keys spend",
		Description: "Needs keys:admin. Newest first; a key made in the last moments may be missing. What is said of each is exact.",
	}, 400, 401, 403, 429, 503), a.stats)
}

func (a *api) stats(ctx context.Context, in *statsInput) (*statsOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	records, next, err := a.Registry.Stats(ctx, p.caller(), apikey.Query{UserID: in.UserID, Cursor: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	out := &statsOutput{}
	out.Body.Data, out.Body.NextCursor = []Stats{}, next
	for _, r := range records {
		out.Body.Data = append(out.Body.Data, a.statsOf(r))
	}
	return out, nil
}

func (a *api) statsOf(r apikey.Record) Stats {
	k := r.Key
	s := Stats{
		KeyID: k.ID, Name: k.Name, KeyPrefix: k.KeyPrefix, UserID: k.UserID, Internal: k.Internal, Unlimited: k.Unlimited,
		LastUsedAt: usedAtOf(r),
	}
	used := a.Registry.UsageOf(r)
	if l := a.usedLimitOf(k, used).Value; l != nil {
		requests := used.Used
		if k.Unlimited {
			requests = 0
		}
		s.Requests, s.Window, s.Limit, s.Remaining = &requests, &l.Window, &l.Requests, l.Remaining
	}
	return s
}
