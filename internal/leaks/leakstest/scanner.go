// Package leakstest is a leak scanner for tests: it signs reports, and publishes its keys.
package leakstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Scanner publishes keys at URL. Its fields may be changed while Mu is held.
type Scanner struct {
	URL string

	Mu      sync.Mutex
	Keys    []Key
	Fetched int    // how often the keys were fetched
	Status  int    // of the answer, 200 if zero
	Text    string // the answer, if it is not empty
}

// Key is a published key.
type Key struct {
	ID  string
	PEM string
}

// New returns a scanner with a key named id, and that key. It ends with the test.
func New(t testing.TB, id string) (*Scanner, *ecdsa.PrivateKey) {
	t.Helper()
	s := &Scanner{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL + "/meta/public_keys/secret_scanning"
	return s, s.Add(t, id)
}

// Add publishes another key, and returns it.
func (s *Scanner) Add(t testing.TB, id string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.Publish(t, id, key.Public())
	return key
}

// Publish publishes a public key of any kind.
func (s *Scanner) Publish(t testing.TB, id string, public any) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Keys = append(s.Keys, Key{id, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
}

// ServeHTTP answers with the keys as GitHub does.
func (s *Scanner) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Fetched++
	if s.Status != 0 {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(s.Status)
	}
	if s.Text != "" {
		_, _ = w.Write([]byte(s.Text))
		return
	}
	type published struct {
		ID      string `json:"key_identifier"`
		Key     string `json:"key"`
		Current bool   `json:"is_current"`
	}
	all := []published{}
	for _, k := range s.Keys {
		all = append(all, published{k.ID, k.PEM, true})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"public_keys": all})
}

// Sign returns the signature of a report, as its header has it.
func Sign(t testing.TB, key *ecdsa.PrivateKey, body string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(body))
	sum, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sum)
}
