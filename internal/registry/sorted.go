package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/apikey"
)

// maxSorted bounds how many keys one list filters and sorts. It reads them all for each page.
const maxSorted = 20_000

// lookAhead is how many keys a list reads at once to find the few that fit.
const lookAhead = 500

// errTooManyToSort is the refusal of a list of too many keys.
func errTooManyToSort(q Query) error {
	if q.All {
		return apikey.Invalid("userId", "must name one user: all users together have more than %d keys, "+
			"or too many audit entries to look for the keys among them", maxSorted)
	}
	return apikey.Invalid("userId", "has more than %d keys, which is too many to filter or to sort: "+
		"leave out sort and every filter but status", maxSorted)
}

// sorted is Records for a query that the index alone cannot answer. It reads which keys there are,
// puts them in their order, and reads those of the page.
func (r *Registry) sorted(ctx context.Context, userID string, q Query) (
	records []apikey.Record, next string, err error,
) {
	after, beginsLater, err := q.after()
	if err != nil {
		return nil, "", err
	}
	keys, err := r.store.ListAll(ctx, userID, maxSorted)
	if errors.Is(err, ErrTooMany) {
		return nil, "", errTooManyToSort(q)
	}
	if err != nil {
		return nil, "", fmt.Errorf("list all keys: %w", err)
	}
	now := r.now()
	keys = slices.DeleteFunc(keys, func(k *apikey.Key) bool { return !q.admits(k, now) })
	places, err := r.rank(ctx, q, keys)
	if err != nil {
		return nil, "", err
	}
	if beginsLater {
		places = slices.DeleteFunc(places, func(p place) bool { return after.compare(p) >= 0 })
	}
	slices.SortFunc(places, place.compare)
	return r.page(ctx, q, places, now)
}

// rank returns the place of each key. It leaves out keys whose use does not fit q.
func (r *Registry) rank(ctx context.Context, q Query, keys []*apikey.Key) ([]place, error) {
	if q.Sort == SortSpent {
		return r.rankBySpent(ctx, q, keys)
	}
	places := make([]place, 0, len(keys))
	if q.Sort != SortLastUsed && !q.byUse() {
		for _, k := range keys {
			places = append(places, placeOf(k, 0))
		}
		return places, nil
	}
	meters, err := r.store.Meters(ctx, idsOf(keys))
	if err != nil {
		return nil, fmt.Errorf("read meters: %w", err)
	}
	for _, k := range keys {
		record := apikey.Record{Key: k, Meter: meters[k.ID]}
		if !q.admitsUse(record) {
			continue
		}
		p := placeOf(k, 0)
		if used := record.LastUsed(); q.Sort == SortLastUsed && !used.IsZero() {
			p.rank = used.UnixMilli()
		}
		places = append(places, p)
	}
	return places, nil
}

func placeOf(k *apikey.Key, rank int64) place {
	return place{Position{CreatedAt: k.CreatedAt, ID: k.ID}, rank}
}

// whole is the rank of a key that has spent all of a limit. A key whose limit was lowered may have
// spent more, and atMost is the largest part that counts.
const (
	whole  = 1_000_000_000
	atMost = 1_000_000
)

// rankBySpent returns the place of each key that fits q, by the share of a limit that is spent.
func (r *Registry) rankBySpent(ctx context.Context, q Query, keys []*apikey.Key) ([]place, error) {
	found, err := r.store.Records(ctx, idsOf(keys))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	now := r.now()
	records := make([]apikey.Record, 0, len(keys))
	for _, k := range keys {
		if record, ok := found[k.ID]; ok && q.admitsRecord(record, now) {
			records = append(records, record)
		}
	}
	all, err := r.BoundedAll(ctx, records)
	if err != nil {
		return nil, err
	}
	places := make([]place, len(all))
	for i, b := range all {
		places[i] = placeOf(b.Key, int64(min(r.spent(b), atMost)*whole))
	}
	return places, nil
}

// spent returns the largest part that is spent of any limit or quota of a key: 1 if one is spent as a
// whole, and 0 if nothing bounds the key.
func (r *Registry) spent(b Bounded) (part float64) {
	v := apikey.Verdict{Key: b.Key}
	v.Parts, v.Statuses = r.Spending(b)
	if len(v.Statuses) == 1 {
		v.Status = v.Statuses[0]
	}
	for _, bound := range v.Bounds() {
		if bound.Amount > 0 {
			part = max(part, float64(bound.Used)/float64(bound.Amount))
		}
	}
	return part
}

// page returns the first keys of places in their present state. It leaves out keys that were deleted,
// that have another user, or that do not fit q any more.
func (r *Registry) page(ctx context.Context, q Query, places []place, now time.Time) (
	records []apikey.Record, next string, err error,
) {
	size := q.Limit
	if q.Rotating { // few are
		size = max(size, lookAhead)
	}
	var last place
	for chunk := range slices.Chunk(places, size) {
		if len(records) == q.Limit {
			return records, q.cursor(last), nil
		}
		ids := make([]string, len(chunk))
		for i, p := range chunk {
			ids[i] = p.ID
		}
		found, err := r.store.Records(ctx, ids)
		if err != nil {
			return nil, "", fmt.Errorf("read keys: %w", err)
		}
		for _, p := range chunk {
			if len(records) == q.Limit {
				return records, q.cursor(last), nil
			}
			last = p
			if record, ok := found[p.ID]; ok && q.admitsRecord(record, now) {
				records = append(records, record)
			}
		}
	}
	return records, "", nil
}
