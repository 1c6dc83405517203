package ratelimit

import "time"

// sight is a view of an entry's meter that is used again while it is true. The zero sight is never
// true. Only now differs between the views of one slice and one day.
type sight struct {
	view  view
	terms Terms
	// The view is true from one moment until another, in nanoseconds of the epoch.
	from, until int64
}

// view returns how full the meter of e is. The view is valid until the next call, and until the meter
// changes.
func (e *entry) view(r *rules, terms *Terms, now time.Time) *view {
	s := &e.sight
	if at := now.UnixNano(); at < s.from || at >= s.until || s.terms != *terms {
		s.view, s.terms = r.view(&e.meter, terms, now), *terms
		s.from, s.until = s.view.lasts(at)
	}
	s.view.now = now
	return &s.view
}

// lasts returns from when until when v is true, in nanoseconds of the epoch. at is the moment of v. If
// the window has moved, v is true at no other moment.
func (v *view) lasts(at int64) (from, until int64) {
	if v.moved {
		return 0, 0
	}
	from = at - at%int64(v.old.slice)
	until = from + int64(v.old.slice)
	if v.today != 0 { // a quota may begin anew with the day
		const day = int64(24 * time.Hour)
		midnight := at - at%day
		from, until = max(from, midnight), min(until, midnight+day)
	}
	return from, until
}
