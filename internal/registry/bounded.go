package registry

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Bounded is a key with all that bounds it. Plan is nil if the key has none, or if the plan is
// missing.
type Bounded struct {
	apikey.Record
	User apikey.UserRecord
	Plan *apikey.Plan
}

// Bounded adds what bounds the keys besides their records. It reads each user and each plan once. A
// static key has neither.
func (r *Registry) Bounded(ctx context.Context, records ...apikey.Record) ([]Bounded, error) {
	users, plans := make(map[string]apikey.UserRecord), make(map[string]*apikey.Plan)
	all := make([]Bounded, len(records))
	for i, record := range records {
		all[i].Record = record
		if record.Key.Internal {
			continue
		}
		user, known := users[record.Key.UserID]
		if !known {
			var err error
			if user, err = r.store.User(ctx, record.Key.UserID); err != nil {
				return nil, fmt.Errorf("read the user: %w", err)
			}
			users[record.Key.UserID] = user
		}
		all[i].User = user
		name := record.Key.Plan
		if name == "" && user.User != nil {
			name = user.User.Plan
		}
		if _, known = plans[name]; !known && name != "" {
			plan, err := r.store.Plan(ctx, name)
			if err != nil && !errors.Is(err, apikey.ErrNotFound) {
				return nil, fmt.Errorf("read the plan: %w", err)
			}
			plans[name] = plan
		}
		all[i].Plan = plans[name]
	}
	return all, nil
}

// Spending returns the parts that requests with the key spend from, and the window status of each.
// Leased tokens count as used.
func (r *Registry) Spending(b Bounded) (parts []apikey.Part, statuses []ratelimit.Status) {
	stored := map[string]ratelimit.Meter{b.Key.ID: b.Meter}
	for _, meters := range [][]apikey.NamedMeter{b.More, b.User.Meters} {
		for _, m := range meters {
			stored[m.ID] = m.Meter
		}
	}
	parts = b.Key.Parts(b.User.User, b.Plan)
	for _, p := range parts {
		statuses = append(statuses, ratelimit.StatusOf(stored[p.ID], p.Terms, r.now()))
	}
	return parts, statuses
}

// UserStatus returns what User returns, and the window status of every limit and quota that the
// user's keys share by the user's record and plan. If the plan is missing, it returns those of the
// record alone.
func (r *Registry) UserStatus(ctx context.Context, caller Caller, userID string) (
	*apikey.User, []apikey.Bound, error,
) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return nil, nil, err
	}
	userID, err := caller.readable(userID)
	if err != nil {
		return nil, nil, err
	}
	all, err := r.Bounded(ctx, apikey.Record{Key: &apikey.Key{UserID: userID, Unlimited: true}})
	if err != nil {
		return nil, nil, err
	}
	u := orNone(all[0].User.User, userID)
	record := apikey.UserRecord{User: u, Meters: all[0].User.Meters}
	return u, r.SharedBounds(record, all[0].Plan), nil
}

// SharedBounds returns the window status of every limit and quota that the keys of a user share by the
// user's record and plan. The plan may be nil.
func (r *Registry) SharedBounds(record apikey.UserRecord, plan *apikey.Plan) []apikey.Bound {
	v := apikey.Verdict{Key: &apikey.Key{UserID: record.User.ID, Unlimited: true}}
	parts, statuses := r.Spending(Bounded{Record: apikey.Record{Key: v.Key}, User: record, Plan: plan})
	for i, p := range parts {
		if p.Of == apikey.OfUser {
			v.Parts, v.Statuses, v.Status = append(v.Parts, p), append(v.Statuses, statuses[i]), statuses[i]
		}
	}
	return v.Bounds()
}
