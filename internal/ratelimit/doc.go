// Package ratelimit decides whether a key may spend now. It knows nothing of
// keys: an id names a meter, a [Limit] says how much.
//
// The promise: no more than Limit.Requests tokens are admitted in any interval
// of Limit.Window, wherever it starts and however many environments admit,
// while their clocks are within 50 ms of each other. For windows under 10 s the
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
// The arithmetic (window.go, meter.go) is pure; [Limiter] adds memory and the
// loop around the write.
package ratelimit
