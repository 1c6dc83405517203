// Package ratelimit decides whether a key may spend now. It knows nothing of
// keys: an id names a meter, [Terms] say how much.
//
// The promise: no more than Limit.Requests tokens are admitted in any interval
// of Limit.Window, wherever it starts and however many environments admit,
// while their clocks are within 50 ms of the true time. For windows under 10 s the
// interval is shorter by 100 ms and the time one write takes. Lost requests,
// lost replies and retries can only make it count too much, never too little.
//
// The meter is an odometer: [Meter.Used] only grows. Time is cut into slices
// that are the same for everyone, and for each slice in which something was
// spent the meter keeps a [Mark]: where the odometer stood just before. What was
// spent in a window is therefore one subtraction, and a meter seen a while ago
// can only make the past look emptier than it was by as much as the odometer
// has moved since, which the conditional write in [Store] rules out.
//
// A busy id is not worth a write for each request: what is handed out may be
// more than is needed at once, and is then used from memory, as a lease, until a
// little after its slice. A lease ends by the wall clock, so that an environment
// that was frozen does not use what everybody else has forgotten. What is left
// of it stays counted against the limit, and is given back to the quota.
//
// The quota is the same subtraction on a second odometer, [Meter.Net], whose
// marks are made at the turn of a day and of a month (UTC).
//
// Terms may change at any time. Two laws hold then. Safety: never more than the new
// limit is handed out in any new window, counted back to before the change as far as
// the windows that were in force during the last day reached. Liveness: an id that
// has room by this count is admitted within one new window, and is told so. Slices
// of two windows do not fit each other, so the meter is read by moments until the
// first spend under the new window, which stores a few of them; see [Point].
//
// The arithmetic (window.go, change.go, period.go, meter.go, usage.go, lease.go) is pure;
// [Limiter] adds memory and the loop around the write.
package ratelimit
