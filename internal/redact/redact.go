// Package redact keeps secrets out of logs, errors and JSON. Call [New] to put a secret into a
// [Secret], and [Secret.Reveal] where it is used.
package redact

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret holds a T that nothing prints by accident. Every fmt verb, slog and encoding/json print it
// redacted, and only [Secret.Reveal] returns the value. The zero Secret holds the zero T.
//
// The value is behind a func because fmt does not call the methods of unexported fields: it would
// print the value inside another struct, and for some verbs even behind a pointer. A Secret there
// prints as an address.
type Secret[T any] struct{ reveal func() T }

// New returns a Secret that holds value.
func New[T any](value T) Secret[T] { return Secret[T]{func() T { return value }} }

// Reveal returns the value. It is for using a secret, never for a log, an error or a metric.
func (s Secret[T]) Reveal() T {
	if s.reveal == nil {
		var zero T
		return zero
	}
	return s.reveal()
}

// Redacted is the text that a Secret prints as.
const Redacted = "[redacted]"

// Format, String, GoString, LogValue and MarshalText print Redacted.
func (Secret[T]) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, Redacted) }
func (Secret[T]) String() string               { return Redacted }
func (Secret[T]) GoString() string             { return Redacted }
func (Secret[T]) LogValue() slog.Value         { return slog.StringValue(Redacted) }
func (Secret[T]) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
