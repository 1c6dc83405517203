package apikey

import "time"

// Instant is one moment on two clocks: the wall clock, which may be set, and the
// monotonic one, which stops while an environment is frozen. An age is the
// larger of the two differences.
type Instant struct {
	Wall time.Time
	Mono time.Duration
}

// Clock tells the time on both.
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

// since is how old something is that was begun at then.
func (i Instant) since(then Instant) time.Duration {
	return max(i.Wall.Sub(then.Wall), i.Mono-then.Mono)
}
