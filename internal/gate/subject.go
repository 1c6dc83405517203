package gate

import (
	"slices"
	"sync/atomic"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// subject is a key with all that a request with it is judged by. It is shared, and never changed
// except for used.
type subject struct {
	key  *apikey.Key
	user *apikey.User // nil if the user of the key has no record
	plan *apikey.Plan // nil if neither the key nor its user has a plan
	// bounded says that user and plan are known. Otherwise only a refusal may rest on the subject
	// that needs neither of them.
	bounded bool
	// parts are the meters that a request spends from, and meters are the same for the limiter. An
	// unlimited key may have none.
	parts  []apikey.Part
	meters []ratelimit.Part

	lastUse time.Time // of the key, or the time since when it could have been used
	idleAt  time.Time // when the key becomes idle; zero if it never does
	// used says that this instance has admitted a request since lastUse was read. It is nil if the
	// key never becomes idle.
	used *atomic.Bool

	keyRead    moment // when the read of the key began
	boundsRead moment // when the older of the reads of user and plan began; not set unless bounded
	// proof is a later moment at which the key was known to be as it was read. It is shared by all
	// subjects of that read. If nil, no spend can prove it. See proof.go.
	proof    *proof
	rehashed bool // or the attempt failed: one attempt a read is enough
}

// newSubject returns the subject of a key that was read, without its user and plan. If fences are
// trusted, a spend can prove it.
func newSubject(record apikey.Record, read moment, trustFences bool) *subject {
	k := record.Key
	s := &subject{key: k, keyRead: read, lastUse: record.LastUsed()}
	if trustFences && !pending(&record) {
		s.proof = new(proof)
	}
	for _, t := range []time.Time{k.CreatedAt, k.PresentSince, k.NotBefore} {
		s.lastUse = apikey.Later(s.lastUse, t)
	}
	s.setParts()
	return s
}

// with returns s with its user and plan. read is when the older of their reads began. A key that is
// not used for life.IdleDays is idle, unless its plan says another number.
func (s *subject) with(user *apikey.User, plan *apikey.Plan, read moment, life apikey.Life) *subject {
	c := *s
	c.user, c.plan, c.bounded, c.boundsRead = user, plan, true, read
	if plan != nil && plan.Life.IdleDays > 0 {
		life.IdleDays = plan.Life.IdleDays
	}
	c.idleAt = time.Time{}
	if life.IdleDays > 0 {
		c.idleAt = c.lastUse.AddDate(0, 0, life.IdleDays)
		if c.used == nil {
			c.used = new(atomic.Bool)
		}
	}
	if user != nil || plan != nil || s.bounded {
		c.setParts()
	}
	return &c
}

// rekeyed returns s after its key was hashed again, which changes nothing that it may do.
func (s *subject) rekeyed(k *apikey.Key) *subject {
	c := *s
	c.key, c.rehashed = k, true
	return &c
}

// raised returns s for one spend, after a read of the key that came after a meter had shown the
// revision rev. It has at least this revision, because a higher one of the meter is then of a former
// life of the key. The meters of users never change their windows.
func (s *subject) raised(rev int64) *subject {
	c := *s
	c.meters = slices.Clone(s.meters)
	for i := range c.meters {
		if c.meters[i].ID == s.key.ID {
			c.meters[i].Terms.Rev = max(c.meters[i].Terms.Rev, rev)
		}
	}
	return &c
}

func (s *subject) setParts() {
	s.parts = s.key.Parts(s.user, s.plan)
	s.meters = make([]ratelimit.Part, len(s.parts))
	for i := range s.parts {
		s.meters[i] = s.parts[i].Part
		if s.proof != nil && s.meters[i].ID == s.key.ID {
			s.meters[i].Fence = s.key.Fence()
		}
	}
}

// planName returns the name of the key's plan, or "".
func (s *subject) planName(user *apikey.User) string {
	if s.key.Plan != "" || user == nil {
		return s.key.Plan
	}
	return user.Plan
}

// note marks that a request was admitted, so that the key is not idle.
func (s *subject) note() {
	if s.used != nil && !s.used.Load() {
		s.used.Store(true)
	}
}
