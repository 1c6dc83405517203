package apikey_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

func (b *bench) importKey(t *testing.T, in apikey.Import) apikey.Imported {
	t.Helper()
	if in.UserID == "" {
		in.UserID, in.Environment = "u1", apikey.Live
	}
	did, err := b.registry.Import(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return did
}

func hash(text string) *[sha256.Size]byte {
	sum := sha256.Sum256([]byte(text))
	return &sum
}

// Two tokens of one key, one of them known by its hash alone, spend from one
// limit; importing them again changes nothing.
func TestImportedTokensOfOneKeyShareItsLimit(t *testing.T) {
	b := newBench(t)
	one, two := "sk_live_"+strings.Repeat("0123456789abcdef", 2), "an-old-token-of-ours"
	limit := ratelimit.Limit{Requests: 3, Window: time.Minute}
	entries := []apikey.Import{
		{ID: "customer-7", Token: b.parse(t, one), Change: apikey.Change{Limit: &limit}},
		{ID: "customer-7", Hash: hash(two)},
	}
	for i, want := range []apikey.Imported{apikey.ImportCreated, apikey.ImportAdded, apikey.ImportUnchanged, apikey.ImportUnchanged} {
		if did := b.importKey(t, entries[i%2]); did != want {
			t.Errorf("import %d: %s, want %s", i, did, want)
		}
	}
	g := b.gate(time.Second)
	for i, c := range []struct {
		token string
		want  apikey.Code
	}{{one, apikey.CodeValid}, {two, apikey.CodeValid}, {one, apikey.CodeValid}, {two, apikey.CodeRateLimited}, {one, apikey.CodeRateLimited}} {
		if v := b.check(t, g, c.token); v.Code != c.want {
			t.Errorf("step %d: %s, want %s", i, v.Code, c.want)
		}
	}
	if v := b.check(t, g, two+"x"); v.Code != apikey.CodeUnknown {
		t.Errorf("a token that was not imported: %s", v.Code)
	}
}

// keyPrefix is how a token of the key begins: its own, none where only a hash is
// known, and the native one after a rotation. Records of before have the native
// prefix, which none of their tokens has, and lose it with their next change.
func TestKeyPrefixIsHowATokenOfTheKeyBegins(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	const token = "an-old-token-of-ours"
	prefix := func(id string) string {
		t.Helper()
		r, err := b.registry.Store.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return r.Key.KeyPrefix
	}
	b.importKey(t, apikey.Import{ID: "k", Hash: hash("a-token-by-its-hash")})
	id := b.check(t, b.gate(0), "a-token-by-its-hash").Key.ID
	native := b.format.KeyPrefix(apikey.Live, id)
	if got := prefix(id); got != "" {
		t.Errorf("of a hash: %q", got)
	}
	b.importKey(t, apikey.Import{ID: "k", Token: b.parse(t, token)})
	if got := prefix(id); got != token[:6] {
		t.Errorf("with a token: %q", got)
	}
	b.rotate(t, root, id, time.Hour)
	if got := prefix(id); got != native {
		t.Errorf("rotated: %q", got)
	}

	own, err := b.registry.Build(t.Context(), b.parse(t, "an-admin-key-of-mine"), "u1", apikey.Live, apikey.Change{})
	if err != nil || own.KeyPrefix != "an-adm" {
		t.Errorf("of a token of one's own: %q, %v", own.KeyPrefix, err)
	}
	own.KeyPrefix = b.format.KeyPrefix(apikey.Live, own.ID) // as it was written before
	if err := b.registry.Install(t.Context(), "test", own); err != nil {
		t.Fatal(err)
	}
	name := "another"
	if _, err := b.registry.Update(t.Context(), root, own.ID, func(*apikey.Key) (apikey.Change, error) { return apikey.Change{Name: &name}, nil }); err != nil {
		t.Fatal(err)
	}
	if got := prefix(own.ID); got != "" {
		t.Errorf("of a record of before, changed: %q", got)
	}
}

// A plain hash becomes a better one when its token is used, once, and a hash
// under an older pepper likewise. Nothing else changes, not the revision either.
func TestAHashIsBroughtUpToDateOnUse(t *testing.T) {
	b := newBench(t)
	const token = "a-token-by-its-hash"
	b.importKey(t, apikey.Import{Hash: hash(token)})
	secret := func(g *apikey.Gate) apikey.Secret {
		t.Helper()
		v := b.check(t, g, token)
		if !v.Valid() {
			t.Fatalf("%s", v.Code)
		}
		r, err := b.registry.Store.Find(t.Context(), v.Key.ID)
		if err != nil || r.Key.Rev != 0 {
			t.Fatalf("rev %d, %v", r.Key.Rev, err)
		}
		return r.Key.Secrets[0]
	}
	g := b.gate(time.Minute)
	first := secret(g)
	if first.Algorithm != "hmac-sha256" || first.Alias == "" || !b.hasher.Current(first) {
		t.Errorf("after its first use it is hashed by %s", first.Algorithm)
	}
	b.table.rehashed = 0
	if secret(g); b.table.rehashed != 0 {
		t.Error("it is hashed again on the next use")
	}
	b.hasher = newHasher(t, master, "a-newer-pepper-of-16")
	if again := secret(b.gate(time.Minute)); again.Pepper == first.Pepper || !b.hasher.Current(again) {
		t.Error("it stays under the old pepper")
	}

	// A failure is no reason to refuse, nor to try on every request.
	b.hasher = newHasher(t, master, "the-newest-pepper-of-16", "a-newer-pepper-of-16")
	b.table.rehashed, b.table.failRehash = 0, errors.New("throttled")
	g = b.gate(time.Minute)
	for range 3 {
		if v := b.check(t, g, token); !v.Valid() {
			t.Errorf("%s", v.Code)
		}
	}
	if b.table.rehashed != 1 {
		t.Errorf("tried %d times in one read's life", b.table.rehashed)
	}
}

// A better hash of a token that was replaced ends when the token does.
func TestAHashThatIsBroughtUpToDateEndsNoLater(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	const token = "a-token-by-its-hash"
	b.importKey(t, apikey.Import{ID: "k", Hash: hash(token)})
	b.importKey(t, apikey.Import{ID: "k", Hash: hash("another-by-its-hash")})
	g := b.gate(time.Second)
	id := b.check(t, g, "another-by-its-hash").Key.ID
	b.rotate(t, root, id, time.Hour)
	b.clock.pass(time.Second)
	if v := b.check(t, g, token); !v.Valid() {
		t.Fatalf("in its grace: %s", v.Code)
	}
	if r, err := b.registry.Store.Find(t.Context(), id); err != nil || !b.hasher.Current(r.Key.Secrets[0]) {
		t.Fatalf("it was not hashed anew: %v", err)
	}
	b.clock.pass(time.Hour)
	for _, g := range []*apikey.Gate{g, b.gate(time.Second)} {
		if v := b.check(t, g, token); v.Code != apikey.CodeRevoked {
			t.Errorf("past its grace: %s", v.Code)
		}
	}
}

// What ended when time began has ended, and what ends when it does is kept until
// then. Nor is either in the way of others.
func TestAnExpiryMayBeAtEitherEndOfTime(t *testing.T) {
	b := newBench(t)
	var entries []apikey.Import
	for i, at := range []time.Time{
		time.Unix(0, 0).UTC(), time.Unix(0, 1).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
		time.Date(9999, 10, 3, 0, 0, 0, 0, time.UTC), {},
	} {
		entries = append(entries, apikey.Import{
			Token: b.parse(t, fmt.Sprintf("a-token-of-somebody-%d", i)), UserID: fmt.Sprint("u", i), Environment: apikey.Live,
			Change: apikey.Change{ExpiresAt: &at},
		})
	}
	for i, result := range b.registry.ImportAll(t.Context(), entries) {
		if result.Did != apikey.ImportCreated || result.Err != nil {
			t.Fatalf("%d: %s, %v", i, result.Did, result.Err)
		}
	}
	for i, want := range []apikey.Code{apikey.CodeExpired, apikey.CodeExpired, apikey.CodeValid, apikey.CodeValid, apikey.CodeValid} {
		v := b.check(t, b.gate(0), entries[i].Token.Reveal())
		if v.Code != want {
			t.Errorf("%v: %s, want %s", entries[i].Change.ExpiresAt, v.Code, want)
		}
		if c, err := b.registry.CheckTrail(t.Context(), v.Key.ID); len(c.Entries) != 1 || err != nil {
			t.Errorf("%v: a trail of %d, %v", entries[i].Change.ExpiresAt, len(c.Entries), err)
		}
	}
}

func TestWhatMayNotBeImported(t *testing.T) {
	b := newBench(t)
	b.importKey(t, apikey.Import{ID: "a", Token: b.parse(t, "a-token-of-key-a-1")})
	for _, c := range []struct {
		name  string
		in    apikey.Import
		field string
	}{
		{"nothing", apikey.Import{}, "key"},
		{"a token of another key", apikey.Import{ID: "b", Token: b.parse(t, "a-token-of-key-a-1")}, "key"},
		{"the same by its hash", apikey.Import{ID: "b", Hash: hash("a-token-of-key-a-1")}, "key"},
		{"another user's token", apikey.Import{ID: "a", Token: b.parse(t, "a-token-of-key-a-2"), UserID: "u2", Environment: apikey.Live}, "userId"},
		{"a native token", apikey.Import{Token: b.token(t)}, "key"},
		{"the hash of nothing", apikey.Import{Hash: hash("")}, "sha256"},
		{"a hash of zeros", apikey.Import{Hash: &[32]byte{}}, "sha256"},
		{"a key that ends before it begins", apikey.Import{Token: b.parse(t, "a-token-of-key-c-1"), Change: apikey.Change{
			NotBefore: new(b.clock.time().Add(time.Hour)), ExpiresAt: new(b.clock.time().Add(time.Minute)),
		}}, "notBefore"},
		{"a short public key", apikey.Import{Token: b.parse(t, "a-token-of-key-c-1"), PublicKey: "pk_x"}, "publicKey"},
		{"a wrong limit", apikey.Import{Token: b.parse(t, "a-token-of-key-d-1"), Change: apikey.Change{Limit: &ratelimit.Limit{}}}, "rateLimit.requests"},
	} {
		if c.in.UserID == "" {
			c.in.UserID, c.in.Environment = "u1", apikey.Live
		}
		_, err := b.registry.Import(t.Context(), c.in)
		var field *apikey.FieldError
		if !errors.As(err, &field) || field.Field != c.field {
			t.Errorf("%s: %v; want %s to blame", c.name, err, c.field)
		}
	}
	// What was refused has left nothing behind.
	b.importKey(t, apikey.Import{ID: "d", Token: b.parse(t, "a-token-of-key-d-1")})
	for n := range apikey.MaxTokens - 1 {
		b.importKey(t, apikey.Import{ID: "a", Token: b.parse(t, "another-token-of-a-"+strings.Repeat("x", n))})
	}
	if _, err := b.registry.Import(t.Context(), apikey.Import{ID: "a", Token: b.parse(t, "one-token-too-many"), UserID: "u1"}); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("token %d: %v", apikey.MaxTokens+1, err)
	}
	// As many end in one transaction.
	g := b.gate(0)
	id := b.check(t, g, "a-token-of-key-a-1").Key.ID
	if _, err := b.registry.Revoke(t.Context(), b.caller(t, "root", admin), id); err != nil {
		t.Errorf("revoke a key of %d tokens: %v", apikey.MaxTokens, err)
	}
	if v := b.check(t, g, "a-token-of-key-a-1"); v.Code != apikey.CodeRevoked {
		t.Errorf("revoked: %s", v.Code)
	}
	// Nor do public keys come without end, which are read with each check.
	in := apikey.Import{ID: "p", Token: b.parse(t, "a-token-of-key-p-1"), UserID: "u1", Environment: apikey.Live}
	for n := range apikey.MaxTokens + 1 {
		in.PublicKey = fmt.Sprintf("a-public-key-of-p-%d", n)
		if _, err := b.registry.Import(t.Context(), in); errors.Is(err, apikey.ErrInvalid) != (n == apikey.MaxTokens) {
			t.Errorf("public key %d: %v", n+1, err)
		}
	}
}

