package apikey

import "strings"

// Credential is what a request carried: nothing, one token, or something that
// cannot be one. Reading it takes no I/O.
type Credential struct {
	token  Token
	public PublicKey // zero: the token came alone
	code   Code      // why there is no token; empty when there is one
}

// Equal reports whether both carry the same.
func (c Credential) Equal(other Credential) bool {
	return c.code == other.code && c.public == other.public && c.token.Reveal() == other.token.Reveal()
}

// Credential reads the places of a request where a token may stand. An empty
// value is no value, and neither is a JWT, which belongs to the backend. The
// same token twice is one token; two different ones are malformed, since nobody
// could tell which was meant.
func (f Format) Credential(values ...string) Credential {
	found := Credential{code: CodeMissing}
	for _, value := range values {
		value = strings.Trim(value, " \t")
		if value == "" || isJWT(value) {
			continue
		}
		c := f.credential(value)
		switch {
		case found.code == CodeMissing:
			found = c
		case c.code != "" || c.token.Reveal() != found.token.Reveal():
			return Credential{code: CodeMalformed}
		case found.public == PublicKey{}:
			found.public = c.public
		case c.public != PublicKey{} && c.public != found.public:
			return Credential{code: CodeMalformed}
		}
	}
	return found
}

// credential reads one value: a token, or "pk…:sk…".
func (f Format) credential(value string) Credential {
	var c Credential
	if public, rest, ok := strings.Cut(value, ":"); ok && strings.HasPrefix(public, publicPrefix+"_") {
		pk, err := ParsePublicKey(public)
		if err != nil {
			return Credential{code: CodeMalformed}
		}
		c.public, value = pk, rest
	}
	token, err := f.Parse(value)
	if err != nil {
		return Credential{code: CodeMalformed}
	}
	c.token = token
	if token.Native() && !c.belongsTo(token.ID(), token.Environment()) {
		return Credential{code: CodeMalformed}
	}
	return c
}

// belongsTo reports whether the public half, if there is one, names this key.
func (c Credential) belongsTo(id string, env Environment) bool {
	return c.public == PublicKey{} || c.public == PublicKey{Environment: env, ID: id}
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

func isJWT(value string) bool {
	return strings.HasPrefix(value, "eyJ") && strings.Count(value, ".") == 2
}
