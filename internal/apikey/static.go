package apikey

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"latchkey/internal/ratelimit"
)

// Static are keys that stand in the configuration and in no table, so that their
// callers survive its outage. It is immutable; the zero Static has none.
type Static struct {
	keys   []staticKey
	before int // how many of them stand in another place
}

type staticKey struct {
	hash [sha256.Size]byte // of the token, which is not kept
	key  *Key
}

// staticIDs begin so, which no id in the table does.
const staticIDs = "static-"

// DefaultName is the name of a static key that was given none.
const DefaultName = "default"

// Elsewhere returns s, to which what stands in another place is added next. It may
// have keys that s has already: they stay as they are.
func (s Static) Elsewhere() Static { return Static{s.keys, len(s.keys)} }

// With returns s and the keys of "token:name,token:name"; a token alone is named
// default. They have a meter of their own each, and may do everything but manage
// keys. An error tells where the entry stands, and nothing of what it holds.
func (s Static) With(entries string, limit ratelimit.Limit) (Static, error) {
	for i, entry := range strings.Split(entries, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		token, name, named := strings.Cut(entry, ":")
		token, name = strings.TrimSpace(token), strings.TrimSpace(name)
		if !named {
			name = DefaultName
		}
		if problem := cmp.Or(CheckConfigured(token), staticName(name, token)); problem != "" {
			return Static{}, fmt.Errorf("entry %d: %s", i+1, problem)
		}
		k := &Key{Name: name, UserID: name, Limit: limit, Enabled: true, Scopes: Scopes{"*"}, KeyPrefix: Beginning(token)}
		if !s.add(token, k) {
			return Static{}, fmt.Errorf("entry %d: the key is there already", i+1)
		}
	}
	return s, nil
}

// InternalName is the name of the internal key.
const InternalName = "internal"

// WithInternal returns s and, unless token is empty, an internal key: one without
// any limit.
func (s Static) WithInternal(token string) (Static, error) {
	if token == "" {
		return s, nil
	}
	if problem := CheckConfigured(token); problem != "" {
		return Static{}, errors.New(problem)
	}
	k := &Key{Name: InternalName, UserID: InternalName, Internal: true, Unlimited: true, Enabled: true, Scopes: Scopes{"*"}, KeyPrefix: Beginning(token)}
	if !s.add(token, k) {
		return Static{}, errors.New("the key is there already")
	}
	return s, nil
}

// CheckConfigured returns the problem of a token in a configuration, or "". It never repeats the
// token. Text that a configuration file has around a token, or in its place, must not become a key
// that works.
func CheckConfigured(token string) string {
	switch {
	case len(token) < MinForeignLength || len(token) > MaxForeignLength:
		return fmt.Sprintf("the key must have %d to %d characters", MinForeignLength, MaxForeignLength)
	case strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 || strings.ContainsAny(token, notInStaticToken):
		return "the key must be visible ASCII characters without space and without any of " + notInStaticToken
	case strings.Contains(strings.TrimRight(token, "="), "="):
		return "the key must not have = before its end"
	case strings.HasPrefix(token, publicPrefix+"_"):
		return "the key begins with " + publicPrefix + "_, as public keys do, which are no secrets"
	case IsJWT(token):
		return "the key has the form of a JSON Web Token, which is never taken for a key"
	}
	what := NonSecret(token)
	switch {
	case what != "":
	case doubled(token):
		what = "a repeated pattern"
	case ordinary(token):
		what = "made of words such as secret and key"
	default:
		return ""
	}
	return "the key is " + what + ": it needs a secret that nobody can guess"
}

// Characters of the quotes, lists, templates and separators of configuration files.
const notInStaticToken = `"'` + "`" + `()[]{}<>;|$\:,`

// staticName returns the problem of the name of a static key, or "".
func staticName(name, token string) string {
	var field *FieldError
	switch err := CheckUserID(name); {
	case errors.As(err, &field):
		return "the name " + field.Problem
	case strings.IndexFunc(name, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.M, unicode.Nd) && !strings.ContainsRune(inStaticName, r)
	}) >= 0:
		return "the name must be letters, digits, spaces and " + strings.TrimSpace(inStaticName)
	case slices.ContainsFunc(strings.Fields(name), LooksLikeKey) || uuid().MatchString(name) && !strings.ContainsAny(token, "0123456789"):
		return "the name looks like a key: the key stands first, as in key:name"
	}
	return ""
}

const inStaticName = " ._-@+/"

// add names a key after its name, and counts where others have that already. It
// reports whether the key is not there twice in one place.
func (s *Static) add(token string, k *Key) bool {
	hash := sha256.Sum256([]byte(token))
	if i := slices.IndexFunc(s.keys, func(other staticKey) bool { return other.hash == hash }); i >= 0 {
		return i < s.before
	}
	taken := func(other staticKey) bool { return other.key.ID == k.ID }
	k.ID = staticIDs + k.Name
	for n := 2; slices.ContainsFunc(s.keys, taken); n++ {
		k.ID = fmt.Sprintf("%s%s#%d", staticIDs, k.Name, n)
	}
	s.keys = append(slices.Clip(s.keys), staticKey{hash, k})
	return true
}

// Keys lists them in the order of the configuration.
func (s Static) Keys() []*Key {
	var all []*Key
	for _, k := range s.keys {
		all = append(all, k.key)
	}
	return all
}

// find takes the same time whichever of the keys it is, and whether it is one.
func (s Static) Find(c Credential) *Key {
	if len(s.keys) == 0 || c.token.Reveal() == "" || c.public != "" {
		return nil
	}
	var found *Key
	hash := sha256.Sum256([]byte(c.token.Reveal()))
	for _, k := range s.keys {
		if subtle.ConstantTimeCompare(k.hash[:], hash[:]) == 1 {
			found = k.key
		}
	}
	return found
}

// beginning is enough of a token to recognise it, and never half of it.
func Beginning(token string) string { return token[:min(8, len(token)/3)] }
