package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/oidc"
	"latchkey/internal/oidc/oidctest"
)

// clock is the time of the machine, plus all that a test lets pass.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func newVerifier(issuers ...string) (*oidc.Verifier, *clock) {
	c := &clock{}
	return oidc.New(oidc.Options{
		Issuers: issuers, Audiences: []string{oidctest.Audience, "also us"},
		AdminClaim: "groups=latchkey-admins", Now: c.now,
	}), c
}

func judge(t testing.TB, v *oidc.Verifier, token string) oidc.Verdict {
	t.Helper()
	verdict, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatalf("could not decide: %v", err)
	}
	return verdict
}

func TestTokenOfAnIssuerNamesItsUser(t *testing.T) {
	i := oidctest.Start(t)
	v, _ := newVerifier("https://another.invalid", i.URL)
	if i.Asked("/.well-known/openid-configuration") != 0 {
		t.Error("an issuer was asked before there was a token")
	}
	want := oidc.Verdict{User: oidc.User{
		ID: "alice", Subject: "alice", Name: "Name of alice", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite},
	}}
	for range 3 {
		if diff := cmp.Diff(want, judge(t, v, i.Token("alice"))); diff != "" {
			t.Error(diff)
		}
	}
	if n := i.Asked(oidctest.KeysPath); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}
}

// Every token here is signed by the issuer. Apart from the claim in the row it is a good token of
// alice.
func TestClaimsAllowOrDeny(t *testing.T) {
	i := oidctest.Start(t)
	v, _ := newVerifier(i.URL)
	now := time.Now().Unix()
	for _, c := range []struct {
		claim string
		value any
		want  string // "allow", or "deny" and the reason
	}{
		{"x", 1, "allow"},

		{"aud", oidctest.Audience, "allow"},
		{"aud", []string{"a", "also us"}, "allow"},
		{"aud", "another", "deny wrong_audience"},
		{"aud", oidctest.Audience + "2", "deny wrong_audience"},
		{"aud", oidctest.Audience + " another", "deny wrong_audience"},
		{"aud", []string{"a", "b"}, "deny wrong_audience"},
		{"aud", []any{oidctest.Audience, 1}, "deny malformed_token"},
		{"aud", "", "deny wrong_audience"},
		{"aud", absent, "deny wrong_audience"},

		{"iss", i.URL, "allow"},
		{"iss", "https://another.invalid", "deny unknown_issuer"},
		{"iss", i.URL + "/", "deny unknown_issuer"},
		{"iss", 1, "deny unknown_issuer"},
		{"iss", absent, "deny unknown_issuer"},

		{"exp", float64(now) + 60.5, "allow"},
		{"exp", 1e300, "allow"},
		{"exp", now, "deny expired_token"},
		{"exp", now - 60, "deny expired_token"},
		{"exp", "soon", "deny malformed_token"},
		{"exp", absent, "deny expired_token"},

		{"nbf", now - 1, "allow"},
		{"nbf", now + 2, "allow"}, // clocks may differ by 5 seconds
		{"nbf", now + 60, "deny token_not_yet_valid"},
		{"nbf", now + 3600, "deny token_not_yet_valid"},
		{"nbf", 1e300, "deny token_not_yet_valid"},
		{"nbf", "soon", "deny malformed_token"},

		{"sub", strings.Repeat("é", 128), "allow"}, // 256 bytes, the longest user id
		{"sub", "administrator", "allow"},
		{"sub", strings.Repeat("é", 129), "deny wrong_subject"},
		{"sub", absent, "deny wrong_subject"},
		{"sub", 7, "deny malformed_token"},
		{"sub", "", "deny wrong_subject"},
		{"sub", " ", "deny wrong_subject"},
		{"sub", "a\nb", "deny wrong_subject"},
		{"sub", "alice\u202e", "deny wrong_subject"}, // reverses the text after it
		{"sub", "al\u200bice", "deny wrong_subject"}, // looks like alice
		{"sub", "anonymous", "deny reserved_subject"},
		{"sub", "latchkey:admin", "deny reserved_subject"},
		{"sub", "Latchkey:Admin", "deny reserved_subject"},
		{"sub", "admin", "deny reserved_subject"},
	} {
		claims := i.Claims("alice")
		claims[c.claim] = c.value
		if c.value == absent {
			delete(claims, c.claim)
		}
		verdict := judge(t, v, i.Sign(claims))
		got := "allow"
		if verdict.Refused != "" {
			got = "deny " + string(verdict.Refused)
		}
		if got != c.want || (verdict.User.ID != "") != (c.want == "allow") {
			t.Errorf("%s %v: %s, user %q; want %s", c.claim, c.value, got, verdict.User.ID, c.want)
		}
	}
}

