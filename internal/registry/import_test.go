package registry_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func (b *bench) importKey(t *testing.T, in registry.Import) registry.Imported {
	t.Helper()
	if in.UserID == "" {
		in.UserID, in.Environment = "u1", apikey.Live
	}
	did, err := b.Registry.Import(t.Context(), in)
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
	entries := []registry.Import{
		{ID: "customer-7", Token: b.Parse(t, one), Change: apikey.Change{Limit: &limit}},
		{ID: "customer-7", Hash: hash(two)},
	}
	for i, want := range []registry.Imported{registry.ImportCreated, registry.ImportAdded, registry.ImportUnchanged, registry.ImportUnchanged} {
		if did := b.importKey(t, entries[i%2]); did != want {
			t.Errorf("import %d: %s, want %s", i, did, want)
		}
	}
	g := b.Gate(time.Second)
	for i, c := range []struct {
		token string
		want  apikey.Code
	}{{one, apikey.CodeValid}, {two, apikey.CodeValid}, {one, apikey.CodeValid}, {two, apikey.CodeRateLimited}, {one, apikey.CodeRateLimited}} {
		if v := b.Check(t, g, c.token); v.Code != c.want {
			t.Errorf("step %d: %s, want %s", i, v.Code, c.want)
		}
	}
	if v := b.Check(t, g, two+"x"); v.Code != apikey.CodeUnknown {
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
		r, err := b.Options.Store.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return r.Key.KeyPrefix
	}
	b.importKey(t, registry.Import{ID: "k", Hash: hash("a-token-by-its-hash")})
	id := b.Check(t, b.Gate(0), "a-token-by-its-hash").Key.ID
	native := b.Format.KeyPrefix(apikey.Live, id)
	if got := prefix(id); got != "" {
		t.Errorf("of a hash: %q", got)
	}
	b.importKey(t, registry.Import{ID: "k", Token: b.Parse(t, token)})
	if got := prefix(id); got != token[:6] {
		t.Errorf("with a token: %q", got)
	}
	b.rotate(t, root, id, time.Hour)
	if got := prefix(id); got != native {
		t.Errorf("rotated: %q", got)
	}

	own, err := b.Registry.Build(t.Context(), b.Parse(t, "an-admin-key-of-mine"), "u1", apikey.Live, apikey.Change{})
	if err != nil || own.KeyPrefix != "an-adm" {
		t.Errorf("of a token of one's own: %q, %v", own.KeyPrefix, err)
	}
	own.KeyPrefix = b.Format.KeyPrefix(apikey.Live, own.ID) // as it was written before
	if err := b.Registry.Install(t.Context(), "test", own); err != nil {
		t.Fatal(err)
	}
	name := "another"
	if _, err := b.Registry.Update(t.Context(), root, own.ID, func(*apikey.Key) (apikey.Change, error) { return apikey.Change{Name: &name}, nil }); err != nil {
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
	b.importKey(t, registry.Import{Hash: hash(token)})
	secret := func(g *gate.Gate) apikey.Secret {
		t.Helper()
		v := b.Check(t, g, token)
		if !v.Valid() {
			t.Fatalf("%s", v.Code)
		}
		r, err := b.Options.Store.Find(t.Context(), v.Key.ID)
		if err != nil || r.Key.Rev != 0 {
			t.Fatalf("rev %d, %v", r.Key.Rev, err)
		}
		return r.Key.Secrets[0]
	}
	g := b.Gate(time.Minute)
	first := secret(g)
	if first.Algorithm != "hmac-sha256" || first.Alias == "" || !b.Hasher.Current(&first) {
		t.Errorf("after its first use it is hashed by %s", first.Algorithm)
	}
	b.Table.Rehashed = 0
	if secret(g); b.Table.Rehashed != 0 {
		t.Error("it is hashed again on the next use")
	}
	b.Hasher = apikeytest.NewHasher(t, apikeytest.Master, "a-newer-pepper-of-16")
	if again := secret(b.Gate(time.Minute)); again.Pepper == first.Pepper || !b.Hasher.Current(&again) {
		t.Error("it stays under the old pepper")
	}

	// A failure is no reason to refuse, nor to try on every request.
	b.Hasher = apikeytest.NewHasher(t, apikeytest.Master, "the-newest-pepper-of-16", "a-newer-pepper-of-16")
	b.Table.Rehashed, b.Table.FailRehash = 0, errors.New("throttled")
	g = b.Gate(time.Minute)
	for range 3 {
		if v := b.Check(t, g, token); !v.Valid() {
			t.Errorf("%s", v.Code)
		}
	}
	if b.Table.Rehashed != 1 {
		t.Errorf("tried %d times in one read's life", b.Table.Rehashed)
	}
}

// A better hash of a token that was replaced ends when the token does.
func TestAHashThatIsBroughtUpToDateEndsNoLater(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	const token = "a-token-by-its-hash"
	b.importKey(t, registry.Import{ID: "k", Hash: hash(token)})
	b.importKey(t, registry.Import{ID: "k", Hash: hash("another-by-its-hash")})
	g := b.Gate(time.Second)
	id := b.Check(t, g, "another-by-its-hash").Key.ID
	b.rotate(t, root, id, time.Hour)
	b.Clock.Pass(time.Second)
	if v := b.Check(t, g, token); !v.Valid() {
		t.Fatalf("in its grace: %s", v.Code)
	}
	if r, err := b.Options.Store.Find(t.Context(), id); err != nil || !b.Hasher.Current(&r.Key.Secrets[0]) {
		t.Fatalf("it was not hashed anew: %v", err)
	}
	b.Clock.Pass(time.Hour)
	for _, g := range []*gate.Gate{g, b.Gate(time.Second)} {
		if v := b.Check(t, g, token); v.Code != apikey.CodeRevoked {
			t.Errorf("past its grace: %s", v.Code)
		}
	}
}

// What ended when time began has ended, and what ends when it does is kept until
// then. Nor is either in the way of others.
func TestAnExpiryMayBeAtEitherEndOfTime(t *testing.T) {
	b := newBench(t)
	var entries []registry.Import
	for i, at := range []time.Time{
		time.Unix(0, 0).UTC(), time.Unix(0, 1).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
		time.Date(9999, 10, 3, 0, 0, 0, 0, time.UTC), {},
	} {
		entries = append(entries, registry.Import{
			Token: b.Parse(t, fmt.Sprintf("a-token-of-somebody-%d", i)), UserID: fmt.Sprint("u", i), Environment: apikey.Live,
			Change: apikey.Change{ExpiresAt: &at},
		})
	}
	for i, result := range b.Registry.ImportAll(t.Context(), entries) {
		if result.Did != registry.ImportCreated || result.Err != nil {
			t.Fatalf("%d: %s, %v", i, result.Did, result.Err)
		}
	}
	for i, want := range []apikey.Code{apikey.CodeExpired, apikey.CodeExpired, apikey.CodeValid, apikey.CodeValid, apikey.CodeValid} {
		v := b.Check(t, b.Gate(0), entries[i].Token.Reveal())
		if v.Code != want {
			t.Errorf("%v: %s, want %s", entries[i].Change.ExpiresAt, v.Code, want)
		}
		if c, err := b.Registry.CheckTrail(t.Context(), v.Key.ID); len(c.Entries) != 1 || err != nil {
			t.Errorf("%v: a trail of %d, %v", entries[i].Change.ExpiresAt, len(c.Entries), err)
		}
	}
}

func TestImportRefusesAWrongEntry(t *testing.T) {
	b := newBench(t)
	b.importKey(t, registry.Import{ID: "a", Token: b.Parse(t, "a-token-of-key-a-1")})
	for _, c := range []struct {
		name  string
		in    registry.Import
		field string
	}{
		{"nothing", registry.Import{}, "key"},
		{"a token of another key", registry.Import{ID: "b", Token: b.Parse(t, "a-token-of-key-a-1")}, "key"},
		{"the same by its hash", registry.Import{ID: "b", Hash: hash("a-token-of-key-a-1")}, "key"},
		{"another user's token", registry.Import{ID: "a", Token: b.Parse(t, "a-token-of-key-a-2"), UserID: "u2", Environment: apikey.Live}, "userId"},
		{"a native token", registry.Import{Token: b.Token(t)}, "key"},
		{"the hash of nothing", registry.Import{Hash: hash("")}, "sha256"},
		{"a hash of zeros", registry.Import{Hash: &[32]byte{}}, "sha256"},
		{"a key that ends before it begins", registry.Import{Token: b.Parse(t, "a-token-of-key-c-1"), Change: apikey.Change{
			NotBefore: new(b.Clock.Time().Add(time.Hour)), ExpiresAt: new(b.Clock.Time().Add(time.Minute)),
		}}, "notBefore"},
		{"a short public key", registry.Import{Token: b.Parse(t, "a-token-of-key-c-1"), PublicKey: "pk_x"}, "publicKey"},
		{"a wrong limit", registry.Import{Token: b.Parse(t, "a-token-of-key-d-1"), Change: apikey.Change{Limit: &ratelimit.Limit{Window: time.Minute}}}, "rateLimit.requests"},
	} {
		if c.in.UserID == "" {
			c.in.UserID, c.in.Environment = "u1", apikey.Live
		}
		_, err := b.Registry.Import(t.Context(), c.in)
		var field *apikey.FieldError
		if !errors.As(err, &field) || field.Field != c.field {
			t.Errorf("%s: %v; want %s to blame", c.name, err, c.field)
		}
	}
	// A refused entry has stored nothing.
	b.importKey(t, registry.Import{ID: "d", Token: b.Parse(t, "a-token-of-key-d-1")})
	for n := range registry.MaxTokens - 1 {
		b.importKey(t, registry.Import{ID: "a", Token: b.Parse(t, "another-token-of-a-"+strings.Repeat("x", n))})
	}
	if _, err := b.Registry.Import(t.Context(), registry.Import{ID: "a", Token: b.Parse(t, "one-token-too-many"), UserID: "u1"}); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("token %d: %v", registry.MaxTokens+1, err)
	}
	// As many end in one transaction.
	g := b.Gate(0)
	id := b.Check(t, g, "a-token-of-key-a-1").Key.ID
	if _, err := b.Registry.Revoke(t.Context(), b.caller(t, "root", admin), id, ""); err != nil {
		t.Errorf("revoke a key of %d tokens: %v", registry.MaxTokens, err)
	}
	if v := b.Check(t, g, "a-token-of-key-a-1"); v.Code != apikey.CodeRevoked {
		t.Errorf("revoked: %s", v.Code)
	}
	// Nor do public keys come without end, which are read with each check.
	in := registry.Import{ID: "p", Token: b.Parse(t, "a-token-of-key-p-1"), UserID: "u1", Environment: apikey.Live}
	for n := range registry.MaxTokens + 1 {
		in.PublicKey = fmt.Sprintf("a-public-key-of-p-%d", n)
		if _, err := b.Registry.Import(t.Context(), in); errors.Is(err, apikey.ErrInvalid) != (n == registry.MaxTokens) {
			t.Errorf("public key %d: %v", n+1, err)
		}
	}
}

