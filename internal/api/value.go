package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"

	"latchkey/internal/redact"
)

// Nullable is a value that is null in JSON if Value is nil.
type Nullable[T any] struct{ Value *T }

// NotNull returns the Nullable with a value.
func NotNull[T any](value T) Nullable[T] { return Nullable[T]{&value} }

// MarshalJSON implements [json.Marshaler].
func (n Nullable[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.Value) }

// UnmarshalJSON implements [json.Unmarshaler].
func (n *Nullable[T]) UnmarshalJSON(raw []byte) error { return json.Unmarshal(raw, &n.Value) }

// Token is a token in the body of a request or a response. It prints redacted like every secret,
// but its JSON is the token.
type Token struct{ secretText }

type secretText = redact.Secret[string]

// NewToken returns the token with a text.
func NewToken(text string) Token { return Token{redact.New(text)} }

// UnmarshalJSON reads a JSON string.
func (t *Token) UnmarshalJSON(raw []byte) error {
	var text string
	err := json.Unmarshal(raw, &text)
	t.secretText = redact.New(text)
	return err
}

// MarshalJSON writes the token itself.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.Reveal()) }

// Integer is a JSON number without a fraction, in any notation: 5, 5.0 and 5e0 are equal.
type Integer int64

var errNoInteger = errors.New("not an integer of 64 bits")

// maxDigits bounds the text of a number. An exponent has the same bound, because ten characters
// can ask for a number of a million digits.
const maxDigits = 32

// UnmarshalJSON returns an error for a fraction and for a number that does not fit in 64 bits.
func (i *Integer) UnmarshalJSON(raw []byte) error {
	if len(raw) > maxDigits {
		return errNoInteger
	}
	if _, text, ok := bytes.Cut(bytes.ToLower(raw), []byte("e")); ok {
		if exponent, err := strconv.Atoi(string(text)); err != nil || exponent < -maxDigits || exponent > maxDigits {
			return errNoInteger
		}
	}
	n, ok := new(big.Rat).SetString(string(raw))
	if !ok || !n.IsInt() || !n.Num().IsInt64() {
		return errNoInteger
	}
	*i = Integer(n.Num().Int64())
	return nil
}
