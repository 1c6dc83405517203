package apikey_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"latchkey/internal/apikey"
)

func TestKnownNonSecretsAreNamed(t *testing.T) {
	for want, texts := range map[string][]string{
		"masked": {"sk-abcd**********wxyz", "sk-abcd……wxyzwxyz", "sk_live_4eC3............", "sk_live_4eC39Hq...", "●●●●●●●●●●●●●●●●"},
		"a repeated pattern": {
			"aaaaaaaaaaaaaaaa", "0000000000000000", "00000000-0000-0000-0000-000000000001", "sk_live_0000000000000000", "abcabcabcabcabcabc",
			"passwordpasswordpassword", "1234567890123456", "0123456789abcdef", "0123456789ABCDEF", "abcdefghijklmnop", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "1111222233331111",
		},
		"a placeholder": {
			"changeme-changeme", "CHANGE_ME_PLEASE_2026", "change-this-in-production", "replace-me-with-a-key", "sk-your-api-key-here", "yourSecretKey123456",
			"your_key_goes_here", "insert-your-key-here", "my-api-key-placeholder", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
			"sk-xxxxxx-xxxxxx-1", "sk_test_XXXXXXX4eC3", "undefined-undefined", "api-key-redacted-1", "put-your-key-here-now", "not-a-real-key-at-all",
		},
		"the name of a variable": {"INTERNAL_API_KEY", "LATCHKEY_INTERNAL_KEY", "__INTERNAL_KEY_OF_OURS__", "%INTERNAL_API_KEY%", "@@INTERNAL_KEY@@"},
		"a reference to a place where a secret stands": {
			"${INTERNAL_API_KEY}", "${internal.api.key}", "$INTERNAL_API_KEY_2", "$internal_api_key", "$(cat /run/secret)", "{{ .Values.internalKey }}",
			"${{ secrets.INTERNAL_KEY }}", "<internal api key>", "os.environ/INTERNAL_KEY", "process.env.INTERNAL_KEY", "{vault://env/internal-key}",
			"arn:aws:secretsmanager:eu-west-1:1:secret:x", "ssm:/prod/latchkey/internal", "op://vault/latchkey/internal", "/run/secrets/internal_key",
			"secrets.INTERNAL_API_KEY_1", "https://vault.example.com/v1/secret", "ref+vault://secret/internal#key", "projects/p/secrets/internal/versions/1",
		},
	} {
		for _, text := range texts {
			if got := apikey.NonSecret(text); got != want {
				t.Errorf("%s is %q, want %q", text, got, want)
			}
		}
	}
}

// shapes make random tokens as real systems write them.
func shapes() map[string]func(*rand.Rand) string {
	random := func(r *rand.Rand, alphabet string, n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(text)
	}
	data := func(r *rand.Rand, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var visible string
	for c := '!'; c <= '~'; c++ {
		visible += string(c)
	}
	return map[string]func(*rand.Rand) string{
		"digits":        func(r *rand.Rand) string { return random(r, "0123456789", 16) },
		"hex 16":        func(r *rand.Rand) string { return random(r, "0123456789abcdef", 16) },
		"hex 32":        func(r *rand.Rand) string { return "sk_live_" + random(r, "0123456789abcdef", 32) },
		"HEX 64":        func(r *rand.Rand) string { return random(r, "0123456789ABCDEF", 64) },
		"base62 16":     func(r *rand.Rand) string { return random(r, base62, 16) },
		"base62 48":     func(r *rand.Rand) string { return "sk-proj-" + random(r, base62, 48) },
		"native":        func(r *rand.Rand) string { return "sk_live_" + random(r, base62, 54) },
		"base32":        func(r *rand.Rand) string { return random(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 26) },
		"capitals":      func(r *rand.Rand) string { return random(r, base62[10:36], 16) },
		"base64":        func(r *rand.Rand) string { return base64.StdEncoding.EncodeToString(data(r, 16)) },
		"base64url":     func(r *rand.Rand) string { return base64.RawURLEncoding.EncodeToString(data(r, 24)) },
		"base64url 12":  func(r *rand.Rand) string { return base64.RawURLEncoding.EncodeToString(data(r, 12)) },
		"visible ASCII": func(r *rand.Rand) string { return random(r, visible, 20) },
		"UUID": func(r *rand.Rand) string {
			b := hex.EncodeToString(data(r, 16))
			return fmt.Sprintf("%s-%s-%s-%s-%s", b[:8], b[8:12], b[12:16], b[16:20], b[20:])
		},
	}
}

func TestRandomTokensAreNoKnownNonSecrets(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	for name, shape := range shapes() {
		r := rand.New(rand.NewPCG(1, 2))
		for range 20_000 {
			if text := shape(r); apikey.NonSecret(text) != "" {
				t.Errorf("%s: %s is called %s", name, text, apikey.NonSecret(text))
			}
		}
	}
}

func TestNamesAndKeysAreToldApart(t *testing.T) {
	for _, name := range []string{
		"alice", "customer-eight-gmbh", "alice@example.com", "alice.liddell+prod@mail.example.org", "Customer Eight GmbH", "CustomerEightGmbH",
		"internationalization", "acme-test-customer", "team/platform/tts", "175928847299117063", "user_1234567890123456", "customer00000000000012345",
		"550e8400-e29b-41d4-a716-446655440000", "production-eu-west-1-frontend", "api-gateway-production",
	} {
		if apikey.LooksLikeKey(name) {
			t.Errorf("%s is taken for a key", name)
		}
	}
	for _, key := range []string{
		"sk_live_0123456789abcdef0123456789abcdef", "acme_test_0123456789ABCDEFabcdef", "sk-proj-abcdefghijkl_mnop", "pk_0123456789abcdef0123456789abcdef",
		"ghp_abcdefghijklmnop", "xoxb-1234567890-abcdef", "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "4eC39HqLyjWDarjtT1zdp7dc", "9f86d081884c7d659a2feaa0c55ad015",
	} {
		if !apikey.LooksLikeKey(key) {
			t.Errorf("%s is taken for a name", key)
		}
	}
}
