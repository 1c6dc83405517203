package apikey

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"latchkey/internal/ratelimit"
)

// MaxPlanName is the length of the longest name of a plan.
const MaxPlanName = 64

// CheckPlanName returns an error that names the field if name is not the name of a plan.
func CheckPlanName(field, name string) error {
	if name == "" || len(name) > MaxPlanName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return Invalid(field, "must be 1 to %d characters of a-z 0-9 . _ -", MaxPlanName)
	}
	return nil
}

// CheckLimits returns an error for the first limit that is out of bounds or contradicts another one.
// field is the name of the list.
func CheckLimits(field string, limits []ratelimit.Limit) error {
	if len(limits) > MaxLimits {
		return Invalid(field, "must have at most %d entries", MaxLimits)
	}
	for i, l := range limits {
		if l.Requests < 1 || l.Requests > MaxRequests {
			return Invalid(field+".amount", "must be between 1 and %d", MaxRequests)
		}
		if !validWindow(l.Window) {
			return Invalid(field+".window", "must be between 1 and 86400 seconds")
		}
		for _, other := range limits[:i] {
			switch {
			case other.Window == l.Window:
				return Invalid(field+".window", "must be different in each entry")
			case l.Contradicts(other):
				return Invalid(field+".amount", contradiction)
			}
		}
	}
	return nil
}

// contradiction is what a limit must not be beside another one.
const contradiction = "must not be less than that of a shorter window, nor more than that of a longer one"

// CheckQuota returns an error if a quota is out of bounds. field is its name.
func CheckQuota(field string, q ratelimit.Quota) error {
	if q.Requests < 1 || q.Requests > MaxQuota {
		return Invalid(field+".requests", "must be between 1 and %d", MaxQuota)
	}
	if q.Period != ratelimit.Day && q.Period != ratelimit.Month && q.Period != ratelimit.Lifetime {
		return Invalid(field+".period", "must be %s, %s or %s", ratelimit.Day, ratelimit.Month, ratelimit.Lifetime)
	}
	return nil
}

// SortedLimits returns the limits, the shortest window first.
func SortedLimits(limits []ratelimit.Limit) []ratelimit.Limit {
	return slices.SortedFunc(slices.Values(limits), func(a, b ratelimit.Limit) int { return cmp.Compare(a.Window, b.Window) })
}

// validWindow reports whether a limit may have the window.
func validWindow(w time.Duration) bool { return w >= MinWindow && w <= MaxWindow && w%time.Second == 0 }
