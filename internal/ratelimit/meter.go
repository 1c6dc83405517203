package ratelimit

import (
	"math"
	"time"
)

// Meter is what is stored of what an id spent. The zero Meter is one that was
// never spent from.
type Meter struct {
	Window   time.Duration // the window that Newest and Marks were made for
	Used     int64         // tokens ever handed out: only grows
	Newest   int64         // newest slice that was spent in: only grows, per Window
	Marks    []Mark        // by slice, oldest first
	LastUsed time.Time
}

// Mark says where the odometer stood just before the first token of a slice. It
// is written once and never changes.
type Mark struct {
	Slice int64
	Used  int64
}

// Usage is what may be said of a meter to whoever spends from it.
type Usage struct {
	Limit     int64
	Remaining int64 // never more than the truth at the last look at the meter
	// Reset is when the window will be empty of what is now in it, in whole
	// seconds.
	Reset time.Time
}

// UsageOf reads a meter without spending from it.
func UsageOf(m Meter, limit Limit, now time.Time) Usage {
	return standard().usage(m, limit, now)
}

func (r rules) usage(m Meter, limit Limit, now time.Time) Usage {
	v := r.view(m, limit, now)
	u := Usage{Limit: limit.Requests, Remaining: min(max(v.room, 0), limit.Requests), Reset: now}
	if v.inWindow > 0 {
		u.Reset = v.old.start(m.Newest + v.old.lookback + 1)
	}
	u.Reset = ceilSecond(u.Reset)
	return u
}

// view is one look at a meter: all that a decision needs.
type view struct {
	old      frame // the frame that the meter was written in
	slice    int64 // now, in that frame
	inWindow int64 // tokens in the window that ends in slice
	room     int64 // tokens that may still be handed out
}

// view tells how full the window is. A meter that was written for another window
// is read in that one: what lies in it counts against the new limit.
//
// Seen late, a meter shows at least as much room as there is: Used only grows,
// and no mark is ever put before one that is there.
func (r rules) view(m Meter, limit Limit, now time.Time) view {
	window := m.Window
	if window == 0 {
		window = limit.Window
	}
	v := view{old: r.frame(window)}
	v.slice = max(v.old.at(now), m.Newest)
	v.inWindow = m.Used - m.base(v.slice-v.old.lookback)
	v.room = limit.Requests - v.inWindow
	return v
}

// base is where the odometer stood before the first token of slice oldest or
// later.
func (m Meter) base(oldest int64) int64 {
	for _, mark := range m.Marks {
		if mark.Slice >= oldest {
			return mark.Used
		}
	}
	return m.Used
}

// freeAt is when n tokens will fit if nothing more is spent.
func (v view) freeAt(m Meter, limit Limit, n int64) time.Time {
	needed := m.Used + n - limit.Requests // the base that would make room
	k := v.slice
	for _, mark := range m.Marks {
		if mark.Used >= needed && mark.Slice >= v.slice-v.old.lookback {
			break
		}
		k = max(k, mark.Slice+v.old.lookback+1) // until this mark is forgotten
	}
	return v.old.start(k)
}

// Spend is one conditional write: hand out Tokens in Slice, if the meter is still
// one that the decision holds for.
type Spend struct {
	Tokens int64
	Slice  int64
	Window time.Duration
	At     time.Time
	// Expires is when the whole meter may be forgotten.
	Expires time.Time

	// Fresh: only if nothing was ever spent. The rest of the condition is empty.
	Fresh bool
	// The meter must have this window, no newer slice than this, and an odometer
	// in this range.
	SeenWindow       time.Duration
	MaxNewest        int64
	MinUsed, MaxUsed int64

	// Restart is for a changed window: the mark of Slice is set to Base, and all
	// others go. Otherwise Slice gets a mark only if it has none.
	Restart bool
	Base    int64
	// Forget are the slices whose marks no longer count.
	Forget []int64
}

// keep is how long a meter outlives the last moment at which it matters.
const keep = 48 * time.Hour

// plan is the decision on one look at a meter: the write that would hand out n
// tokens, or when to come back. It consumes nothing.
func (r rules) plan(m Meter, limit Limit, n int64, now time.Time) (s Spend, retryAt time.Time, ok bool) {
	v := r.view(m, limit, now)
	if v.room < n {
		return Spend{}, v.freeAt(m, limit, n), false
	}
	s = Spend{
		Tokens: n, Slice: v.slice, Window: limit.Window, At: now,
		Expires:    now.Add(2*limit.Window + keep),
		SeenWindow: m.Window,
	}
	switch {
	case m.Window == 0:
		s.Fresh = true
	case m.Window != limit.Window:
		// What is in the old window counts as spent now. Nobody may have spent
		// since, or the new mark would hide it.
		s.Slice = r.frame(limit.Window).at(now)
		s.MaxNewest, s.MinUsed, s.MaxUsed = m.Newest, m.Used, m.Used
		s.Restart, s.Base = true, m.Used-v.inWindow
		for _, mark := range m.Marks {
			if mark.Slice != s.Slice {
				s.Forget = append(s.Forget, mark.Slice)
			}
		}
	default:
		// Others may have spent meanwhile, as long as what they took and what is
		// asked for both fit: no need to fail, and to try again, for that.
		s.MaxNewest, s.MinUsed, s.MaxUsed = v.slice, m.Used, m.Used+v.room-n
		for _, mark := range m.Marks {
			if mark.Slice < v.slice-v.old.lookback {
				s.Forget = append(s.Forget, mark.Slice)
			}
		}
	}
	return s, time.Time{}, true
}

func ceilSecond(t time.Time) time.Time {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return time.Unix(s, 0)
}

// wait is how long to wait until t, in whole seconds and at least one.
func wait(now, t time.Time) time.Duration {
	return time.Duration(max(1, math.Ceil(t.Sub(now).Seconds()))) * time.Second
}
