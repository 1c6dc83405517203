// Package oidctest runs an OpenID Connect issuer on loopback for tests. The issuer is the one of
// zitadel/oidc. Make an [Issuer] with [Start], and get tokens from [Issuer.Token], or from
// [Issuer.Sign] for tokens that the issuer itself would not make.
package oidctest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Audience is the audience of all tokens.
const Audience = "latchkey"

// KeysPath is the path of the issuer's public keys.
const KeysPath = "/keys"

// Issuer is a running issuer. Groups may be changed between requests, but not during one. The methods
// are safe for concurrent use, except Stop and Resume.
type Issuer struct {
	URL    string
	Groups map[string]any // the claim groups of each user

	t       testing.TB
	handler http.Handler
	server  *http.Server
	mu      sync.Mutex
	keys    []key            // the last one signs
	asked   map[string]int   // requests for each path
	answer  http.HandlerFunc // if not nil, it answers in place of handler
}

// Start starts an issuer. It stops when the test ends.
func Start(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{t: t, URL: "http://127.0.0.1:0", Groups: make(map[string]any), asked: make(map[string]int)}
	i.Resume()
	i.Rotate()
	provider, err := op.NewProvider(&op.Config{CryptoKey: [32]byte{1}, AuthMethodPost: true},
		&store{storage.NewStorage(storage.NewUserStore(i.URL)), i}, op.StaticIssuer(i.URL), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	i.handler = provider
	t.Cleanup(i.Stop)
	return i
}

// Stop makes the issuer unreachable.
func (i *Issuer) Stop() { _ = i.server.Close() }

// Resume starts the issuer again, at the same URL.
func (i *Issuer) Resume() {
	i.t.Helper()
	l, err := net.Listen("tcp", strings.TrimPrefix(i.URL, "http://"))
	if err != nil {
		i.t.Fatal(err)
	}
	i.URL = "http://" + l.Addr().String()
	i.server = &http.Server{Handler: i}
	go func() { _ = i.server.Serve(l) }()
}

// ServeHTTP counts the request, and answers it.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked[r.URL.Path]++
	h := i.handler
	if i.answer != nil {
		h = i.answer
	}
	i.mu.Unlock()
	h.ServeHTTP(w, r)
}

// Answer makes h answer all requests in place of the issuer. If h is nil, the issuer answers again.
func (i *Issuer) Answer(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = h
}

// Own gives the issuer's own answer.
func (i *Issuer) Own(w http.ResponseWriter, r *http.Request) { i.handler.ServeHTTP(w, r) }

// Asked returns the number of requests for a path.
func (i *Issuer) Asked(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// Rotate makes a new key. The issuer signs with it from then on, and withdraws the old one.
func (i *Issuer) Rotate() {
	i.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, key{id: fmt.Sprintf("key-%d", len(i.keys)+1), private: private})
}

// key returns the key that signs.
func (i *Issuer) key() key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// Token returns a token that the issuer has issued for a user by the client credentials grant.
func (i *Issuer) Token(user string) string {
	i.t.Helper()
	response, err := http.PostForm(i.URL+"/oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {user}, "client_secret": {"secret of " + user},
	})
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		i.t.Fatalf("no token: %s %s %v", response.Status, answer.Error, err)
	}
	return answer.Token
}

// Claims returns the claims of a good token for a user. It ends in five minutes.
func (i *Issuer) Claims(user string) map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": i.URL, "aud": Audience, "sub": user, "iat": now, "exp": now + 300}
}

// Sign signs any claims with the issuer's key.
func (i *Issuer) Sign(claims map[string]any) string {
	i.t.Helper()
	return i.SignAs(i.key().id, claims)
}

// SignAs signs any claims with the issuer's key, but names the key kid. If kid is empty, the token
// names no key.
func (i *Issuer) SignAs(kid string, claims map[string]any) string {
	i.t.Helper()
	named := jose.JSONWebKey{Key: i.key().private, KeyID: kid}
	return Sign(i.t, jose.SigningKey{Algorithm: jose.ES256, Key: named}, claims)
}

// PublicKey returns the public half of the key that signs, and its id.
func (i *Issuer) PublicKey() (crypto.PublicKey, string) {
	k := i.key()
	return k.private.Public(), k.id
}

// Sign signs any claims with any key.
func Sign(t testing.TB, with jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(with, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// store is the storage of zitadel/oidc's example, with keys that rotate and a client for each user.
type store struct {
	*storage.Storage
	issuer *Issuer
}

func (s *store) SigningKey(context.Context) (op.SigningKey, error) { return s.issuer.key(), nil }

func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *store) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{s.issuer.key()}}, nil
}

func (s *store) ClientCredentials(_ context.Context, user, secret string) (op.Client, error) {
	if secret != "secret of "+user {
		return nil, fmt.Errorf("wrong secret")
	}
	return client{storage.WebClient(user, secret)}, nil
}

func (s *store) ClientCredentialsTokenRequest(
	_ context.Context, user string, scopes []string,
) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: user, Audience: []string{"another", Audience}, Scopes: scopes}, nil
}

func (s *store) GetPrivateClaimsFromScopes(_ context.Context, user, _ string, _ []string) (map[string]any, error) {
	claims := map[string]any{"name": "Name of " + user}
	if groups := s.issuer.Groups[user]; groups != nil {
		claims["groups"] = groups
	}
	return claims, nil
}

type client struct{ *storage.Client }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (client) GrantTypes() []oidc.GrantType        { return []oidc.GrantType{oidc.GrantTypeClientCredentials} }

type key struct {
	id      string
	private *ecdsa.PrivateKey
}

func (k key) ID() string                                  { return k.id }
func (k key) Key() any                                    { return k.private }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }

// publicKey is the public half of a key.
type publicKey struct{ key }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.private.Public() }
