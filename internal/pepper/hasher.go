package pepper

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/redact"
)

// The algorithms of stored hashes. Some tokens were imported as plain hashes. The gate replaces a
// plain hash when the token is used.
const (
	algorithmHMAC  = "hmac-sha256"
	algorithmPlain = "sha256"
)

// ErrCannotJudge means that a secret cannot be compared, because its algorithm or its pepper is not
// known here. It is no evidence against the caller.
var ErrCannotJudge = errors.New("hashed with a pepper that is not at hand")

// Hasher hashes tokens under the deployment's secret. It is immutable, safe for concurrent use, and
// prints none of its keys.
type Hasher struct{ keys redact.Secret[*hasherKeys] }

type hasherKeys struct {
	index   []byte
	trail   audit.Notary
	peppers []pepper // newest first
}

type pepper struct {
	name string
	key  []byte
	mac  mac
}

// NewHasher returns the hasher of a deployment's secret. Master must have at least 32 characters,
// and each pepper at least 16. The peppers are newest first. The oldest pepper and the other keys
// are derived from master.
func NewHasher(master string, peppers []string) (Hasher, error) {
	if len(master) < 32 {
		return Hasher{}, errors.New("the secret's master must have at least 32 characters")
	}
	index, err := hkdf.Key(sha256.New, []byte(master), nil, "latchkey index", sha256.Size)
	if err != nil {
		return Hasher{}, fmt.Errorf("derive the index key: %w", err)
	}
	oldest, err := hkdf.Key(sha256.New, []byte(master), nil, "latchkey pepper", sha256.Size)
	if err != nil {
		return Hasher{}, fmt.Errorf("derive the pepper: %w", err)
	}
	trail, err := hkdf.Key(sha256.New, []byte(master), nil, "latchkey audit", sha256.Size)
	if err != nil {
		return Hasher{}, fmt.Errorf("derive the key of trails: %w", err)
	}
	h := &hasherKeys{index: index, trail: audit.NewNotary(trail)}
	for _, p := range peppers {
		if len(p) < 16 {
			return Hasher{}, errors.New("each pepper in the secret must have at least 16 characters")
		}
		if err := h.add([]byte(p)); err != nil {
			return Hasher{}, err
		}
	}
	if err := h.add(oldest); err != nil {
		return Hasher{}, err
	}
	return Hasher{redact.New(h)}, nil
}

// add adds the next older pepper. Its name is its fingerprint. A stored hash names its pepper so, and
// no list of names is needed.
func (h *hasherKeys) add(key []byte) error {
	mac, err := newMAC(key)
	if err != nil {
		return fmt.Errorf("hash with a pepper: %w", err)
	}
	sum := sha256.Sum256(key)
	h.peppers = append(h.peppers, pepper{name: hex.EncodeToString(sum[:4]), key: key, mac: mac})
	return nil
}

// Hash returns the secret to store for a token.
func (h Hasher) Hash(t apikey.Token) apikey.Secret {
	newest := &h.keys.Reveal().peppers[0]
	s := apikey.Secret{Algorithm: algorithmHMAC, Pepper: newest.name}
	var room [stateSize]byte
	s.Hash = bytes.Clone(newest.mac.sum(t.Reveal(), &room))
	if !t.Native() {
		s.Alias = h.Alias(t)
	}
	return s
}

// HashOf returns the secret to store for a foreign token whose plain SHA-256 alone is known.
func (h Hasher) HashOf(plain [sha256.Size]byte) apikey.Secret {
	return apikey.Secret{Algorithm: algorithmPlain, Hash: plain[:], Alias: h.alias(plain)}
}

// Current reports whether s is hashed with the present algorithm and the newest pepper.
func (h Hasher) Current(s *apikey.Secret) bool {
	return s.Algorithm == algorithmHMAC && s.Pepper == h.keys.Reveal().peppers[0].name
}

// Matches reports whether s is a hash of t. It compares in constant time. It returns ErrCannotJudge
// if the algorithm or the pepper of s is not known.
func (h Hasher) Matches(t apikey.Token, s *apikey.Secret) (bool, error) {
	if s.Algorithm == algorithmPlain {
		plain := sha256.Sum256([]byte(t.Reveal()))
		return hmac.Equal(plain[:], s.Hash), nil
	}
	if s.Algorithm != algorithmHMAC {
		return false, ErrCannotJudge
	}
	peppers := h.keys.Reveal().peppers
	for i := range peppers {
		if p := &peppers[i]; p.name == s.Pepper {
			var room [stateSize]byte
			return hmac.Equal(p.mac.sum(t.Reveal(), &room), s.Hash), nil
		}
	}
	return false, ErrCannotJudge
}

// Alias returns the alias of a foreign token. It depends on the token's SHA-256 alone, so that the
// hash is enough to import a token.
func (h Hasher) Alias(t apikey.Token) string { return h.alias(sha256.Sum256([]byte(t.Reveal()))) }

// PublicAlias returns the hash to store for a public key of another service.
func (h Hasher) PublicAlias(text string) string { return h.alias(sha256.Sum256([]byte(text))) }

func (h Hasher) alias(plain [sha256.Size]byte) string {
	return base64.RawURLEncoding.EncodeToString(h.index(plain[:]))
}

// ImportedID returns the id for a key with this name at another service. It is always the same, so
// a repeated import finds the key.
func (h Hasher) ImportedID(name string) string {
	return apikey.IDOf(h.index([]byte("imported " + name)))
}

// index returns the HMAC of data under the index key.
func (h Hasher) index(data []byte) []byte {
	mac := hmac.New(sha256.New, h.keys.Reveal().index)
	mac.Write(data)
	return mac.Sum(nil)
}

// Knows reports whether the secret has the pepper of that name.
func (h Hasher) Knows(name string) bool {
	return slices.ContainsFunc(h.keys.Reveal().peppers, func(p pepper) bool { return p.name == name })
}

// PepperNames returns the names of the peppers, newest first. Stored hashes have the same names. A name
// does not tell its pepper.
func (h Hasher) PepperNames() []string {
	var names []string
	for _, p := range h.keys.Reveal().peppers {
		names = append(names, p.name)
	}
	return names
}

// Notary returns the notary that writes and checks trails. Its key does not depend on the peppers.
func (h Hasher) Notary() audit.Notary { return h.keys.Reveal().trail }
