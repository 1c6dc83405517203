package authorizer

import "strings"

const hexDigits = "0123456789ABCDEF"

// headerValue writes text as a header value that reaches a backend unchanged. Visible ASCII characters except "%" and
// "," stay. Every other byte becomes % and two hexadecimal digits. Percent-decoding (RFC 3986) restores the text. If
// words is set, spaces between words stay.
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
