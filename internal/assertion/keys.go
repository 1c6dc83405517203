package assertion

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"

	"latchkey/internal/redact"
)

// Algorithm is how assertions are signed: [EdDSA] or [HS256].
type Algorithm string

// The algorithms. With EdDSA, a backend needs the public keys alone. With HS256, it needs the secret
// text with which assertions are signed.
const (
	EdDSA Algorithm = "EdDSA"
	HS256 Algorithm = "HS256"
)

// MinSecret is the least length of a text from which a key is made, in characters.
const MinSecret = 32

// Keys are the keys of a deployment. They are immutable, safe for concurrent use, and print nothing.
// The zero value has no keys.
type Keys struct {
	hs256 redact.Secret[[]key] // the first one signs, here and of the pairs
	// pairs makes the keys of EdDSA when they are first needed. That takes a millisecond, which would be
	// a tenth of a cold start.
	pairs func() pairs
}

type pairs struct {
	eddsa  redact.Secret[[]key]
	public []PublicKey
}

type key struct {
	id      string
	private ed25519.PrivateKey // of EdDSA
	text    []byte             // of HS256
}

// NewKeys returns the keys that are made from texts. The first one signs. Master must have
// at least [MinSecret] characters, and so must each text. A key that is derived from master comes
// last. It signs while there are no texts. It has no key for HS256, because a backend could not know it.
func NewKeys(master string, texts []string) (Keys, error) {
	if len(master) < MinSecret {
		return Keys{}, fmt.Errorf("the secret's master must have at least %d characters", MinSecret)
	}
	var hs256 []key
	for _, text := range texts {
		if len(text) < MinSecret {
			return Keys{}, fmt.Errorf("each of the secret's assertionKeys must have at least %d characters", MinSecret)
		}
		id := base64.RawURLEncoding.EncodeToString(derive(text, "latchkey assertion id", idBytes))
		hs256 = append(hs256, key{id: id, text: []byte(text)})
	}
	sources := redact.New(append(slices.Clone(texts), master))
	return Keys{hs256: redact.New(hs256), pairs: sync.OnceValue(func() pairs { return newPairs(sources.Reveal()) })}, nil
}

func newPairs(texts []string) pairs {
	var eddsa []key
	var public []PublicKey
	for _, text := range texts {
		private := ed25519.NewKeyFromSeed(derive(text, "latchkey assertion", ed25519.SeedSize))
		id := sha256.Sum256(private.Public().(ed25519.PublicKey))
		k := key{id: base64.RawURLEncoding.EncodeToString(id[:idBytes]), private: private}
		eddsa, public = append(eddsa, k), append(public, publicOf(k))
	}
	return pairs{eddsa: redact.New(eddsa), public: public}
}

// derive makes a key for one purpose from a secret text. length is in bytes.
func derive(text, purpose string, length int) []byte {
	derived, err := hkdf.Key(sha256.New, []byte(text), nil, purpose, length)
	if err != nil {
		panic(err) // cannot happen: the length is small
	}
	return derived
}

// idBytes is the length of a key's id before it is encoded.
const idBytes = 9

// PublicKey is a JSON Web Key (RFC 7517) of the form of RFC 8037.
type PublicKey struct {
	Type      string    `json:"kty"`
	Curve     string    `json:"crv"`
	X         string    `json:"x"`
	ID        string    `json:"kid"`
	Use       string    `json:"use"`
	Algorithm Algorithm `json:"alg"`
}

func publicOf(k key) PublicKey {
	x := base64.RawURLEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey))
	return PublicKey{Type: "OKP", Curve: "Ed25519", X: x, ID: k.id, Use: "sig", Algorithm: EdDSA}
}

// Public returns the public keys, with which a backend verifies assertions. For HS256 there are none,
// since those keys are secret. The caller must not change the result.
func (k Keys) Public(a Algorithm) []PublicKey {
	if a != EdDSA || k.pairs == nil {
		return []PublicKey{}
	}
	return k.pairs().public
}

var errNoKey = errors.New("ASSERTION_ALGORITHM is HS256, but the secret has no assertionKeys")

// newest returns the key that signs.
func (k Keys) newest(a Algorithm) (key, error) {
	keys := k.hs256.Reveal()
	if a == EdDSA && k.pairs != nil {
		keys = k.pairs().eddsa.Reveal()
	}
	if len(keys) == 0 {
		return key{}, errNoKey
	}
	return keys[0], nil
}
