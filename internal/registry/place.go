package registry

import (
	"cmp"
	"slices"
	"time"
)

// Places counts the keys of a user against the number that a user may hold. A key takes a place
// from its creation until no token counts any more that it has spent. A user who creates, spends
// and deletes keys in turn therefore spends no more than one who holds as many.
type Places struct {
	// Taken is the number of taken places.
	Taken int
	// Ends says when places of ended keys become free. These are part of Taken.
	Ends []PlaceEnd
}

// PlaceEnd says when a number of places become free.
type PlaceEnd struct {
	At    time.Time
	Count int
}

// roomAt returns the time at which fewer than most places are taken, if no key is created until
// then. Zero means never.
func (p Places) roomAt(most int) time.Time {
	slices.SortFunc(p.Ends, func(a, b PlaceEnd) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	taken := p.Taken
	for _, end := range p.Ends {
		if taken -= end.Count; taken < most {
			return end.At
		}
	}
	return time.Time{}
}