// An old public key stands beside any token of its key, as it did before.
func TestOldPairsGoOnWorking(t *testing.T) {
	b := newBench(t)
	const token, other = "sk_live_old_token_of_32_characters", "sk_live_the_other_token_of_others"
	public, wrong := "pk_"+strings.Repeat("a1", 16), "pk_"+strings.Repeat("b2", 16)
	b.importKey(t, apikey.Import{ID: "a", Token: b.parse(t, token), PublicKey: public})
	b.importKey(t, apikey.Import{ID: "b", Token: b.parse(t, other), PublicKey: wrong})
	g := b.gate(time.Second)
	for _, c := range []struct {
		value string
		want  apikey.Code
	}{
		{public + ":" + token, apikey.CodeValid}, {token, apikey.CodeValid},
		{wrong + ":" + token, apikey.CodeMalformed}, {public + ":" + other, apikey.CodeMalformed},
		{"pk_short:" + token, apikey.CodeMalformed}, {public + ":", apikey.CodeMalformed},
		{public, apikey.CodeUnknown}, // it is public: it opens nothing
	} {
		if v := b.check(t, g, c.value); v.Code != c.want {
			t.Errorf("%s: %s, want %s", c.value, v.Code, c.want)
		}
		if public, token, ok := strings.Cut(c.value, ":"); ok {
			v, err := g.Check(t.Context(), apikey.Request{Credential: b.format.Pair(public, token)})
			if err != nil || v.Code != c.want && token != "" {
				t.Errorf("%s as a pair: %s, %v; want %s", c.value, v.Code, err, c.want)
			}
		}
	}
	// In two places it is one pair, whichever half came alone, or none.
	for _, c := range []struct {
		values []string
		want   apikey.Code
	}{
		{[]string{token, public + ":" + token}, apikey.CodeValid}, {[]string{public + ":" + token, token}, apikey.CodeValid},
		{[]string{token, wrong + ":" + token}, apikey.CodeMalformed}, {[]string{wrong + ":" + token, token}, apikey.CodeMalformed},
		{[]string{public + ":" + token, wrong + ":" + token}, apikey.CodeMalformed}, {[]string{wrong + ":" + token, public + ":" + token}, apikey.CodeMalformed},
	} {
		if v := b.check(t, g, c.values...); v.Code != c.want {
			t.Errorf("%s: %s, want %s", c.values, v.Code, c.want)
		}
	}
	// One that was made here has a public key of ours, and takes no other.
	native := b.token(t)
	k := b.issue(t, native, nil)
	for public, want := range map[string]apikey.Code{
		k.PublicKey().String(): apikey.CodeValid, wrong: apikey.CodeMalformed, "": apikey.CodeValid, "nonsense": apikey.CodeUnknown,
	} {
		v, err := g.Check(t.Context(), apikey.Request{Credential: b.format.Pair(public, native.Reveal())})
		if err != nil || v.Code != want && !(public == "nonsense" && v.Code == apikey.CodeMalformed) {
			t.Errorf("%q with a native token: %s, %v; want %s", public, v.Code, err, want)
		}
	}
}
