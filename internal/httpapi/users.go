package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// PersonInput names a user.
type PersonInput struct {
	UserID string `path:"userId" maxLength:"384" example:"u1"`
}

type putUserInput struct {
	PersonInput
	MatchInput
	Content jsonBody[api.UserRequest]
}

type patchUserInput struct {
	PersonInput
	MatchInput
	Content jsonBody[api.UserPatch]
}

type userOutput struct {
	UserHeaders
	Body api.User
}

// UserHeaders are the headers of a response with a user.
type UserHeaders struct {
	ETag string `header:"ETag" doc:"Changes with every change of the user's record, not with the use of keys"`
}

type creditsInput struct {
	IDInput
	AnyMatchInput
	OnceInput
	Content jsonBody[api.CreditsRequest]
}

func (in *creditsInput) once() (registry.Idempotency, error) { return in.onceOf(in.Content.Value) }

type userCreditsInput struct {
	PersonInput
	AnyMatchInput
	OnceInput
	Content jsonBody[api.CreditsRequest]
}

func (in *userCreditsInput) once() (registry.Idempotency, error) { return in.onceOf(in.Content.Value) }

const creditsNote = " Adds to the quota, whose period must be lifetime. The quota is all that may ever be spent, " +
	"so credits that were spent stay spent."

func (a *server) registerUsers() {
	const path = api.UsersPath + "/{userId}"
	handle(a, &huma.Operation{
		OperationID: "get-user", Method: http.MethodGet, Path: path, Tags: []string{"people"},
		Summary: "What is set for a user",
		Description: "Needs keys:admin, or keys:read for the caller's own user. " +
			"A user for whom nothing is set has the empty values and the ETag \"0\".",
		Errors: []int{400, 401, 403, 429, 503},
	}, a.user)
	handle(a, &huma.Operation{
		OperationID: "put-user", Method: http.MethodPut, Path: path, Tags: []string{"people"},
		Summary: "Set all of a user",
		Description: "Needs keys:admin. The body is all that is set: an omitted field is empty. " +
			"All keys of the user keep to it within FRESHNESS.",
		Errors: []int{400, 401, 403, 409, 412, 413, 415, 429, 503},
	}, a.putUser)
	handle(a, &huma.Operation{
		OperationID: "update-user", Method: http.MethodPatch, Path: path, Tags: []string{"people"},
		Summary: "Change a user",
		Description: "Needs keys:admin. The body is a JSON merge patch (RFC 7396): " +
			"omitted fields stay as they are, and null clears. Content-Type may also be application/json. " +
			"All keys of the user keep to it within FRESHNESS.",
		Errors: []int{400, 401, 403, 409, 412, 413, 415, 429, 503},
	}, a.patchUser)
	handle(a, &huma.Operation{
		OperationID: "add-user-credits", Method: http.MethodPost, Path: path + "/credits", Tags: []string{"people"},
		Summary:     "Add credits for all keys of a user",
		Description: "Needs keys:admin." + creditsNote,
		Errors:      []int{400, 401, 403, 409, 412, 413, 415, 422, 429, 503},
	}, a.addUserCredits)
	handle(a, &huma.Operation{
		OperationID: "add-key-credits", Method: http.MethodPost, Path: api.KeysPath + "/{id}/credits",
		Tags:        []string{"people"},
		Summary:     "Add credits for a key",
		Description: "Needs keys:admin." + creditsNote,
		Errors:      []int{400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503},
	}, a.addKeyCredits)
}

func (a *server) user(ctx context.Context, c registry.Caller, in *PersonInput) (*userOutput, error) {
	u, bounds, err := a.Registry.UserStatus(ctx, c, in.UserID)
	out, err := userResponse(u, err)
	if err == nil {
		out.Body.Bounds = boundsInUse(bounds)
	}
	return out, err
}

func (a *server) putUser(ctx context.Context, c registry.Caller, in *putUserInput) (*userOutput, error) {
	body := in.Content.Value
	if body.UserID != nil && *body.UserID != in.UserID {
		return nil, invalid("userId", "must be the user in the path, or be left out")
	}
	return userResponse(a.Registry.SetUser(ctx, c, in.UserID, userChange(body), true))
}

func (a *server) patchUser(ctx context.Context, c registry.Caller, in *patchUserInput) (*userOutput, error) {
	patch := in.Content.Value
	if patch == (api.UserPatch{}) {
		return nil, invalid("", "must have at least one field")
	}
	// A fault that the patch has for every user comes before the faults it has for this one.
	if _, err := userPatch(patch, &apikey.User{}); err != nil {
		return nil, err
	}
	return userResponse(a.Registry.UpdateUser(ctx, c, in.UserID, func(u *apikey.User) (apikey.UserChange, error) {
		return userPatch(patch, u)
	}))
}

func (a *server) addUserCredits(ctx context.Context, c registry.Caller, in *userCreditsInput) (*userOutput, error) {
	return userResponse(a.Registry.AddUserCredits(ctx, c, in.UserID, int64(in.Content.Value.Add)))
}

func (a *server) addKeyCredits(ctx context.Context, c registry.Caller, in *creditsInput) (*keyOutput, error) {
	r, err := a.Registry.AddKeyCredits(ctx, c, in.ID, int64(in.Content.Value.Add))
	return a.changedKey(ctx, r, err)
}

// userChange returns the change that sets what a body has.
func userChange(body api.UserRequest) apikey.UserChange {
	c := apikey.UserChange{Plan: body.Plan, Suspended: body.Suspended, Metadata: body.Metadata}
	if body.Limits != nil {
		limits := limitsIn(*body.Limits)
		c.Limits = &limits
	}
	if body.Quota != nil {
		quota := quotaIn(*body.Quota)
		c.Quota = &quota
	}
	if body.Scopes != nil {
		scopes := apikey.Scopes(*body.Scopes)
		c.Scopes = &scopes
	}
	if body.MaxKeys != nil {
		most := int(*body.MaxKeys)
		c.MaxKeys = &most
	}
	return c
}

// userPatch returns the change that the patch makes to u.
func userPatch(p api.UserPatch, u *apikey.User) (apikey.UserChange, error) {
	if p.Suspended.IsNull() {
		return apikey.UserChange{}, invalid("suspended", "must not be null")
	}
	c := apikey.UserChange{
		Plan: p.Plan.Or(""), Suspended: p.Suspended.Value(), Metadata: mergedMetadata(p.Metadata, u.Metadata),
	}
	if p.Limits.Given() {
		limits := limitsIn(*p.Limits.Or(nil))
		c.Limits = &limits
	}
	if p.Scopes.Given() {
		scopes := apikey.Scopes(*p.Scopes.Or(nil))
		c.Scopes = &scopes
	}
	if p.MaxKeys.Given() {
		most := int(*p.MaxKeys.Or(0))
		c.MaxKeys = &most
	}
	var err error
	c.Quota, err = patchedQuota(p.Quota, u.Quota)
	return c, err
}

// userResponse returns the response with a user, or the error.
func userResponse(u *apikey.User, err error) (*userOutput, error) {
	if err != nil {
		return nil, err
	}
	return &userOutput{UserHeaders{tagOf(u.Rev)}, userOf(u)}, nil
}

// userOf returns a user as the API writes it, without the window status.
func userOf(u *apikey.User) api.User {
	out := api.User{
		UserID: u.ID, Plan: u.Plan, Suspended: u.Suspended, Limits: linesOf(u.Limits), Quota: plainQuota(u.Quota),
		MaxKeys: int64(u.MaxKeys), Scopes: append([]string{}, u.Scopes...), Metadata: u.Metadata,
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	return out
}
