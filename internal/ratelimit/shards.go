package ratelimit

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

const (
	// shardRate is how many tokens a second one meter counts. It is a quarter of what DynamoDB takes
	// of one item, since requests do not come evenly.
	shardRate = 250
	// MaxShards is the largest number of meters of one limit. It serves a million requests a minute.
	MaxShards = 67

	shardMoves = 3 // how often one request looks for room in another shard
	shardLooks = 8 // how many others it considers for each move, by memory alone
)

// coarse is added to the window of a shard that has no leases. Its slices are then at least leastSlice
// long, because shorter ones end while writes of busy instances are on their way. The stored window
// says so how the marks of a meter are cut.
const (
	coarse      = time.Millisecond
	leastSlice  = 60 * time.Millisecond
	leastSlices = 10
)

// Shards says how many meters count the tokens of one part. Each of them counts an equal share of its
// limit and its quota, rounded down. The sum is therefore never above the limit, in any interval. The
// zero Shards is one meter.
//
// The number may change. Until the tokens that were spent before the change no longer count, only the
// meters are used that both numbers have, each with the smaller share. So no interval holds more than
// the larger of the two limits, and no interval after the change more than the new one.
type Shards struct {
	Count int // the number of meters, or 0 for one
	// Made is the number of meters that may have been spent from. It only grows.
	Made int
	// Until is the time before which only Few meters are used, each with one part in Many.
	Few, Many int
	Until     time.Time
}

// ShardsFor returns how many meters a limit needs to be counted at its full rate: 1 for up to 250
// tokens a second.
func ShardsFor(l Limit) int {
	if l.None() || l.Window <= 0 {
		return 1
	}
	each := shardRate * int64(l.Window/time.Second)
	return int(max(1, (l.Requests+each-1)/each))
}

// MostSharded returns the most tokens of a window that [MaxShards] meters can count.
func MostSharded(window time.Duration) int64 {
	return MaxShards * shardRate * int64(window/time.Second)
}

// NewShards returns the shards of a new id.
func NewShards(count int) Shards {
	if count <= 1 {
		return Shards{}
	}
	return Shards{Count: count, Made: count}
}

// Several reports whether s was ever more than one meter.
func (s Shards) Several() bool { return s.Made > 1 }

// Now returns how many meters s has when it is settled: at least 1.
func (s Shards) Now() int { return inRange(s.Count) }

// To returns s with another number of meters from now on. until is when no token counts any more that
// was spent before.
func (s Shards) To(count int, now, until time.Time) Shards {
	few, many := s.Now(), s.Now()
	settled := !now.Before(s.Until)
	if !settled {
		few, many = s.at(now)
	}
	if settled && count == s.Now() {
		return s
	}
	t := Shards{
		Count: count, Made: max(s.Made, s.Now(), count), Few: min(few, count), Many: max(many, count), Until: s.Until,
	}
	if until.After(t.Until) {
		t.Until = until
	}
	return t
}

// inRange returns a number of meters that a store has, in its range.
func inRange(n int) int { return min(max(n, 1), MaxShards) }

// at returns how many meters are used at a time, and the number that the terms are divided by.
func (s Shards) at(now time.Time) (count, by int) {
	if now.Before(s.Until) {
		return inRange(s.Few), inRange(s.Many)
	}
	return s.Now(), s.Now()
}

// share returns one part in by of t.
func (t Terms) share(by int) Terms {
	if by <= 1 {
		return t
	}
	if !t.Limit.None() {
		t.Limit.Requests /= int64(by)
	}
	t.Quota.Requests /= int64(by)
	if r := standard(); r.frame(t.Limit.Window).grace == 0 {
		t.Limit.Window += coarse
	}
	return t
}

// allows reports whether one request may spend n tokens.
func (t Terms) allows(n int64) bool {
	return n <= t.Limit.Requests && (t.Quota == Quota{} || n <= t.Quota.Requests)
}

// AtOnce returns what one request may spend of p at most: its limit and its quota are those of one
// meter.
func (p *Part) AtOnce() Terms { return p.Terms.share(p.Shards.Now()) }

// shardMeters comes before the number of a shard in the id of its meter.
const shardMeters = "#shard"

