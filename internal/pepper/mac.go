package pepper

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
)

// mac computes HMAC-SHA256 under one key. It gives what crypto/hmac gives, in three quarters of the
// time: it keeps the states after the blocks of the key, as FIPS 198-1 allows in section 6, and it pads
// the last blocks itself, so that no state is copied. It is immutable, and as secret as its key.
type mac struct {
	inner, outer []byte // the states of a SHA-256 after the block of the key, as it marshals them
}

const (
	stateSize = 108 // of a marshaled SHA-256
	stateHash = 4   // where the hash begins in it, after the name of the algorithm
)

// errState says that this version of Go marshals a SHA-256 in another way.
var errState = errors.New("crypto/sha256 has an unknown state")

// newMAC returns the mac of a key. It returns an error if it would not give what crypto/hmac gives.
func newMAC(key []byte) (mac, error) {
	if len(key) > sha256.BlockSize {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	m := mac{inner: stateAfter(key, 0x36), outer: stateAfter(key, 0x5c)}
	if len(m.inner) != stateSize || len(m.outer) != stateSize {
		return mac{}, errState
	}
	probe := "a text that ends in its second block, as tokens do, and not before"
	plain := hmac.New(sha256.New, key)
	plain.Write([]byte(probe))
	if !hmac.Equal(m.sum(probe, new([stateSize]byte)), plain.Sum(nil)) {
		return mac{}, errState
	}
	return m, nil
}

// stateAfter returns the state of a SHA-256 after one block: the key, each byte of it XORed with pad.
func stateAfter(key []byte, pad byte) []byte {
	var block [sha256.BlockSize]byte
	copy(block[:], key)
	for i := range block {
		block[i] ^= pad
	}
	h := sha256.New()
	h.Write(block[:])
	state, _ := h.(encoding.BinaryAppender).AppendBinary(nil) // never fails
	return state
}

// sum returns the HMAC of a text. It is a part of state, which is room for the computation.
//
// The hash is used in this function alone, so that the compiler knows its type and needs no heap.
// Neither way of marshaling it can fail.
func (m *mac) sum(text string, state *[stateSize]byte) []byte {
	var room [3 * sha256.BlockSize]byte // enough for each token
	size := padded(len(text))
	blocks := room[:min(size, len(room))]
	if size > len(room) {
		blocks = make([]byte, size)
	}
	pad(blocks, copy(blocks, text))
	var last [sha256.BlockSize]byte
	h := sha256.New()
	_ = h.(encoding.BinaryUnmarshaler).UnmarshalBinary(m.inner)
	h.Write(blocks)
	_, _ = h.(encoding.BinaryAppender).AppendBinary(state[:0])
	pad(last[:], copy(last[:], state[stateHash:stateHash+sha256.Size]))
	_ = h.(encoding.BinaryUnmarshaler).UnmarshalBinary(m.outer)
	h.Write(last[:])
	_, _ = h.(encoding.BinaryAppender).AppendBinary(state[:0])
	return state[stateHash : stateHash+sha256.Size]
}

// padded returns the size of a text of n bytes with its padding.
func padded(n int) int {
	const end = 1 + 8 // the first byte of the padding, and the length
	return (n + end + sha256.BlockSize - 1) / sha256.BlockSize * sha256.BlockSize
}

// pad adds the padding of SHA-256 to the n bytes at the beginning of blocks, before which the block of
// the key was hashed. The rest of blocks must be zero.
func pad(blocks []byte, n int) {
	blocks[n] = 0x80
	binary.BigEndian.PutUint64(blocks[len(blocks)-8:], uint64(sha256.BlockSize+n)*8)
}
