package ratelimit

import "time"

// Terms are what an id may spend. They are not stored with the meter: other
// terms apply to the next request.
type Terms struct {
	Limit Limit
	Quota Quota
	// Rev grows with every change. A meter whose window was changed is not
	// changed back for terms that are older: what lies beyond the shorter window
	// would be forgotten.
	Rev int64
}

// Limit is how many tokens may be spent in any interval of Window.
type Limit struct {
	Requests int64
	Window   time.Duration
}

// Within reports whether whoever keeps to l also keeps to outer: how much l
// lets through in outer's window, at most, is what the windows of l that touch
// it let through.
func (l Limit) Within(outer Limit) bool {
	windows := int64((outer.Window + l.Window - 1) / l.Window)
	return l.Requests <= outer.Requests/windows
}

// NoFaster reports whether l lets through no more than outer on the average,
// whatever it lets through at once.
func (l Limit) NoFaster(outer Limit) bool {
	return l.Requests*outer.Window.Milliseconds() <= outer.Requests*l.Window.Milliseconds()
}

// windowSlices is how many slices a window is cut into.
const windowSlices = 60

// rules are the constants of the promise. They are a value so that a test can
// show that each of them is needed.
type rules struct {
	lookback int64         // slices before the present one that still count
	skew     time.Duration // how far any clock may be from the true time
	grace    time.Duration // how long after its slice a token may still be used
	exact    time.Duration // windows shorter than this have no guard, no grace and no leases
	sameDay  bool          // unused tokens are given back only on the day they were handed out
}

// standard are the rules that the package promises by. A token of slice j is
// used before (j+1)L + grace + skew, a token of slice k after kL - skew. With
// lookback = slices, j is forgotten only when k-j-1 >= slices, so the two are
// then at least slices*L - grace - 2*skew apart: the window, when the guard
// grace + 2*skew was added to it before cutting.
func standard() rules {
	return rules{
		lookback: windowSlices, skew: 50 * time.Millisecond, grace: 400 * time.Millisecond,
		exact: 10 * time.Second, sameDay: true,
	}
}

// frame is how one window length is cut into slices.
type frame struct {
	slice    time.Duration
	grace    time.Duration // zero: none is asked for either
	lookback int64
}

func (r *rules) frame(window time.Duration) frame {
	f := frame{grace: r.grace, lookback: r.lookback}
	guard := r.grace + 2*r.skew
	if window < r.exact {
		f.grace, guard = 0, 0
	}
	f.slice = (window + guard + windowSlices - 1) / windowSlices
	return f
}

// span is how long a token counts at most: the effective window.
func (f frame) span() time.Duration { return time.Duration(f.lookback+1) * f.slice }

// at is the number of the slice that t lies in.
func (f frame) at(t time.Time) int64 { return t.UnixNano() / int64(f.slice) }

// start is when slice k begins.
func (f frame) start(k int64) time.Time { return time.Unix(0, k*int64(f.slice)) }

// end is until when a token handed out in slice k may be used.
func (f frame) end(k int64) time.Time { return f.start(k + 1).Add(f.grace) }
