package apikey

import (
	"slices"
	"strings"
)

// Credential is what a request carried: nothing, one token, or something that
// cannot be one. Reading it takes no I/O.
type Credential struct {
	token  Token  // malformed: the text all the same, which may be a static key
	public string // empty: the token came alone
	code   Code   // why it is no token of ours or of anybody's; empty when it may be
}

// Equal reports whether both carry the same.
func (c Credential) Equal(other Credential) bool {
	return c.code == other.code && c.public == other.public && c.token.Reveal() == other.token.Reveal()
}

// Missing reports whether there was nothing in any place.
func (c Credential) Missing() bool { return c.code == CodeMissing }

// Credential reads the places of a request where a token may stand. An empty
// value is no value, and neither is a JWT, which belongs to the backend. The
// same token twice is one token; two different ones are malformed, since nobody
// could tell which was meant.
func (f Format) Credential(values ...string) Credential {
	found := Credential{code: CodeMissing}
	for _, value := range values {
		value = strings.Trim(value, " \t")
		if value == "" || IsJWT(value) {
			continue
		}
		c := f.credential(value)
		switch {
		case found.code == CodeMissing:
			found = c
		case c.code != found.code || c.token.Reveal() != found.token.Reveal():
			return Credential{code: CodeMalformed}
		case found.public == "":
			found.public = c.public
		case c.public != "" && c.public != found.public:
			return Credential{code: CodeMalformed}
		}
	}
	return found
}

// Pair is a token with the public key that it came with, which may be empty.
func (f Format) Pair(public, token string) Credential {
	c := f.Credential(token)
	public = strings.Trim(public, " \t")
	if c.code != "" || public == "" {
		return c
	}
	return f.Credential(token, public+":"+c.token.Reveal())
}

// credential reads one value: a token, or "pk…:sk…".
func (f Format) credential(value string) Credential {
	malformed := Credential{token: hide(&tokenText{text: value}), code: CodeMalformed}
	var c Credential
	var ours PublicKey
	if public, rest, ok := strings.Cut(value, ":"); ok && strings.HasPrefix(public, publicPrefix+"_") {
		var err error
		if ours, err = ParsePublicKey(public); err != nil {
			if _, err := parseForeign(public); err != nil {
				return malformed
			}
		}
		c.public, value = public, rest
	}
	token, err := f.Parse(value)
	if err != nil {
		return malformed
	}
	c.token = token
	if ours != (PublicKey{}) && token.Native() && ours != (PublicKey{token.Environment(), token.ID()}) {
		return malformed
	}
	return c
}

// belongsTo reports whether the public half, if there is one, names this key.
func (c Credential) belongsTo(k *Key, h Hasher) bool {
	return c.public == "" || c.public == k.PublicKey().String() || slices.Contains(k.PublicAliases, h.PublicAlias(c.public))
}

// FromAuthorization takes the token out of an Authorization header: "Bearer
// <token>" or the bare token. Any other scheme is somebody else's and gives "".
func FromAuthorization(value string) string {
	value = strings.Trim(value, " \t")
	scheme, rest, ok := strings.Cut(value, " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.Trim(rest, " \t")
	}
	if ok {
		return ""
	}
	return value
}

// IsJWT reports whether value has the form of a JSON Web Token, which is never a
// key.
func IsJWT(value string) bool {
	return strings.HasPrefix(value, "eyJ") && strings.Count(value, ".") == 2
}
