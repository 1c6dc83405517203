package ratelimit

import (
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
func (s *Shards) Several() bool { return s.Made > 1 }

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