// ShardID returns the id of a shard's meter. The first shard of an id has the meter of the id.
func ShardID(id string, shard int) string {
	if shard == 0 {
		return id
	}
	return id + shardMeters + strconv.Itoa(shard)
}

// Others returns the ids of the meters that s has for an id, without the first one.
func (s Shards) Others(id string) []string {
	var ids []string
	for shard := 1; shard < min(s.Made, MaxShards); shard++ {
		ids = append(ids, ShardID(id, shard))
	}
	return ids
}

// shard returns the part of one shard.
func (p *Part) shard(shard, by int) Part {
	return Part{ID: ShardID(p.ID, shard), Terms: p.Terms.share(by), Fence: p.Fence}
}

// Choose makes l choose shards with random, which returns a number below n. It is for simulations that
// must repeat themselves. It must be called before l is used.
func (l *Limiter) Choose(random func(n int) int) { l.random = random }

// pinned returns p, or the part of the shard that this instance spends from. The instance chooses one
// at random and stays there. The caller must hold the lock.
func (l *Limiter) pinned(p *Part, now time.Time) Part {
	if !p.Shards.Several() {
		return *p
	}
	count, by := p.Shards.at(now)
	e := l.entry(p.ID)
	if e.shards != count {
		e.shards, e.shard = count, l.random(count)
	}
	return p.shard(e.shard, by)
}

// pinnedAll is pinned for each part.
func (l *Limiter) pinnedAll(parts []Part, now time.Time) []Part {
	l.mu.Lock()
	defer l.mu.Unlock()
	pinned := make([]Part, len(parts))
	for i := range parts {
		pinned[i] = l.pinned(&parts[i], now)
	}
	return pinned
}

// unpin makes this instance choose another shard of an id, because that of before did not answer.
func (l *Limiter) unpin(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(id).shards = 0
}

// takeSharded is TakeAll for parts of which part i has several shards. If the instance's shard denies,
// it looks in others.
func (l *Limiter) takeSharded(ctx context.Context, parts []Part, i int, n int64, floor time.Time) (Joint, error) {
	p, asked := &parts[i], false
	var denial Joint
	for moves := 0; ; moves++ {
		now := l.time(floor)
		pinned := l.pinnedAll(parts, now)
		if p.AtOnce().allows(n) && !pinned[i].Terms.allows(n) {
			return l.unsettled(parts, i, now), nil // a share will be large enough then
		}
		if l.isUnseen(&pinned[i], n, moves > 0, now) {
			asked = true
			if err := l.readShard(ctx, &pinned[i]); err != nil {
				return Joint{}, err
			}
		}
		j, err := l.takeAll(ctx, pinned, n, floor)
		if err != nil {
			if _, old := errors.AsType[*OldTermsError](err); !old && !errors.Is(err, ErrFenced) {
				l.unpin(p.ID)
			}
			return Joint{}, err
		}
		asked = asked || j.Asked
		if moves == 0 || longer(denial.RetryAfter, j.RetryAfter) || j.Admitted || j.By != i {
			denial = j
		}
		moved := false
		if !j.Admitted && j.By == i && j.RetryAfter > 0 && moves < shardMoves {
			moved = l.move(p, n, now, &denial.Decision)
		}
		if !moved {
			if j.Admitted && pinned[i].ID != p.ID {
				l.touchFirst(ctx, p.ID, floor)
			}
			denial.Asked = asked
			denial.whole(i, &pinned[i].Terms, &p.Terms)
			return denial, nil
		}
	}
}

// touchFirst stores the use of an id in its first meter, if that was last used 15 minutes ago. A caller
// who reads only this one sees then that the id is in use. An error is ignored, as for any time of use.
func (l *Limiter) touchFirst(ctx context.Context, id string, floor time.Time) {
	l.mu.Lock()
	idle := l.time(floor).Sub(l.entry(id).meter.LastUsed)
	l.mu.Unlock()
	if idle >= touchEvery {
		_, _ = l.Touch(ctx, id, floor)
	}
}

// unsettled denies until the shards of part i are settled.
func (l *Limiter) unsettled(parts []Part, i int, now time.Time) Joint {
	j := l.PeekAll(parts, now)
	j.Decision = Decision{RetryAfter: wait(now, parts[i].Shards.Until), Status: j.Statuses[i]}
	j.By = i
	return j
}

