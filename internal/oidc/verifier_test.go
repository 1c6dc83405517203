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

// clock is the present, moved by what tests let pass.
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
		Issuers: issuers, Audiences: []string{oidctest.Audience, "also us"}, AdminClaim: "groups=latchkey-admins", Now: c.now,
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

func TestAnIssuedTokenIsItsUsers(t *testing.T) {
	i := oidctest.Start(t)
	v, _ := newVerifier("https://another.invalid", i.URL)
	if i.Asked("/.well-known/openid-configuration") != 0 {
		t.Error("an issuer was asked before there was a token")
	}
	want := oidc.Verdict{User: oidc.User{ID: "alice", Name: "Name of alice", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}}
	for range 3 {
		if diff := cmp.Diff(want, judge(t, v, i.Token("alice"))); diff != "" {
			t.Error(diff)
		}
	}
	if n := i.Asked(oidctest.KeysPath); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
}

func TestWhatATokenMustSay(t *testing.T) {
	i := oidctest.Start(t)
	v, _ := newVerifier(i.URL)
	now := time.Now().Unix()
	for _, c := range []struct {
		name, claim string
		value       any // nil: left out
		want        oidc.Reason
	}{
		{"as it is", "x", 1, ""},
		{"our audience in a list", "aud", []string{"a", "also us"}, ""},
		{"another audience", "aud", "another", oidc.WrongAudience},
		{"an audience that only begins like ours", "aud", "latchkey2", oidc.WrongAudience},
		{"our audience as a word of one", "aud", "latchkey another", oidc.WrongAudience},
		{"other audiences", "aud", []string{"a", "b"}, oidc.WrongAudience},
		{"no audience", "aud", nil, oidc.WrongAudience},
		{"an empty audience", "aud", "", oidc.WrongAudience},
		{"another issuer", "iss", "https://another.invalid", oidc.UnknownIssuer},
		{"our issuer with a slash", "iss", i.URL + "/", oidc.UnknownIssuer},
		{"no issuer", "iss", nil, oidc.UnknownIssuer},
		{"an issuer that is no text", "iss", 1, oidc.UnknownIssuer},
		{"an end that is now", "exp", now, oidc.Expired},
		{"an end that has passed", "exp", now - 60, oidc.Expired},
		{"no end", "exp", nil, oidc.Expired},
		{"an end far away", "exp", 1e300, ""},
		{"an end with a fraction", "exp", float64(now) + 60.5, ""},
		{"a beginning that has passed", "nbf", now - 1, ""},
		{"a beginning within what clocks differ", "nbf", now + 2, ""},
		{"a beginning in a minute", "nbf", now + 60, oidc.NotYetValid},
		{"a beginning in an hour", "nbf", now + 3600, oidc.NotYetValid},
		{"a beginning far away", "nbf", 1e300, oidc.NotYetValid},
		{"no user", "sub", nil, oidc.WrongSubject},
		{"an empty user", "sub", "", oidc.WrongSubject},
		{"a user of space", "sub", " ", oidc.WrongSubject},
		{"the longest user", "sub", strings.Repeat("é", 128), ""},
		{"a longer one", "sub", strings.Repeat("é", 129), oidc.WrongSubject},
		{"a control character", "sub", "a\nb", oidc.WrongSubject},
		{"text that reads backwards", "sub", "alice\u202e", oidc.WrongSubject},
		{"a space of no width", "sub", "al\u200bice", oidc.WrongSubject},
		{"who needs no key", "sub", "anonymous", oidc.ReservedSubject},
		{"the owner of latchkey's keys", "sub", "latchkey:admin", oidc.ReservedSubject},
		{"the owner of latchkey's keys in capitals", "sub", "Latchkey:Admin", oidc.ReservedSubject},
		{"their owner in earlier versions", "sub", "admin", oidc.ReservedSubject},
		{"a user who is called like one of these", "sub", "administrator", ""},
	} {
		claims := i.Claims("alice")
		claims[c.claim] = c.value
		if c.value == nil {
			delete(claims, c.claim)
		}
		got := judge(t, v, i.Sign(claims))
		if got.Refused != c.want || (got.User.ID != "") != (c.want == "") {
			t.Errorf("%s: %+v, want %q", c.name, got, c.want)
		}
	}
	// What is spelled otherwise is something else, and a wrong type is nothing.
	for name, value := range map[string]any{"SUB": "bob", "Aud": oidctest.Audience, "EXP": now + 60} {
		claims := i.Claims("alice")
		delete(claims, strings.ToLower(name))
		claims[name] = value
		if got := judge(t, v, i.Sign(claims)); got.Refused == "" {
			t.Errorf("%s is taken for another name: %+v", name, got)
		}
	}
	for name, value := range map[string]any{"sub": 7, "exp": "soon", "nbf": "soon", "aud": []any{oidctest.Audience, 1}} {
		claims := i.Claims("alice")
		claims[name] = value
		if got := judge(t, v, i.Sign(claims)); got.Refused == "" {
			t.Errorf("%s of a wrong type: %+v", name, got)
		}
	}
}

