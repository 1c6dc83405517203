package ratelimit

import "time"

// lease is the tokens that were handed out to an instance and are not used yet. The zero lease has
// none.
type lease struct {
	tokens int64
	terms  Terms     // the terms that they were handed out under
	day    Date      // the day that they were handed out on
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

// leaseEnd returns the end of the lease that s begins. A token counts for the day on which it was
// handed out, so it must not be used on the next.
func (r *rules) leaseEnd(s Spend) time.Time {
	end := s.Day.end(Day)
	if f := r.frame(s.Window); f.grace > 0 && f.end(s.Slice).Before(end) {
		return f.end(s.Slice)
	}
	return end
}

const (
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

// demand measures the admitted requests per second, over about the last second. Denied requests do
// not count. If they did, every instance that denies many would lease much as soon as there is room
// again, and would not use it.
type demand struct {
	second    int64 // Unix time
	in, prior int64 // requests admitted in that second, and in the one before
}

// note counts a request that was admitted at now.
func (d *demand) note(now time.Time) {
	d.roll(now)
	d.in++
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
