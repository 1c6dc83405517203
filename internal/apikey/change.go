package apikey

import (
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey/internal/ratelimit"
)

// Change says what to set of a key. A nil field leaves the key's as it is. A zero time, limit
// or quota clears the key's. With an empty plan, the plan of the user applies.
type Change struct {
	UserID       *string // moves a stored key to another user
	Name         *string
	Description  *string
	Scopes       *Scopes
	Plan         *string
	Limit        *ratelimit.Limit
	Limits       *[]ratelimit.Limit // in any order
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
	MaxAllScopes   = 1024 // of all scopes together, with a space between two: API Gateway takes 8 KB of an authorizer
	MaxCIDRs       = 20
	MaxRequests    = 1_000_000
	MaxQuota       = 1_000_000_000_000
	MinWindow      = time.Second
	MaxWindow      = 24 * time.Hour
)

// Check returns an error for the first field whose value is out of bounds. An expiry must be after
// now.
func (c Change) Check(now time.Time) error {
	if c.Name != nil && (utf8.RuneCountInString(*c.Name) > MaxName || !LegibleName(*c.Name)) {
		return Invalid("name", "must be at most %d characters without control, formatting or invisible characters", MaxName)
	}
	if c.Description != nil && utf8.RuneCountInString(*c.Description) > MaxDescription {
		return Invalid("description", "must be at most %d characters", MaxDescription)
	}
	if c.Scopes != nil {
		if err := c.Scopes.check(); err != nil {
			return err
		}
	}
	if err := c.checkBounds(); err != nil {
		return err
	}
	if c.AllowedCIDRs != nil && len(*c.AllowedCIDRs) > MaxCIDRs {
		return Invalid("allowedCidrs", "must have at most %d entries", MaxCIDRs)
	}
	if c.Metadata != nil {
		size := 0
		for name, value := range *c.Metadata {
			size += len(name) + len(value)
			if name == "" {
				return Invalid("metadata", "must not have an empty name")
			}
		}
		if size > MaxMetadata {
			return Invalid("metadata", "must be at most %d bytes in all", MaxMetadata)
		}
	}
	if c.ExpiresAt != nil && !c.ExpiresAt.IsZero() && !c.ExpiresAt.After(now) {
		return Invalid("expiresAt", "must be in the future")
	}
	if c.ExpiresAt != nil && c.ExpiresAt.Year() > 9999 {
		return Invalid("expiresAt", "must be before the year 10000")
	}
	return nil
}

// checkBounds returns an error for the first limit, quota or plan that is out of bounds.
func (c Change) checkBounds() error {
	if c.Plan != nil && *c.Plan != "" {
		if err := CheckPlanName("plan", *c.Plan); err != nil {
			return err
		}
	}
	if c.Limit != nil && *c.Limit != (ratelimit.Limit{}) {
		if c.Limit.Requests < 1 || c.Limit.Requests > MaxRequests {
			return Invalid("rateLimit.requests", "must be between 1 and %d", MaxRequests)
		}
		if c.Limit.Window < MinWindow || c.Limit.Window > MaxWindow {
			return Invalid("rateLimit.window", "must be between 1 and 86400 seconds")
		}
		if err := checkServed(*c.Limit); err != nil {
			return err
		}
	}
	if c.Limits != nil {
		if err := CheckLimits("", *c.Limits); err != nil {
			return err
		}
	}
	if c.Quota != nil {
		return CheckQuota("", *c.Quota)
	}
	return nil
}

func (s Scopes) check() error {
	if len(s) > MaxScopes {
		return Invalid("scopes", "must have at most %d entries", MaxScopes)
	}
	size := len(s) - 1
	for _, scope := range s {
		if !ValidScope(scope) {
			return Invalid("scopes", "must be 1 to %d characters of a-z 0-9 : . _ * -", MaxScope)
		}
		size += len(scope)
	}
	if size > MaxAllScopes {
		return Invalid("scopes", "must be at most %d characters in all, with a space between two scopes", MaxAllScopes)
	}
	return nil
}

// ValidScope reports whether text is a scope.
func ValidScope(scope string) bool {
	return scope != "" && len(scope) <= MaxScope &&
		strings.Trim(scope, "abcdefghijklmnopqrstuvwxyz0123456789:._*-") == ""
}

// Apply sets the fields of k, except UserID. It returns an error if they do not fit together. Call
// Check first.
func (c Change) Apply(k *Key) error {
	set(&k.Name, c.Name)
	k.Name = strings.TrimSpace(k.Name)
	set(&k.Description, c.Description)
	set(&k.Scopes, c.Scopes)
	if c.Limit != nil {
		k.Limit, k.Unlimited = *c.Limit, false
	}
	if c.Limits != nil {
		k.Limits = SortLimits(*c.Limits)
	}
	set(&k.Plan, c.Plan)
	set(&k.Quota, c.Quota)
	set(&k.Unlimited, c.Unlimited)
	set(&k.AllowedCIDRs, c.AllowedCIDRs)
	set(&k.Metadata, c.Metadata)
	set(&k.Enabled, c.Enabled)
	set(&k.NotBefore, c.NotBefore)
	set(&k.ExpiresAt, c.ExpiresAt)
	if err := c.checkUnlimited(k); err != nil {
		return err
	}
	if err := c.checkTogether(k); err != nil {
		return err
	}
	return c.checkEnds(k)
}

// checkUnlimited takes the bounds away from an unlimited key. It returns an error if c gives one.
func (c Change) checkUnlimited(k *Key) error {
	switch {
	case !k.Unlimited:
		return nil
	case c.Quota != nil && *c.Quota != ratelimit.Quota{}:
		return Invalid("quota", "needs a rateLimit: an unlimited key counts nothing")
	case c.Limits != nil && len(*c.Limits) > 0:
		return Invalid("limits", "must not be given for an unlimited key")
	}
	k.Quota, k.Limits = ratelimit.Quota{}, nil
	return nil
}

// checkTogether returns an error if c has set a limit of k that contradicts another one.
func (c Change) checkTogether(k *Key) error {
	if c.Limit == nil && c.Limits == nil || k.Limit == (ratelimit.Limit{}) || k.Unlimited {
		return nil
	}
	field := "limits"
	if c.Limits == nil {
		field = "rateLimit"
	}
	if len(k.Limits) >= MaxLimits {
		return Invalid(field, "must leave at most %d limits, rateLimit included", MaxLimits)
	}
	for _, l := range k.Limits {
		switch {
		case l.Window == k.Limit.Window:
			return Invalid(field+".window", "must not be the same in rateLimit and in limits")
		case l.Contradicts(k.Limit):
			return Invalid(field+"."+amountIn(field),
				"must not be less than that of a shorter window, nor more than that of a longer one")
		}
	}
	return nil
}

// amountIn returns the name that a field has for the amount of a limit.
func amountIn(field string) string {
	if field == "rateLimit" {
		return "requests"
	}
	return "amount"
}

// checkEnds returns an error if c has set an end of k so that k can never be active.
func (c Change) checkEnds(k *Key) error {
	switch {
	case k.NotBefore.IsZero() || k.ExpiresAt.IsZero() || k.NotBefore.Before(k.ExpiresAt):
	case c.NotBefore != nil:
		return Invalid("notBefore", "must be before expiresAt")
	case c.ExpiresAt != nil:
		return Invalid("expiresAt", "must be after notBefore")
	}
	return nil
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}
