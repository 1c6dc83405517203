package registry

import (
	"context"
	"fmt"

	"latchkey/internal/apikey"
)

// Page is one page of a list. Next is empty on the last.
type Page struct {
	Keys []*apikey.Key
	Next string
}

// readAhead bounds how many keys are read for one page. If few of them have the status of the
// query, the page is short and has a cursor.
const readAhead = 1000

// List returns a page of a user's keys, newest first. It may miss a change of the last moments. It
// reads no field of q but UserID, Status, Cursor and Limit.
func (r *Registry) List(ctx context.Context, caller Caller, q Query) (Page, error) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return Page{}, err
	}
	userID, err := caller.readable(q.UserID)
	if err != nil {
		return Page{}, err
	}
	var after Position
	if q.Cursor != "" {
		if after, err = parseCursor(q.Cursor); err != nil {
			return Page{}, err
		}
	}
	page := Page{Keys: []*apikey.Key{}}
	now := r.now()
	for read := 0; read < readAhead; {
		// One key more than fits shows whether there is another page.
		want := q.Limit + 1
		keys, err := r.store.List(ctx, userID, after, want)
		if err != nil {
			return Page{}, fmt.Errorf("list keys: %w", err)
		}
		for _, k := range keys {
			if q.admits(k, now) {
				if len(page.Keys) == q.Limit {
					page.Next = after.cursor()
					return page, nil
				}
				page.Keys = append(page.Keys, k)
			}
			after = Position{CreatedAt: k.CreatedAt, ID: k.ID}
		}
		if len(keys) < want {
			return page, nil
		}
		read += len(keys)
	}
	page.Next = after.cursor()
	return page, nil
}
