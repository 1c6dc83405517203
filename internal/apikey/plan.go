package apikey

import (
	"time"

	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
)

// Plan is a named set of bounds for many keys. A change of it applies to all of them within
// FRESHNESS.
type Plan struct {
	Name string
	// Scopes is a ceiling: a key has no scope beyond it. If empty, the plan has no ceiling.
	Scopes Scopes
	Key    Bounds // of each key
	User   Bounds // of each user, for all of the user's keys together
	Life   Life
	// Rev is above every earlier revision of any plan of this name, and at least the time of the
	// change in seconds of the epoch.
	Rev   int64
	Seq   int64     // how often the plan was changed since it was first stored
	Since time.Time // when the plan was first stored
	Trail audit.Head
}

// User is what an operator has set for one user. Most users have no record.
type User struct {
	ID   string
	Plan string // the plan of the user's keys that name no other; none if empty
	// Suspended ends all access with the user's keys until it is taken back.
	Suspended bool
	Bounds           // for all of the user's keys together
	MaxKeys   int    // how many places the user's keys may take; the deployment's number if zero
	Scopes    Scopes // the most that the user may grant without an admin; the deployment's if empty
	Metadata  map[string]string
	// Rev is as a plan's, and above the revision that the user's plan had when it was assigned.
	Rev   int64
	Seq   int64     // how often the record was changed since it was first stored
	Since time.Time // when the record was first stored
	Trail audit.Head
}

// Bounds are limits and a quota. The zero Bounds bound nothing.
type Bounds struct {
	Limits []ratelimit.Limit // the shortest window first; no two of the same window
	Quota  ratelimit.Quota   // none if zero
}

// MaxLimits is how many limits a key, a user or a part of a plan may have.
const MaxLimits = 4

// None reports whether b bounds nothing.
func (b Bounds) None() bool { return len(b.Limits) == 0 && b.Quota == ratelimit.Quota{} }

// Life bounds how long keys live. A zero field bounds nothing.
type Life struct {
	MaxDays     int // a key expires at most so many days after its creation
	DefaultDays int // a key without an expiry expires so many days after its creation
	IdleDays    int // a key that was not used for so many days is refused
}

// UserRecord is a user with the meters of the user. User is nil if the user has no record.
type UserRecord struct {
	User   *User
	Meters []NamedMeter
}

// NamedMeter is a meter with the limiter's id of it.
type NamedMeter struct {
	ID    string
	Meter ratelimit.Meter
}
