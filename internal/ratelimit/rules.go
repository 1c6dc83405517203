package ratelimit

import "time"

// windowSlices is how many slices a window is cut into.
const windowSlices = 60

// rules are the constants that the promise rests on. They are a value so that a test can show that
// each of them is needed.
type rules struct {
	lookback int64         // the number of slices before the present one that still count
	skew     time.Duration // how far any clock may be from the true time
	grace    time.Duration // how long after its slice a token may still be used
	exact    time.Duration // windows shorter than this have no guard, no grace and no leases
	sameDay  bool          // unused tokens are given back only on the day they were handed out

	asksFirst     bool // TakeAll spends nothing if memory shows that a part denies
	checksAll     bool // TakeAll checks at its end that the tokens of each part may still be used
	anyLease      bool // tokens return to a lease even under terms that have none
	leasedCredits bool // tokens of a lifetime quota are leased
}

// standard returns the rules of the promise. A token of slice j is used before (j+1)L + grace +
// skew. A token of slice k is used after kL - skew. If lookback is the number of slices in a
// window, slice j is forgotten only when k-j-1 is at least that number. The two tokens are then at
// least windowSlices*L - grace - 2*skew apart. That is the window, because the guard of grace +
// 2*skew was added to it before it was cut.
func standard() rules {
	return rules{
		lookback: windowSlices, skew: 50 * time.Millisecond, grace: 400 * time.Millisecond,
		exact: 10 * time.Second, sameDay: true, asksFirst: true, checksAll: true,
	}
}

// frame is how a window of one length is cut into slices.
type frame struct {
	slice    time.Duration // the length of a slice
	grace    time.Duration // zero if the window has no leases
	lookback int64
}

func (r *rules) frame(window time.Duration) frame {
	f := frame{grace: r.grace, lookback: r.lookback}
	guard := r.grace + 2*r.skew
	if window < r.exact {
		f.grace, guard = 0, 0
	}
	count := int64(windowSlices)
	if window%time.Second != 0 { // see coarse
		count = min(max(int64(window/leastSlice), leastSlices), windowSlices)
	}
	f.lookback += count - windowSlices
	f.slice = (window + guard + time.Duration(count) - 1) / time.Duration(count)
	return f
}

// span returns the effective window: how long a token counts at most.
func (f frame) span() time.Duration { return time.Duration(f.lookback+1) * f.slice }

// at returns the number of the slice that t lies in.
func (f frame) at(t time.Time) int64 { return t.UnixNano() / int64(f.slice) }

// start returns the beginning of slice k.
func (f frame) start(k int64) time.Time { return time.Unix(0, k*int64(f.slice)) }

// end returns the time before which a token handed out in slice k may be used.
func (f frame) end(k int64) time.Time { return f.start(k + 1).Add(f.grace) }
