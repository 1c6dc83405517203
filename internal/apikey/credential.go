package apikey

import (
	"strings"
)

// Credential is the token of a request, if any. It holds no token, one token, or a text that cannot
// be a token. It may also hold two texts: then the table decides which one is a token. Reading it
// takes no I/O.
type Credential struct {
	token  Token  // malformed: the text all the same, which may be a static key
	public string // empty: the token came alone
	code   Code   // why it cannot be a single token; empty if it may be one
	// firm marks a malformed credential that stays malformed beside a token.
	firm bool
	// other is the second of two different texts that could be tokens, with CodeTwoKeys. It is nil
	// if there are more than two, or if both are native.
	other *Credential
}

// Equal reports whether both hold the same texts and have the same code.
func (c Credential) Equal(other Credential) bool {
	if c.other != nil && other.other != nil && !c.other.Equal(*other.other) {
		return false
	}
	return c.code == other.code && c.public == other.public && c.sameToken(other) &&
		(c.other == nil) == (other.other == nil)
}

func (c Credential) sameToken(other Credential) bool { return c.token.Reveal() == other.token.Reveal() }

// Missing reports whether the request had no text that could be a token.
func (c *Credential) Missing() bool { return c.code == CodeMissing }

// Credential reads the values that may hold a token. "Bearer" before a token is skipped. Commas
// separate values, as in a header that is sent twice. An empty value is ignored. So is a JWT, which
// belongs to the backend. The same token twice is one token.
//
// A text that cannot be a token, such as "undefined" or a long token of a cloud, is ignored beside
// one that can. Two different native tokens give CodeTwoKeys. So do two texts that could be tokens,
// one of them foreign; the gate, unlike other callers, then asks the table which of the two is a
// token.
func (f Format) Credential(values ...string) Credential {
	found := Credential{code: CodeMissing}
	for _, value := range values {
		for more := true; more; {
			var part string
			part, value, more = strings.Cut(value, ",")
			if part = withoutBearer(part); part == "" || IsJWT(part) {
				continue
			}
			// Events have each header twice, so most values repeat the first.
			if found.code == "" && found.other == nil && part == found.token.Reveal() {
				continue
			}
			found = found.and(f.credential(part))
		}
	}
	return found
}

// and returns the credential of c and next together, which one request has sent. The order does not
// matter.
func (c Credential) and(next Credential) Credential {
	switch {
	case c.code == CodeMissing:
		return next
	case c.firm:
		return c
	case next.firm:
		return next
	case c.code == CodeTwoKeys && c.other == nil:
		return c
	case next.code != "" && c.code == CodeMalformed && !c.sameToken(next):
		return Credential{code: CodeMalformed}
	case next.code != "":
		return c
	case c.code == CodeMalformed:
		return next
	case c.sameToken(next):
		return c.withPublic(next.public)
	case c.other != nil && c.other.sameToken(next):
		merged := c.other.withPublic(next.public)
		if merged.firm {
			return merged
		}
		c.other = &merged
		return c
	case c.other != nil || c.token.Native() && next.token.Native():
		return Credential{code: CodeTwoKeys}
	}
	other := next // a copy, so that next itself never needs the heap
	c.code, c.other = CodeTwoKeys, &other
	return c
}

// withPublic adds the public half of the same token. Two different public halves make the
// credential malformed.
func (c Credential) withPublic(public string) Credential {
	if c.public != "" && public != "" && public != c.public {
		return Credential{code: CodeMalformed, firm: true}
	}
	if public != "" {
		c.public = public
	}
	return c
}

// Token returns the token, or the text that cannot be one. It is the zero Token if nothing was sent.
func (c *Credential) Token() Token { return c.token }

// Public returns the public key that came with the token, or "".
func (c *Credential) Public() string { return c.public }

// Code returns why the credential cannot be a single token, or "" if it may be one.
func (c *Credential) Code() Code { return c.code }

// Ambiguous reports whether the credential holds two texts that could be tokens. The table then
// decides which one is a token. See [Credential.Both].
func (c *Credential) Ambiguous() bool { return c.other != nil }

// Both returns the two credentials of an ambiguous one. It panics for any other.
func (c Credential) Both() [2]Credential {
	first := c
	first.code, first.other = "", nil
	return [2]Credential{first, *c.other}
}

// Alone returns the token without the public key that it came with.
func (c Credential) Alone() Credential { return Credential{token: c.token} }

// Pair is a token with the public key that it came with, which may be empty.
func (f Format) Pair(public, token string) Credential {
	c := f.Credential(token)
	public = strings.Trim(public, " \t")
	if c.code != "" || public == "" {
		return c
	}
	pair := f.credential(public + ":" + c.token.Reveal())
	if pair.public != public {
		return Credential{code: CodeMalformed, firm: true}
	}
	return c.and(pair)
}

// credential reads one value: a token, or "pk…:sk…".
func (f Format) credential(value string) Credential {
	text := value
	var c Credential
	var ours PublicKey
	wrong := false
	if public, rest, ok := strings.Cut(value, ":"); ok && strings.HasPrefix(public, publicPrefix+"_") {
		var err error
		if ours, err = ParsePublicKey(public); err != nil {
			_, err = ParseForeign(public)
			wrong = err != nil
		}
		c.public, value = public, rest
	}
	token, err := f.Parse(value)
	if err != nil {
		return Credential{token: hide(&tokenText{text: text}), code: CodeMalformed}
	}
	if wrong || ours != (PublicKey{}) && token.Native() && ours != (PublicKey{token.Environment(), token.ID()}) {
		return Credential{token: hide(&tokenText{text: text}), code: CodeMalformed, firm: true}
	}
	c.token = token
	return c
}

// FromAuthorization returns the token in credentials of an Authorization header: "Bearer <token>"
// or the bare token. For any other scheme it returns "".
func FromAuthorization(value string) string {
	value = strings.Trim(value, " \t")
	at := strings.IndexAny(value, " \t")
	switch {
	case strings.EqualFold(value, bearer):
		return ""
	case at < 0:
		return value
	case strings.EqualFold(value[:at], bearer):
		return strings.Trim(value[at:], " \t")
	}
	return ""
}

// AppendAuthorization appends the results of [FromAuthorization] for each of the credentials in one
// line of an Authorization header. Commas separate credentials. They also separate the parameters
// of another scheme, which belong to that scheme.
func AppendAuthorization(found []string, line string) []string {
	foreign := false
	for more := true; more; {
		var part string
		part, line, more = strings.Cut(line, ",")
		part = strings.Trim(part, " \t")
		if part == "" || foreign && !strings.ContainsAny(part, " \t") {
			continue
		}
		token := FromAuthorization(part)
		foreign = token == "" && !strings.EqualFold(part, bearer)
		found = append(found, token)
	}
	return found
}

const bearer = "Bearer"

// withoutBearer returns value without the scheme Bearer before it, even if the scheme is repeated.
func withoutBearer(value string) string {
	for {
		value = strings.Trim(value, " \t")
		at := strings.IndexAny(value, " \t")
		if at < 0 && !strings.EqualFold(value, bearer) || at >= 0 && !strings.EqualFold(value[:at], bearer) {
			return value
		}
		if at < 0 {
			return ""
		}
		value = value[at:]
	}
}

// IsJWT reports whether value has the form of a JSON Web Token, which is never taken for a token.
func IsJWT(value string) bool {
	return strings.HasPrefix(value, "eyJ") && strings.Count(value, ".") == 2
}
