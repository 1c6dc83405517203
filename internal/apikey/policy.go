package apikey

import (
	"maps"
	"slices"
	"strings"
	"time"

	"latchkey/internal/ratelimit"
)

// Bounds of the fields of plans and users.
const (
	MaxPlanName = 64
	MaxMaxKeys  = 10_000
	MaxLifeDays = 36_500
)

// ValidPlanName reports whether text may be the name of a plan.
func ValidPlanName(name string) bool {
	return name != "" && len(name) <= MaxPlanName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// CheckPlanName returns an error that names field if text may not be the name of a plan.
func CheckPlanName(field, name string) error {
	if !ValidPlanName(name) {
		return Invalid(field, "must be 1 to %d characters of a-z 0-9 . _ -", MaxPlanName)
	}
	return nil
}

// CheckLimits returns an error if a limit is out of range, or if another limit is always reached
// before it. prefix begins the names of their fields: "" or "key.".
func CheckLimits(prefix string, limits []ratelimit.Limit) error {
	if len(limits) > MaxLimits {
		return Invalid(prefix+"limits", "must have at most %d entries", MaxLimits)
	}
	for _, l := range limits {
		if l.Requests < 1 || l.Requests > MaxRequests {
			return Invalid(prefix+"limits.amount", "must be between 1 and %d", MaxRequests)
		}
		if l.Window < MinWindow || l.Window > MaxWindow || l.Window%time.Second != 0 {
			return Invalid(prefix+"limits.window", "must be between 1 and 86400 seconds")
		}
		if err := checkRate(prefix+"limits.amount", l); err != nil {
			return err
		}
	}
	sorted := SortLimits(limits)
	for i := 1; i < len(sorted); i++ {
		shorter, longer := sorted[i-1], sorted[i]
		switch {
		case shorter.Window == longer.Window:
			return Invalid(prefix+"limits.window", "must not be that of another limit")
		case shorter.Requests > longer.Requests:
			return Invalid(prefix+"limits.amount", "must not be below that of a shorter window, "+
				"which could never be reached then: leave the shorter window out, or raise the amount of the longer one")
		}
	}
	return nil
}

// checkRate returns an error that names field if the table could not count a limit that is fully
// used. Its callers would get a 503 before they reach the limit.
func checkRate(field string, l ratelimit.Limit) error {
	if most := ratelimit.MostCounted(l.Window); most > 0 && l.Requests > most {
		return Invalid(field, "must be at most %d in %d seconds, since the table counts each request of so short a window, "+
			"1000 a second: choose a window of 10 seconds or longer", most, l.Window/time.Second)
	}
	return nil
}

// SortLimits returns a copy of limits, the shortest window first.
func SortLimits(limits []ratelimit.Limit) []ratelimit.Limit {
	sorted := slices.Clone(limits)
	slices.SortStableFunc(sorted, func(a, b ratelimit.Limit) int { return int((a.Window - b.Window) / time.Second) })
	return sorted
}

// CheckQuota returns an error for a quota out of bounds. The zero Quota is no quota. prefix begins
// the names of its fields: "" or "key.".
func CheckQuota(prefix string, q ratelimit.Quota) error {
	switch {
	case q == ratelimit.Quota{}:
	case q.Requests < 1 || q.Requests > MaxQuota:
		return Invalid(prefix+"quota.requests", "must be between 1 and %d", MaxQuota)
	case q.Period != ratelimit.Day && q.Period != ratelimit.Month && q.Period != ratelimit.Lifetime:
		return Invalid(prefix+"quota.period", "must be %s, %s or %s", ratelimit.Day, ratelimit.Month, ratelimit.Lifetime)
	}
	return nil
}

// check returns an error for the first of b that is out of bounds.
func (b Bounds) check(prefix string) error {
	if err := CheckLimits(prefix, b.Limits); err != nil {
		return err
	}
	return CheckQuota(prefix, b.Quota)
}

// Check returns an error for the first field whose value is out of bounds.
func (p *Plan) Check() error {
	if err := CheckPlanName("name", p.Name); err != nil {
		return err
	}
	if err := p.Scopes.check(); err != nil {
		return err
	}
	if err := p.Key.check("key."); err != nil {
		return err
	}
	if err := p.User.check("user."); err != nil {
		return err
	}
	for _, days := range []struct {
		field string
		n     int
	}{{"maxDays", p.Life.MaxDays}, {"defaultDays", p.Life.DefaultDays}, {"idleDays", p.Life.IdleDays}} {
		if days.n < 0 || days.n > MaxLifeDays {
			return Invalid(days.field, "must be between 0 and %d", MaxLifeDays)
		}
	}
	switch {
	case p.Life.MaxDays > 0 && p.Life.DefaultDays > p.Life.MaxDays:
		return Invalid("defaultDays", "must not be above maxDays")
	case len(p.Scopes) == 0 && p.Key.None() && p.User.None() && p.Life == Life{}:
		return Invalid("key", "must bound something: a plan needs a scope, a limit, a quota or a number of days")
	}
	return nil
}

// Same reports whether q bounds what p bounds.
func (p *Plan) Same(q *Plan) bool {
	return p.Name == q.Name && p.Life == q.Life && slices.Equal(p.Scopes, q.Scopes) &&
		p.Key.same(q.Key) && p.User.same(q.User)
}

func (b Bounds) same(other Bounds) bool {
	return slices.Equal(b.Limits, other.Limits) && b.Quota == other.Quota
}

// Same reports whether the same is set for u as for v.
func (u *User) Same(v *User) bool {
	lists := slices.Equal(u.Scopes, v.Scopes) && maps.Equal(u.Metadata, v.Metadata) && u.Bounds.same(v.Bounds)
	return lists && u.ID == v.ID && u.Plan == v.Plan && u.Suspended == v.Suspended && u.MaxKeys == v.MaxKeys
}

// UserChange says what to set of a user. A nil field leaves the user's as it is.
type UserChange struct {
	Plan      *string // none if empty
	Suspended *bool
	Limits    *[]ratelimit.Limit
	Quota     *ratelimit.Quota
	MaxKeys   *int // the deployment's number if zero
	Scopes    *Scopes
	Metadata  *map[string]string
}

// Whole returns c with each nil field set to the empty value, so that it sets a user as a whole.
func (c UserChange) Whole() UserChange {
	orEmpty(&c.Plan)
	orEmpty(&c.Suspended)
	orEmpty(&c.Limits)
	orEmpty(&c.Quota)
	orEmpty(&c.MaxKeys)
	orEmpty(&c.Scopes)
	orEmpty(&c.Metadata)
	return c
}

func orEmpty[T any](field **T) {
	if *field == nil {
		*field = new(T)
	}
}

// Check returns an error for the first field whose value is out of bounds. It cannot tell whether
// the plan exists.
func (c UserChange) Check() error {
	if c.Plan != nil && *c.Plan != "" {
		if err := CheckPlanName("plan", *c.Plan); err != nil {
			return err
		}
	}
	if c.Limits != nil {
		if err := CheckLimits("", *c.Limits); err != nil {
			return err
		}
	}
	if c.Quota != nil {
		if err := CheckQuota("", *c.Quota); err != nil {
			return err
		}
	}
	if c.MaxKeys != nil && (*c.MaxKeys < 0 || *c.MaxKeys > MaxMaxKeys) {
		return Invalid("maxKeys", "must be between 0 and %d", MaxMaxKeys)
	}
	return Change{Scopes: c.Scopes, Metadata: c.Metadata}.Check(time.Time{})
}

// Apply sets the fields of u. Call Check first.
func (c UserChange) Apply(u *User) {
	set(&u.Plan, c.Plan)
	set(&u.Suspended, c.Suspended)
	if c.Limits != nil {
		u.Limits = SortLimits(*c.Limits)
	}
	set(&u.Quota, c.Quota)
	set(&u.MaxKeys, c.MaxKeys)
	set(&u.Scopes, c.Scopes)
	set(&u.Metadata, c.Metadata)
}
