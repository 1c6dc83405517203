package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Days are the days in UTC from one to another, both included.
type Days struct{ From, To time.Time }

// MaxDays is the largest number of days in one question.
const MaxDays = 400

// check returns an error if there are no days, or too many.
func (d Days) check() error {
	switch {
	case d.To.Before(d.From):
		return apikey.Invalid("to", "must not be before from")
	case d.To.Sub(d.From) >= MaxDays*24*time.Hour:
		return apikey.Invalid("from", "must be less than %d days before to", MaxDays)
	}
	return nil
}

// Usage is how keys were used on some days.
type Usage struct {
	// Days are the days with usage, in their order. Past days are exact, except that tokens leased by
	// an instance that died count as used. The usage of today includes the leased tokens of all
	// instances.
	Days []ratelimit.DayUsage
	// Refused counts refused requests. It is a lower bound: see package tally.
	Refused apikey.Refusals
}

// Usage returns the usage of a key on some days.
func (r *Registry) Usage(ctx context.Context, caller Caller, id string, days Days) (Usage, error) {
	if err := days.check(); err != nil {
		return Usage{}, err
	}
	record, err := r.Find(ctx, caller, id)
	if err != nil {
		return Usage{}, err
	}
	used, err := r.usage(ctx, record, days)
	if err != nil {
		return Usage{}, err
	}
	refused, err := r.refused(ctx, []*apikey.Key{record.Key}, days)
	return Usage{Days: used, Refused: refused}, err
}

// refused returns the refused requests with keys, all together. It leaves out those of former lives.
func (r *Registry) refused(ctx context.Context, keys []*apikey.Key, days Days) (apikey.Refusals, error) {
	all, err := r.store.Refused(ctx, keys, ratelimit.DateOf(days.From), ratelimit.DateOf(days.To))
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	sum := make(apikey.Refusals)
	for _, one := range all {
		sum.AddAll(one)
	}
	return sum, nil
}

// usage returns the usage of one life of a key. If a key was deleted and created again, it leaves
// out the earlier usage. The meter goes on, so recreating a key does not reset its limit.
func (r *Registry) usage(ctx context.Context, record apikey.Record, days Days) ([]ratelimit.DayUsage, error) {
	begun := ratelimit.DateOf(record.Key.CreatedAt)
	from, to := max(ratelimit.DateOf(days.From), begun), ratelimit.DateOf(days.To)
	if from > to {
		return nil, nil
	}
	recorded, err := r.recordedUsage(ctx, record, from, to)
	if err != nil {
		return nil, err
	}
	return usageOfLife(record, recorded, from, to), nil
}

// recordedUsage returns what the store has of the usage of a key, by the ids of its first meters.
func (r *Registry) recordedUsage(ctx context.Context, record apikey.Record, from, to ratelimit.Date) (
	map[string][]ratelimit.DayUsage, error,
) {
	id := record.Key.ID
	if others := record.Key.Shards.Others(id); len(others) > 0 {
		return r.store.Usages(ctx, append(others, id), from, to)
	}
	days, err := r.store.Usage(ctx, id, from, to)
	return map[string][]ratelimit.DayUsage{id: days}, err
}

// usageOfLife returns the usage of one life of a key, from one day to another. recorded is what the
// store has of these days, and of others, by the ids of the key's first meters.
func usageOfLife(
	record apikey.Record, recorded map[string][]ratelimit.DayUsage, from, to ratelimit.Date,
) []ratelimit.DayUsage {
	id, begun := record.Key.ID, ratelimit.DateOf(record.Key.CreatedAt)
	from = max(from, begun)
	sum, former := make(map[ratelimit.Date]int64), int64(0)
	meters := map[string]ratelimit.Meter{id: record.Meter}
	for _, m := range record.More {
		meters[m.ID] = m.Meter
	}
	for _, id := range append(record.Key.Shards.Others(id), id) {
		by := make(map[ratelimit.Date]int64)
		for _, d := range recorded[id] {
			if d.Day < from {
				continue
			}
			by[d.Day] = d.Used
			if d.Day == begun {
				former += d.Former
			}
		}
		// A mark of the meter that is not recorded yet gives the same count as the record.
		m := meters[id]
		for _, d := range m.Usage() {
			if d.Day >= from && d.Day <= to {
				by[d.Day] = d.Used
			}
		}
		for day, used := range by {
			sum[day] += used
		}
	}
	sum[begun] -= former
	return inOrder(sum)
}