// An old public key stands beside any token of its key, as it did before.
func TestOldPairsGoOnWorking(t *testing.T) {
	b := newBench(t)
	const token, other = "sk_live_old_token_of_32_characters", "sk_live_the_other_token_of_others"
	public, wrong := "pk_"+strings.Repeat("a1", 16), "pk_"+strings.Repeat("b2", 16)
	b.importKey(t, registry.Import{ID: "a", Token: b.Parse(t, token), PublicKey: public})
	b.importKey(t, registry.Import{ID: "b", Token: b.Parse(t, other), PublicKey: wrong})
	g := b.Gate(time.Second)
	for _, c := range []struct {
		value string
		want  apikey.Code
	}{
		{public + ":" + token, apikey.CodeValid}, {token, apikey.CodeValid},
		{wrong + ":" + token, apikey.CodeMalformed}, {public + ":" + other, apikey.CodeMalformed},
		{"pk_short:" + token, apikey.CodeMalformed}, {public + ":", apikey.CodeMalformed},
		{public, apikey.CodeUnknown}, // it is public: it opens nothing
	} {
		if v := b.Check(t, g, c.value); v.Code != c.want {
			t.Errorf("%s: %s, want %s", c.value, v.Code, c.want)
		}
		if public, token, ok := strings.Cut(c.value, ":"); ok {
			v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Pair(public, token)})
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
		if v := b.Check(t, g, c.values...); v.Code != c.want {
			t.Errorf("%s: %s, want %s", c.values, v.Code, c.want)
		}
	}
	// One that was made here has a public key of ours, and takes no other.
	native := b.Token(t)
	k := b.Issue(t, native, nil)
	for public, want := range map[string]apikey.Code{
		k.PublicKey().String(): apikey.CodeValid, wrong: apikey.CodeMalformed, "": apikey.CodeValid, "nonsense": apikey.CodeUnknown,
	} {
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Pair(public, native.Reveal())})
		if err != nil || v.Code != want && !(public == "nonsense" && v.Code == apikey.CodeMalformed) {
			t.Errorf("%q with a native token: %s, %v; want %s", public, v.Code, err, want)
		}
	}
}
