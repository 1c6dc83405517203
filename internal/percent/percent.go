// Package percent encodes texts for places in which some characters have a meaning, such as a
// header or a log line. Call [Set.Encode] of a [Set] that says which bytes stay as they are.
package percent

import "strings"

// Set holds the bytes that an encoding leaves as they are.
type Set [256]bool

// Visible returns the set of all visible ASCII characters except those in except. except must
// contain "%" if the text is ever decoded.
func Visible(except string) (s Set) {
	for c := '!'; c <= '~'; c++ {
		s[c] = !strings.ContainsRune(except, c)
	}
	return s
}

// With returns s together with the bytes of more.
func (s Set) With(more string) Set {
	for _, c := range []byte(more) {
		s[c] = true
	}
	return s
}

// Encode returns text with each byte that is not in s written as % and two hexadecimal digits
// (RFC 3986, section 2.1). It allocates only if there is such a byte.
func (s *Set) Encode(text string) string {
	plain := 0
	for plain < len(text) && s[text[plain]] {
		plain++
	}
	if plain == len(text) {
		return text
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString(text[:plain])
	for _, c := range []byte(text[plain:]) {
		if s[c] {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
