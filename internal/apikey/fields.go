package apikey

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey/internal/ratelimit"
)

// Change is what a caller wants a key to be: nil fields stay as they are. A zero
// time clears it.
type Change struct {
	Name         *string
	Description  *string
	Scopes       *Scopes
	Limit        *ratelimit.Limit
	Quota        *ratelimit.Quota
	Unlimited    *bool
	AllowedCIDRs *[]netip.Prefix
	Metadata     *map[string]string
	Enabled      *bool
	NotBefore    *time.Time
	ExpiresAt    *time.Time
}

// Bounds of a key's fields.
const (
	MaxUserID      = 128
	MaxName        = 255
	MaxDescription = 1000
	MaxMetadata    = 2048 // bytes of all names and values together
	MaxScopes      = 50
	MaxScope       = 128
	MaxCIDRs       = 20
	MaxRequests    = 1_000_000
	MaxQuota       = 1_000_000_000_000
	MinWindow      = time.Second
	MaxWindow      = 24 * time.Hour
)

// check reports the first field whose value is out of bounds.
func (c Change) check(now time.Time) error {
	if c.Name != nil && (utf8.RuneCountInString(*c.Name) > MaxName || !LegibleName(*c.Name)) {
		return invalid("name", "must be at most %d characters without control, formatting or invisible characters", MaxName)
	}
	if c.Description != nil && utf8.RuneCountInString(*c.Description) > MaxDescription {
		return invalid("description", "must be at most %d characters", MaxDescription)
	}
	if c.Scopes != nil {
		if err := c.Scopes.check(); err != nil {
			return err
		}
	}
	if c.Limit != nil {
		if c.Limit.Requests < 1 || c.Limit.Requests > MaxRequests {
			return invalid("rateLimit.requests", "must be between 1 and %d", MaxRequests)
		}
		if c.Limit.Window < MinWindow || c.Limit.Window > MaxWindow {
			return invalid("rateLimit.window", "must be between 1 and 86400 seconds")
		}
	}
	if c.Quota != nil && *c.Quota != (ratelimit.Quota{}) {
		if c.Quota.Requests < 1 || c.Quota.Requests > MaxQuota {
			return invalid("quota.requests", "must be between 1 and %d", MaxQuota)
		}
		if c.Quota.Period != ratelimit.Day && c.Quota.Period != ratelimit.Month {
			return invalid("quota.period", "must be %s or %s", ratelimit.Day, ratelimit.Month)
		}
	}
	if c.AllowedCIDRs != nil && len(*c.AllowedCIDRs) > MaxCIDRs {
		return invalid("allowedCidrs", "must have at most %d entries", MaxCIDRs)
	}
	if c.Metadata != nil {
		size := 0
		for name, value := range *c.Metadata {
			size += len(name) + len(value)
			if name == "" {
				return invalid("metadata", "must not have an empty name")
			}
		}
		if size > MaxMetadata {
			return invalid("metadata", "must be at most %d bytes in all", MaxMetadata)
		}
	}
	if c.ExpiresAt != nil && !c.ExpiresAt.IsZero() && !c.ExpiresAt.After(now) {
		return invalid("expiresAt", "must be in the future")
	}
	if c.ExpiresAt != nil && c.ExpiresAt.Year() > 9999 {
		return invalid("expiresAt", "must be before the year 10000")
	}
	return nil
}

func (s Scopes) check() error {
	if len(s) > MaxScopes {
		return invalid("scopes", "must have at most %d entries", MaxScopes)
	}
	for _, scope := range s {
		if !ValidScope(scope) {
			return invalid("scopes", "must be 1 to %d characters of a-z 0-9 : . _ * -", MaxScope)
		}
	}
	return nil
}

// ValidScope reports whether scope could be one.
func ValidScope(scope string) bool {
	return scope != "" && len(scope) <= MaxScope &&
		strings.Trim(scope, "abcdefghijklmnopqrstuvwxyz0123456789:._*-") == ""
}

// apply makes k what c says.
func (c Change) apply(k *Key) error {
	set(&k.Name, c.Name)
	k.Name = strings.TrimSpace(k.Name)
	set(&k.Description, c.Description)
	set(&k.Scopes, c.Scopes)
	if c.Limit != nil {
		k.Limit, k.Unlimited = *c.Limit, false
	}
	set(&k.Quota, c.Quota)
	set(&k.Unlimited, c.Unlimited)
	set(&k.AllowedCIDRs, c.AllowedCIDRs)
	set(&k.Metadata, c.Metadata)
	set(&k.Enabled, c.Enabled)
	set(&k.NotBefore, c.NotBefore)
	set(&k.ExpiresAt, c.ExpiresAt)
	if k.Unlimited && k.Quota != (ratelimit.Quota{}) {
		if c.Quota != nil {
			return invalid("quota", "needs a rateLimit: an unlimited key counts nothing")
		}
		k.Quota = ratelimit.Quota{}
	}
	return c.checkEnds(k)
}

