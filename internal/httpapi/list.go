package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

type listInput struct {
	PageInput
	ListFilter
	IncludeInput
}

// ListFilter selects and sorts keys.
type ListFilter struct {
	UserID        string     `query:"userId" maxLength:"128" doc:"The user who owns the keys. If omitted, the caller. Only admins, and members of its group for team:…, may name another. For an admin, * stands for all users"`
	Status        api.Status `query:"status" doc:"Keys of this status only"`
	Search        string     `query:"search" maxLength:"255" doc:"How the name begins, in any case of its letters, or the id, or keyPrefix" example:"ci"`
	ExpiresBefore string     `query:"expiresBefore" maxLength:"64" doc:"RFC 3339. Keys that have not expired, but will before this time" example:"2026-12-01T00:00:00Z"`
	UnusedSince   string     `query:"unusedSince" maxLength:"64" doc:"RFC 3339. Keys that were not used at this time or later, or never" example:"2026-11-01T00:00:00Z"`
	NeverUsed     bool       `query:"neverUsed" doc:"If true, only keys that were never used"`
	Rotating      bool       `query:"rotating" doc:"If true, only keys of which a token that a rotation replaced still works"`
	Sort          api.Sort   `query:"sort" doc:"created: the newest first. lastUsed: the last used first, and those that were never used last. spent: first those that have spent the largest part of any limit or quota. If omitted, created"`
}

type listOutput struct{ Body api.ListResponse }

func (a *server) registerList() {
	handle(a, &huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: api.KeysPath, Tags: []string{"keys"},
		Summary: "List the keys of a user, or of all users",
		Description: "Needs keys:read. A change of the last moments may be missing. " +
			"nextCursor belongs to the query: repeat sort, userId and every filter with it. " +
			"A key that changes between two pages, or is used if the order depends on that, may be in neither or in both. " +
			"userId=*, sort, and every filter but status look through all keys for each page. " +
			"If these are more than 20000, the answer is 400.",
		Errors: []int{400, 401, 403, 429, 503},
	}, a.list)
}

// lookThrough is how long a request may take that looks through all keys. It is longer than for any
// other request, because no backend waits for it. The functions end after 10 seconds.
const lookThrough = 8 * time.Second

// patiently returns a context of a request that ends after lookThrough, and not before.
func patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), lookThrough)
}

// allUsers stands for all users in the query of a list.
const allUsers = "*"

func (a *server) list(ctx context.Context, c registry.Caller, in *listInput) (*listOutput, error) {
	q, err := a.queryOf(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := patiently(ctx)
	defer cancel()
	records, next, err := a.Registry.Records(ctx, c, q)
	if err != nil {
		return nil, err
	}
	all, err := a.Registry.BoundedAll(ctx, records)
	if err != nil {
		return nil, err
	}
	out := &listOutput{api.ListResponse{Data: []api.Record{}, NextCursor: next}}
	for _, b := range all {
		out.Body.Data = append(out.Body.Data, a.meteredRecord(b))
	}
	return out, a.addUsage(ctx, in.IncludeInput, all, out.Body.Data)
}

// queryOf returns the query of a list.
func (a *server) queryOf(in *listInput) (registry.Query, error) {
	q := registry.Query{
		UserID: in.UserID, Status: apikey.Status(in.Status), Sort: registry.Sort(in.Sort),
		Search: in.Search, NeverUsed: in.NeverUsed, Rotating: in.Rotating,
		Cursor: in.Cursor, Limit: in.Limit,
	}
	if in.UserID == allUsers {
		q.UserID, q.All = "", true
	}
	if a.Format.Reveals(in.Search) {
		return q, invalid("search", "must not be a key itself: put its first characters here, "+
			"or the whole key into the body of POST "+api.KeysPath+"/lookup")
	}
	for field, of := range map[string]struct {
		text string
		at   *time.Time
	}{
		"expiresBefore": {in.ExpiresBefore, &q.ExpiresBefore}, "unusedSince": {in.UnusedSince, &q.UnusedSince},
	} {
		at, err := moment(field, &of.text)
		if err != nil {
			return q, err
		}
		*of.at = *at
	}
	return q, nil
}