// UsageOf returns what Usage does for each of the records, by id, in few requests. The caller must have
// been shown the records.
func (r *Registry) UsageOf(ctx context.Context, records []apikey.Record, days Days) (
	map[string][]ratelimit.DayUsage, error,
) {
	if err := days.check(); err != nil {
		return nil, err
	}
	records, err := r.withShards(ctx, records)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(records))
	for _, record := range records {
		ids = append(append(ids, record.Key.ID), record.Key.Shards.Others(record.Key.ID)...)
	}
	from, to := ratelimit.DateOf(days.From), ratelimit.DateOf(days.To)
	recorded, err := r.store.Usages(ctx, ids, from, to)
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	all := make(map[string][]ratelimit.DayUsage, len(records))
	for _, record := range records {
		all[record.Key.ID] = usageOfLife(record, recorded, from, to)
	}
	return all, nil
}

// inOrder returns the days with usage, sorted.
func inOrder(by map[ratelimit.Date]int64) []ratelimit.DayUsage {
	var all []ratelimit.DayUsage
	for _, day := range slices.Sorted(maps.Keys(by)) {
		if by[day] > 0 {
			all = append(all, ratelimit.DayUsage{Day: day, Used: by[day]})
		}
	}
	return all
}

// Bounds of UserUsage: how many keys it adds up, and how many it reads at the same time.
const (
	maxUsageKeys = 1000
	usageAtOnce  = 16
)

// UserUsage returns the usage of all keys of a user together, as Usage does. It includes revoked
// keys, but no deleted ones. For a day on which the user's keys shared a limit or a quota, it returns
// what the user's own meter has counted if that is more: it includes deleted keys.
func (r *Registry) UserUsage(ctx context.Context, caller Caller, userID string, days Days) (Usage, error) {
	if err := caller.may(apikey.ScopeRead); err != nil {
		return Usage{}, err
	}
	if err := days.check(); err != nil {
		return Usage{}, err
	}
	userID, err := caller.readable(userID)
	if err != nil {
		return Usage{}, err
	}
	keys, err := r.store.List(ctx, userID, Position{}, maxUsageKeys+1)
	if err != nil {
		return Usage{}, fmt.Errorf("list keys: %w", err)
	}
	if len(keys) > maxUsageKeys {
		return Usage{}, apikey.Invalid("userId", "has more than %d keys: ask for the usage of each", maxUsageKeys)
	}
	keys = slices.DeleteFunc(keys, func(k *apikey.Key) bool { return k.Gone(r.now()) })
	own := apikey.UserMeter(userID, "")
	meters, err := r.store.Meters(ctx, []string{own})
	if err != nil {
		return Usage{}, fmt.Errorf("read meters: %w", err)
	}
	records, err := r.usageRecords(ctx, keys)
	if err != nil {
		return Usage{}, err
	}
	var mu sync.Mutex
	sum := make(map[ratelimit.Date]int64)
	var counted []ratelimit.DayUsage
	var refused apikey.Refusals
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(usageAtOnce)
	safely := func(id string, read func() error) {
		group.Go(func() (err error) {
			defer func() {
				if cause := recover(); cause != nil { // it would end the process
					err = fmt.Errorf("usage of %s: panic: %T", id, cause)
				}
			}()
			return read()
		})
	}
	for _, record := range records {
		safely("key "+record.Key.ID, func() error {
			used, err := r.usage(ctx, record, days)
			mu.Lock()
			defer mu.Unlock()
			for _, d := range used {
				sum[d.Day] += d.Used
			}
			return err
		})
	}
	safely("refusals", func() (err error) {
		refused, err = r.refused(ctx, keys, days)
		return err
	})
	if meter, used := meters[own]; used {
		safely("a user", func() (err error) {
			counted, err = r.countedUsage(ctx, own, meter, days)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Usage{}, err
	}
	for _, d := range counted {
		sum[d.Day] = max(sum[d.Day], d.Used)
	}
	return Usage{Days: inOrder(sum), Refused: refused}, nil
}

// usageRecords returns the keys of a list with all meters that count their usage. A key of a list does
// not say how many these are, so the keys are read.
func (r *Registry) usageRecords(ctx context.Context, keys []*apikey.Key) ([]apikey.Record, error) {
	found, err := r.store.Records(ctx, idsOf(keys))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var records []apikey.Record
	for _, k := range keys {
		if record, ok := found[k.ID]; ok {
			records = append(records, record)
		}
	}
	return r.withShards(ctx, records)
}

// countedUsage returns what the first meter of a user has counted on each of some days. A day may be
// there twice, with the same count.
func (r *Registry) countedUsage(ctx context.Context, id string, m ratelimit.Meter, days Days) (
	all []ratelimit.DayUsage, err error,
) {
	from, to := ratelimit.DateOf(days.From), ratelimit.DateOf(days.To)
	if all, err = r.store.Usage(ctx, id, from, to); err != nil {
		return nil, err
	}
	for _, d := range m.Usage() {
		if d.Day >= from && d.Day <= to {
			all = append(all, d)
		}
	}
	return all, nil
}
