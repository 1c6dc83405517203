package gate

import (
	"math"
	"time"
)

// Instant is one moment on three clocks. The wall clock may be set. The monotonic clock stops while
// an instance is frozen. The gateway's clock is only known if it has said when the request arrived.
// An age is the largest of the differences, so that no clock alone makes a read look younger than
// it is.
type Instant struct {
	Wall    time.Time
	Mono    time.Duration
	gateway int64 // in milliseconds; zero: not known
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

// apart is how much more, or less, the wall clock may have advanced than the best other clock.
const apart = 5 * time.Second

// since is how old something is that was begun at then. It is endless if the wall clock was set since
// then, because the limiter goes by that clock: a reply of the table must correct it first. A spend
// at a future time would keep the meter from refilling until then.
func (i *Instant) since(then *Instant) time.Duration {
	wall, other := i.Wall.Sub(then.Wall), i.Mono-then.Mono
	age := max(wall, other)
	if i.gateway != 0 && then.gateway != 0 {
		other = time.Duration(i.gateway-then.gateway) * time.Millisecond
		age = max(age, other)
	}
	if wall-other > apart || other-wall > apart {
		return math.MaxInt64
	}
	return age
}

// before reports whether i is the earlier one of two moments in one process.
func (i Instant) before(other Instant) bool { return i.Mono < other.Mono }

// older returns a moment that is at least as old as both i and other, by each of the clocks.
func (i Instant) older(other Instant) Instant {
	if other.Wall.Before(i.Wall) {
		i.Wall = other.Wall
	}
	i.Mono = min(i.Mono, other.Mono)
	if i.gateway == 0 || other.gateway != 0 && other.gateway < i.gateway {
		i.gateway = other.gateway
	}
	return i
}
