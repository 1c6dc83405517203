package apikey

import (
	"strings"
	"unicode/utf8"
)

// Revocation says why a key was revoked. It is zero if no reason was given.
type Revocation struct {
	// Reason is for the owner of the key, and for the holder of its token; see [CheckReason].
	Reason string
	// Source is the place at which a leaked token was found, such as the address of a file. It is for
	// the owner of the key alone.
	Source string
}

const (
	// MaxReason is the largest number of characters of a reason.
	MaxReason = 200
	// MaxSource is the largest number of bytes of a source that is stored. A longer one is cut.
	MaxSource = 512
)

// Leaked is the reason of a key whose token a scanner has found in public.
const Leaked = "leaked"

// SourceOf returns the address at which a token was found, as it is stored: without the token, with
// visible characters alone, and not longer than MaxSource. It is empty if it cannot be stored so.
func SourceOf(address string, t Token) string {
	address = strings.TrimSpace(address)
	if len(address) > MaxSource {
		address = strings.ToValidUTF8(address[:MaxSource], "")
	}
	if !Legible(address) || t.Reveal() != "" && strings.Contains(address, t.Reveal()) {
		return ""
	}
	return address
}

// CheckReason returns the reason of a revocation without spaces around it, or an error if it is too
// long or has characters that do not show. An empty text gives no reason.
func CheckReason(text string) (string, error) {
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > MaxReason || !LegibleName(text) {
		return "", Invalid("reason",
			"must be at most %d characters without control, formatting or invisible characters", MaxReason)
	}
	return text, nil
}
