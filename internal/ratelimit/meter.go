package ratelimit

import (
	"math"
	"slices"
	"time"
)

// Meter is what is stored of what an id spent. The zero Meter is one that was
// never spent from.
type Meter struct {
	Window   time.Duration // the window that Newest and Marks were made for
	Rev      int64         // of the terms that the window is of
	Used     int64         // tokens ever handed out: only grows
	Newest   int64         // newest slice that was spent in: only grows, per Window
	Marks    []Mark        // by slice, oldest first
	LastUsed time.Time

	// Net is Used without the tokens that were given back unused: what was used,
	// but for what environments hold or have lost. It only grows too, since
	// tokens are given back by asking for fewer new ones.
	Net int64
	// Day is the newest day that was spent on, Month (as Date.Month) its month;
	// DayNet and MonthNet are where Net stood just before them.
	Day      Date
	DayNet   int64
	Month    int64
	MonthNet int64
	// Earlier are some moments before the last change of the window, oldest first. They give the
	// spend in a window that reaches back to before the change.
	Earlier []Point
	// Past are the days before Day whose marks are still there, oldest first: they
	// are not yet known to be in the record of what was used.
	Past []DayMark
}

// DayMark says where Net stood just before the first token of a day.
type DayMark struct {
	Day Date
	Net int64
}

// Mark says where the odometer stood just before the first token of a slice. It
// is written once and never changes.
type Mark struct {
	Slice int64
	Used  int64
}

// Point is a moment, in whole milliseconds, and where the odometer stood then:
// each token up to Used was handed out before At.
type Point struct {
	At   time.Time
	Used int64
}

// view is one look at a meter: all that a decision needs.
type view struct {
	now      time.Time
	old      frame         // the frame that the meter was written in
	moved    bool          // the window is another one now
	span     time.Duration // of the new window, where it moved
	slice    int64         // now, in that frame
	inWindow int64         // tokens in the window that ends in slice
	room     int64         // tokens that the limit still leaves
	quota    int64         // tokens that the quota still leaves
}

// unbounded is room where nothing bounds it.
const unbounded = math.MaxInt64 / 4

// view returns how full the window is. A meter that was written for another window is read by
// moments. Tokens that were handed out in the new window count against the new limit, as far back
// as the meter remembers.
//
// Seen late, a meter shows at least as much room as there is: Used and Net only grow, and no mark
// is ever put before an existing one.
func (r *rules) view(m *Meter, terms *Terms, now time.Time) (v view) {
	window := m.Window
	if window == 0 {
		window = terms.Limit.Window
	}
	v.now, v.old, v.quota, v.moved = now, r.frame(window), unbounded, window != terms.Limit.Window
	v.slice = max(v.old.at(now), m.Newest)
	if v.moved {
		v.span = r.frame(terms.Limit.Window).span()
		v.inWindow = m.spentSince(now.Add(-v.span), v.old, now)
	} else {
		v.inWindow = m.Used - m.base(v.slice-v.old.lookback)
	}
	v.room = terms.Limit.Requests - v.inWindow
	if q := terms.Quota; q != (Quota{}) {
		v.quota = q.Requests - (m.Net - m.netBefore(q.Period, m.today(now)))
	}
	return v
}

// base is where the odometer stood before the first token of slice oldest or
// later.
func (m *Meter) base(oldest int64) int64 {
	for i := range m.Marks {
		if m.Marks[i].Slice >= oldest {
			return m.Marks[i].Used
		}
	}
	return m.Used
}

