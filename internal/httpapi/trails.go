package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
)

// TrailInput is also that of a key.
type TrailInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string `query:"cursor" maxLength:"256" doc:"nextCursor of the page before"`
}

type keyTrailInput struct {
	IDInput
	TrailInput
}

type userTrailInput struct {
	UserID string `query:"userId" maxLength:"128" doc:"Whose keys; the caller's where it is left out" example:"u1"`
	TrailInput
}

type trailOutput struct {
	Body struct {
		Data       []TrailEntry `json:"data" nullable:"false"`
		NextCursor string       `json:"nextCursor,omitempty" doc:"There where another page may follow"`
	}
}

// TrailEntry is one thing that was done.
type TrailEntry struct {
	At        string                 `json:"at" format:"date-time" example:"2026-11-24T12:00:00.000Z"`
	Actor     trailActor             `json:"actor"`
	Action    oneOf[actions]         `json:"action" example:"update"`
	KeyID     string                 `json:"keyId" example:"3fGq8ZpLw1xKc0Ty"`
	Changes   map[string]trailChange `json:"changes" nullable:"false" doc:"The changed fields by their names in the record. tokens is how many tokens open the key. endedTokens lists the ended tokens, each by the time until which it would have worked. Of metadata and a long description, only the changed part is shown."`
	RequestID string                 `json:"requestId,omitempty" doc:"extendedRequestId of API Gateway, which no client can choose" example:"UK1abcDEFghiJKL="`
	SourceIP  string                 `json:"sourceIp,omitempty" example:"203.0.113.7"`
	Flaw      string                 `json:"flaw,omitempty" doc:"Present if the key had been altered or put back outside the service: the problem that latchkey audit verify reports" example:"was written although entry 2026-11-24T12:00:00.000Z#000000001 was altered"`
}

type trailActor struct {
	Type oneOf[actors] `json:"type" doc:"token: a caller of revoke-by-token; cli: an operator who may write to the table"`
	ID   string        `json:"id" doc:"The id of the key, the key of the token, the user, or the command" example:"0Ty7bNvRmJ2uQeHs"`
}

type trailChange struct {
	Before any `json:"before" doc:"null: nothing" example:"\"staging\""`
	After  any `json:"after" doc:"null: nothing" example:"\"production\""`
}

func (a *api) registerTrails(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "key-audit", Method: http.MethodGet, Path: keysPath + "/{id}/audit", Tags: []string{"keys"}, Security: protected(),
		Summary: "What was done to a key", Description: "Needs keys:read. Newest first. What was done to a deleted key is for admins.",
	}, 400, 401, 403, 404, 429, 503), a.keyTrail)
	huma.Register(h, operation(huma.Operation{
		OperationID: "user-audit", Method: http.MethodGet, Path: "/api/v1/audit", Tags: []string{"keys"}, Security: protected(),
		Summary: "What was done to a user's keys", Description: "Needs keys:admin. Newest first, deleted keys included; what was done in the last moments may be missing.",
	}, 400, 401, 403, 429, 503), a.userTrail)
}

func (a *api) keyTrail(ctx context.Context, in *keyTrailInput) (*trailOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	page, err := a.Registry.Trail(ctx, p.caller(), in.ID, in.Cursor, in.Limit)
	return a.trail(ctx, page, err)
}

func (a *api) userTrail(ctx context.Context, in *userTrailInput) (*trailOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	page, err := a.Registry.UserTrail(ctx, p.caller(), in.UserID, in.Cursor, in.Limit)
	return a.trail(ctx, page, err)
}

func (a *api) trail(ctx context.Context, page apikey.TrailPage, err error) (*trailOutput, error) {
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	out := &trailOutput{}
	out.Body.Data, out.Body.NextCursor = []TrailEntry{}, page.Next
	for _, e := range page.Entries {
		entry := TrailEntry{
			At: stamp(e.At), Actor: trailActor{oneOf[actors](e.Actor.Type), e.Actor.ID}, Action: oneOf[actions](e.Action), KeyID: e.Subject,
			Changes: make(map[string]trailChange), RequestID: e.RequestID, SourceIP: e.SourceIP, Flaw: e.Flaw,
		}
		for field, c := range e.Changes {
			entry.Changes[field] = trailChange{Before: c.Before, After: c.After}
		}
		out.Body.Data = append(out.Body.Data, entry)
	}
	return out, nil
}
