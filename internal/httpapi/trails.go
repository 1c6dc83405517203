package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/registry"
)

type keyTrailInput struct {
	IDInput
	PageInput
}

type userTrailInput struct {
	TrailFilter
	PageInput
}

// TrailFilter selects the keys of a user.
type TrailFilter struct {
	UserID string     `query:"userId" maxLength:"128" doc:"The user who owns the keys. If omitted, the caller. * stands for all users" example:"u1"`
	Action api.Action `query:"action" doc:"If given, only entries of this action. A page may then be short and have a cursor" example:"update"`
}

type trailOutput struct{ Body api.TrailResponse }

func (a *server) registerTrails() {
	handle(a, &huma.Operation{
		OperationID: "key-audit", Method: http.MethodGet, Path: api.KeysPath + "/{id}/audit", Tags: []string{"keys"},
		Summary:     "The audit trail of a key",
		Description: "Needs keys:read. Newest entry first. Only admins see the trail of a deleted key.",
		Errors:      []int{400, 401, 403, 404, 429, 503},
	}, a.keyTrail)
	handle(a, &huma.Operation{
		OperationID: "user-audit", Method: http.MethodGet, Path: "/api/v1/audit", Tags: []string{"keys"},
		Summary: "The audit trails of a user and of its keys",
		Description: "Needs keys:admin. Newest entry first, deleted keys included; " +
			"entries of the last moments may be missing. The userId latchkey:plans has the trails of all plans. " +
			"userId=* looks through all entries for each page. If these are more than 20000, the answer is 400.",
		Errors: []int{400, 401, 403, 429, 503},
	}, a.userTrail)
}

func (a *server) keyTrail(ctx context.Context, c registry.Caller, in *keyTrailInput) (*trailOutput, error) {
	return trailOf(a.Registry.Trail(ctx, c, in.ID, in.Cursor, in.Limit))
}

func (a *server) userTrail(ctx context.Context, c registry.Caller, in *userTrailInput) (*trailOutput, error) {
	q := registry.TrailQuery{UserID: in.UserID, Action: string(in.Action), Cursor: in.Cursor, Limit: in.Limit}
	if q.UserID == allUsers {
		q.UserID, q.All = "", true
	}
	return trailOf(a.Registry.UserTrail(ctx, c, q))
}

// trailOf returns the response with a page of audit entries, or the error.
func trailOf(page registry.TrailPage, err error) (*trailOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &trailOutput{}
	out.Body.Data, out.Body.NextCursor = []api.TrailEntry{}, page.Next
	for _, e := range page.Entries {
		entry := api.TrailEntry{
			At: stamp(e.At), Action: api.Action(e.Action), KeyID: e.Subject,
			Actor:     api.TrailActor{Type: api.ActorType(e.Actor.Type), ID: e.Actor.ID, Name: page.ActorName(e)},
			Changes:   make(map[string]api.TrailChange),
			RequestID: e.RequestID, SourceIP: e.SourceIP, Flaw: e.Flaw,
		}
		for field, c := range e.Changes {
			entry.Changes[field] = api.TrailChange{Before: c.Before, After: c.After}
		}
		out.Body.Data = append(out.Body.Data, entry)
	}
	return out, nil
}
