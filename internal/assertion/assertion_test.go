package assertion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey/internal/assertion"
)

var (
	master   = strings.Repeat("m", assertion.MinSecret)
	first    = strings.Repeat("1", assertion.MinSecret)
	second   = strings.Repeat("2", assertion.MinSecret)
	noon     = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	anyClaim = assertion.Claims{
		Audience: "https://api.example.com", Subject: "é", KeyID: "k1", Scopes: "tts stt", Environment: "live",
		Method: "GET", Path: "/a b/é",
	}
)

// world is a signer whose clock and secret a test sets.
type world struct {
	*assertion.Signer
	now  time.Time
	keys assertion.Keys
	err  error
}

func newWorld(t testing.TB, a assertion.Algorithm, texts ...string) *world {
	t.Helper()
	w := &world{now: noon}
	w.secret(t, texts...)
	s, err := assertion.New(assertion.Options{
		Issuer: "latchkey", Algorithm: a, Now: func() time.Time { return w.now },
		Keys: func(context.Context) (assertion.Keys, error) { return w.keys, w.err },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Signer = s
	return w
}

func (w *world) secret(t testing.TB, texts ...string) {
	t.Helper()
	keys, err := assertion.NewKeys(master, texts)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = keys
}

func (w *world) sign(t testing.TB, c assertion.Claims) string {
	t.Helper()
	text, err := w.Sign(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// verified returns the payload of an assertion, as another implementation reads it.
func verified(t *testing.T, a assertion.Algorithm, text string, key any) map[string]any {
	t.Helper()
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(a)})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := signed.Verify(key)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(payload, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func public(t *testing.T, keys assertion.Keys) jose.JSONWebKeySet {
	t.Helper()
	var set jose.JSONWebKeySet
	text, err := json.Marshal(map[string]any{"keys": keys.Public(assertion.EdDSA)})
	if err == nil {
		err = json.Unmarshal(text, &set)
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAnotherImplementationVerifiesAssertions(t *testing.T) {
	want := fmt.Sprint(map[string]any{
		"iss": "latchkey", "aud": "https://api.example.com", "sub": "é", "keyId": "k1", "scopes": "tts stt", "env": "live",
		"method": "GET", "path": "/a b/é", "iat": float64(noon.Unix()), "exp": float64(noon.Unix() + 60),
	})
	w := newWorld(t, assertion.EdDSA)
	if got := fmt.Sprint(verified(t, assertion.EdDSA, w.sign(t, anyClaim), public(t, w.keys))); got != want {
		t.Errorf("EdDSA:\n%s, want\n%s", got, want)
	}
	w = newWorld(t, assertion.HS256, first)
	if got := fmt.Sprint(verified(t, assertion.HS256, w.sign(t, anyClaim), []byte(first))); got != want {
		t.Errorf("HS256:\n%s, want\n%s", got, want)
	}
	if set := w.keys.Public(assertion.HS256); len(set) != 0 {
		t.Errorf("HS256 publishes %v", set)
	}
}

// An assertion is given out again for half of its life. It is never older than a minute, also when
// the clock is set back.
func TestAnAssertionIsReusedForHalfOfItsLife(t *testing.T) {
	w := newWorld(t, assertion.EdDSA)
	old := w.sign(t, anyClaim)
	for _, c := range []struct {
		passed time.Duration
		same   bool
	}{
		{0, true}, {29 * time.Second, true}, {30*time.Second - 1, true}, {30 * time.Second, false}, {time.Hour, false},
		{-time.Second, false}, {-time.Hour, false},
	} {
		fresh := newWorld(t, assertion.EdDSA)
		if fresh.sign(t, anyClaim) != old {
			t.Fatal("two signers differ at the same time")
		}
		fresh.now = noon.Add(c.passed)
		if got := fresh.sign(t, anyClaim); (got == old) != c.same {
			t.Errorf("after %v: the same is %v", c.passed, got == old)
		}
	}
}

// Policy: an assertion has the claims of this request. Each claim that differs brings another assertion.
func TestEachClaimBringsAnotherAssertion(t *testing.T) {
	w := newWorld(t, assertion.EdDSA)
	seen := map[string]string{w.sign(t, anyClaim): "none"}
	for name, edit := range map[string]func(*assertion.Claims){
		"aud": func(c *assertion.Claims) { c.Audience = "x" }, "sub": func(c *assertion.Claims) { c.Subject = "x" },
		"keyId": func(c *assertion.Claims) { c.KeyID = "x" }, "scopes": func(c *assertion.Claims) { c.Scopes = "x" },
		"env": func(c *assertion.Claims) { c.Environment = "test" }, "method": func(c *assertion.Claims) { c.Method = "POST" },
		"path": func(c *assertion.Claims) { c.Path = "/x" },
	} {
		claims := anyClaim
		edit(&claims)
		text := w.sign(t, claims)
		if other, ok := seen[text]; ok {
			t.Errorf("%s brings the assertion of %s", name, other)
		}
		seen[text] = name
	}
}

// Policy: the first text signs, all are published, and the derived key stays published.
func TestRotation(t *testing.T) {
	w := newWorld(t, assertion.EdDSA)
	before := w.sign(t, anyClaim)
	w.secret(t, first)
	with := w.sign(t, anyClaim)
	verified(t, assertion.EdDSA, before, public(t, w.keys))
	verified(t, assertion.EdDSA, with, public(t, w.keys))
	w.secret(t, first, second)
	if w.sign(t, anyClaim) != with || len(public(t, w.keys).Keys) != 3 {
		t.Error("a text at the end signs, or is not published")
	}
	w.secret(t, second)
	last := w.sign(t, anyClaim)
	if last == with || len(public(t, w.keys).Keys) != 2 {
		t.Error("a text that was removed signs, or is published")
	}
	verified(t, assertion.EdDSA, last, public(t, w.keys))
	set := public(t, w.keys)
	if len(set.Key(kidOf(t, with))) != 0 {
		t.Error("a text that was removed is published")
	}
}

func kidOf(t *testing.T, text string) string {
	t.Helper()
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	return signed.Signatures[0].Header.KeyID
}

func TestALongPathIsHashed(t *testing.T) {
	w := newWorld(t, assertion.EdDSA)
	claims := anyClaim
	for _, length := range []int{assertion.MaxPath, assertion.MaxPath + 1, 8000} {
		claims.Path = strings.Repeat("x", length)
		path := verified(t, assertion.EdDSA, w.sign(t, claims), public(t, w.keys))["path"].(string)
		if hashed := strings.HasPrefix(path, "sha256-"); hashed != (length > assertion.MaxPath) || !hashed && path != claims.Path {
			t.Errorf("a path of %d bytes: %s", length, path)
		}
	}
}

func TestKeysThatAreTooShortOrMissingAreErrors(t *testing.T) {
	if _, err := assertion.NewKeys("short", nil); err == nil {
		t.Error("a short master is a key")
	}
	if _, err := assertion.NewKeys(master, []string{first, "canary"}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a short text: %v", err)
	}
	w := newWorld(t, assertion.HS256)
	if text, err := w.Sign(t.Context(), anyClaim); err == nil {
		t.Errorf("HS256 signs without a text: %s", text)
	}
	w.err = errors.New("no secret")
	if _, err := w.Sign(t.Context(), anyClaim); !errors.Is(err, w.err) {
		t.Errorf("without a secret: %v", err)
	}
	keys, err := assertion.NewKeys(master, []string{first})
	if err != nil || strings.Contains(fmt.Sprintf("%v %+v %#v", keys, keys, keys), first) {
		t.Errorf("the keys print their texts: %v", err)
	}
}

// The mix: 100 keys on 4 routes, a few of them with most of the requests, at 100 requests a second
// of one instance.
func BenchmarkAssertion(b *testing.B) {
	b.Run("mix", func(b *testing.B) {
		w := newWorld(b, assertion.EdDSA)
		names := make([]assertion.Claims, 0, 400)
		for user := range 100 {
			for route := range 4 {
				c := anyClaim
				c.KeyID, c.Path = fmt.Sprint("key-", user), fmt.Sprint("/v1/route/", route)
				names = append(names, c)
			}
		}
		pick := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(len(names)-1))
		b.ReportAllocs()
		for b.Loop() {
			w.now = w.now.Add(10 * time.Millisecond)
			w.sign(b, names[pick.Uint64()])
		}
	})
	for name, a := range map[string]assertion.Algorithm{"sign": assertion.EdDSA, "sign_hs256": assertion.HS256} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, a, first)
			b.ReportAllocs()
			for b.Loop() {
				w.now = w.now.Add(assertion.Life)
				w.sign(b, anyClaim)
			}
		})
	}
	b.Run("again", func(b *testing.B) {
		w := newWorld(b, assertion.EdDSA)
		b.ReportAllocs()
		for b.Loop() {
			w.sign(b, anyClaim)
		}
	})
}
