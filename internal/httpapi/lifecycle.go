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
	Body *api.RotateRequest
}

type rotateOutput struct {
	ETag string `header:"ETag"`
	Body api.RotateResponse
}

type tokenInput struct{ Body api.TokenRequest }

type userInput struct {
	UserID string `path:"userId" maxLength:"384" example:"u1"`
	Cursor string `query:"cursor" maxLength:"256" doc:"nextCursor of the call before"`
}

type revokedOutput struct{ Body api.RevokedResponse }

func (a *server) registerLifecycle(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "rotate-key", Method: http.MethodPost, Path: api.KeysPath + "/{id}/rotate", Tags: []string{"keys"}, Security: protected(),
		Summary: "Replace the secret of a key",
		Description: "Needs keys:write, and all rights of the key, whose new secret it answers with. Id, limit and what was spent stay. " +
			"With gracePeriod 0 every older key of the record ends now. With any other, 409 while one from an earlier rotation still works.",
	}, 400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503), a.rotate)
	huma.Register(h, operation(huma.Operation{
		OperationID: "end-grace", Method: http.MethodPost, Path: api.KeysPath + "/{id}/end-grace", Tags: []string{"keys"}, Security: protected(),
		Summary: "End the grace period of a rotated key",
		Description: "Needs keys:write. Every key that a rotation replaced ends now; the present one stays. " +
			"Where none works any more it changes nothing.",
	}, 400, 401, 403, 404, 409, 412, 429, 503), a.endGrace)
	huma.Register(h, operation(huma.Operation{
		OperationID: "revoke-user-keys", Method: http.MethodPost, Path: "/api/v1/users/{userId}/revoke-keys", Tags: []string{"keys"}, Security: protected(),
		Summary: "Revoke all keys of a user",
		Description: "Needs keys:admin. It revokes some with each call: go on with nextCursor while there is one. " +
			"A key that was created in the last moments may be missed; calling again finds it.",
	}, 400, 401, 403, 409, 429, 503), a.revokeUser)
	huma.Register(h, operation(huma.Operation{
		OperationID: "lookup-key", Method: http.MethodPost, Path: api.KeysPath + "/lookup", Tags: []string{"keys"}, Security: protected(),
		Summary: "Find the record of a key", Description: "Needs keys:admin. Also for one that was replaced or revoked.",
	}, 400, 401, 403, 404, 413, 415, 429, 503), a.lookup)
	huma.Register(h, operation(huma.Operation{
		OperationID: "revoke-by-token", Method: http.MethodPost, Path: api.KeysPath + "/revoke-by-token", Tags: []string{"keys"}, Security: open(),
		Summary: "Revoke a key that was found", DefaultStatus: http.StatusAccepted,
		Description: "For leak scanners and anyone else who has found a key: having it is the proof. Every key of latchkey's own in the text ends, " +
			"whatever surrounds it, such as a line of a log, a command or a file. An imported key must be the whole text. The answer does not reveal " +
			"whether there was a key: it is 202 for any text, and takes equal work. A replaced key in its grace period ends alone.",
	}, 400, 413, 415, 429, 503), a.revokeToken)
}

func (a *server) rotate(ctx context.Context, in *rotateInput) (*rotateOutput, error) {
	caller, err := a.changer(ctx, in.MatchInput)
	if err != nil {
		return nil, err
	}
	grace := registry.DefaultGrace
	if in.Body != nil && in.Body.GracePeriod != nil {
		grace = time.Duration(*in.Body.GracePeriod) * time.Second
	}
	if caller.Once, err = in.once(in.Body); err != nil {
		return nil, a.failure(ctx, err)
	}
	issued, err := a.Registry.Rotate(ctx, caller, in.ID, grace)
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	out := &rotateOutput{ETag: etag(issued.Key)}
	out.Body.Record = a.recordOf(issued.Key, issued.At)
	out.Body.Key = api.NewToken(issued.Token.Reveal())
	out.Body.PreviousKeyValidUntil = stamp(issued.Previous) // with gracePeriod 0, when they ended
	return out, nil
}

func (a *server) endGrace(ctx context.Context, in *ChangeInput) (*keyOutput, error) {
	caller, err := a.changer(ctx, in.MatchInput)
	if err != nil {
		return nil, err
	}
	r, err := a.Registry.EndGrace(ctx, caller, in.ID)
	return a.one(ctx, r, err)
}

func (a *server) revokeUser(ctx context.Context, in *userInput) (*revokedOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	caller := p.caller()
	caller.From = a.origin(ctx)
	out := &revokedOutput{}
	out.Body.Revoked, out.Body.NextCursor, err = a.Registry.RevokeUser(ctx, caller, in.UserID, in.Cursor)
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	return out, nil
}

func (a *server) lookup(ctx context.Context, in *tokenInput) (*keyOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	r, err := a.Registry.Lookup(ctx, p.caller(), a.Format.Credential(apikey.Bare(in.Body.Key.Reveal())))
	if errors.Is(err, apikey.ErrNotFound) {
		return nil, newError(http.StatusNotFound, "key", "No such API key")
	}
	return a.one(ctx, r, err)
}

func (a *server) revokeToken(ctx context.Context, in *tokenInput) (*struct{}, error) {
	return nil, a.failure(ctx, a.Registry.RevokeFound(ctx, a.origin(ctx), in.Body.Key.Reveal()))
}
