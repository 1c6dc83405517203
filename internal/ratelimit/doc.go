// Package ratelimit decides whether an id may spend tokens now. Call [New] with a [Store], and
// [Limiter.Take] for each request. The package knows nothing of keys: an id names a meter, and
// [Terms] say how much may be spent from it.
//
// # The promise
//
// No more than Limit.Requests tokens are admitted in any interval of Limit.Window, wherever it
// starts and however many instances admit. The clocks of the instances must be within 50 ms of the
// true time. For windows under 10 s, the interval is shorter by 100 ms and the time of one write.
// Lost requests, lost replies and retries can only make a meter count too much, never too little.
//
// # The meter
//
// The meter is an odometer: [Meter.Used] only grows, except by a [Return]. Time is cut into slices
// that are the same for every instance. For each slice in which tokens were spent, the meter has a [Mark]: where the
// odometer stood just before. The spend in a window is therefore one subtraction.
//
// A meter that was read a while ago may show more room than there is, by as much as the odometer
// has moved since. The conditional write in [Store] then fails, so nothing is admitted by mistake.
//
// # Leases
//
// A busy id needs fewer writes than requests. One write may hand out more tokens than are needed at
// once. The instance uses the others from memory, as a lease, until a little after their slice. A
// lease ends by the wall clock, so that an instance that was frozen does not use tokens that no
// longer count for the others. Unused tokens still count against the limit, and are given back to
// the quota. An instance that ends in an orderly way gives them back to both by [Limiter.GiveBack].
//
// # Quotas
//
// The quota is the same subtraction on a second odometer, [Meter.Net]. Its marks are made at the
// beginning of a day and of a month, by UTC. They also give the usage of each day.
//
// A lifetime quota counts from the first token on. Its tokens are never leased and its meter never
// expires, so that no token is lost and none comes back.
//
// # Several meters
//
// [Limiter.TakeAll] spends from several meters for one request: those of a key and those that all
// keys of a user share. It asks memory of all of them first, and then spends from each, the shortest
// window first. If one denies, the tokens of the others return to their leases. What cannot return
// counts too much, never too little.
//
// Let the keys of a user ask for twice what the user may spend, at 20 requests a second on 8
// instances. A key's own limit then counts up to 5 % too much. It would be 49 to 110 % if memory was
// not asked first. A key and its user need up to twice the writes of the key alone.
//
// A meter without a limit and a quota only counts usage. It hands out up to 32 tokens with a write,
// and they may be used for 15 minutes. The last use is stored so much later at most.
//
// # Changed terms
//
// Terms may change at any time. Two laws hold then:
//
//   - Safety: never more than the new limit is handed out in any new window. Tokens that were
//     spent before the change count, as far back as the windows of the last day reached.
//   - Liveness: an id that has room by this count is admitted within one new window, and RetryAfter
//     says so.
//
// Slices of two windows do not fit each other. The meter is therefore read by moments until the
// first spend under the new window, which stores a few of them: see [Point].
//
// # Files
//
// The arithmetic is pure: rules.go, view.go, change.go, spend.go, quota.go, date.go, status.go and
// lease.go. [Limiter] adds memory (entry.go, sight.go), the steps around a write (take.go), and
// requests that spend from several meters (joint.go).
package ratelimit
