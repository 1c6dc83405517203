package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

type rotateInput struct {
	ChangeInput
	OnceInput
	Content jsonBody[*api.RotateRequest]
}

func (in *rotateInput) once() (registry.Idempotency, error) { return in.onceOf(in.Content.Value) }

type rotateOutput struct {
	RotatedHeaders
	Body api.RotateResponse
}

// RotatedHeaders are the headers of a response with a new token of a key.
type RotatedHeaders struct {
	ETag string `header:"ETag"`
}

type tokenInput struct {
	Content jsonBody[api.TokenRequest]
}

type userInput struct {
	UserInput
	Content jsonBody[*api.RevokeRequest]
}

// UserInput names a user and a place in the user's keys.
type UserInput struct {
	UserID string `path:"userId" maxLength:"384" example:"u1"`
	Cursor string `query:"cursor" maxLength:"256" doc:"nextCursor of the call before"`
}

type revokedOutput struct{ Body api.RevokedResponse }

func (a *server) registerLifecycle() {
	handle(a, &huma.Operation{
		OperationID: "rotate-key", Method: http.MethodPost, Path: api.KeysPath + "/{id}/rotate", Tags: []string{"keys"},
		Summary: "Replace the secret of a key",
		Description: "Needs keys:write, and all rights of the key, whose new secret it answers with. " +
			"Id, limit and window status stay. With gracePeriod 0 every older key of the record ends now. " +
			"With any other, 409 while one from an earlier rotation still works.",
		Errors: []int{400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503},
	}, a.rotate)
	handle(a, &huma.Operation{
		OperationID: "end-grace", Method: http.MethodPost, Path: api.KeysPath + "/{id}/end-grace", Tags: []string{"keys"},
		Summary: "End the grace period of a rotated key",
		Description: "Needs keys:write. Every key that a rotation replaced ends now; the present one stays. " +
			"Where none works any more it changes nothing.",
		Errors: []int{400, 401, 403, 404, 409, 412, 429, 503},
	}, a.endGrace)
	handle(a, &huma.Operation{
		OperationID: "revoke-user-keys", Method: http.MethodPost, Path: "/api/v1/users/{userId}/revoke-keys",
		Tags:    []string{"keys"},
		Summary: "Revoke all keys of a user",
		Description: "Needs keys:admin. It revokes some with each call: go on with nextCursor while there is one. " +
			"A key that was created in the last moments may be missed; calling again finds it.",
		Errors: []int{400, 401, 403, 409, 413, 415, 429, 503},
	}, a.revokeUser)
	handle(a, &huma.Operation{
		OperationID: "lookup-key", Method: http.MethodPost, Path: api.KeysPath + "/lookup", Tags: []string{"keys"},
		Summary:     "Find the record of a key",
		Description: "Needs keys:admin. Also for one that was replaced or revoked.",
		Errors:      []int{400, 401, 403, 404, 413, 415, 429, 503},
	}, a.lookup)
	handleOpen(a, &huma.Operation{
		OperationID: "revoke-by-token", Method: http.MethodPost, Path: api.KeysPath + "/revoke-by-token",
		Tags:    []string{"keys"},
		Summary: "Revoke a key that was found", DefaultStatus: http.StatusAccepted,
		Description: "For leak scanners and anyone else who has found a key: having it is the proof. " +
			"Every key of latchkey's own in the text ends, whatever surrounds it, " +
			"such as a line of a log, a command or a file. An imported key must be the whole text. " +
			"The answer does not reveal whether there was a key: it is 202 for any text, and takes equal work. " +
			"A replaced key in its grace period ends alone.",
		Errors: []int{400, 413, 415, 429, 503},
	}, a.revokeToken)
}

func (a *server) rotate(ctx context.Context, c registry.Caller, in *rotateInput) (*rotateOutput, error) {
	grace := registry.DefaultGrace
	if body := in.Content.Value; body != nil && body.GracePeriod != nil {
		grace = time.Duration(*body.GracePeriod) * time.Second
	}
	issued, err := a.Registry.Rotate(ctx, c, in.ID, grace)
	if err != nil {
		return nil, err
	}
	out := &rotateOutput{RotatedHeaders: RotatedHeaders{etag(issued.Key)}}
	b := a.boundedOrAlone(ctx, apikey.Record{Key: issued.Key})
	out.Body = api.RotateResponse{Record: a.recordOf(b, issued.At), Key: api.NewToken(issued.Token.Reveal())}
	out.Body.PreviousKeyValidUntil = stamp(issued.Previous) // with gracePeriod 0, the time at which they ended
	return out, nil
}

func (a *server) endGrace(ctx context.Context, c registry.Caller, in *ChangeInput) (*keyOutput, error) {
	r, err := a.Registry.EndGrace(ctx, c, in.ID)
	return a.changedKey(ctx, r, err)
}

func (a *server) revokeUser(ctx context.Context, c registry.Caller, in *userInput) (*revokedOutput, error) {
	revoked, next, err := a.Registry.RevokeUser(ctx, c, in.UserID, reasonIn(in.Content), in.Cursor)
	if err != nil {
		return nil, err
	}
	return &revokedOutput{api.RevokedResponse{Revoked: revoked, NextCursor: next}}, nil
}

func (a *server) lookup(ctx context.Context, c registry.Caller, in *tokenInput) (*keyOutput, error) {
	token := apikey.Bare(in.Content.Value.Key.Reveal())
	r, err := a.Registry.Lookup(ctx, c, a.Format.Credential(token))
	if errors.Is(err, apikey.ErrNotFound) {
		return nil, newError(apikey.CodeNotFound, "key", noSuchKey)
	}
	return a.keyOf(ctx, r, err)
}

func (a *server) revokeToken(ctx context.Context, in *tokenInput) (*struct{}, error) {
	return nil, a.Registry.RevokeFound(ctx, a.origin(ctx), in.Content.Value.Key.Reveal())
}