// freeAt is when n tokens will fit if nothing more is spent.
func (v *view) freeAt(m *Meter, limit Limit, n int64) time.Time {
	if v.moved {
		return m.freeAfter(v.span, v.old, v.now, limit.Requests, n)
	}
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
	Net    int64 // Tokens without those that are given back with this write; not negative
	Slice  int64
	Day    Date
	Window time.Duration
	Rev    int64
	At     time.Time
	// Expires is when the whole meter may be forgotten.
	Expires time.Time

	// Fresh: only if nothing was ever spent. The rest of the condition is empty.
	Fresh bool
	// The meter must have this window, no newer slice than this, an odometer in
	// this range, no more used than this, and must not have been spent from on
	// the day after Day.
	SeenWindow       time.Duration
	MaxNewest        int64
	MinUsed, MaxUsed int64
	MaxNet           int64

	// Restart is for a changed window: the mark of Slice is set to Base, and all
	// others go. The meter's Rev must not be above this one. Otherwise Slice gets a mark only if it has none. Day and its
	// month only ever get a mark if they have none.
	Restart bool
	Base    int64
	// Earlier are points to add to the meter. ForgetEarlier are the moments of points to remove.
	Earlier       []Point
	ForgetEarlier []time.Time
	// Forget are the slices whose marks no longer count, ForgetDays days that are
	// in the record; ForgetMonth is a month that is over, or zero.
	Forget      []int64
	ForgetDays  []Date
	ForgetMonth int64
}

// keep is how long a meter outlives the last moment at which it matters for a
// limit: what was used on its last days stands nowhere else.
const keep = 400 * 24 * time.Hour

// plan is the write that would hand out n tokens and take back as many of those
// given back as it can. The caller has seen that there is room for it.
//
// Others may have spent meanwhile, as long as what they took and what is asked
// for both fit: no need to fail, and to try again, for that.
//
// Days up to recorded need no mark any more.
func (r *rules) plan(m *Meter, terms Terms, v *view, n, back int64, recorded Date) Spend {
	today := m.today(v.now)
	window := terms.Limit.Window
	net := n - min(n, back)
	s := Spend{
		Tokens: n, Net: net, Slice: v.slice, Day: today, Window: window, Rev: terms.Rev, At: v.now,
		Expires:    expiry(v.now, window, today),
		SeenWindow: m.Window, MaxNewest: v.slice,
		MinUsed: m.Used, MaxUsed: m.Used + v.room - n, MaxNet: m.Net + v.quota - net,
	}
	if m.Day != today {
		// The first of its day. What the day before, or the month, used must be
		// known exactly, so nobody may have spent since.
		s.MaxUsed = m.Used
		if m.Month != today.Month() {
			s.ForgetMonth = m.Month
		}
	}
	for _, past := range m.Past {
		if past.Day <= recorded {
			s.ForgetDays = append(s.ForgetDays, past.Day)
		}
	}
	switch {
	case m.Window == 0:
		s.Fresh, s.Net = true, n // whatever is given back was taken from another meter
	case m.Window != window:
		// The spend in the new window counts as spent now. No spend may have come since, or the new
		// mark would hide it.
		s.Slice, s.MaxNewest, s.MaxUsed = r.frame(window).at(v.now), m.Newest, m.Used
		s.Restart, s.Base = true, m.Used-v.inWindow
		for _, mark := range m.Marks {
			if mark.Slice != s.Slice {
				s.Forget = append(s.Forget, mark.Slice)
			}
		}
		s.Earlier = m.earlier(v.old, v.now)
		for _, p := range m.Earlier {
			s.forgetEarlier(p)
		}
	default:
		if n := len(m.Earlier); n > 0 && v.now.Sub(m.Earlier[n-1].At) >= longest {
			for _, p := range m.Earlier {
				s.forgetEarlier(p)
			}
		}
		for _, mark := range m.Marks {
			if mark.Slice < v.slice-v.old.lookback {
				s.Forget = append(s.Forget, mark.Slice)
			}
		}
	}
	return s
}

// forgetEarlier removes a moment, unless it is to stay. The store may be asked to
// change each attribute once.
func (s *Spend) forgetEarlier(old Point) {
	same := func(p Point) bool { return p.At.Equal(old.At) }
	if !slices.ContainsFunc(s.Earlier, same) {
		s.ForgetEarlier = append(s.ForgetEarlier, old.At)
	}
}

// expiry is when a meter that was last spent from at a time may be forgotten.
func expiry(at time.Time, window time.Duration, day Date) time.Time {
	windows, month := at.Add(2*window), day.end(Month)
	if windows.After(month) {
		return windows.Add(keep)
	}
	return month.Add(keep)
}
