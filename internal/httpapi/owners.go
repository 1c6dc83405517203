package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/registry"
)

type ownersInput struct {
	PageInput
	OwnerFilter
}

// OwnerFilter selects users.
type OwnerFilter struct {
	Search string `query:"search" maxLength:"128" doc:"How the user's id begins" example:"u"`
}

type ownersOutput struct{ Body api.UsersResponse }

func (a *server) registerOwners() {
	handle(a, &huma.Operation{
		OperationID: "list-users", Method: http.MethodGet, Path: api.UsersPath, Tags: []string{"people"},
		Summary: "List the users who have keys",
		Description: "Needs keys:admin. By id; a change of the last moments may be missing. " +
			"nextCursor belongs to its search. Each page looks through all keys. " +
			"If these are more than 20000, the answer is 400.",
		Errors: []int{400, 401, 403, 429, 503},
	}, a.owners)
}

func (a *server) owners(ctx context.Context, c registry.Caller, in *ownersInput) (*ownersOutput, error) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	owners, next, err := a.Registry.Owners(ctx, c, in.Search, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &ownersOutput{api.UsersResponse{Data: []api.Owner{}, NextCursor: next}}
	for _, o := range owners {
		shown := api.Owner{UserID: o.UserID, Keys: o.Keys, Active: o.Active}
		if !o.LastUsed.IsZero() {
			shown.LastUsedAt = api.NotNull(stamp(o.LastUsed))
		}
		out.Body.Data = append(out.Body.Data, shown)
	}
	return out, nil
}
