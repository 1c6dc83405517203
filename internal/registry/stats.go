package registry

import (
	"context"
	"fmt"
	"slices"

	"latchkey/internal/apikey"
)

// Stats returns a page of a user's keys, newest first, each with its meter. Static keys come before
// the first page: those of Query.UserID, or all if it is empty.
func (r *Registry) Stats(ctx context.Context, caller Caller, q Query) (
	records []apikey.Record, next string, err error,
) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return nil, "", err
	}
	listed, next, err := r.Records(ctx, caller, q)
	if err != nil {
		return nil, "", err
	}
	if q.Cursor != "" {
		return listed, next, nil
	}
	configured, err := r.static(ctx)
	if err != nil {
		return nil, "", err
	}
	static := slices.DeleteFunc(configured.Keys(), func(k *apikey.Key) bool {
		return q.UserID != "" && k.UserID != q.UserID
	})
	meters, err := r.store.Meters(ctx, idsOf(static))
	if err != nil {
		return nil, "", fmt.Errorf("read meters: %w", err)
	}
	for _, k := range static {
		records = append(records, apikey.Record{Key: k, Meter: meters[k.ID]})
	}
	return append(records, listed...), next, nil
}

// static returns the static keys.
func (r *Registry) static(ctx context.Context) (apikey.Static, error) {
	if r.options.Static == nil {
		return apikey.Static{}, nil
	}
	static, err := r.options.Static(ctx)
	if err != nil {
		return static, fmt.Errorf("static keys: %w", err)
	}
	return static, nil
}

// Records returns the keys that q selects, each in its present state, with its meter. A page leaves
// out keys that were deleted or do not fit q by now, so it may be short. Keys that change between two
// pages may be in neither or in both. An admin may list the keys of all users.
func (r *Registry) Records(ctx context.Context, caller Caller, q Query) (
	records []apikey.Record, next string, err error,
) {
	if !q.simple() {
		if err := caller.may(apikey.ScopeRead); err != nil {
			return nil, "", err
		}
		userID, err := caller.listable(q)
		if err != nil {
			return nil, "", err
		}
		if !q.All {
			q.UserID = userID
		}
		return r.sorted(ctx, userID, q)
	}
	page, err := r.List(ctx, caller, q)
	if err != nil {
		return nil, "", err
	}
	found, err := r.store.Records(ctx, idsOf(page.Keys))
	if err != nil {
		return nil, "", fmt.Errorf("read keys: %w", err)
	}
	now := r.now()
	for _, k := range page.Keys {
		// The index lags, so another user may own the key by now.
		record, ok := found[k.ID]
		if ok && record.Key.UserID == k.UserID && q.admits(record.Key, now) {
			records = append(records, record)
		}
	}
	return records, page.Next, nil
}

// idsOf returns the id of each key.
func idsOf(keys []*apikey.Key) []string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	return ids
}
