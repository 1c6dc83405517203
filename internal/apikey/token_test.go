package apikey_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
)

func TestANativeTokenIsParsedAsItWasMade(t *testing.T) {
	f := apikeytest.NewFormat(t)
	for _, env := range []apikey.Environment{apikey.Live, apikey.Test} {
		made, err := f.New(env, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text := made.Reveal()
		if !strings.HasPrefix(text, "sk_"+string(env)+"_") || len(text) != len("sk_live_")+54 {
			t.Errorf("a token looks like %q…, %d long", text[:8], len(text))
		}
		parsed, err := f.Parse(text)
		if err != nil || !parsed.Native() || parsed.ID() != made.ID() || parsed.Environment() != env || parsed.Reveal() != text {
			t.Errorf("parsed: native %v, %v", parsed.Native(), err)
		}
		if got := f.KeyPrefix(env, made.ID()); got != text[:len("sk_live_")+4] {
			t.Errorf("key prefix %q", got)
		}
	}
}

func TestWhatIsAToken(t *testing.T) {
	f := apikeytest.NewFormat(t)
	made, err := f.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := made.Reveal()
	for _, c := range []struct {
		name, text     string
		native, refuse bool
	}{
		{"our own", good, true, false},
		{"our own with another letter", apikeytest.Twist(good), false, true},
		{"our own cut short is foreign", good[:40], false, false},
		{"sk_live_ with 32 hex is foreign", "sk_live_" + strings.Repeat("0af3", 8), false, false},
		{"16 characters", strings.Repeat("a", 16), false, false},
		{"128 characters", strings.Repeat("a", 128), false, false},
		{"15 characters", strings.Repeat("a", 15), false, true},
		{"129 characters", strings.Repeat("a", 129), false, true},
		{"nothing", "", false, true},
		{"a space", "aaaaaaaa aaaaaaaa", false, true},
		{"a comma", "aaaaaaaa,aaaaaaaa", false, true},
		{"a control character", "aaaaaaaa\x00aaaaaaaa", false, true},
		{"not ASCII", "aaaaaaaaéaaaaaaaa", false, true},
	} {
		token, err := f.Parse(c.text)
		if c.refuse != errors.Is(err, apikey.ErrMalformed) || token.Native() != c.native {
			t.Errorf("%s: native %v, %v", c.name, token.Native(), err)
		}
	}
}

func TestATokenNeverPrints(t *testing.T) {
	f := apikeytest.NewFormat(t)
	token, err := f.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hasher := apikeytest.NewHasher(t, apikeytest.Master, strings.Repeat("pepper", 4))
	type holder struct {
		Public  apikey.Token
		private apikey.Token
		hasher  pepper.Hasher
		request gate.Request
	}
	h := holder{token, token, hasher, gate.Request{Credential: f.Credential(token.Reveal())}}
	var out bytes.Buffer
	for _, v := range []any{token, &token, h, &h, []any{token, h}, map[string]any{"t": token}, hasher, h.request, fmt.Errorf("%v %w", token, apikey.ErrMalformed)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t", "%c", "%08v"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
			logger.Info("m", "v", v)
		}
		_ = json.NewEncoder(&out).Encode(v) // some cannot be encoded, which tells nothing either
	}
	for _, secret := range []string{token.Reveal()[10:], fmt.Sprintf("%x", token.Reveal()), apikeytest.Master, "pepperpepper"} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(secret)) {
			for line := range strings.Lines(out.String()) {
				if strings.Contains(strings.ToLower(line), strings.ToLower(secret)) {
					t.Errorf("a secret was printed: %s", line)
				}
			}
		}
	}
}

// What parses, formats back to itself: no two texts are one token.
func FuzzParse(f *testing.F) {
	format := apikeytest.NewFormat(f)
	made, err := format.New(apikey.Test, rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{made.Reveal(), made.Reveal()[1:], "sk_live_0af30af30af30af30af30af30af30af3", "", "pk_live_0123456789abcdef:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := format.Parse(text)
		if err != nil {
			return
		}
		if token.Reveal() != text {
			t.Errorf("%q was parsed as another token", text)
		}
		if token.Native() && (!apikey.ValidID(token.ID()) || !strings.Contains(text, token.ID())) {
			t.Errorf("%q has id %q", text, token.ID())
		}
		if again, err := format.Parse(token.Reveal()); err != nil || again.ID() != token.ID() {
			t.Errorf("%q parses once only", text)
		}
	})
}

func TestWhereACredentialStands(t *testing.T) {
	for in, want := range map[string]string{
		"Bearer abc": "abc", "bEARER  abc ": "abc", "abc": "abc", "Basic dXNlcg==": "", "Bearer": "", "": "",
		"AWS4-HMAC-SHA256 Credential=x": "",
	} {
		if got := apikey.FromAuthorization(in); got != want {
			t.Errorf("Authorization %q carries %q, want %q", in, got, want)
		}
	}
}

