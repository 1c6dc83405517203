package gate

import (
	"math"
	"time"
)

// Instant is one moment on the two clocks of an instance. The wall clock may be set. The monotonic
// clock stops while an instance is frozen.
type Instant struct {
	Wall time.Time
	Mono time.Duration
}

// Clock tells the time on the wall clock and on the monotonic one.
type Clock func() Instant

// ClockOf makes a Clock of now, which must carry a monotonic reading as time.Now
// does.
func ClockOf(now func() time.Time) Clock {
	start := now()
	return func() Instant {
		t := now()
		return Instant{Wall: t.Round(0), Mono: t.Sub(start)}
	}
}

// moment is one moment on three clocks: the two of an [Instant], and the gateway's. The gateway's is
// only known if it has said when the request arrived. An age is the largest of the differences, so
// that no clock alone makes a read look younger than it is.
//
// Its times are integers, because each check compares several moments.
type moment struct {
	wall    int64 // in nanoseconds of the epoch
	mono    time.Duration
	gateway int64 // in milliseconds of the epoch; zero: not known
}

// apart is how much more, or less, the wall clock may have advanced than the best other clock.
const apart = 5 * time.Second

// since is how old something is that was begun at then. It is endless if the wall clock was set since
// then, because the limiter goes by that clock: a reply of the table must correct it first. A spend
// at a future time would keep the meter from refilling until then.
func (m *moment) since(then *moment) time.Duration {
	wall, other := time.Duration(m.wall-then.wall), m.mono-then.mono
	age := max(wall, other)
	if m.gateway != 0 && then.gateway != 0 {
		other = time.Duration(m.gateway-then.gateway) * time.Millisecond
		age = max(age, other)
	}
	if wall-other > apart || other-wall > apart {
		return math.MaxInt64
	}
	return age
}

// before reports whether m is the earlier one of two moments in one process.
func (m *moment) before(other *moment) bool { return m.mono < other.mono }

// older returns a moment that is at least as old as both m and other, by each of the clocks.
func (m moment) older(other moment) moment {
	m.wall = min(m.wall, other.wall)
	m.mono = min(m.mono, other.mono)
	if m.gateway == 0 || other.gateway != 0 && other.gateway < m.gateway {
		m.gateway = other.gateway
	}
	return m
}
