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

// Static are the keys of the configuration. They are in no table, so their callers survive its
// outage. A Static is immutable. The zero Static has no keys.
type Static struct{ keys []staticKey }

type staticKey struct {
	hash [sha256.Size]byte // of the token, which is not kept
	key  *Key
}

// staticIDs begins the ids of static keys. No id in the table begins so.
const staticIDs = "static-"

// DefaultName is the name of a static key without one.
const DefaultName = "default"

// Merge returns the keys of s and of other. If both have a token, the key of s counts. Keys with one
// name stay apart: each has an id of its own.
func (s Static) Merge(other Static) Static {
	for _, k := range other.keys {
		if !s.has(k.hash) {
			s.put(k.hash, *k.key)
		}
	}
	return s
}

// With returns s and the keys of "token:name,token:name". A token without a name gets
// [DefaultName]. Each key has a meter of its own, and all scopes except those that manage keys. An
// error has the number of the entry, and never its text.
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
		k := Key{Name: name, UserID: name, Limit: limit, Enabled: true, Scopes: Scopes{"*"}, KeyPrefix: Beginning(token)}
		if !s.add(token, k) {
			return Static{}, fmt.Errorf("entry %d: the key is there already", i+1)
		}
	}
	return s, nil
}

// InternalName is the name of the internal key.
const InternalName = "internal"

// WithInternal returns s and, unless token is empty, the internal key, which has no limit.
func (s Static) WithInternal(token string) (Static, error) {
	if token == "" {
		return s, nil
	}
	if problem := CheckConfigured(token); problem != "" {
		return Static{}, errors.New(problem)
	}
	k := Key{
		Name:      InternalName,
		UserID:    InternalName,
		Internal:  true,
		Unlimited: true,
		Enabled:   true,
		Scopes:    Scopes{"*"},
		KeyPrefix: Beginning(token),
	}
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
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }),
		strings.ContainsAny(token, notInStaticToken):
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

// notInStaticToken has the quotes and separators of configuration files and templates.
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
	case slices.ContainsFunc(strings.Fields(name), LooksLikeKey),
		uuid().MatchString(name) && !strings.ContainsAny(token, "0123456789"):
		return "the name looks like a key: the key stands first, as in key:name"
	}
	return ""
}

const inStaticName = " ._-@+/"

// add adds a key for a token, unless s has the token already. It reports whether it did.
func (s *Static) add(token string, k Key) bool {
	hash := sha256.Sum256([]byte(token))
	if s.has(hash) {
		return false
	}
	s.put(hash, k)
	return true
}

func (s Static) has(hash [sha256.Size]byte) bool {
	return slices.ContainsFunc(s.keys, func(k staticKey) bool { return k.hash == hash })
}

// put adds a key and derives its id from its name. If another key has that name, the id also has
// a number.
func (s *Static) put(hash [sha256.Size]byte, k Key) {
	taken := func(other staticKey) bool { return other.key.ID == k.ID }
	k.ID = staticIDs + k.Name
	for n := 2; slices.ContainsFunc(s.keys, taken); n++ {
		k.ID = fmt.Sprintf("%s%s#%d", staticIDs, k.Name, n)
	}
	s.keys = append(slices.Clip(s.keys), staticKey{hash, &k})
}

// Keys returns the keys in the order of the configuration.
func (s Static) Keys() []*Key {
	var all []*Key
	for _, k := range s.keys {
		all = append(all, k.key)
	}
	return all
}

func (s Static) Find(c *Credential) *Key {
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

// Beginning returns enough of a token to recognise it, and never half of it: at most 8 characters.
func Beginning(token string) string { return token[:min(8, len(token)/3)] }