func TestOnlyTheIssuersKeysSign(t *testing.T) {
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
		return oidctest.Sign(t, jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, i.Claims("alice"))
	}
	good := i.Sign(i.Claims("alice"))
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	other := i.Sign(i.Claims("bob"))
	if got := judge(t, v, good); got.Refused != "" {
		t.Fatalf("a good token: %+v", got)
	}
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
		"a key that it brings itself":   oidctest.Sign(t, jose.SigningKey{Algorithm: jose.ES256, Key: stranger}, i.Claims("alice")),
		"another's payload":             header + "." + strings.Split(other, ".")[1] + "." + signature,
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
		t.Errorf("all of these had the keys fetched %d times, want once and once more", n)
	}
	// The right key under another name is not the issuer's key of that name.
	claims := i.Claims("alice")
	if got := judge(t, v, i.SignAs("unknown", claims)); got.Refused != oidc.UnknownSignature {
		t.Errorf("an unknown kid: %+v", got)
	}
	if got := judge(t, v, i.SignAs("", claims)); got.Refused != "" {
		t.Errorf("no kid, and the issuer's only key: %+v", got)
	}
}

func TestAnAdminIsWhoHasTheClaim(t *testing.T) {
	i := oidctest.Start(t)
	v, _ := newVerifier(i.URL)
	for _, c := range []struct {
		groups any
		admin  bool
	}{
		{nil, false}, {"latchkey-admins", true}, {"a latchkey-admins b", true}, {"latchkey-admins-not", false}, {"Latchkey-Admins", false},
		{[]string{"a", "latchkey-admins"}, true}, {[]string{"a latchkey-admins"}, false}, {[]string{}, false}, {true, false},
		{map[string]any{"latchkey-admins": true}, false}, {[]any{"latchkey-admins", 1}, false},
	} {
		i.Groups["alice"] = c.groups
		got := judge(t, v, i.Token("alice"))
		if got.User.ID != "alice" || got.User.Scopes.Admin() != c.admin {
			t.Errorf("groups %v: %+v", c.groups, got)
		}
	}
	i.Groups["alice"] = "latchkey-admins"
	nobody := oidc.New(oidc.Options{Issuers: []string{i.URL}, Audiences: []string{oidctest.Audience}, Now: time.Now})
	if got := judge(t, nobody, i.Token("alice")); got.User.Scopes.Admin() {
		t.Error("an admin though no claim makes one")
	}
	byScope := oidc.New(oidc.Options{Issuers: []string{i.URL}, Audiences: []string{oidctest.Audience}, AdminClaim: "scope=keys:admin", Now: time.Now})
	for scopes, admin := range map[string]bool{"keys:admin": true, "openid keys:admin": true, "openid": false, "keys:admin2": false} {
		claims := i.Claims("alice")
		claims["scope"] = scopes
		if got := judge(t, byScope, i.Sign(claims)); got.User.Scopes.Admin() != admin {
			t.Errorf("scope %q: %+v", scopes, got)
		}
	}
}