// checkEnds returns an error if c has set an end of k so that k can never be active.
func (c Change) checkEnds(k *Key) error {
	switch {
	case k.NotBefore.IsZero() || k.ExpiresAt.IsZero() || k.NotBefore.Before(k.ExpiresAt):
	case c.NotBefore != nil:
		return invalid("notBefore", "must be before expiresAt")
	case c.ExpiresAt != nil:
		return invalid("expiresAt", "must be after notBefore")
	}
	return nil
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// grantor is the most that a caller may grant: what the key has that it came
// with or, without one, what users may.
type grantor struct {
	*Key
	average bool // the limit bounds the average rate alone
}

// have says what the grantor has, to the caller whose own it is.
func (g grantor) have(what, value string) string {
	if g.average {
		return "the " + what + " that users may grant: " + value
	}
	return "the " + what + " of your own key: " + value
}

// mostListed bounds how many entries of a list an error repeats.
const mostListed = 10

func listed[T any](all []T) string {
	if len(all) == 0 {
		return "none"
	}
	var texts []string
	for _, one := range all[:min(len(all), mostListed)] {
		texts = append(texts, fmt.Sprint(one))
	}
	text := strings.Join(texts, ", ")
	if more := len(all) - mostListed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (g grantor) covers(l ratelimit.Limit) bool {
	switch {
	case g.Unlimited:
		return true
	case g.average:
		return l.NoFaster(g.Limit)
	}
	return l.Within(g.Limit)
}

// inherit fills in what a new key was not given where the usual default would
// reach beyond what its maker may grant.
func (c *Change) inherit(from grantor) {
	if c.Limit == nil && (c.Unlimited == nil || !*c.Unlimited) {
		limit := DefaultLimit()
		if !from.covers(limit) {
			limit = from.Limit
		}
		c.Limit = &limit
	}
	if c.Quota == nil {
		c.Quota = &from.Quota
	}
	if c.AllowedCIDRs == nil {
		c.AllowedCIDRs = &from.AllowedCIDRs
	}
	if c.ExpiresAt == nil {
		c.ExpiresAt = &from.ExpiresAt
	}
}

// within reports whether own may grant c: nobody but an admin grants more than
// they have.
func (c Change) within(own grantor) error {
	if c.Scopes != nil && !own.Scopes.AllowAll(*c.Scopes) {
		return forbidden("scopes", "must be within "+own.have("scopes", listed(own.Scopes)))
	}
	if c.Unlimited != nil && *c.Unlimited {
		return forbidden("unlimited", "may be set by an admin only")
	}
	if c.Limit != nil && !own.covers(*c.Limit) {
		limit := fmt.Sprintf("%d requests in %d seconds", own.Limit.Requests, int64(own.Limit.Window/time.Second))
		if own.average {
			limit += " on average"
		}
		return forbidden("rateLimit", "must be within "+own.have("limit", limit))
	}
	if c.Quota != nil && !c.Quota.Within(own.Quota) {
		return forbidden("quota", "must be within "+own.have("quota", fmt.Sprintf("%d requests per %s", own.Quota.Requests, own.Quota.Period)))
	}
	if c.ExpiresAt != nil && !own.ExpiresAt.IsZero() && (c.ExpiresAt.IsZero() || c.ExpiresAt.After(own.ExpiresAt)) {
		return forbidden("expiresAt", "must not be after "+own.have("expiry", own.ExpiresAt.UTC().Format(time.RFC3339)))
	}
	if c.AllowedCIDRs != nil && !narrower(*c.AllowedCIDRs, own.AllowedCIDRs) {
		return forbidden("allowedCidrs", "must be within "+own.have("networks", listed(own.AllowedCIDRs)))
	}
	return nil
}

// rights are what a key may do, as a change that would grant them.
func (k *Key) rights() Change {
	c := Change{Scopes: &k.Scopes, Quota: &k.Quota, AllowedCIDRs: &k.AllowedCIDRs, ExpiresAt: &k.ExpiresAt}
	if k.Unlimited {
		c.Unlimited = &k.Unlimited
	} else {
		c.Limit = &k.Limit
	}
	return c
}

func narrower(inner, outer []netip.Prefix) bool {
	if len(outer) == 0 {
		return true
	}
	for _, p := range inner {
		covered := false
		for _, o := range outer {
			covered = covered || o.Bits() <= p.Bits() && o.Contains(p.Addr())
		}
		if !covered {
			return false
		}
	}
	return len(inner) > 0
}
