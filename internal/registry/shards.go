package registry

import (
	"context"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// settling is how long after the freshness a request may still be on its way that was judged by a key as
// it was before.
const settling = 5 * time.Second

// spread gives a changed key the meters that its rateLimit needs, if the change sets the limit. While a
// quota of a calendar period holds, the number of meters stays: a quota that is divided anew would
// forget what other meters have counted of it.
func (r *Registry) spread(ctx context.Context, from, to *apikey.Key, c apikey.Change) error {
	if c.Limit != nil || c.Unlimited != nil {
		count, now := to.WantedShards(), r.now()
		shards := from.Shards.To(count, now, r.settled(from, to, now))
		if shards != from.Shards {
			quota, err := r.hasCalendarQuota(ctx, to)
			if err != nil {
				return err
			}
			if !quota {
				to.Shards = shards
			}
		}
	}
	if c.Limit != nil || c.Quota != nil || c.Scopes != nil && !slices.Equal(from.Shared.Limits, to.Shared.Limits) {
		return to.CheckShards()
	}
	return nil
}

// settled returns when no token counts any more that was spent from the meters of from. They count by the
// window of to. A key without a limit is spread at once, because no limit bound its tokens.
func (r *Registry) settled(from, to *apikey.Key, now time.Time) time.Time {
	if from.Unlimited || from.Limit == (ratelimit.Limit{}) {
		return now
	}
	if to.Unlimited || to.Limit == (ratelimit.Limit{}) {
		return now.Add(r.options.Freshness + settling)
	}
	return ratelimit.Terms{Limit: to.Limit}.Until(now.Add(r.options.Freshness + settling))
}

// hasCalendarQuota reports whether a key, its plan or the plan of its user has a quota for a day or a
// month.
func (r *Registry) hasCalendarQuota(ctx context.Context, k *apikey.Key) (bool, error) {
	if k.HasCalendarQuota(nil) {
		return true, nil
	}
	user, err := r.store.User(ctx, k.UserID)
	if err != nil {
		return false, fmt.Errorf("read the user: %w", err)
	}
	b := Bounded{Record: apikey.Record{Key: k}, User: user}
	plan, err := r.planIfStored(ctx, b.planName())
	return k.HasCalendarQuota(plan), err
}