func TestClaimsAreMatchedByExactName(t *testing.T) {
	i := oidctest.Start(t)
	v, _ := newVerifier(i.URL)
	for name, value := range map[string]any{"SUB": "bob", "Aud": oidctest.Audience, "EXP": time.Now().Unix() + 60} {
		claims := i.Claims("alice")
		delete(claims, strings.ToLower(name))
		claims[name] = value
		if got := judge(t, v, i.Sign(claims)); got.Refused == "" {
			t.Errorf("%s is taken for another name: %+v", name, got)
		}
	}
}

func TestTokensThatTheIssuerDidNotSignAreDenied(t *testing.T) {
	i := oidctest.Start(t)
	v, _ := newVerifier(i.URL)
	public, kid := i.PublicKey()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwk, err := json.Marshal(jose.JSONWebKey{Key: public, KeyID: kid})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(alg jose.SignatureAlgorithm, key any, kid string) string {
		named := jose.JSONWebKey{Key: key, KeyID: kid}
		return oidctest.Sign(t, jose.SigningKey{Algorithm: alg, Key: named}, i.Claims("alice"))
	}
	good := i.Sign(i.Claims("alice"))
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	other := i.Sign(i.Claims("bob"))
	if got := judge(t, v, good); got.Refused != "" {
		t.Fatalf("a good token: %+v", got)
	}
	unnamed := jose.SigningKey{Algorithm: jose.ES256, Key: stranger}
	for name, token := range map[string]string{
		"alg none":                      encode(`{"alg":"none","typ":"JWT"}`) + "." + payload + ".",
		"alg none in another case":      encode(`{"alg":"NoNe"}`) + "." + payload + "." + signature,
		"no alg":                        encode(`{"kid":"`+kid+`"}`) + "." + payload + "." + signature,
		"HS256 with the public key":     sign(jose.HS256, text, kid),
		"HS256 with its DER":            sign(jose.HS256, der, kid),
		"HS256 with its JWK":            sign(jose.HS256, jwk, kid),
		"a stranger's key, our kid":     sign(jose.ES256, stranger, kid),
		"a stranger's key, unknown kid": sign(jose.ES256, stranger, "unknown"),
		"a stranger's key, no kid":      sign(jose.ES256, stranger, ""),
		"a stranger's key in the token": oidctest.Sign(t, unnamed, i.Claims("alice")),
		"the payload of another token":  header + "." + strings.Split(other, ".")[1] + "." + signature,
		"no signature":                  header + "." + payload + ".",
		"half a signature":              header + "." + payload + "." + signature[:len(signature)/2],
		"no payload":                    header + ".." + signature,
		"two parts":                     header + "." + payload,
		"five parts":                    header + "." + payload + "." + signature + ".a.b",
		"padding":                       header + "=." + payload + "." + signature,
		"a list":                        header + "." + encode(`[1]`) + "." + signature,
		"null":                          header + "." + encode(`null`) + "." + signature,
		"nothing":                       "",
		"garbage":                       "eyJ.eyJ.eyJ",
	} {
		if got := judge(t, v, token); got.Refused == "" || got.User.ID != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := i.Asked(oidctest.KeysPath); n != 2 {
		t.Errorf("the keys were fetched %d times for all of these, want 2", n)
	}
	// A token must be signed by the key that it names. If it names none, any key of the issuer will do.
	claims := i.Claims("alice")
	if got := judge(t, v, i.SignAs("unknown", claims)); got.Refused != oidc.UnknownSignature {
		t.Errorf("an unknown kid: %+v", got)
	}
	if got := judge(t, v, i.SignAs("", claims)); got.Refused != "" {
		t.Errorf("no kid, and the issuer's only key: %+v", got)
	}
}

func TestAdminClaimMakesAnAdmin(t *testing.T) {
	i := oidctest.Start(t)
	v, _ := newVerifier(i.URL)
	for _, c := range []struct {
		groups any
		admin  bool
	}{
		{"latchkey-admins", true},
		{"a latchkey-admins b", true},
		{[]string{"a", "latchkey-admins"}, true},

		{nil, false},
		{"latchkey-admins-not", false},
		{"Latchkey-Admins", false},
		{[]string{}, false},
		{[]string{"a latchkey-admins"}, false},
		{[]any{"latchkey-admins", 1}, false},
		{map[string]any{"latchkey-admins": true}, false},
		{true, false},
	} {
		i.Groups["alice"] = c.groups
		got := judge(t, v, i.Token("alice"))
		if got.User.ID != "alice" || got.User.Scopes.Admin() != c.admin {
			t.Errorf("groups %v: %+v", c.groups, got)
		}
	}
	i.Groups["alice"] = "latchkey-admins"
	o := oidc.Options{Issuers: []string{i.URL}, Audiences: []string{oidctest.Audience}, Now: time.Now}
	if got := judge(t, oidc.New(o), i.Token("alice")); got.User.Scopes.Admin() {
		t.Error("without AdminClaim a user is an admin")
	}
	o.AdminClaim = "scope=keys:admin"
	byScope := oidc.New(o)
	for scopes, admin := range map[string]bool{
		"keys:admin": true, "openid keys:admin": true, "openid": false, "keys:admin2": false,
	} {
		claims := i.Claims("alice")
		claims["scope"] = scopes
		if got := judge(t, byScope, i.Sign(claims)); got.User.Scopes.Admin() != admin {
			t.Errorf("scope %q: %+v", scopes, got)
		}
	}
}

func TestNewKeyIsFoundByOneFetch(t *testing.T) {
	i := oidctest.Start(t)
	v, clock := newVerifier(i.URL)
	before := i.Token("alice")
	judge(t, v, before)
	i.Rotate()
	if got := judge(t, v, i.Token("alice")); got.Refused != "" || i.Asked(oidctest.KeysPath) != 2 {
		t.Errorf("after a rotation: %+v, keys fetched %d times, want 2", got, i.Asked(oidctest.KeysPath))
	}
	if got := judge(t, v, before); got.Refused != oidc.UnknownSignature {
		t.Errorf("a key that the issuer has withdrawn: %+v", got)
	}
	// For unknown keys the verifier fetches at most once in thirty seconds.
	i.Rotate()
	for range 100 {
		if got := judge(t, v, i.Token("alice")); got.Refused != oidc.UnknownSignature {
			t.Fatalf("within thirty seconds: %+v", got)
		}
	}
	if n := i.Asked(oidctest.KeysPath); n != 2 {
		t.Errorf("100 unknown keys: fetched %d times, want still 2", n)
	}
	clock.pass(30 * time.Second)
	if got := judge(t, v, i.Token("alice")); got.Refused != "" || i.Asked(oidctest.KeysPath) != 3 {
		t.Errorf("after thirty seconds: %+v, fetched %d times, want 3", got, i.Asked(oidctest.KeysPath))
	}
}

// A withdrawn key stays in use until the keys are fetched again.
func TestKeysAreUsedForFifteenMinutes(t *testing.T) {
	i := oidctest.Start(t)
	v, clock := newVerifier(i.URL)
	claims := i.Claims("alice")
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	token := i.Sign(claims)
	judge(t, v, token)
	i.Rotate()
	clock.pass(15*time.Minute - 10*time.Second)
	if got := judge(t, v, token); got.Refused != "" {
		t.Errorf("before: %+v", got)
	}
	clock.pass(20 * time.Second)
	if got := judge(t, v, token); got.Refused != oidc.UnknownSignature {
		t.Errorf("after: %+v", got)
	}
}

// A clock that is set back must not prolong the lifetime of keys.
func TestKeysFromTheFutureAreFetchedAgain(t *testing.T) {
	i := oidctest.Start(t)
	v, clock := newVerifier(i.URL)
	clock.pass(time.Minute)
	claims := i.Claims("alice")
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	token := i.Sign(claims)
	judge(t, v, token)
	clock.pass(-time.Minute)
	if judge(t, v, token); i.Asked(oidctest.KeysPath) != 2 {
		t.Errorf("the keys were fetched %d times, want 2", i.Asked(oidctest.KeysPath))
	}
}

func TestOutageIsAnErrorAndNoVerdict(t *testing.T) {
	i := oidctest.Start(t)
	token, stranger := i.Token("alice"), oidctest.Start(t).Token("alice")
	undecided := func(v *oidc.Verifier, what, says string) {
		t.Helper()
		got, err := v.Verify(t.Context(), token)
		if err == nil || got.User.ID != "" || got.Refused != "" {
			t.Errorf("%s: %+v, %v; want an error", what, got, err)
		} else if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v; want an error that says %q, and nothing that the issuer said", what, err, says)
		}
	}
	const discovery = "/.well-known/openid-configuration"
	discovered := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	for _, c := range []struct {
		what, says string
		answer     http.HandlerFunc
	}{
		{"status 500", "500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "canary", 500) }},
		{"a page of HTML", "decode", discovered("<html>canary")},
		{"another issuer", "did not match", discovered(`{"issuer":"https://x.invalid","jwks_uri":"` + i.URL + `/keys"}`)},
		{"keys over plain http", "not over TLS", discovered(`{"issuer":"` + i.URL + `","jwks_uri":"http://a.invalid/keys"}`)},
		{"no URL of keys", "not over TLS", discovered(`{"issuer":"` + i.URL + `"}`)},
		{"a URL of keys that is a number", "json", discovered(`{"issuer":"` + i.URL + `","jwks_uri":7}`)},
		{"no keys", "none", keysOf(i, `{"keys":[]}`)},
		{"no set of keys", "json", keysOf(i, `["canary"]`)},
		{"only keys that cannot be used", "none", keysOf(i, `{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"?"},7]}`)},
		{"half a set of keys", "EOF", keysOf(i, `{"keys":[`)},
		{"a set of keys without end", "EOF", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != oidctest.KeysPath {
				i.Own(w, r)
				return
			}
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
					return
				}
			}
		}},
		{"a redirect to itself", "redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}},
		{"a redirect to plain http", "not over TLS", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://example.com"+r.URL.Path, http.StatusFound)
		}},
		{"no answer", "deadline", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	} {
		i.Answer(c.answer)
		v, clock := newVerifier(i.URL)
		undecided(v, c.what, c.says)
		asked := i.Asked(discovery)
		undecided(v, c.what+", at once again", c.says)
		if i.Asked(discovery) != asked {
			t.Errorf("%s: asked again at once", c.what)
		}
		i.Answer(nil)
		clock.pass(time.Second)
		if got := judge(t, v, token); got.User.ID != "alice" {
			t.Errorf("after %s: %+v", c.what, got)
		}
	}
	// Within their lifetime, known keys still allow. A token of an unknown key cannot be judged.
	v, clock := newVerifier(i.URL)
	judge(t, v, token)
	i.Stop()
	if got := judge(t, v, token); got.User.ID != "alice" {
		t.Errorf("with keys that were fetched before the outage: %+v", got)
	}
	if got := judge(t, v, stranger); got.Refused != oidc.UnknownIssuer {
		t.Errorf("a token of an unknown issuer in an outage: %+v", got)
	}
	clock.pass(4 * time.Minute)
	fresh := i.SignAs("unknown", i.Claims("alice"))
	if got, err := v.Verify(t.Context(), fresh); err == nil {
		t.Errorf("an unknown key in an outage: %+v, want an error", got)
	}
	i.Resume()
	clock.pass(time.Second)
	if got := judge(t, v, fresh); got.Refused != oidc.UnknownSignature {
		t.Errorf("an unknown key after an outage: %+v", got)
	}
}

