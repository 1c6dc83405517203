package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// judge sets the omitted fields of an entry, and returns an error if the entry is wrong.
func (r *Reader) judge(e entry) (registry.Import, error) {
	in := e.in
	if r.o.UserID != "" {
		in.UserID = r.o.UserID
	}
	if in.UserID == "" {
		return registry.Import{}, wrong("userId", "is missing; add it, or give all keys one owner with --user")
	}
	if in.UserID != in.ID { // the parsers judge the id
		if problem := nameProblem(in.UserID, r.o.Format); problem != "" {
			return registry.Import{}, wrong("userId", problem)
		}
	}
	if field := fieldWithToken(in); field != "" {
		return registry.Import{}, wrong(field, "holds the key itself, and is shown in lists and logs; remove the key from it")
	}
	if field := swappedField(in); field != "" {
		return registry.Import{}, wrong(field, "looks like a key, and key like a name; exchange the two")
	}
	if in.Environment == "" {
		in.Environment = apikey.Live
	}
	if err := in.Check(); err != nil {
		return registry.Import{}, err
	}
	return in, r.firsts.agree(identity(in), in.ID, e.stated, e.line)
}

// swappedField names a field that looks like a key where the token is made of words, or returns "".
// The parser of key files judges a line before, with more forms of ids.
func swappedField(in registry.Import) string {
	token := in.Token.Reveal()
	switch {
	case !isWordy(token):
		return ""
	case apikey.LooksLikeKey(in.UserID):
		return "userId"
	case apikey.LooksLikeKey(in.ID):
		return "id"
	case in.Change.Name != nil && slices.ContainsFunc(strings.Fields(*in.Change.Name), apikey.LooksLikeKey):
		return "name"
	}
	return ""
}

// fieldWithToken names a field that is not secret and has the token in it, or returns "".
func fieldWithToken(in registry.Import) string {
	token := in.Token.Reveal()
	if token == "" {
		return ""
	}
	holds := func(text *string) bool { return text != nil && strings.Contains(*text, token) }
	c := in.Change
	switch {
	case holds(&in.ID):
		return "id"
	case holds(&in.UserID):
		return "userId"
	case holds(&in.PublicKey):
		return "publicKey"
	case holds(c.Name):
		return "name"
	case holds(c.Description):
		return "description"
	case c.Metadata != nil:
		for name, value := range *c.Metadata {
			if holds(&name) || holds(&value) {
				return "metadata"
			}
		}
	}
	return ""
}

// identity returns the SHA-256 of the token in hexadecimal digits, whether the entry gives the token
// or its hash.
func identity(in registry.Import) string {
	sum := in.Hash
	if sum == nil {
		hash := sha256.Sum256([]byte(in.Token.Reveal()))
		sum = &hash
	}
	return hex.EncodeToString(sum[:])
}

// token reads a token that is not empty. Its errors never repeat text.
func (r *Reader) token(text string) (apikey.Token, error) {
	if apikey.IsJWT(text) {
		return apikey.Token{}, wrong("key", "has the form of a JSON Web Token, which latchkey never accepts as a key")
	}
	if strings.ContainsAny(text, bullets) {
		return apikey.Token{}, wrong("key", "is masked; the file needs the whole token")
	}
	token, err := r.o.Format.Parse(text)
	if errors.Is(err, apikey.ErrMalformed) {
		return apikey.Token{}, wrong("key", "must be 16 to 128 visible ASCII characters without space or comma")
	}
	if err == nil && !token.Native() {
		if problem := tokenProblem(text); problem != "" {
			return apikey.Token{}, wrong("key", problem)
		}
	}
	return token, err
}
