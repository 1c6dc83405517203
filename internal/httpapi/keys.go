package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

type createInput struct {
	OnceInput
	Body api.CreateRequest
}

type createOutput struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     api.CreateResponse
}

type keyOutput struct {
	ETag string `header:"ETag" doc:"Changes with every change of the key, not with its use"`
	Body api.Record
}

type IDInput struct {
	ID string `path:"id" maxLength:"64" example:"3fGq8ZpLw1xKc0Ty"`
}

// ChangeInput names a key that is to be changed.
type ChangeInput struct {
	IDInput
	MatchInput
}

type listInput struct {
	Limit  int        `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string     `query:"cursor" maxLength:"256" doc:"nextCursor of the page before"`
	Status api.Status `query:"status"`
	UserID string     `query:"userId" maxLength:"128" doc:"Another user's keys, for admins"`
}

type listOutput struct{ Body api.ListResponse }

type updateInput struct {
	ChangeInput
	Body api.Patch `contentType:"application/merge-patch+json"`
}

func (a *server) registerKeys(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: api.KeysPath, Tags: []string{"keys"}, Security: protected(),
		Summary: "Create a key", DefaultStatus: http.StatusCreated,
		Description: "Needs keys:write. A caller grants at most the rights of its own key or, without one, those that users may grant; omitted rights are narrowed to these. Only an admin may later widen a right that an admin has set. 409 if the user has no room for another key. Only this answer holds the key.",
	}, 400, 401, 403, 409, 413, 415, 422, 429, 503), a.create)
	huma.Register(h, operation(huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: api.KeysPath, Tags: []string{"keys"}, Security: protected(),
		Summary: "List a user's keys", Description: "Needs keys:read. Newest first; a change of the last moments may be missing.",
	}, 400, 401, 403, 429, 503), a.list)
	huma.Register(h, operation(huma.Operation{
		OperationID: "get-key", Method: http.MethodGet, Path: api.KeysPath + "/{id}", Tags: []string{"keys"}, Security: protected(),
		Summary: "Get a key", Description: "Needs keys:read. Shows what is left of its limit, and when it was last used.",
	}, 400, 401, 403, 404, 429, 503), a.get)
	huma.Register(h, operation(huma.Operation{
		OperationID: "update-key", Method: http.MethodPatch, Path: api.KeysPath + "/{id}", Tags: []string{"keys"}, Security: protected(),
		Summary: "Change a key",
		Description: "Needs keys:write. The body is a JSON merge patch (RFC 7396): what is left out stays as it is, and null clears. " +
			"Content-Type may also be application/json. A revoked key cannot be changed. What a caller who is no admin widens must leave the key " +
			"within the caller's own rights, must be of its environment, and must not be what an admin has set.",
	}, 400, 401, 403, 404, 409, 412, 413, 415, 429, 503), a.update)
	patch := h.OpenAPI().Paths[api.KeysPath+"/{id}"].Patch.RequestBody
	patch.Content["application/json"] = patch.Content["application/merge-patch+json"]
	huma.Register(h, operation(huma.Operation{
		OperationID: "revoke-key", Method: http.MethodPost, Path: api.KeysPath + "/{id}/revoke", Tags: []string{"keys"}, Security: protected(),
		Summary: "Revoke a key", Description: "Needs keys:write. It cannot be undone; the record stays. Revoking again changes nothing.",
	}, 400, 401, 403, 404, 409, 412, 429, 503), a.revoke)
	huma.Register(h, operation(huma.Operation{
		OperationID: "delete-key", Method: http.MethodDelete, Path: api.KeysPath + "/{id}", Tags: []string{"keys"}, Security: protected(),
		Summary: "Delete a key", Description: "Needs keys:write.", DefaultStatus: http.StatusNoContent,
	}, 400, 401, 403, 404, 409, 412, 429, 503), a.delete)
}

func (a *server) create(ctx context.Context, in *createInput) (*createOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	c, err := changeOf(in.Body.Fields, a.Now())
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	user, env := "", apikey.Environment("")
	if in.Body.UserID != nil {
		if user = *in.Body.UserID; user == "" {
			return nil, a.failure(ctx, apikey.CheckUserID(user))
		}
	}
	if in.Body.Environment != nil {
		env = apikey.Environment(*in.Body.Environment)
	}
	caller := p.caller()
	caller.From = a.origin(ctx)
	if caller.Once, err = in.once(in.Body); err != nil {
		return nil, a.failure(ctx, err)
	}
	k, token, err := a.Registry.Create(ctx, caller, user, env, c)
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	out := &createOutput{Location: place(ctx) + "/" + k.ID, ETag: etag(k)}
	out.Body.Record = a.recordOf(k, k.CreatedAt)
	out.Body.Key = api.NewToken(token.Reveal())
	return out, nil
}

func (a *server) list(ctx context.Context, in *listInput) (*listOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	records, next, err := a.Registry.Records(ctx, p.caller(), registry.Query{
		UserID: in.UserID, Status: apikey.Status(in.Status), Cursor: in.Cursor, Limit: in.Limit,
	})
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	out := &listOutput{}
	out.Body.Data, out.Body.NextCursor = []api.Record{}, next
	for _, r := range records {
		out.Body.Data = append(out.Body.Data, a.meteredRecord(r))
	}
	return out, nil
}

func (a *server) get(ctx context.Context, in *IDInput) (*keyOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	r, err := a.Registry.Find(ctx, p.caller(), in.ID)
	return a.one(ctx, r, err)
}

func (a *server) update(ctx context.Context, in *updateInput) (*keyOutput, error) {
	caller, err := a.changer(ctx, in.MatchInput)
	if err != nil {
		return nil, err
	}
	if in.Body == (api.Patch{}) {
		return nil, newError(http.StatusBadRequest, "", "The body must have at least one field")
	}
	// What is wrong with it whatever the key is comes before what is wrong with the key.
	if _, err := patchOf(in.Body, &apikey.Key{}, a.Now()); err != nil {
		return nil, a.failure(ctx, err)
	}
	r, err := a.Registry.Update(ctx, caller, in.ID, func(k *apikey.Key) (apikey.Change, error) { return patchOf(in.Body, k, a.Now()) })
	return a.one(ctx, r, err)
}

func (a *server) revoke(ctx context.Context, in *ChangeInput) (*keyOutput, error) {
	caller, err := a.changer(ctx, in.MatchInput)
	if err != nil {
		return nil, err
	}
	r, err := a.Registry.Revoke(ctx, caller, in.ID)
	return a.one(ctx, r, err)
}

func (a *server) delete(ctx context.Context, in *ChangeInput) (*struct{}, error) {
	caller, err := a.changer(ctx, in.MatchInput)
	if err != nil {
		return nil, err
	}
	return nil, a.failure(ctx, a.Registry.Delete(ctx, caller, in.ID))
}

// changer is the caller, on the condition that it makes.
func (a *server) changer(ctx context.Context, in MatchInput) (registry.Caller, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return registry.Caller{}, err
	}
	caller := p.caller()
	caller.From = a.origin(ctx)
	if caller.Match, err = in.revisions(); err != nil {
		return registry.Caller{}, a.failure(ctx, err)
	}
	return caller, nil
}

func (a *server) one(ctx context.Context, r apikey.Record, err error) (*keyOutput, error) {
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	return &keyOutput{ETag: etag(r.Key), Body: a.meteredRecord(r)}, nil
}
