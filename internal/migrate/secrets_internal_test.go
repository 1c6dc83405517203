package migrate

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func random(r *rand.Rand, n int, alphabet string) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(text)
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	number = "0123456789"
	base62 = number + upper + lower
)

// Tokens in all shapes that services use can be imported.
func TestNoRandomTokenIsRefused(t *testing.T) {
	raw := func(r *rand.Rand, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	hexOf := func(r *rand.Rand, n int) string { return hex.EncodeToString(raw(r, n)) }
	shapes := map[string]func(*rand.Rand) string{
		"sk_live_ and 32 hex": func(r *rand.Rand) string { return "sk_live_" + hexOf(r, 16) },
		"16 hex":              func(r *rand.Rand) string { return hexOf(r, 8) },
		"32 hex":              func(r *rand.Rand) string { return hexOf(r, 16) },
		"40 hex":              func(r *rand.Rand) string { return hexOf(r, 20) },
		"64 HEX":              func(r *rand.Rand) string { return strings.ToUpper(hexOf(r, 32)) },
		"UUID": func(r *rand.Rand) string {
			h := hexOf(r, 16)
			return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		},
		"LiteLLM":                func(r *rand.Rand) string { return "sk-" + base64.RawURLEncoding.EncodeToString(raw(r, 16)) },
		"OpenAI":                 func(r *rand.Rand) string { return "sk-" + random(r, 48, base62) },
		"OpenAI project":         func(r *rand.Rand) string { return "sk-proj-" + random(r, 64, base62+"-_") },
		"base64 of 16":           func(r *rand.Rand) string { return base64.StdEncoding.EncodeToString(raw(r, 16)) },
		"base64 of 32":           func(r *rand.Rand) string { return base64.StdEncoding.EncodeToString(raw(r, 32)) },
		"base64 of 20, unpadded": func(r *rand.Rand) string { return base64.RawStdEncoding.EncodeToString(raw(r, 20)) },
		"base64url of 32":        func(r *rand.Rand) string { return base64.RawURLEncoding.EncodeToString(raw(r, 32)) },
		"base62 of 16":           func(r *rand.Rand) string { return random(r, 16, base62) },
		"base62 of 20":           func(r *rand.Rand) string { return random(r, 20, base62) },
		"base62 of 32":           func(r *rand.Rand) string { return random(r, 32, base62) },
		"base36 of 16":           func(r *rand.Rand) string { return random(r, 16, lower+number) },
		"base36 of 32":           func(r *rand.Rand) string { return random(r, 32, lower+number) },
		"capitals and digits":    func(r *rand.Rand) string { return random(r, 20, upper+number) },
		"base32":                 func(r *rand.Rand) string { return random(r, 32, upper+"234567") },
		"letters":                func(r *rand.Rand) string { return random(r, 32, lower) },
		"nanoid":                 func(r *rand.Rand) string { return random(r, 21, base62+"-_") },
		"two parts with a dot":   func(r *rand.Rand) string { return random(r, 8, base62) + "." + random(r, 32, base62) },
		"hex parts with a dot":   func(r *rand.Rand) string { return hexOf(r, 4) + "." + hexOf(r, 16) },
		"SendGrid": func(r *rand.Rand) string {
			return "SG." + random(r, 22, base62+"-_") + "." + random(r, 43, base62+"-_")
		},
		"Unkey":    func(r *rand.Rand) string { return "prod_" + random(r, 22, base62) },
		"Stripe":   func(r *rand.Rand) string { return "rk_live_" + random(r, 24, base62) },
		"GitHub":   func(r *rand.Rand) string { return "ghp_" + random(r, 36, base62) },
		"Sanctum":  func(r *rand.Rand) string { return fmt.Sprint(1+r.IntN(9999)) + "|" + random(r, 40, base62) },
		"Telegram": func(r *rand.Rand) string { return random(r, 10, number) + ":" + random(r, 35, base62+"-_") },
		"FCM": func(r *rand.Rand) string {
			return "AAAA" + random(r, 7, base62+"-_") + ":APA91b" + random(r, 104, base62+"-_")
		},
		"groups of four": func(r *rand.Rand) string {
			return strings.Join([]string{random(r, 4, upper+number), random(r, 4, upper+number), random(r, 4, upper+number), random(r, 4, upper+number)}, "-")
		},
		"groups of five": func(r *rand.Rand) string {
			return strings.Join([]string{random(r, 5, upper+number), random(r, 5, upper+number), random(r, 5, upper+number)}, "-")
		},
		"an id and a secret": func(r *rand.Rand) string {
			return "acme_" + random(r, 8, lower+number) + "_" + random(r, 24, lower+number)
		},
		"Azure": func(r *rand.Rand) string { return random(r, 3, base62) + "8Q~" + random(r, 34, base62+"-._~") },
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for range 10_000 {
				if token := shape(r); tokenProblem(token) != "" {
					t.Errorf("%s %s", token, tokenProblem(token))
				}
			}
		})
	}
}

func BenchmarkTokenProblem(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	tokens := make([]string, 1000)
	for i := range tokens {
		tokens[i] = "sk_live_" + random(r, 32, base62+"-_")
	}
	for i := 0; b.Loop(); i++ {
		tokenProblem(tokens[i%1000])
	}
}

// A random token beside a random owner is not taken for a name.
func TestNoRandomPairIsTakenForSwapped(t *testing.T) {
	const owner, tries = "f327b42dffc4df5e935ab777", 20_000
	r := rand.New(rand.NewPCG(5, 6))
	for name, alphabet := range map[string]string{"base62": base62, "base36": lower + number, "letters": lower + upper, "base64url": base62 + "-_"} {
		for _, n := range []int{16, 20, 32} {
			exchanged := 0
			for range tries {
				if swapped(owner, random(r, n, alphabet)) {
					exchanged++
				}
			}
			if exchanged > tries/10_000 {
				t.Errorf("%d of %d tokens of %d characters in %s", exchanged, tries, n, name)
			}
		}
	}
	if !swapped(owner, "customer-eight-gmbh") {
		t.Error("words are a token")
	}
}
