package registry

import (
	"context"
	"encoding/base64"
	"fmt"

	"golang.org/x/sync/errgroup"

	"latchkey/internal/apikey"
)

// PlanStats returns a page of the users who have a plan, by id, each with the user's meters. It
// leaves out keys that name the plan themselves. Only an admin may call it. It may miss a change of
// the last moments.
func (r *Registry) PlanStats(ctx context.Context, caller Caller, name, cursor string, limit int) (
	users []apikey.UserRecord, next string, err error,
) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return nil, "", err
	}
	if !apikey.ValidPlanName(name) {
		return nil, "", apikey.ErrNotFound
	}
	after, err := readCursor(cursor, apikey.CheckOwner)
	if err != nil {
		return nil, "", err
	}
	if cursor == "" {
		if _, err := r.store.Plan(ctx, name); err != nil {
			return nil, "", err
		}
	}
	ids, err := r.store.PlanUsers(ctx, name, after, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(ids) > limit {
		ids = ids[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(ids[limit-1]))
	}
	records, err := r.usersOf(ctx, ids)
	if err != nil {
		return nil, "", err
	}
	for _, record := range records {
		if record.User != nil && record.User.Plan == name { // the index lags
			users = append(users, record)
		}
	}
	return users, next, nil
}

// usersOf returns the record of each user, in the order of ids.
func (r *Registry) usersOf(ctx context.Context, ids []string) ([]apikey.UserRecord, error) {
	records := make([]apikey.UserRecord, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(usageAtOnce)
	for n, id := range ids {
		group.Go(func() (err error) {
			defer func() {
				if cause := recover(); cause != nil { // it would end the process
					err = fmt.Errorf("read a user: panic: %T", cause)
				}
			}()
			records[n], err = r.store.User(ctx, id)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return records, nil
}
