package ratelimit

import (
	"cmp"
	"slices"
	"time"
)

// Spend is one conditional write to a meter: it hands out Tokens in Slice, if the meter still meets
// the condition that the decision rests on.
//
// A store applies a spend as [Meter.Apply] does.
type Spend struct {
	Tokens int64
	Net    int64 // Tokens without those that this write gives back; never negative
	Slice  int64
	Day    Date
	Window time.Duration // equal to SeenWindow, unless Fresh or Restart is set
	Rev    int64
	At     time.Time
	// Expires is when the store may forget the whole meter. If zero, it never may.
	Expires time.Time

	// Fresh requires that nothing was ever spent from the meter. The rest of the condition is then
	// empty, and Base is 0.
	Fresh bool
	// SeenWindow must be the window of the meter.
	SeenWindow time.Duration
	// MaxNewest must not be below the newest slice of the meter. The day after Day must not have
	// been spent on.
	MaxNewest int64
	// MinUsed and MaxUsed must enclose the odometer. MinUsed is at most MaxUsed.
	MinUsed, MaxUsed int64
	// MaxNet must not be below Net of the meter.
	MaxNet int64

	// Restart changes the window: Slice gets the mark Base, and the window, its revision and Newest
	// are set. The revision of the meter must not be above Rev. Without Restart, Slice gets a mark
	// only if it has none. In both cases, Day and its month get a mark only if they have none.
	Restart bool
	Base    int64
	// Fence must not be below the meter's fence, and replaces it. Zero asks for nothing and changes
	// nothing.
	Fence int64
	// Earlier are points to add to the meter. ForgetEarlier are the moments of points to remove.
	Earlier       []Point
	ForgetEarlier []time.Time
	// Forget are slices whose marks no longer count, and ForgetDays are days whose usage is
	// recorded. ForgetMonth is a month that is over, or zero.
	Forget      []int64
	ForgetDays  []Date
	ForgetMonth int64
}

// plan returns the write that hands out n tokens and gives back as many of back as it can. The
// caller must have seen that there is room for them. Days up to recorded need no mark any more.
//
// The condition lets other instances spend meanwhile, as long as their tokens and these fit
// together. The write does not fail for them.
func (r *rules) plan(m *Meter, terms *Terms, v *view, n, back int64, recorded Date) Spend {
	today := m.today(v.now)
	window := terms.Limit.Window
	net := n - min(n, back)
	s := Spend{
		Tokens: n, Net: net, Slice: v.slice, Day: today, Window: window, Rev: terms.Rev, At: v.now,
		SeenWindow: m.Window, MaxNewest: v.slice,
		MinUsed: m.Used, MaxUsed: m.Used + v.room - n, MaxNet: m.Net + v.quota - net,
	}
	if terms.Quota.Period != Lifetime {
		s.Expires = expiry(v.now, window, today)
	}
	if m.Day != today {
		// This is the first spend of its day. The usage of the day before, and of the month, must
		// be exact, so no other spend may have come since.
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
		s.Fresh, s.Net = true, n // tokens to give back were taken from another meter
	case m.Window != window:
		s.restart(m, r.frame(window).at(v.now), v)
	default:
		s.forgetOld(m, v)
	}
	return s
}

// restart makes s change the window of m, to one in which v.inWindow tokens were spent. They count
// as spent in slice. No other spend may have come since, or the mark of slice would hide it.
func (s *Spend) restart(m *Meter, slice int64, v *view) {
	s.Slice, s.MaxNewest, s.MaxUsed = slice, m.Newest, m.Used
	s.Restart, s.Base = true, m.Used-v.inWindow
	for _, mark := range m.Marks {
		if mark.Slice != slice {
			s.Forget = append(s.Forget, mark.Slice)
		}
	}
	s.Earlier = m.earlier(v.old, v.now)
	s.forgetEarlier(m.Earlier)
}

// forgetOld makes s remove the marks and points of m that no longer count.
func (s *Spend) forgetOld(m *Meter, v *view) {
	if n := len(m.Earlier); n > 0 && v.now.Sub(m.Earlier[n-1].At) >= longest {
		s.forgetEarlier(m.Earlier)
	}
	for _, mark := range m.Marks {
		if mark.Slice < v.slice-v.old.lookback {
			s.Forget = append(s.Forget, mark.Slice)
		}
	}
}

