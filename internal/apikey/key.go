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
	// Limit and Quota bound what the key may spend. A key without a Limit keeps to its plan, or to
	// [DefaultLimit] if nothing else bounds it. An unlimited key has neither, and no meter. Only an
	// admin may make one.
	Limit     ratelimit.Limit
	Quota     ratelimit.Quota // no quota if zero
	Unlimited bool
	// Limits are further limits, the shortest window first.
	Limits []ratelimit.Limit
	// Shards says how many meters count Limit, and the quota of the key's first meter.
	Shards ratelimit.Shards
	// Plan is the name of the key's plan. If empty, the plan of its user applies.
	Plan string
	// Shared bounds all keys of the user together that have such bounds. It bounds nothing if the key
	// has none. If the user's record or the plan has limits for all keys of a user, they replace the
	// limits of Shared, and a quota replaces its quota.
	Shared Bounds
	// SharesDefault says that the key shares [DefaultLimit] with the keys of its user that share a
	// limit, unless the user's record or the plan has a limit. A key without a rateLimit that may make
	// other keys has it, and so have the keys that it makes.
	SharesDefault bool
	AllowedCIDRs  []netip.Prefix // any source if empty
	Metadata      map[string]string
	Enabled       bool
	NotBefore     time.Time // no beginning if zero
	ExpiresAt     time.Time // never if zero
	CreatedAt     time.Time
	RevokedAt     time.Time // not revoked if zero
	Revocation    Revocation
	KeyPrefix     string // the first characters of the newest token, for its owner
	// Secrets are the hashes of the key's tokens. PublicAliases are the hashes of public keys that
	// an imported key had at the other service. No list shows either.
	Secrets       []Secret
	PublicAliases []string
	// PresentSince is the time of the last rotation, or zero if there was none.
	PresentSince time.Time
	// Internal says that the key comes from the configuration, for the deployment's own callers.
	Internal bool
	// CountsUntil is the time until which tokens count that were spent under earlier limits of the
	// key. It is zero if the key had no other limits.
	CountsUntil time.Time
	// Held names the rights that an admin has set, by the API's names: only an admin widens
	// them.
	Held []string
	// Rev counts the changes of the key. A change replaces only the revision that was read.
	Rev int64
	// Trail is the end of the key's trail.
	Trail audit.Head
}

// DefaultLimit returns the limit of a key without a rateLimit that neither its plan nor its user bounds.
func DefaultLimit() ratelimit.Limit { return ratelimit.Limit{Requests: 60, Window: time.Minute} }

// OwnLimit returns the limit that the key's first meter has if there is neither a plan nor a shared
// bound: the key's Limit, or [DefaultLimit].
func (k *Key) OwnLimit() ratelimit.Limit {
	if k.Limit == (ratelimit.Limit{}) {
		return DefaultLimit()
	}
	return k.Limit
}

// Status summarizes the state of a key for its owner.
type Status string

const (
	StatusActive   Status = "active"
	StatusDisabled Status = "disabled"
	StatusInactive Status = "inactive" // before NotBefore
	StatusRevoked  Status = "revoked"
	StatusExpired  Status = "expired"
)

// Statuses returns every status that a key may have.
func Statuses() []Status {
	return []Status{StatusActive, StatusDisabled, StatusInactive, StatusRevoked, StatusExpired}
}

// Status returns the status of the key. It is never stored, because time alone changes it. If
// several apply, it is the first one in the order of the gate's policy.
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

// Expired reports whether the key has an end that has come.
func (k *Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// Retention is how long a key is stored after its end.
const Retention = 90 * 24 * time.Hour

// Forgotten returns the time at which the key counts as deleted, in whole seconds. That is
// Retention after it was revoked or expires. It is zero if the key has no end.
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

// Alias leads from a foreign token to its key until a time in whole seconds. The zero time means
// never.
type Alias struct {
	Name  string
	Until time.Time
}

// Aliases returns the aliases of the key. An alias ends with the key, or when its secret is
// forgotten.
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

// Earlier returns the earlier of two times. The zero time means never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// PublicKey returns the public key of the key.
func (k *Key) PublicKey() PublicKey { return PublicKey{Environment: k.Environment, ID: k.ID} }

// Terms returns what the key may spend if there is neither a plan nor a shared bound, and no further
// limit. See [Key.Parts].
func (k *Key) Terms() ratelimit.Terms {
	return ratelimit.Terms{Limit: k.OwnLimit(), Quota: k.Quota, Rev: k.Rev}
}

// PlaceUntil returns the time until which a key that ends now takes one of its user's places. From
// then on, no token counts that the key could have spent while a read of it is trusted for
// freshness. The zero time means that there are no such tokens.
func (k *Key) PlaceUntil(now time.Time, freshness time.Duration) time.Time {
	if k.Unlimited {
		return k.CountsUntil
	}
	last := Earlier(now, k.ExpiresAt).Add(freshness)
	until := Later(k.CountsUntil, k.Terms().Until(last))
	if longest := len(k.Limits) - 1; longest >= 0 {
		until = Later(until, ratelimit.Terms{Limit: k.Limits[longest]}.Until(last))
	}
	return until
}

// PlaceUnder is PlaceUntil by what the plan p allows the key. It is the zero time if p is nil.
func (k *Key) PlaceUnder(p *Plan, now time.Time, freshness time.Duration) (until time.Time) {
	if p == nil {
		return until
	}
	last := Earlier(now, k.ExpiresAt).Add(freshness)
	for _, part := range k.Parts(nil, p) {
		if part.Of == OfKey {
			until = Later(until, part.Terms.Until(last))
		}
	}
	return until
}

// Later returns the later of two times.
func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Allows reports whether a request may come from source. If the key has networks, the zero Addr is
// in none of them.
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

// Affords returns an error for a cost above the key's limit or quota, because no wait is long
// enough.
func (k *Key) Affords(cost int64) error {
	switch {
	case k.Unlimited:
	case k.Limit != ratelimit.Limit{} && cost > k.Limit.Requests:
		return Invalid("cost", "must not be above the key's own limit of %d", k.Limit.Requests)
	case k.Limit != ratelimit.Limit{} && cost > k.Limit.Requests/int64(k.Shards.Now()):
		return Invalid("cost", "must not be above %d, because each of %d meters counts a part of the key's own limit of %d",
			k.Limit.Requests/int64(k.Shards.Now()), k.Shards.Now(), k.Limit.Requests)
	case k.Quota.Requests > 0 && cost > k.Quota.Requests:
		return Invalid("cost", "must not be above the key's own quota of %d", k.Quota.Requests)
	}
	return nil
}

// AuditSubject returns the audit subject of a key whose stored text is record.
func (k *Key) AuditSubject(record []byte) audit.Subject {
	return audit.Subject{
		ID: k.ID, Place: audit.Place{Life: k.CreatedAt, Seq: k.Rev}, Head: k.Trail, Record: record, Forgotten: k.Forgotten(),
	}
}
