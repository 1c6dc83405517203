// Package assertion signs what the authorizer has found out about a request, so that a backend can
// prove that a request came through latchkey. [NewKeys] makes the keys of a deployment's secret, and
// [New] returns a [Signer].
//
// An assertion is a compact JSON Web Token (RFC 7519). It is for one method and path of one audience,
// and expires 60 seconds after it was signed.
package assertion

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// Life is the time from the signature of an assertion to its expiry.
	Life = time.Minute
	// reuse is the time for which an assertion is given out again. The rest of its life is for the
	// way to the backend and for clocks that differ.
	reuse = Life / 2
	// remembered is the number of assertions in memory, each of at most maxRemembered bytes. Together
	// with the claims by which they are found, they take at most 8 MB.
	remembered    = 2048
	maxRemembered = 2048
	// MaxPath is the length of the longest path that an assertion contains, in bytes. In place of a
	// longer one it has a hash, because API Gateway takes at most 8 KB of an authorizer. It has a hash
	// too in place of a path with control characters or of one that is not UTF-8.
	MaxPath = 512
)

// Claims are what an assertion says about a request. All of them are compared when an assertion is
// reused, so that a change of a key never brings an old assertion.
type Claims struct {
	Audience    string `json:"aud"`
	Subject     string `json:"sub"`
	KeyID       string `json:"keyId"`  // empty for a user without a key
	Scopes      string `json:"scopes"` // separated by spaces
	Environment string `json:"env"`    // empty for a request without a key
	Method      string `json:"method"`
	// Path is percent-decoded. See [MaxPath] for a long one.
	Path string `json:"path"`
}

// Options are the settings of a [Signer]. All are required.
type Options struct {
	// Issuer is the claim iss of each assertion.
	Issuer    string
	Algorithm Algorithm
	// Keys returns the present keys of the deployment.
	Keys func(context.Context) (Keys, error)
	Now  func() time.Time
}

// Signer signs assertions. It is safe for concurrent use.
type Signer struct {
	Options
	memory *lru.Cache[found, signed]
}

// found is by what an assertion is found again.
type found struct {
	claims Claims
	keyID  string // of the key that signs
}

type signed struct {
	text string
	at   time.Time
}

// New returns a signer.
func New(o Options) (*Signer, error) {
	memory, err := lru.New[found, signed](remembered)
	if err != nil {
		return nil, fmt.Errorf("make the memory of assertions: %w", err)
	}
	return &Signer{o, memory}, nil
}

// Sign returns an assertion of the claims. It may be one that was signed at most 30 seconds ago. An
// error means that there is no key.
func (s *Signer) Sign(ctx context.Context, c Claims) (string, error) {
	if len(c.Path) > MaxPath || !short(c.Path) {
		sum := sha256.Sum256([]byte(c.Path))
		c.Path = "sha256-" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	keys, err := s.Keys(ctx)
	if err != nil {
		return "", err
	}
	k, err := keys.newest(s.Algorithm)
	if err != nil {
		return "", err
	}
	now := s.Now().Round(0).Truncate(time.Second) // the wall clock, because an instance may have been frozen
	name := found{c, k.id}
	if old, ok := s.memory.Get(name); ok {
		if age := now.Sub(old.at); 0 <= age && age < reuse {
			return old.text, nil
		}
	}
	text, err := s.sign(k, c, now)
	if err != nil {
		return "", err
	}
	if len(text) <= maxRemembered {
		s.memory.Add(name, signed{text, now})
	}
	return text, nil
}

// short reports whether no byte of a path takes more than two in JSON.
func short(path string) bool {
	return utf8.ValidString(path) && !strings.ContainsFunc(path, unicode.IsControl)
}

// header is the JOSE header of an assertion.
type header struct {
	Algorithm Algorithm `json:"alg"`
	Type      string    `json:"typ"`
	KeyID     string    `json:"kid"`
}

type payload struct {
	Issuer string `json:"iss"`
	Claims
	IssuedAt int64 `json:"iat"`
	Expiry   int64 `json:"exp"`
}

func (s *Signer) sign(k key, c Claims, now time.Time) (string, error) {
	head, err := json.Marshal(header{s.Algorithm, "JWT", k.id})
	if err != nil {
		return "", fmt.Errorf("encode an assertion: %w", err)
	}
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false) // it would write six bytes for one
	if err := e.Encode(payload{s.Issuer, c, now.Unix(), now.Add(Life).Unix()}); err != nil {
		return "", fmt.Errorf("encode an assertion: %w", err)
	}
	body := bytes.TrimSuffix(plain.Bytes(), []byte("\n"))
	encoding := base64.RawURLEncoding
	text := make([]byte, 0, encoding.EncodedLen(len(head)+len(body)+ed25519.SignatureSize)+8)
	text = encoding.AppendEncode(text, head)
	text = append(text, '.')
	text = encoding.AppendEncode(text, body)
	signature := k.sign(text)
	text = append(text, '.')
	return string(encoding.AppendEncode(text, signature)), nil
}

func (k key) sign(text []byte) []byte {
	if k.private != nil {
		return ed25519.Sign(k.private, text)
	}
	mac := hmac.New(sha256.New, k.text)
	mac.Write(text)
	return mac.Sum(nil)
}
