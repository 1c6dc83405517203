package authorizer

import "strings"

const hexDigits = "0123456789ABCDEF"

// headerValue writes text as a header's value that reaches a backend unchanged: visible ASCII characters but "%" and ","
// stay, and every other byte becomes % and two hexadecimal digits. What RFC 3986 calls percent-decoding gives text back.
// A space stays where it stands between words.
func headerValue(text string, words bool) string {
	stays := func(c byte) bool { return c > ' ' && c <= '~' && c != '%' && c != ',' || c == ' ' && words }
	plain := 0
	for plain < len(text) && stays(text[plain]) {
		plain++
	}
	if plain == len(text) {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:plain])
	for _, c := range []byte(text[plain:]) {
		if stays(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
