package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Bounded is a key with all that bounds it. Plan is nil if the key has none, or if the plan is
// missing.
type Bounded struct {
	apikey.Record
	User apikey.UserRecord
	Plan *apikey.Plan
	// OlderUse is when the token was last used that the last rotation has replaced. It is zero if that
	// token was not used since then, or works no more.
	OlderUse time.Time
}

// Bounded adds what bounds a key besides its record. A static key has neither a user nor a plan.
func (r *Registry) Bounded(ctx context.Context, record apikey.Record) (Bounded, error) {
	b := Bounded{Record: record}
	if record.Key.Internal {
		return b, nil
	}
	var err error
	if b.User, err = r.store.User(ctx, record.Key.UserID); err != nil {
		return Bounded{}, fmt.Errorf("read the user: %w", err)
	}
	if b.Plan, err = r.planIfStored(ctx, b.planName()); err != nil {
		return Bounded{}, err
	}
	one := []Bounded{b}
	err = r.addOlderUses(ctx, one)
	return one[0], err
}

// BoundedAll does what Bounded does for many keys, in few requests. It also adds the meters of the
// keys that their records do not have.
func (r *Registry) BoundedAll(ctx context.Context, records []apikey.Record) ([]Bounded, error) {
	all := make([]Bounded, len(records))
	var ids []string
	for i, record := range records {
		all[i].Record = record
		if !record.Key.Internal {
			ids = append(ids, record.Key.UserID)
		}
	}
	slices.Sort(ids)
	users, err := r.store.Users(ctx, slices.Compact(ids))
	if err != nil {
		return nil, fmt.Errorf("read the users: %w", err)
	}
	plans := make(map[string]*apikey.Plan)
	for i := range all {
		b := &all[i]
		if b.Key.Internal {
			continue
		}
		b.User.User = users[b.Key.UserID]
		name := b.planName()
		plan, known := plans[name]
		if !known {
			if plan, err = r.planIfStored(ctx, name); err != nil {
				return nil, err
			}
			plans[name] = plan
		}
		b.Plan = plan
	}
	if err := r.addMeters(ctx, all); err != nil {
		return nil, err
	}
	return all, r.addOlderUses(ctx, all)
}

// planName returns the name of the key's plan or, if it has none, of the user's.
func (b *Bounded) planName() string {
	if b.Key.Plan == "" && b.User.User != nil {
		return b.User.User.Plan
	}
	return b.Key.Plan
}

// planIfStored returns the plan of a name, or nil if the name is empty or the plan is missing.
func (r *Registry) planIfStored(ctx context.Context, name string) (*apikey.Plan, error) {
	if name == "" {
		return nil, nil
	}
	plan, err := r.store.Plan(ctx, name)
	if err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	return plan, nil
}

// addMeters adds the meters, besides the first of each key, that requests with the keys spend from.
func (r *Registry) addMeters(ctx context.Context, all []Bounded) error {
	var ids []string
	for _, b := range all {
		ids = append(ids, b.furtherMeters()...)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return nil
	}
	meters, err := r.store.Meters(ctx, slices.Compact(ids))
	if err != nil {
		return fmt.Errorf("read meters: %w", err)
	}
	for i, b := range all {
		for _, id := range b.furtherMeters() {
			known := func(m apikey.NamedMeter) bool { return m.ID == id }
			if m, used := meters[id]; used && !slices.ContainsFunc(all[i].More, known) {
				all[i].More = append(all[i].More, apikey.NamedMeter{ID: id, Meter: m})
			}
		}
	}
	return nil
}

// furtherMeters returns the ids of the meters besides the key's first, those of its further shards among
// them.
func (b Bounded) furtherMeters() []string {
	ids := b.Key.Shards.Others(b.Key.ID)
	for _, p := range b.Key.Parts(b.User.User, b.Plan) {
		if p.ID != b.Key.ID {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// addOlderUses adds when replaced tokens of keys were last used, as far as they still work.
func (r *Registry) addOlderUses(ctx context.Context, all []Bounded) error {
	var rotating []string
	for _, b := range all {
		if !b.Key.PreviousUntil(r.now()).IsZero() {
			rotating = append(rotating, b.Key.ID)
		}
	}
	if len(rotating) == 0 {
		return nil
	}
	uses, err := r.store.OlderUses(ctx, rotating)
	if err != nil {
		return fmt.Errorf("read uses of older tokens: %w", err)
	}
	for i, b := range all {
		if use := uses[b.Key.ID]; !use.Before(b.Key.PresentSince) {
			all[i].OlderUse = use
		}
	}
	return nil
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
		meters := []ratelimit.Meter{stored[p.ID]}
		if p.ID == b.Key.ID {
			meters = b.FirstMeters()
		}
		statuses = append(statuses, ratelimit.StatusOfShards(meters, p.Part, r.now()))
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
	b, err := r.Bounded(ctx, apikey.Record{Key: &apikey.Key{UserID: userID, Unlimited: true}})
	if err != nil {
		return nil, nil, err
	}
	u := orNone(b.User.User, userID)
	record := apikey.UserRecord{User: u, Meters: b.User.Meters}
	return u, r.SharedBounds(record, b.Plan), nil
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
