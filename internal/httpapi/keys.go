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
	Content jsonBody[api.CreateRequest]
}

func (in *createInput) once() (registry.Idempotency, error) { return in.onceOf(in.Content.Value) }

type createOutput struct {
	CreatedHeaders
	Body api.CreateResponse
}

// CreatedHeaders are the headers of a response with a new key.
type CreatedHeaders struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
}

type keyOutput struct {
	KeyHeaders
	Body api.Record
}

// KeyHeaders are the headers of a response with a key.
type KeyHeaders struct {
	ETag string `header:"ETag" doc:"Changes with every change of the key, not with its use"`
}

// IDInput names a key.
type IDInput struct {
	ID string `path:"id" maxLength:"64" example:"3fGq8ZpLw1xKc0Ty"`
}

type getInput struct {
	IDInput
	IncludeInput
}

// ChangeInput names a key to change, under the condition of If-Match.
type ChangeInput struct {
	IDInput
	MatchInput
}

// PageInput names a page of a list.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"nextCursor of the page before"`
}

type revokeInput struct {
	ChangeInput
	Content jsonBody[*api.RevokeRequest]
}

// reasonIn returns the reason in the body of a revocation, or "".
func reasonIn(body jsonBody[*api.RevokeRequest]) string {
	if body.Value == nil || body.Value.Reason == nil {
		return ""
	}
	return *body.Value.Reason
}

type updateInput struct {
	ChangeInput
	Content jsonBody[api.Patch]
}

func (a *server) registerKeys() {
	handle(a, &huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: api.KeysPath, Tags: []string{"keys"},
		Summary: "Create a key", DefaultStatus: http.StatusCreated,
		Description: "Needs keys:write. A caller grants at most the rights of its own key or, without one, " +
			"those that users may grant; omitted rights are narrowed to these. " +
			"Only an admin may later widen a right that an admin has set. " +
			"409 if the user has no room for another key. Only this answer holds the key.",
		Errors: []int{400, 401, 403, 409, 413, 415, 422, 429, 503},
	}, a.create)
	a.registerList()
	handle(a, &huma.Operation{
		OperationID: "get-key", Method: http.MethodGet, Path: api.KeysPath + "/{id}", Tags: []string{"keys"},
		Summary:     "Get a key",
		Description: "Needs keys:read. Shows the window status and the last use of the key.",
		Errors:      []int{400, 401, 403, 404, 429, 503},
	}, a.get)
	handle(a, &huma.Operation{
		OperationID: "update-key", Method: http.MethodPatch, Path: api.KeysPath + "/{id}", Tags: []string{"keys"},
		Summary: "Change a key",
		Description: "Needs keys:write. The body is a JSON merge patch (RFC 7396): " +
			"omitted fields stay as they are, and null clears. Content-Type may also be application/json. " +
			"A revoked key cannot be changed. What a caller who is no admin widens must leave the key " +
			"within the caller's own rights, must be of its environment, and must not be what an admin has set.",
		Errors: []int{400, 401, 403, 404, 409, 412, 413, 415, 429, 503},
	}, a.update)
	handle(a, &huma.Operation{
		OperationID: "revoke-key", Method: http.MethodPost, Path: api.KeysPath + "/{id}/revoke", Tags: []string{"keys"},
		Summary: "Revoke a key",
		Description: "Needs keys:write. It cannot be undone; the record stays. Revoking again changes nothing. " +
			"validate tells the reason to whoever presents the key.",
		Errors: []int{400, 401, 403, 404, 409, 412, 413, 415, 429, 503},
	}, a.revoke)
	handle(a, &huma.Operation{
		OperationID: "delete-key", Method: http.MethodDelete, Path: api.KeysPath + "/{id}", Tags: []string{"keys"},
		Summary: "Delete a key", Description: "Needs keys:write.", DefaultStatus: http.StatusNoContent,
		Errors: []int{400, 401, 403, 404, 409, 412, 429, 503},
	}, a.delete)
}

