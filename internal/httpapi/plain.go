package httpapi

import "latchkey/internal/api"

// maxPlain is the largest body, in bytes, that [plainValidate] is for.
const maxPlain = 4 << 10

// plainValidate reads the body of a validate request that is written as nearly all are: an object of
// known fields, each once, whose texts are ASCII without escapes and whose cost has only digits. It
// reports false for every other text, be it good or bad.
func plainValidate(text []byte) (body api.ValidateRequest, ok bool) {
	p := plain{text, true}
	token := (*string)(nil)
	p.take('{')
	for more := true; more; more = p.next(',') {
		name := p.text(len("publicKey"))
		p.take(':')
		switch {
		case name == "apiKey" && token == nil:
			token = new(p.text(maxPlain))
		case name == "publicKey" && body.PublicKey == nil:
			body.PublicKey = new(p.text(maxPlain))
		case name == "scope" && body.Scope == nil:
			body.Scope = new(p.text(128))
		case name == "sourceIp" && body.SourceIP == nil:
			body.SourceIP = new(p.text(64))
		case name == "cost" && body.Cost == nil:
			body.Cost = new(api.Integer(p.digits(1_000_000)))
		default:
			return body, false
		}
	}
	p.take('}')
	p.space()
	if token == nil || !p.ok || len(p.rest) > 0 {
		return body, false
	}
	body.APIKey = api.NewToken(*token)
	return body, true
}

// plain reads a JSON text of plain values. After its first failure, ok is false.
type plain struct {
	rest []byte
	ok   bool
}

// space skips white space.
func (p *plain) space() {
	for len(p.rest) > 0 {
		switch p.rest[0] {
		case ' ', '\t', '\r', '\n':
			p.rest = p.rest[1:]
		default:
			return
		}
	}
}

// next reads a delimiter if it comes next, and reports whether it did.
func (p *plain) next(delimiter byte) bool {
	p.space()
	found := p.ok && len(p.rest) > 0 && p.rest[0] == delimiter
	if found {
		p.rest = p.rest[1:]
	}
	return found
}

// take reads a delimiter that must come next.
func (p *plain) take(delimiter byte) { p.ok = p.next(delimiter) }

// text reads a string of at most so many characters, which are ASCII and not escaped.
func (p *plain) text(most int) string {
	p.take('"')
	for i, c := range p.rest {
		switch {
		case !p.ok || c < ' ' || c > '~' || c == '\\':
			p.ok = false
			return ""
		case c == '"':
			text := p.rest[:i]
			p.rest, p.ok = p.rest[i+1:], i <= most
			return string(text)
		}
	}
	p.ok = false
	return ""
}

// digits reads a whole number that has only digits and is at most most.
func (p *plain) digits(most int64) (n int64) {
	p.space()
	read := 0
	for read < len(p.rest) && '0' <= p.rest[read] && p.rest[read] <= '9' && n <= most {
		n = n*10 + int64(p.rest[read]-'0')
		read++
	}
	p.ok = p.ok && n <= most && (read == 1 || read > 1 && p.rest[0] != '0')
	p.rest = p.rest[read:]
	return n
}
