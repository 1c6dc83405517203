package ratelimit

import "time"

// lease is tokens that were handed out and are not used yet.
type lease struct {
	tokens int64
	terms  Terms     // that they were handed out under
	day    Date      // that they were handed out on
	end    time.Time // they may be used before
}

// usable is how many tokens of a lease may be used: none after its end, and none
// under other terms than they were handed out for.
func (l lease) usable(terms Terms, now time.Time) int64 {
	if l.tokens == 0 || !now.Before(l.end) || l.terms != terms {
		return 0
	}
	return l.tokens
}

// leaseEnd is until when what s hands out may be used. A token counts for the day
// it was handed out on, so it is not used on the next.
func (r *rules) leaseEnd(s Spend) time.Time {
	end := s.Day.end(Day)
	if f := r.frame(s.Window); f.grace > 0 && f.end(s.Slice).Before(end) {
		return f.end(s.Slice)
	}
	return end
}

// leaseFor is how far ahead a lease reaches at most, and leaseShare the part of
// what is left that one environment may take at once.
const (
	leaseFor   = time.Second
	leaseShare = 8
)

// size is how many tokens to ask for when need are needed at once: as many more
// as half of the requests to come, at the rate of perSecond and in the life left
// to the lease, would cost. Taking only half is what keeps the tokens few that
// nobody comes for.
func size(need, cost, perSecond int64, life time.Duration, room int64) int64 {
	if life <= 0 {
		return need
	}
	ahead := perSecond * int64(min(life, leaseFor)) / int64(2*time.Second)
	return max(need, min(need+cost*ahead, room/leaseShare))
}

// demand measures requests per second over about the last second: those that
// were admitted. Whoever knocks at a limit that is spent would else make each
// environment take what then lies idle in it.
type demand struct {
	second    int64
	in, prior int64 // admitted in that second, and in the one before
}

func (d *demand) note(now time.Time) {
	d.roll(now)
	d.in++
}

func (d *demand) roll(now time.Time) {
	switch second := now.Unix(); second - d.second {
	case 0:
	case 1:
		d.second, d.prior, d.in = second, d.in, 0
	default:
		d.second, d.prior, d.in = second, 0, 0
	}
}

func (d *demand) perSecond(now time.Time) int64 {
	d.roll(now)
	left := int64(time.Second) - int64(now.Nanosecond())
	return d.in + d.prior*left/int64(time.Second)
}
