package gate

import (
	"sync/atomic"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// A change of a key raises the fence of its meter before it changes the record, and the meter with
// its fence outlives every read that is remembered. A write of the meter, applied or
// refused, shows the fence. If it is not higher than the remembered key's, then the key was current when
// the write was sent. So such a write needs no read of the key.
//
// The current moment of a key is the later of its read and its last proof. This table says what a
// verdict on a key that was read in an earlier check may rest on:
//
//	verdict                                   needs
//	admitted by a write                       the fence in its condition, and a read younger than kept
//	admitted from a lease, at no cost,        a current moment younger than Freshness, or one read
//	  or without a limit
//	refused for a limit                       the same; a refused write proves too
//	refused otherwise, or not to be judged    a current moment younger than MismatchAge, or one read
//
// The fence covers the key alone. The reads of its user and its plan are bounded by Freshness. If they
// are older, and the spend will probably prove the key, they are read while the spend is on its way.
// If they have changed, the request is judged and spent for anew.
//
// While the fence is above the number of the key as read, a change is on its way or was given up.
// The key is then pending, until a read shows another fence: only reads prove it, and one more read
// follows a spend by a remembered one.

// kept is the largest age of a read of a key that a write may prove. It must be far below the time
// that a fence is stored.
const kept = 15 * time.Minute

// rules are the conditions that the table rests on. They are a value so that a test can show that
// each of them is needed.
type rules struct {
	kept         time.Duration
	sentFirst    bool // a proof is dated before its write was sent
	answered     bool // a write without an answer proves nothing
	asksLeases   bool // a lease proves nothing
	looksAfter   bool // a proof that is too old after a write is followed by a read
	rereads      bool // a refusal by a key that is not current is followed by a read
	readsPending bool // a spend by a remembered pending key is followed by a read
	// comparesBounds says that a user or a plan that was read while the store was asked counts.
	comparesBounds bool
}

func standard() rules {
	return rules{
		kept: kept, sentFirst: true, answered: true, asksLeases: true, looksAfter: true, rereads: true,
		readsPending: true, comparesBounds: true,
	}
}

// proof is the last moment at which a write has proven a key. The zero proof has none. It is safe for
// concurrent use.
type proof struct{ at atomic.Pointer[moment] }

// pending reports whether a change of the key was begun that the record does not show.
func pending(r *apikey.Record) bool { return r.Meter.Fence > r.Key.Fence() }

// current returns the last moment at which the key of s is known to have been as it is in s.
func (s *subject) current() *moment {
	if s.proof != nil {
		if at := s.proof.at.Load(); at != nil {
			return at
		}
	}
	return &s.keyRead
}

// age returns how long ago at most the key, and its user and plan if they are known, were as they are
// in s.
func (s *subject) age(now *moment) time.Duration {
	age := now.since(s.current())
	if s.bounded {
		age = max(age, now.since(&s.boundsRead))
	}
	return age
}

// prove stores that a write that was sent after at has proven the key.
func (s *subject) prove(at moment) {
	for s.proof != nil {
		old := s.proof.at.Load()
		if old != nil && !old.before(&at) || s.proof.at.CompareAndSwap(old, &at) {
			return
		}
	}
}

// provable reports whether a spend for r would probably prove s, so that no read is needed first.
func (g *Gate) provable(s *subject, r *Request) bool {
	if s.proof == nil || !s.bounded || r.Cost <= 0 {
		return false
	}
	now := g.instant(r.Time)
	return now.since(&s.keyRead) < g.rules.kept && (!g.rules.asksLeases || g.limiter.Blind(s.meters, r.Cost, r.Time))
}

// unfenced returns s for one spend that asks for no fence, because its key was read in this check.
func (s *subject) unfenced() *subject {
	c := *s
	c.proof, c.meters = nil, make([]ratelimit.Part, len(s.meters))
	for i, p := range s.meters {
		c.meters[i] = ratelimit.Part{ID: p.ID, Terms: p.Terms, Shards: p.Shards}
	}
	return &c
}