func TestANewKeyIsFoundByOneFetch(t *testing.T) {
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
	// Unknown keys are asked for no more than once in thirty seconds.
	i.Rotate()
	for range 100 {
		if got := judge(t, v, i.Token("alice")); got.Refused != oidc.UnknownSignature {
			t.Fatalf("within the cooldown: %+v", got)
		}
	}
	if n := i.Asked(oidctest.KeysPath); n != 2 {
		t.Errorf("100 unknown keys: fetched %d times, want still 2", n)
	}
	clock.pass(30 * time.Second)
	if got := judge(t, v, i.Token("alice")); got.Refused != "" || i.Asked(oidctest.KeysPath) != 3 {
		t.Errorf("after the cooldown: %+v, fetched %d times, want 3", got, i.Asked(oidctest.KeysPath))
	}
}

// A key that was withdrawn is not noticed by itself: no token asks for it.
func TestKeysAreTrustedForAQuarterOfAnHour(t *testing.T) {
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

func TestAnOutageIsNeitherYesNorNo(t *testing.T) {
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
		{"an error", "500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "canary", 500) }},
		{"a page", "decode", discovered("<html>canary")},
		{"another issuer", "did not match", discovered(`{"issuer":"https://x.invalid","jwks_uri":"` + i.URL + `/keys"}`)},
		{"keys in the clear", "not over TLS", discovered(`{"issuer":"` + i.URL + `","jwks_uri":"http://example.com/keys"}`)},
		{"no place of keys", "not over TLS", discovered(`{"issuer":"` + i.URL + `"}`)},
		{"a place that is a number", "json", discovered(`{"issuer":"` + i.URL + `","jwks_uri":7}`)},
		{"no keys", "none", keysOf(i, `{"keys":[]}`)},
		{"no set of keys", "json", keysOf(i, `["canary"]`)},
		{"keys of no use", "none", keysOf(i, `{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"?"},7]}`)},
		{"half a set", "EOF", keysOf(i, `{"keys":[`)},
		{"a set without end", "EOF", func(w http.ResponseWriter, r *http.Request) {
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
		{"a circle", "redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }},
		{"a way into the clear", "not over TLS", func(w http.ResponseWriter, r *http.Request) {
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
	// What it is known to have signed stays so for a while; of anything else nobody
	// can tell.
	v, clock := newVerifier(i.URL)
	judge(t, v, token)
	i.Stop()
	if got := judge(t, v, token); got.User.ID != "alice" {
		t.Errorf("with keys from before the outage: %+v", got)
	}
	if got := judge(t, v, stranger); got.Refused != oidc.UnknownIssuer {
		t.Errorf("a token of somebody else in an outage: %+v", got)
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

// keysOf answers with this in place of the keys.
func keysOf(i *oidctest.Issuer, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != oidctest.KeysPath {
			i.Own(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	}
}

// A key of a kind that is not known here stands beside those that are.
func TestAKeyOfAnotherKindDoesNoHarm(t *testing.T) {
	i := oidctest.Start(t)
	public, kid := i.PublicKey()
	jwk, err := json.Marshal(jose.JSONWebKey{Key: public, KeyID: kid})
	if err != nil {
		t.Fatal(err)
	}
	i.Answer(keysOf(i, `{"keys":[{"kty":"EC","crv":"secp256k1","alg":"ES256K","x":"AA","y":"AA"},{"kty":"AKP","alg":"ML-DSA-44"},`+string(jwk)+`]}`))
	v, _ := newVerifier(i.URL)
	if got := judge(t, v, i.Sign(i.Claims("alice"))); got.Refused != "" {
		t.Errorf("%+v", got)
	}
}

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
