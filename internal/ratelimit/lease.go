package ratelimit

import "time"

// lease is the tokens that were handed out to an instance and are not used yet. The zero lease has
// none.
type lease struct {
	tokens int64
	terms  Terms     // the terms that they were handed out under
	day    Date      // the day that they were handed out on; 0 if their quota is for life
	slice  int64     // the slice that they were handed out in
	end    time.Time // they may be used before this
}

// usable returns how many tokens of the lease may be used: none after its end, and none under other
// terms.
func (l *lease) usable(terms *Terms, now time.Time) int64 {
	if l.tokens == 0 || !now.Before(l.end) || l.terms != *terms {
		return 0
	}
	return l.tokens
}

// leases reports whether more tokens may be handed out under t than a request needs. Those of a
// lifetime quota would be lost with an instance, because no period ends that counts anew.
func (r *rules) leases(t *Terms) bool {
	return r.frame(t.Limit.Window).grace > 0 && (t.Quota.Period != Lifetime || r.leasedCredits)
}

// leaseEnd returns the end of the tokens that s hands out under t. A token counts for the day on
// which it was handed out, so it must not be used on the next. Without a limit, it does not count
// for a slice.
func (r *rules) leaseEnd(s Spend, t *Terms) time.Time {
	end := s.Day.end(Day)
	if t.Quota.Period == Lifetime {
		end = s.At.Add(endless)
	}
	slice := r.frame(s.Window).end(s.Slice)
	switch {
	case t.counts():
		slice = s.At.Add(countFor)
	case t.Limit.None() && t.Quota.Period == Lifetime, r.frame(s.Window).grace == 0:
		return end
	}
	if slice.Before(end) {
		return slice
	}
	return end
}

const (
	// endless is longer than any instance runs.
	endless = 100 * 365 * 24 * time.Hour
	// countFor is how long a token may be used that is only counted. The last use of an id is stored
	// with a write, so it may be shown this much too early.
	countFor = touchEvery
	// countAhead bounds the lease of tokens that are only counted, in requests.
	countAhead = 32
	// leaseFor is how far ahead a lease reaches at most.
	leaseFor = time.Second
	// leaseShare bounds a lease to one part in so many of the room, so that one instance cannot
	// take all of it.
	leaseShare = 8
)

// size returns how many tokens to ask for when needed are needed now. It adds what half of the
// expected requests will cost. It expects perSecond requests per second, each at the given cost,
// for the life of the lease. It adds only half, so that few tokens stay unused.
func size(needed, cost, perSecond int64, life time.Duration, room int64) int64 {
	if life <= 0 {
		return needed
	}
	ahead := perSecond * int64(min(life, leaseFor)) / int64(2*time.Second)
	return max(needed, min(needed+cost*ahead, room/leaseShare))
}

// ahead returns how many tokens to ask for under terms that only count usage, when needed are needed
// now. It is one request more than was used since the last write. A busy id soon needs one write in
// 32 requests. The usage of one that stops is too high by no more than a part of what it used.
func (e *entry) ahead(needed, cost int64, now time.Time) int64 {
	if now.Sub(e.wrote) >= countFor {
		return needed
	}
	return max(needed, min(needed+e.used, countAhead*cost))
}

// demand measures the requests per second that are admitted, over about the last second. Denied
// requests do not count. If they did, every instance that denies many would lease much as soon as
// there is room again, and would not use it. Requests whose spend the store throttles count: they
// would be admitted, and larger leases let the store recover.
type demand struct {
	second    int64 // Unix time
	in, prior int64 // requests counted in that second, and in the one before
}

// note counts a request at now.
func (d *demand) note(now time.Time) {
	d.roll(now)
	d.in++
}

// forget takes back a request that was noted and is denied after all.
func (d *demand) forget(now time.Time) {
	d.roll(now)
	d.in = max(d.in-1, 0)
}

// roll moves on to the second of now.
func (d *demand) roll(now time.Time) {
	switch second := now.Unix(); second - d.second {
	case 0:
	case 1:
		d.second, d.prior, d.in = second, d.in, 0
	default:
		d.second, d.prior, d.in = second, 0, 0
	}
}

// perSecond returns the requests of this second, plus the part of the second before that is less
// than a second ago.
func (d *demand) perSecond(now time.Time) int64 {
	d.roll(now)
	left := int64(time.Second) - int64(now.Nanosecond())
	return d.in + d.prior*left/int64(time.Second)
}