// A line with several credentials is the same as a line for each.
func TestALineOfAuthorizationHoldsSeveralCredentials(t *testing.T) {
	for in, want := range map[string][]string{
		"Bearer abc": {"abc"}, "Bearer abc, Bearer abc": {"abc", "abc"}, "Bearer abc,Bearer def": {"abc", "def"}, "abc, def": {"abc", "def"}, "Basic x, Bearer abc": {"", "abc"},
		"Bearer abc, Basic x": {"abc", ""}, "": nil, " , ,": nil, "Bearer": {""}, "bearer abc ,\tBEARER\tdef": {"abc", "def"}, "Bearer Bearer abc": {"Bearer abc"},
		"Basic x": {""}, "Negotiate, Bearer abc": {"Negotiate", "abc"}, "Bearer abc, def": {"abc", "def"},
		`Digest username="u", realm="a-realm-of-16-characters", nonce=x, Bearer abc`:                               {"", "abc"},
		"AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host;x-amz-date, Signature=0123456789abcdef0123456789abcdef": {""},
		`Bearer abc, Digest qop="auth,auth-int-and-some-more"`:                                                     {"abc", ""},
	} {
		if got := apikey.AppendAuthorization(nil, in); !slices.Equal(got, want) {
			t.Errorf("Authorization %q carries %q, want %q", in, got, want)
		}
	}
}

func TestAPepperThatIsNotAtHandIsNoRefusal(t *testing.T) {
	f := apikeytest.NewFormat(t)
	token, err := f.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old := apikeytest.NewHasher(t, apikeytest.Master)
	rotated := apikeytest.NewHasher(t, apikeytest.Master, "a-new-pepper-of-some-length")
	other := apikeytest.NewHasher(t, strings.Repeat("o", 32))
	for _, c := range []struct {
		name    string
		with    pepper.Hasher
		secret  apikey.Secret
		matches bool
		cannot  bool
	}{
		{"the same pepper", old, old.Hash(token), true, false},
		{"an older pepper", rotated, old.Hash(token), true, false},
		{"a newer pepper than is known", old, rotated.Hash(token), false, true},
		{"another deployment's", other, old.Hash(token), false, true},
		{"an unknown algorithm", old, apikey.Secret{Algorithm: "rot13"}, false, true},
	} {
		ok, err := c.with.Matches(token, &c.secret)
		if ok != c.matches || errors.Is(err, pepper.ErrCannotJudge) != c.cannot {
			t.Errorf("%s: %v, %v", c.name, ok, err)
		}
	}
	if old.Alias(token) != rotated.Alias(token) || old.Alias(token) == other.Alias(token) {
		t.Error("an alias must depend on the master alone")
	}
}

func TestTokensInAPathAreMasked(t *testing.T) {
	f := apikeytest.NewFormat(t)
	made, err := f.New(apikey.Test, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token := made.Reveal()
	public := apikey.PublicKey{Environment: apikey.Test, ID: made.ID()}.String()
	short := token[:12] + "..."
	escape := func(text string) string {
		var all strings.Builder
		for _, c := range []byte(text) {
			fmt.Fprintf(&all, "%%%02x", c)
		}
		return all.String()
	}
	for path, want := range map[string]string{
		"/" + token:                                        "/" + short,
		"/a/" + token + "/b":                               "/a/" + short + "/b",
		"/" + public + ":" + token:                         "/" + public + ":" + short,
		"/x" + token + ".json":                             "/x" + short + ".json",
		"/" + escape(token):                                "/" + short,
		"/" + strings.ReplaceAll(token, "_", "%255F"):      "/" + short,
		"/" + token[:30]:                                   "/" + short, // most of one
		"/" + token + "," + token:                          "/" + short + "," + short,
		"/acme_live_0123456789abcdef0123456789":            "/acme_live_0123...",
		"/sk-proj-0123456789abcdef0123":                    "/sk-...",
		"/eyJhbGciOiJIUzI1NiJ9.e30.c2ln":                   "/eyJ...",
		"/%2f" + token + "%2f":                             "/%2F" + short + "%2F",
		"/%zz" + token:                                     "/%25zz" + short,
		"/api/v1/api-keys/" + made.ID():                    "/api/v1/api-keys/" + made.ID(),
		"/" + public:                                       "/" + public,
		"/task-management-of-everything":                   "/task-management-of-everything",
		"/%" + strings.Repeat("25", 40) + "7C/x":           "/.../x",
		"/a%20b/%7C/é":                                     "/a%20b/%7C/é",
		"/%25zz" + strings.ReplaceAll(token, "_", "%255f"): "/%25zz" + short,
		"": "",
	} {
		got := apikey.MaskPath(path)
		if strings.Contains(got, token[16:30]) {
			t.Errorf("%s shows a token: %s", path, got)
		}
		if !strings.HasPrefix(want, "/%") && got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}
