package apikey

import (
	"context"
	"fmt"
)

// Stats returns keys of one user, newest first, each with what its meter says at
// this moment. Before the first page come the static keys: all of them, or the
// user's where one is asked for.
func (r *Registry) Stats(ctx context.Context, caller Caller, q Query) (records []Record, next string, err error) {
	if err := caller.may(ScopeAdmin); err != nil {
		return nil, "", err
	}
	page, err := r.List(ctx, caller, q)
	if err != nil {
		return nil, "", err
	}
	keys := page.Keys
	if r.Static != nil && q.Cursor == "" {
		static, err := r.Static(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("static keys: %w", err)
		}
		keys = nil
		for _, k := range static {
			if q.UserID == "" || k.UserID == q.UserID {
				keys = append(keys, k)
			}
		}
		keys = append(keys, page.Keys...)
	}
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	meters, err := r.Store.Meters(ctx, ids)
	if err != nil {
		return nil, "", fmt.Errorf("read meters: %w", err)
	}
	for _, k := range keys {
		records = append(records, Record{Key: k, Meter: meters[k.ID]})
	}
	return records, page.Next, nil
}
