package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/registry"
)

type statsInput struct {
	PageInput
	StatsFilter
}

// StatsFilter selects keys.
type StatsFilter struct {
	UserID string `query:"userId" maxLength:"128" doc:"The user who owns the keys. If omitted, the caller"`
}

type statsOutput struct{ Body api.StatsResponse }

func (a *server) registerStats() {
	handle(a, &huma.Operation{
		OperationID: "key-stats", Method: http.MethodGet, Path: api.KeysPath + "/stats", Tags: []string{"keys"},
		Summary: "The window status of a user's keys",
		Description: "Needs keys:admin. Newest first; a key made in the last moments may be missing. " +
			"The numbers of each are exact.",
		Errors: []int{400, 401, 403, 429, 503},
	}, a.stats)
}

func (a *server) stats(ctx context.Context, c registry.Caller, in *statsInput) (*statsOutput, error) {
	query := registry.Query{UserID: in.UserID, Cursor: in.Cursor, Limit: in.Limit}
	records, next, err := a.Registry.Stats(ctx, c, query)
	if err != nil {
		return nil, err
	}
	all, err := a.Registry.BoundedAll(ctx, records)
	if err != nil {
		return nil, err
	}
	out := &statsOutput{}
	out.Body.Data, out.Body.NextCursor = []api.Stats{}, next
	for _, b := range all {
		out.Body.Data = append(out.Body.Data, a.statsOf(b))
	}
	return out, nil
}

// statsOf returns the window status of a key.
func (a *server) statsOf(b registry.Bounded) api.Stats {
	k, m := b.Key, a.metersOf(b)
	s := api.Stats{
		KeyID: k.ID, Name: k.Name, KeyPrefix: k.KeyPrefix, UserID: k.UserID, Internal: k.Internal,
		Plan: k.Plan, Unlimited: k.Unlimited, LastUsedAt: usedAtOf(b.Record),
	}
	used := m.status(k.ID)
	if l := a.usedLimitOf(k, m.byDefault(), used).Value; l != nil {
		requests := used.Used
		if k.Unlimited {
			requests = 0
		}
		s.Requests, s.Window, s.Limit, s.Remaining = &requests, &l.Window, &l.Requests, l.Remaining
	}
	if b.Plan != nil {
		s.Plan = b.Plan.Name
	}
	if len(m.parts) > 1 {
		s.Limits = boundsInUse(m.bounds(k))
	}
	return s
}
