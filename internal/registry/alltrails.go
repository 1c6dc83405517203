package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// TrailPlace is where an audit entry is stored. Position is its [TrailPosition].
type TrailPlace struct {
	Position string
	Subject  string
	Place    audit.Place
}

// entriesAtOnce is how many entries are read at once to find those of an action.
const entriesAtOnce = 100

// allTrails is UserTrail for all users. It reads for each page which entries there are.
func (r *Registry) allTrails(ctx context.Context, q TrailQuery, from string) (page TrailPage, err error) {
	places, err := r.store.AllTrails(ctx, maxSorted)
	if errors.Is(err, ErrTooMany) {
		return page, apikey.Invalid("userId", "must name one user: all trails together have more than %d entries, "+
			"or there are too many keys to look for the entries among them", maxSorted)
	}
	if err != nil {
		return page, fmt.Errorf("list all trails: %w", err)
	}
	if from != "" {
		places = slices.DeleteFunc(places, func(p TrailPlace) bool { return p.Position > from })
	}
	slices.SortFunc(places, func(a, b TrailPlace) int { return strings.Compare(b.Position, a.Position) })
	page.Entries = []audit.Entry{}
	for read := 0; len(places) > 0; {
		if len(page.Entries) == q.Limit || read >= readAhead {
			page.Next = trailCursor(places[0].Position)
			break
		}
		size := q.Limit
		if q.Action != "" {
			size = entriesAtOnce
		}
		next := places[:min(size, len(places))]
		entries, err := r.store.Entries(ctx, next)
		if err != nil {
			return TrailPage{}, err
		}
		slices.SortFunc(entries, func(a, b audit.Sealed) int { return strings.Compare(TrailPosition(b), TrailPosition(a)) })
		if err := r.fill(&page, q, entries); err != nil || page.Next != "" {
			return page, err
		}
		places, read = places[len(next):], read+len(next)
	}
	return page, nil
}
