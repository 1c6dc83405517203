package ratelimit

import (
	"math"
	"time"
)

// view is how full a meter is at one moment, under some terms.
type view struct {
	now      time.Time
	old      frame         // the frame of the meter's window
	moved    bool          // the terms have another window than the meter
	span     time.Duration // the effective window of the terms, if moved
	slice    int64         // the present slice, in the frame old
	inWindow int64         // tokens in the window that ends in slice
	room     int64         // tokens that the limit still allows; negative if the limit was lowered
	quota    int64         // tokens that the quota still allows; negative if the quota was lowered
	today    Date          // the day that counts; set if there is a quota
	empty    time.Time     // when the last token has left the window, in whole seconds
}

// unbounded is how many tokens a missing quota allows.
const unbounded = math.MaxInt64 / 4

// view returns how full a meter is. If it has another window than the terms, it is read by moments:
// the tokens handed out in the new window count against the new limit, as far back as the meter
// remembers.
//
// An outdated meter shows at least as much room as there is, because Used and Net only grow, and no
// mark is ever put before an existing one. The exception are tokens that another instance has given
// back since: until the next write, the meter shows less room by them.
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
		v.empty = ceilSecond(m.unused().Add(v.span))
	} else {
		v.inWindow = m.Used - m.base(v.slice-v.old.lookback)
		v.empty = ceilSecond(v.old.start(m.Newest + v.old.lookback + 1))
	}
	v.room = terms.Limit.Requests - v.inWindow
	if q := &terms.Quota; *q != (Quota{}) {
		v.today = m.today(now)
		v.quota = q.Requests - (m.Net - m.netBefore(q.Period, v.today))
	}
	return v
}

// base returns where the odometer stood before the first token of slice oldest or later.
func (m *Meter) base(oldest int64) int64 {
	for i := range m.Marks {
		if m.Marks[i].Slice >= oldest {
			return m.Marks[i].Used
		}
	}
	return m.Used
}

// freeAt returns when n tokens will fit into the window, if nothing more is spent.
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

// emptyAt returns when all tokens that are in the window now have left it, in whole seconds.
func (v *view) emptyAt() time.Time {
	if v.inWindow == 0 {
		return ceilSecond(v.now)
	}
	return v.empty
}
