package pepper

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

// plain is what crypto/hmac gives.
func plain(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func checkMAC(t *testing.T, key []byte, text string) {
	t.Helper()
	m, err := newMAC(key)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a mac does not change
		var room [stateSize]byte
		if got, want := m.sum(text, &room), plain(key, text); !bytes.Equal(got, want) {
			t.Fatalf("a key of %d bytes, a text of %d: %x, want %x", len(key), len(text), got, want)
		}
	}
}

func FuzzMAC(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "sk_live_0123456789")
	f.Fuzz(func(t *testing.T, key []byte, text string) { checkMAC(t, key, text) })
}

// The padding of a text depends on its length alone, and so does what becomes of a key.
func TestMACOfEachLength(t *testing.T) {
	for n := range 400 { // more than the room for a token
		checkMAC(t, []byte("the key of a deployment"), string(bytes.Repeat([]byte{'a'}, n)))
		checkMAC(t, bytes.Repeat([]byte{'k'}, n), "a token")
	}
}
