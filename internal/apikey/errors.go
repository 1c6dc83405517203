package apikey

import (
	"errors"
	"fmt"
	"time"
)

// A caller's mistakes. Transports map them to statuses; any other error means
// "could not decide".
var (
	// ErrNotFound: there is no such key, or it is somebody else's.
	ErrNotFound = errors.New("no such API key")
	// ErrConflict: the key changed, or appeared, while it was being written.
	ErrConflict = errors.New("the API key was changed at the same time")
	// ErrEnded: the key is revoked or has expired, and stays so.
	ErrEnded = errors.New("the API key is revoked or has expired")
	// ErrTwoSecrets: an older token of the key is in its grace, and a rotation with another
	// grace would make a third generation.
	ErrTwoSecrets = errors.New("an older token of the API key still works")
	// ErrPrecondition: the key is not of a revision that was asked for.
	ErrPrecondition = errors.New("the API key has another revision")
	// ErrForbidden: the caller may not do that. Wrapped in a [FieldError] where
	// one field is to blame.
	ErrForbidden = errors.New("not allowed")
	// ErrReplaced: the caller's token was replaced by a rotation of its key. It may be used,
	// and may not change any key.
	ErrReplaced = fmt.Errorf("%w: the calling token was replaced", ErrForbidden)
	// ErrInvalid: an input is wrong. Always wrapped in a [FieldError].
	ErrInvalid = errors.New("invalid input")
	// ErrRepeated: the same request was made at the same time, and has no answer yet.
	ErrRepeated = fmt.Errorf("%w by the same request", ErrConflict)
	// ErrCallerChanged: the caller's own key changed while the caller made a change.
	ErrCallerChanged = fmt.Errorf("%w as the calling key", ErrConflict)
	// ErrReused: the caller has named another request so.
	ErrReused = errors.New("another request was made by that name")
	// ErrUnreadableReply: the answer that is stored for this idempotent request cannot be
	// opened. It was altered, belongs to another request, or was sealed by another version.
	ErrUnreadableReply = errors.New("the stored reply cannot be opened")
	// ErrUnwitnessed: the key, its trail and the witness of that do not fit together, or were not
	// checked. It never leaves this package.
	ErrUnwitnessed = errors.New("the witness of the API key is another one")
	// ErrTooManyKeys: the user already has as many keys as one may have. See [TooManyKeysError].
	ErrTooManyKeys = errors.New("too many API keys")
)

// TooManyKeysError is an [ErrTooManyKeys] that says when there is room again. If Until is zero,
// there is none before a key ends.
type TooManyKeysError struct{ Until time.Time }

func (e *TooManyKeysError) Error() string { return ErrTooManyKeys.Error() }
func (e *TooManyKeysError) Unwrap() error { return ErrTooManyKeys }

// FieldError names the field that is wrong and says why, in a sentence fit for
// the caller: it never repeats the value.
type FieldError struct {
	Field   string // as the API spells it, e.g. "rateLimit.requests"
	Problem string // e.g. "must be between 1 and 1000000"
	Kind    error  // ErrInvalid or ErrForbidden
}

func (e *FieldError) Error() string { return e.Field + " " + e.Problem }
func (e *FieldError) Unwrap() error { return e.Kind }

func Invalid(field, format string, args ...any) error {
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...), Kind: ErrInvalid}
}

func Forbidden(field, problem string) error {
	return &FieldError{Field: field, Problem: problem, Kind: ErrForbidden}
}
