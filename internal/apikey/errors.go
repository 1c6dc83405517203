package apikey

import (
	"errors"
	"fmt"
	"time"
)

// A caller's mistakes. The HTTP API has a response for each; see package httpapi. Any other error
// means that a request could not be decided.
var (
	// ErrNotFound means that the key does not exist, or that another user owns it.
	ErrNotFound = errors.New("no such API key")
	// ErrConflict means that the key was changed or created by another request at the same time.
	ErrConflict = errors.New("the API key was changed at the same time")
	// ErrEnded means that the key is revoked or has expired, so it cannot be changed.
	ErrEnded = errors.New("the API key is revoked or has expired")
	// ErrTwoSecrets means that an older token of the key is in its grace period. A rotation with
	// another grace period would make a third generation.
	ErrTwoSecrets = errors.New("an older token of the API key still works")
	// ErrPrecondition means that the key has none of the revisions that the caller asked for.
	ErrPrecondition = errors.New("the API key has another revision")
	// ErrForbidden means that the caller may not do this. If one field or scope is the reason, a
	// [FieldError] or a [ScopeError] wraps it.
	ErrForbidden = errors.New("not allowed")
	// ErrReplaced means that a rotation replaced the caller's token. The token may still be used,
	// but it may not change keys.
	ErrReplaced = fmt.Errorf("%w: the calling token was replaced", ErrForbidden)
	// ErrInvalid means that an input is wrong. A [FieldError] always wraps it.
	ErrInvalid = errors.New("invalid input")
	// ErrRepeated means that the same idempotent request is under way and has no reply yet.
	ErrRepeated = fmt.Errorf("%w by the same request", ErrConflict)
	// ErrCallerChanged means that the caller's own key changed during the caller's request.
	ErrCallerChanged = fmt.Errorf("%w as the calling key", ErrConflict)
	// ErrReused means that the caller used the idempotency key before, for a different request.
	ErrReused = errors.New("idempotency key was already used for a different request")
	// ErrUnreadableReply means that the stored reply to an idempotent request cannot be opened. It
	// was altered, belongs to another request, or was sealed by another version.
	ErrUnreadableReply = errors.New("the stored reply cannot be opened")
	// ErrUnwitnessed means that the key, its trail and its witness do not fit together, or were not
	// checked. Only stores and package registry use it; callers never get it.
	ErrUnwitnessed = errors.New("the witness of the API key is another one")
	// ErrTooManyKeys means that the user has as many keys as a user may have. A [TooManyKeysError]
	// may wrap it.
	ErrTooManyKeys = errors.New("too many API keys")
)

// TooManyKeysError is an [ErrTooManyKeys] that knows when there is room for another key. If Until
// is zero, there is no room before a key ends.
type TooManyKeysError struct {
	Until time.Time
	Field string // the field that named the user, or "" if there is none
}

func (e *TooManyKeysError) Error() string { return ErrTooManyKeys.Error() }
func (e *TooManyKeysError) Unwrap() error { return ErrTooManyKeys }

// ScopeError is an [ErrForbidden]: the caller lacks a scope.
type ScopeError struct{ Scope string }

func (e *ScopeError) Error() string { return "scope " + e.Scope + " is needed" }
func (e *ScopeError) Unwrap() error { return ErrForbidden }

// FieldError names the field that is wrong and the problem with it, in a sentence for the caller.
// The sentence never contains the value of the field.
type FieldError struct {
	Field   string // as the API spells it, such as "rateLimit.requests"
	Problem string // such as "must be between 1 and 1000000"
	Kind    error  // ErrInvalid or ErrForbidden
}

func (e *FieldError) Error() string { return e.Field + " " + e.Problem }
func (e *FieldError) Unwrap() error { return e.Kind }

// Invalid returns a [FieldError] of the kind [ErrInvalid].
func Invalid(field, format string, args ...any) error {
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...), Kind: ErrInvalid}
}

// Forbidden returns a [FieldError] of the kind [ErrForbidden].
func Forbidden(field, problem string) error {
	return &FieldError{Field: field, Problem: problem, Kind: ErrForbidden}
}
