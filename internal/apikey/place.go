package apikey

import (
	"cmp"
	"slices"
	"time"
)

// Places are what the keys of a user take of those that a user may hold. A key takes a place from
// its creation until nothing counts any more that it has spent: whoever creates, spends and deletes
// keys in turn spends no more than by holding as many.
type Places struct {
	// Taken is how many places are taken.
	Taken int
	// Ends are when some of these become free, of keys that have ended.
	Ends []PlaceEnd
}

// PlaceEnd is when a number of places become free.
type PlaceEnd struct {
	At    time.Time
	Count int
}

// roomAt returns when fewer than most places are taken if no key is made until then. Zero: never.
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

// ends reports whether w revokes a key, which is done once, or deletes one that was not revoked.
func (w *Write) ends() bool {
	switch {
	case w.From == nil:
		return false
	case w.To == nil:
		return w.From.RevokedAt.IsZero()
	}
	return !w.To.RevokedAt.IsZero()
}

// Takes returns whose place a change takes or frees: +1 for a new key, -1 for one that ends, and 0
// if it changes no place. If until is not zero, an ended key goes on taking its place until then.
func (w *Write) Takes() (userID string, by int64, until time.Time) {
	switch {
	case w.From == nil:
		return w.To.UserID, 1, time.Time{}
	case !w.ends():
		return "", 0, time.Time{}
	case w.PlaceUntil.After(w.At):
		return w.From.UserID, -1, w.PlaceUntil
	}
	return w.From.UserID, -1, time.Time{}
}