// keysOf returns a handler that answers with body in place of the issuer's keys.
func keysOf(i *oidctest.Issuer, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != oidctest.KeysPath {
			i.Own(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	}
}

func TestKeysOfUnknownKindsAreSkipped(t *testing.T) {
	i := oidctest.Start(t)
	public, kid := i.PublicKey()
	jwk, err := json.Marshal(jose.JSONWebKey{Key: public, KeyID: kid})
	if err != nil {
		t.Fatal(err)
	}
	i.Answer(keysOf(i, `{"keys":[{"kty":"EC","crv":"secp256k1","alg":"ES256K","x":"AA","y":"AA"},`+
		`{"kty":"AKP","alg":"ML-DSA-44"},`+string(jwk)+`]}`))
	v, _ := newVerifier(i.URL)
	if got := judge(t, v, i.Sign(i.Claims("alice"))); got.Refused != "" {
		t.Errorf("%+v", got)
	}
}

// Whatever the fuzzer makes of a token, only alice's own token names alice.
func FuzzVerify(f *testing.F) {
	i := oidctest.Start(f)
	good := i.Sign(i.Claims("alice"))
	f.Add(good)
	f.Add("eyJ.eyJ.eyJ")
	f.Add(good[:len(good)-1])
	v, _ := newVerifier(i.URL)
	judge(f, v, good)
	f.Fuzz(func(t *testing.T, token string) {
		got, err := v.Verify(t.Context(), token)
		if err == nil && (got.Refused == "") != (got.User.ID == "alice") {
			t.Errorf("%q: %+v", token, got)
		}
	})
}
