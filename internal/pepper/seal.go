package pepper

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"

	"latchkey/internal/apikey"
)

// RequestName returns the name under which the reply to a caller's idempotent request is stored.
// key is the Idempotency-Key.
func (h Hasher) RequestName(keyID, userID, key string) string {
	return h.alias(sha256.Sum256([]byte("request\x00" + keyID + "\x00" + userID + "\x00" + key)))
}

// Fingerprint returns a keyed hash of a request. It does not reveal the request.
func (h Hasher) Fingerprint(operation, body string) []byte {
	return h.index([]byte(operation + "\x00" + body))
}

// Seal encrypts plain under key and the newest pepper, and returns the name of the pepper. Unseal
// needs the same key and the same bound.
func (h Hasher) Seal(random io.Reader, key string, plain, bound []byte) (pepper string, sealed []byte, err error) {
	newest := h.keys.Reveal().peppers[0]
	box, err := newest.box(key)
	if err != nil {
		return "", nil, err
	}
	nonce := make([]byte, box.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return "", nil, fmt.Errorf("new nonce: %w", err)
	}
	return newest.name, box.Seal(nonce, nonce, plain, bound), nil
}

// Unseal opens the output of Seal. It returns ErrCannotJudge if the pepper is missing, and
// ErrUnreadableReply if the text was not sealed with this key and this bound.
func (h Hasher) Unseal(pepper, key string, sealed, bound []byte) ([]byte, error) {
	for _, p := range h.keys.Reveal().peppers {
		if p.name != pepper {
			continue
		}
		box, err := p.box(key)
		if err != nil {
			return nil, err
		}
		if len(sealed) < box.NonceSize() {
			return nil, apikey.ErrUnreadableReply
		}
		plain, err := box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], bound)
		if err != nil {
			return nil, apikey.ErrUnreadableReply
		}
		return plain, nil
	}
	return nil, ErrCannotJudge
}

// box returns the cipher of a pepper and a key. Opening a sealed text takes both.
func (p pepper) box(key string) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, p.key, []byte(key), "latchkey reply", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