func (a *server) create(ctx context.Context, c registry.Caller, in *createInput) (*createOutput, error) {
	body := in.Content.Value
	fields, err := changeOf(body.Fields, a.Now())
	if err != nil {
		return nil, err
	}
	user, environment := "", apikey.Environment("")
	if body.UserID != nil {
		if user = *body.UserID; user == "" {
			return nil, apikey.CheckUserID(user)
		}
	}
	if body.Environment != nil {
		environment = apikey.Environment(*body.Environment)
	}
	k, token, err := a.Registry.Create(ctx, c, user, environment, fields)
	if err != nil {
		return nil, err
	}
	record := a.recordOf(a.boundedOrAlone(ctx, apikey.Record{Key: k}), k.CreatedAt)
	return &createOutput{
		CreatedHeaders{Location: requestPath(ctx) + "/" + k.ID, ETag: etag(k)},
		api.CreateResponse{Record: record, Key: api.NewToken(token.Reveal())},
	}, nil
}

func (a *server) get(ctx context.Context, c registry.Caller, in *getInput) (*keyOutput, error) {
	r, err := a.Registry.Find(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	b, err := a.Registry.Bounded(ctx, r)
	if err != nil {
		return nil, err
	}
	answer := []api.Record{a.meteredRecord(b)}
	if err := a.addUsage(ctx, in.IncludeInput, []registry.Bounded{b}, answer); err != nil {
		return nil, err
	}
	return &keyOutput{KeyHeaders{etag(r.Key)}, answer[0]}, nil
}

func (a *server) update(ctx context.Context, c registry.Caller, in *updateInput) (*keyOutput, error) {
	patch := in.Content.Value
	if patch == (api.Patch{}) {
		return nil, invalid("", "must have at least one field")
	}
	// A fault that the patch has for every key comes before the faults it has for this one.
	if _, err := patchOf(patch, &apikey.Key{}, a.Now()); err != nil {
		return nil, err
	}
	r, err := a.Registry.Update(ctx, c, in.ID, func(k *apikey.Key) (apikey.Change, error) {
		return patchOf(patch, k, a.Now())
	})
	return a.changedKey(ctx, r, err)
}

func (a *server) revoke(ctx context.Context, c registry.Caller, in *revokeInput) (*keyOutput, error) {
	r, err := a.Registry.Revoke(ctx, c, in.ID, reasonIn(in.Content))
	return a.changedKey(ctx, r, err)
}

func (a *server) delete(ctx context.Context, c registry.Caller, in *ChangeInput) (*struct{}, error) {
	return nil, a.Registry.Delete(ctx, c, in.ID)
}

// keyOf returns the response with a key, or the error.
func (a *server) keyOf(ctx context.Context, r apikey.Record, err error) (*keyOutput, error) {
	if err != nil {
		return nil, err
	}
	b, err := a.Registry.Bounded(ctx, r)
	if err != nil {
		return nil, err
	}
	return &keyOutput{KeyHeaders{etag(r.Key)}, a.meteredRecord(b)}, nil
}

// changedKey returns the response with a key that was changed, or the error. The change was made, so
// the response is no error if only what bounds the key besides its record cannot be read.
func (a *server) changedKey(ctx context.Context, r apikey.Record, err error) (*keyOutput, error) {
	if err != nil {
		return nil, err
	}
	return &keyOutput{KeyHeaders{etag(r.Key)}, a.meteredRecord(a.boundedOrAlone(ctx, r))}, nil
}

// boundedOrAlone returns a key with what bounds it, or the key alone if that cannot be read.
func (a *server) boundedOrAlone(ctx context.Context, r apikey.Record) registry.Bounded {
	b, err := a.Registry.Bounded(ctx, r)
	if err != nil {
		return registry.Bounded{Record: r}
	}
	return b
}
