package apikey

import "strings"

// Scopes are what a key may do. A scope is a word such as "tts"; a trailing "*"
// stands for every scope that begins so. Managing keys is apart: only a scope
// that is itself written with "keys:" reaches those, so that a key which may do
// everything with an API still cannot hand out keys.
type Scopes []string

// The scopes of key management. Admin acts for any user and grants anything.
const (
	ScopeRead  = "keys:read"
	ScopeWrite = "keys:write"
	ScopeAdmin = "keys:admin"

	reservedPrefix = "keys:"
)

// Allow reports whether they include scope. A pattern counts as all the scopes
// it stands for, so Allow also tells whether a pattern may be granted onward.
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

// AllowAll reports whether they include every one of scopes.
func (s Scopes) AllowAll(scopes Scopes) bool {
	for _, scope := range scopes {
		if !s.Allow(scope) {
			return false
		}
	}
	return true
}

// Admin reports whether they include keys:admin, which includes the other
// management scopes.
func (s Scopes) Admin() bool { return s.Allow(ScopeAdmin) }
