package apikey

import (
	"net/netip"
	"slices"
	"time"

	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
)

// Key is the stored record behind one or more tokens.
type Key struct {
	ID          string
	UserID      string
	Name        string
	Description string
	Environment Environment
	Scopes      Scopes
	// Limit and Quota are what the key may spend. Unlimited keys have neither, and
	// no meter at all; only an admin may make one.
	Limit        ratelimit.Limit
	Quota        ratelimit.Quota // zero: none
	Unlimited    bool
	AllowedCIDRs []netip.Prefix // empty: from anywhere
	Metadata     map[string]string
	Enabled      bool
	NotBefore    time.Time // zero: from the start
	ExpiresAt    time.Time // zero: never
	CreatedAt    time.Time
	RevokedAt    time.Time // zero: not revoked
	KeyPrefix    string
	// Secrets are the hashes of the tokens that open this key. PublicAliases are
	// hashes too, of public keys that it had elsewhere. Neither is ever listed.
	Secrets       []Secret
	PublicAliases []string
	// PresentSince is the time of the last rotation, or zero if there was none.
	PresentSince time.Time
	// Internal keys are callers of our own, from the configuration.
	Internal bool
	// CountsUntil is the time until which tokens count that were spent under earlier limits of the
	// key. It is zero if the key had no other limits.
	CountsUntil time.Time
	// Held names the rights that an admin has set, by the API's names: only an admin widens
	// them.
	Held []string
	// Rev counts changes: a stored key is only replaced by one that was made
	// from the revision it replaces.
	Rev int64
	// Trail is where the trail of what was done to the key ends.
	Trail audit.Head
}

// DefaultLimit returns the limit of a key that was given none of its own.
func DefaultLimit() ratelimit.Limit { return ratelimit.Limit{Requests: 60, Window: time.Minute} }

// Status sums a key up for its owner.
type Status string

const (
	StatusActive   Status = "active"
	StatusDisabled Status = "disabled"
	StatusInactive Status = "inactive" // not before
	StatusRevoked  Status = "revoked"
	StatusExpired  Status = "expired"
)

// Statuses returns every status that a key may have.
func Statuses() []Status {
	return []Status{StatusActive, StatusDisabled, StatusInactive, StatusRevoked, StatusExpired}
}

// Status is derived, never stored: time alone changes it. The order is the
// gate's.
func (k *Key) Status(now time.Time) Status {
	switch {
	case !k.RevokedAt.IsZero():
		return StatusRevoked
	case !k.Enabled:
		return StatusDisabled
	case now.Before(k.NotBefore):
		return StatusInactive
	case k.Expired(now):
		return StatusExpired
	}
	return StatusActive
}

func (k *Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// Retention is how long a key that has ended can still be looked at.
const Retention = 90 * 24 * time.Hour

// Forgotten is when a key that stopped, or will stop, for good is there no more;
// zero: never.
func (k *Key) Forgotten() time.Time {
	end := k.RevokedAt
	if end.IsZero() || !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(end) {
		end = k.ExpiresAt
	}
	if end.IsZero() {
		return time.Time{}
	}
	if end.Before(k.CreatedAt) {
		end = k.CreatedAt // it was imported, and had expired before
	}
	gone := end.Add(Retention).Truncate(time.Second)
	if gone.Year() > 9999 {
		return time.Time{} // JSON has no such time
	}
	return gone
}

// Gone reports whether a key counts as deleted because its retention is over. The table may still
// hold it: DynamoDB deletes late.
func (k *Key) Gone(now time.Time) bool {
	gone := k.Forgotten()
	return !gone.IsZero() && !now.Before(gone)
}

// Alias is a name under which a foreign token finds its key, and when that is to be
// there no more, to the second; zero: never.
type Alias struct {
	Name  string
	Until time.Time
}

// Aliases are all of the key's. One goes with the key, or before, when what became of
// its token is told no longer.
func (k *Key) Aliases() (all []Alias) {
	for _, s := range k.Secrets {
		if s.Alias == "" {
			continue
		}
		until := k.Forgotten()
		all = append(all, Alias{s.Alias, Earlier(s.told(), until)})
	}
	return all
}

// Owns reports whether an alias that leads to the key is the key's now.
func (k *Key) Owns(alias string, now time.Time) bool {
	return slices.ContainsFunc(k.Aliases(), func(a Alias) bool {
		return a.Name == alias && (a.Until.IsZero() || now.Before(a.Until))
	})
}

// Generation identifies the tokens of the key that no rotation has replaced. It is the time of
// their creation in milliseconds of the epoch. Every rotation makes it later. It is 0 for a key
// that is in no table.
func (k *Key) Generation() int64 {
	switch {
	case !k.PresentSince.IsZero():
		return k.PresentSince.UnixMilli()
	case !k.CreatedAt.IsZero():
		return k.CreatedAt.UnixMilli()
	}
	return 0
}

// PreviousUntil returns the time until which a token that a rotation replaced still works. It is
// zero if none does.
func (k *Key) PreviousUntil(now time.Time) time.Time {
	var last time.Time
	if !k.RevokedAt.IsZero() || k.Expired(now) {
		return last
	}
	for _, s := range k.Secrets {
		if s.InGrace(now) && s.NotAfter.After(last) {
			last = s.NotAfter
		}
	}
	if last.IsZero() {
		return last
	}
	return Earlier(last, k.ExpiresAt)
}

// earlier returns the earlier of two times. The zero time means never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// PublicKey is the key's public name.
func (k *Key) PublicKey() PublicKey { return PublicKey{Environment: k.Environment, ID: k.ID} }

// Terms are what the key may spend.
func (k *Key) Terms() ratelimit.Terms {
	return ratelimit.Terms{Limit: k.Limit, Quota: k.Quota, Rev: k.Rev}
}

// placeUntil returns the time until which a key that ends now takes one of its user's places. From
// then on, no token counts that the key could have spent while a read of it is trusted for
// freshness. The zero time means that there are no such tokens.
func (k *Key) PlaceUntil(now time.Time, freshness time.Duration) time.Time {
	if k.Unlimited {
		return k.CountsUntil
	}
	return Later(k.CountsUntil, k.Terms().Until(Earlier(now, k.ExpiresAt).Add(freshness)))
}

func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (k *Key) Allows(source netip.Addr) bool {
	if len(k.AllowedCIDRs) == 0 {
		return true
	}
	for _, p := range k.AllowedCIDRs {
		if p.Contains(source.Unmap()) {
			return true
		}
	}
	return false
}

// Affords refuses a cost for which no wait is long enough.
func (k *Key) Affords(cost int64) error {
	switch {
	case k.Unlimited:
	case cost > k.Limit.Requests:
		return Invalid("cost", "must not be above the key's own limit of %d", k.Limit.Requests)
	case k.Quota.Requests > 0 && cost > k.Quota.Requests:
		return Invalid("cost", "must not be above the key's own quota of %d", k.Quota.Requests)
	}
	return nil
}

// subject returns the audit subject of a key whose stored text is record.
func (k *Key) AuditSubject(record []byte) audit.Subject {
	return audit.Subject{
		ID: k.ID, Place: audit.Place{Life: k.CreatedAt, Seq: k.Rev}, Head: k.Trail, Record: record, Forgotten: k.Forgotten(),
	}
}