// isUnseen reports whether the meter of p should be read before it is spent from. That is so if this
// instance has not seen it or, if it moves there, if others have probably left too little.
func (l *Limiter) isUnseen(p *Part, n int64, moves bool, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(p.ID)
	if e.others.seen.IsZero() {
		return true
	}
	v := l.rules.view(&e.meter, &p.Terms, now)
	return moves && e.others.expected(now)+float64(n) > float64(min(v.room, v.quota))
}

// readShard reads the meter of a shard.
func (l *Limiter) readShard(ctx context.Context, p *Part) error {
	m, err := l.store.Meter(ctx, p.ID)
	if err != nil {
		return err
	}
	l.Observe(p.ID, m)
	if p.Fence != 0 && m.Fence > p.Fence {
		return ErrFenced
	}
	return nil
}

// move chooses another shard at random that may have room for n tokens. It reports whether there is
// one. Of the shards that have none, the earliest one decides how long d says to wait.
//
// The shard with the most room would be a bad choice, since all instances would choose the same.
func (l *Limiter) move(p *Part, n int64, now time.Time, d *Decision) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	count, by := p.Shards.at(now)
	e := l.entry(p.ID)
	at := l.random(count)
	for range min(shardLooks, count-1) {
		if at = (at + 1 + l.random(max(count-1, 1))) % count; at == e.shard {
			continue
		}
		q := p.shard(at, by)
		r := request{id: q.ID, terms: q.Terms, tokens: n}
		other := l.entry(q.ID)
		v := l.rules.view(&other.meter, &q.Terms, now)
		if !l.deny(other, &v, &r, other.lease.usable(&q.Terms, now)) {
			e.shard = at
			return true
		}
		if r.decision.RetryAfter > 0 && longer(d.RetryAfter, r.decision.RetryAfter) {
			d.RetryAfter = r.decision.RetryAfter
		}
	}
	return false
}

// whole makes the statuses of part i, which are of one share, show the limit and the quota of all. What
// remains is that of the share, which is never more than that of all.
func (j *Joint) whole(i int, share, all *Terms) {
	if i < len(j.Statuses) {
		j.Statuses[i].whole(all)
	}
	if j.By == i {
		j.Status.whole(all)
	}
}

// whole makes s show the limit and the quota of t.
func (s *Status) whole(t *Terms) {
	byLimit := s.bound() == s.Rate
	if s.Rate.Limit > 0 {
		s.Rate.Limit = t.Limit.Requests
	}
	switch {
	case byLimit:
		s.show(s.Rate)
	case s.Limit > 0:
		s.Limit = t.Quota.Requests
	}
}

// StatusOfShards returns the window status that the meters of a part show together, without spending.
// Meters are those of all its shards that exist. It is [StatusOf] for a part with one meter.
func StatusOfShards(meters []Meter, p Part, now time.Time) (sum Status) {
	_, by := p.Shards.at(now)
	share := p.Terms.share(by)
	for n, m := range meters {
		s := StatusOf(m, share, now)
		if n == 0 {
			sum = s
			continue
		}
		sum.add(&s)
	}
	if p.Shards.Several() {
		sum.settle(&p.Terms, now)
	}
	return sum
}

// add adds what another meter of the same part shows.
func (s *Status) add(other *Status) {
	s.Used += other.Used
	s.left += other.left
	if other.Rate.Reset.After(s.Rate.Reset) {
		s.Rate.Reset = other.Rate.Reset
	}
	s.quota.Requests += other.quota.Requests
	s.today = max(s.today, other.today)
}

// settle makes s, which is a sum of shares, the status of t.
func (s *Status) settle(t *Terms, now time.Time) {
	used := s.quota.Requests - s.left
	if s.Rate.Limit > 0 {
		s.Rate.Limit, s.Rate.Remaining = t.Limit.Requests, max(t.Limit.Requests-s.Used, 0)
		s.show(s.Rate)
	}
	if t.Quota == (Quota{}) {
		return
	}
	s.quota, s.left = t.Quota, t.Quota.Requests-used
	if quota := s.quotaBound(); s.Rate.Limit == 0 || quota.tighter(s.Rate) {
		s.show(quota)
	}
}

// sharded returns the index of the part that has several shards, or -1.
func sharded(parts []Part) int {
	return slices.IndexFunc(parts, func(p Part) bool { return p.Shards.Several() })
}
