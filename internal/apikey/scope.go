package apikey

import (
	"slices"
	"strings"
)

// Scopes are the rights of a key. A scope is a word such as "tts". A trailing "*" stands for every
// scope with that beginning. Only a scope that begins with "keys:" includes the scopes of key
// management, so a key with the scope "*" cannot create keys.
type Scopes []string

// The scopes of key management. ScopeAdmin acts for any user and may grant anything.
const (
	ScopeRead  = "keys:read"
	ScopeWrite = "keys:write"
	ScopeAdmin = "keys:admin"

	reservedPrefix = "keys:"
)

// Allow reports whether s includes scope. If scope is a pattern, s must include every scope that it
// stands for. Allow therefore also reports whether the owner of s may grant the pattern.
func (s Scopes) Allow(scope string) bool {
	for _, own := range s {
		if own == scope {
			return true
		}
		prefix, ok := strings.CutSuffix(own, "*")
		if ok && strings.HasPrefix(scope, prefix) &&
			(strings.HasPrefix(prefix, reservedPrefix) || !strings.HasPrefix(scope, reservedPrefix)) {
			return true
		}
	}
	return false
}

// AllowAll reports whether s includes all of scopes.
func (s Scopes) AllowAll(scopes Scopes) bool {
	for _, scope := range scopes {
		if !s.Allow(scope) {
			return false
		}
	}
	return true
}

// Within returns the scopes that both s and ceiling include, without repetition. The result includes
// a scope if and only if both do.
func (s Scopes) Within(ceiling Scopes) Scopes {
	both := Scopes{}
	add := func(scope string, other Scopes) {
		if other.Allow(scope) && !slices.Contains(both, scope) {
			both = append(both, scope)
		}
	}
	for _, own := range s {
		add(own, ceiling)
	}
	for _, most := range ceiling {
		add(most, s)
	}
	return both
}

// Admin reports whether s includes keys:admin, which includes the other management scopes.
func (s Scopes) Admin() bool { return s.Allow(ScopeAdmin) }
