package apikey

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxFound is the largest number of native tokens in one text for revoke-by-token.
const MaxFound = 20

// TokensIn returns the tokens in a text in which a leaked token was found. These are all native
// tokens, whatever surrounds them, and the whole text if it can be a foreign token. The checksum
// proves a native token, even if white space or a line break has cut it in two.
func (f Format) TokensIn(text string) ([]Credential, error) {
	var all []Credential
	seen := make(map[string]bool)
	add := func(c Credential) {
		if token := c.token.Reveal(); c.code == "" && !seen[token] {
			seen[token] = true
			all = append(all, c)
		}
	}
	rest := strings.Map(func(r rune) rune {
		if blank(r) || r == '\\' { // it continues a line, or escapes an underscore
			return -1
		}
		return r
	}, text)
	for {
		at := strings.Index(rest, f.prefix+"_")
		if at < 0 {
			break
		}
		rest = rest[at:]
		if length := f.nativeLength(rest); length > 0 {
			if token, err := f.Parse(rest[:length]); err == nil && token.Native() {
				add(Credential{token: token})
			}
		}
		if len(all) > MaxFound {
			return nil, Invalid("key", "has more than %d keys in it: send them in several requests", MaxFound)
		}
		rest = rest[len(f.prefix):]
	}
	// A quoted header may have a quoted token in it.
	for last := ""; text != last; {
		last = text
		if text = Bare(text); FromAuthorization(text) != "" {
			text = FromAuthorization(text)
		}
	}
	if c := f.Credential(text); !c.token.Native() {
		add(c)
	}
	return all, nil
}

// nativeLength returns the length of the native token at the beginning of text, or 0 if there is
// none.
func (f Format) nativeLength(text string) int {
	for _, env := range []Environment{Live, Test} {
		n := len(f.prefix) + len("_") + len(env) + len("_") + nativeLength
		if strings.HasPrefix(text[len(f.prefix):], "_"+string(env)+"_") && len(text) >= n {
			return n
		}
	}
	return 0
}

// Bare returns a copied text without blanks and invisible characters around it, and without one
// pair of quotes.
func Bare(text string) string {
	text = strings.TrimFunc(text, blank)
	first, n := utf8.DecodeRuneInString(text)
	last, m := utf8.DecodeLastRuneInString(text)
	for _, pair := range []string{`""`, "''", "``", "“”", "„“", "‘’", "‚‘", "«»", "‹›"} {
		if string(first)+string(last) == pair && n+m <= len(text) {
			return strings.TrimFunc(text[n:len(text)-m], blank)
		}
	}
	return text
}

// blank reports whether a character is white space, or does not show at all.
func blank(r rune) bool {
	return unicode.IsSpace(r) ||
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}