// forgetEarlier makes s remove points, except at moments for which it adds one. A store may change
// each of its attributes only once.
func (s *Spend) forgetEarlier(old []Point) {
	for _, p := range old {
		if !hasPointAt(s.Earlier, p.At) {
			s.ForgetEarlier = append(s.ForgetEarlier, p.At)
		}
	}
}

func hasPointAt(points []Point, at time.Time) bool {
	return slices.ContainsFunc(points, func(p Point) bool { return p.At.Equal(at) })
}

// meterRetention is how long a meter outlives the last moment at which it matters for a limit.
// Until then it holds usage that is recorded nowhere else.
const meterRetention = 400 * 24 * time.Hour

// expiry returns when the store may forget a meter that was last spent from at a time and on a day.
func expiry(at time.Time, window time.Duration, day Date) time.Time {
	windows, month := at.Add(2*window), day.end(Month)
	if windows.After(month) {
		return windows.Add(meterRetention)
	}
	return month.Add(meterRetention)
}

// Apply changes m as s says. If m does not meet the condition of s, Apply leaves it as it is and
// returns [ErrStale].
func (m *Meter) Apply(s Spend) error {
	if !m.meets(s) {
		return ErrStale
	}
	m.Marks = m.marksAfter(s)
	m.Past = slices.DeleteFunc(slices.Clone(m.Past), func(d DayMark) bool {
		return slices.Contains(s.ForgetDays, d.Day)
	})
	m.Earlier = m.pointsAfter(s)
	if s.Day > m.Day {
		if m.Day != 0 {
			m.Past = append(m.Past, DayMark{m.Day, m.DayNet})
		}
		m.Day, m.DayNet = s.Day, m.Net
	}
	if s.Day.Month() > m.Month {
		m.Month, m.MonthNet = s.Day.Month(), m.Net
	}
	if s.Fresh || s.Restart {
		m.Rev = s.Rev
	}
	if s.Fence != 0 {
		m.Fence = s.Fence
	}
	m.Window, m.Newest, m.LastUsed = s.Window, s.Slice, s.At.Truncate(time.Millisecond)
	m.Used, m.Net = m.Used+s.Tokens, m.Net+s.Net
	return nil
}

// meets reports whether m meets the condition of s.
func (m *Meter) meets(s Spend) bool {
	switch {
	case s.Fence != 0 && m.Fence > s.Fence:
		return false
	case s.Fresh:
		return m.Used == 0
	case m.Used == 0, m.Window != s.SeenWindow, m.Newest > s.MaxNewest:
		return false
	case m.Used < s.MinUsed, m.Used > s.MaxUsed, m.Net > s.MaxNet:
		return false
	case m.Day == s.Day.Next():
		return false
	}
	return !s.Restart || m.Rev <= s.Rev
}

// marksAfter returns the marks of m after s is applied.
func (m *Meter) marksAfter(s Spend) []Mark {
	marks := slices.DeleteFunc(slices.Clone(m.Marks), func(k Mark) bool {
		return slices.Contains(s.Forget, k.Slice)
	})
	at := slices.IndexFunc(marks, func(k Mark) bool { return k.Slice == s.Slice })
	switch {
	case at < 0 && s.Restart:
		marks = append(marks, Mark{Slice: s.Slice, Used: s.Base})
	case at < 0:
		marks = append(marks, Mark{Slice: s.Slice, Used: m.Used})
	case s.Restart:
		marks[at].Used = s.Base
	}
	slices.SortFunc(marks, func(a, b Mark) int { return cmp.Compare(a.Slice, b.Slice) })
	return marks
}

// pointsAfter returns the points of m after s is applied.
func (m *Meter) pointsAfter(s Spend) []Point {
	points := slices.DeleteFunc(slices.Clone(m.Earlier), func(p Point) bool {
		return slices.ContainsFunc(s.ForgetEarlier, p.At.Equal) || hasPointAt(s.Earlier, p.At)
	})
	points = append(points, s.Earlier...)
	slices.SortFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	return points
}
