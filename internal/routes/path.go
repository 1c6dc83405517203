package routes

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// pathForm describes the path of a rule. No request matches a rule with another path.
const pathForm = `must begin with /, and may have * for a segment and at its end; it must have no "..", "//", ";", ` +
	`"?", "#" or "\\", no escaped / or %, no dot or space at the end of a segment, ` +
	`and beyond ASCII only letters, marks and digits in normal form`

// fold maps paths that differ by case alone to one text.
func fold(path string) string {
	if beyondASCII(path) {
		path = strings.ToUpper(path) // joins letters of which none is the lower case of the other
	}
	return strings.ToLower(path)
}

// beyondASCII reports whether text has a character beyond ASCII. ASCII is always in normal form.
func beyondASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// misread are characters that servers take for others. Many read a backslash as a slash. Some cut
// off a semicolon with the rest of its segment, before they look for "..". A server that decodes
// the path twice ends it at "?" or "#".
const misread = "\\;?#"

// ambiguous reports whether a backend could read a path as another one, which would bypass a rule.
// plain is the path without escapes. ambiguous refuses forms that known servers misread, and
// characters that no path needs.
func ambiguous(path, plain string) bool {
	switch {
	case plain == "":
		return true
	case strings.ContainsAny(plain, misread):
		return true
	case strings.Contains(plain, "::"): // it names a stream of a file
		return true
	case strings.Count(plain, "/") != strings.Count(path, "/"): // an escaped slash
		return true
	case plain != path && strings.Contains(plain, "%"): // an escape of an escape
		return true
	case !utf8.ValidString(plain): // it may be a dot or a slash in a longer form than allowed
		return true
	case strings.IndexFunc(plain, obscure) >= 0:
		return true
	case beyondASCII(plain) && !norm.NFKC.IsNormalString(plain): // wide letters, or two characters in place of one
		return true
	}
	for rest, more := plain[1:], true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "" && more || trimmed(segment) {
			return true
		}
	}
	return false
}

// trimmed reports whether Windows would shorten a segment: it drops dots at the end and spaces at
// both ends. "." and ".." are such segments too.
func trimmed(segment string) bool {
	return strings.HasPrefix(segment, " ") || strings.HasSuffix(segment, " ") || strings.HasSuffix(segment, ".")
}

// obscure reports whether a path must not have a character: it is invisible, or beyond ASCII and
// neither a letter, a mark nor a digit. Other symbols are read as slashes and dots.
func obscure(r rune) bool {
	if r < utf8.RuneSelf {
		return unicode.IsControl(r)
	}
	invisible := unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	return invisible || !unicode.In(r, unicode.L, unicode.M, unicode.N)
}
