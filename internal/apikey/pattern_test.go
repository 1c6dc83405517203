package apikey_test

import (
	"crypto/rand"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/apikey"
)

// The pattern finds each token with the right shape in any text, and nothing that is like one.
func TestPattern(t *testing.T) {
	format, err := apikey.NewFormat("acme")
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(format.Pattern())
	for _, env := range apikey.Environments() {
		token, err := format.New(env, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text := token.Reveal()
		for _, around := range []string{"%", " % ", `"%"`, "KEY=%\n", "Bearer %", "https://x/?api_key=%&a=b", "pk_live_0000000000000000:%", "'%',", "-%-", "é%é", "[%]"} {
			if got := pattern.FindString(strings.ReplaceAll(around, "%", text)); got != text {
				t.Errorf("%s: %q", around, got)
			}
		}
		for _, near := range []string{
			text[:len(text)-1], text + "0", text + "_", "x" + text, "_" + text, strings.ToUpper(text), "sk" + text[4:], text[:30] + "-" + text[31:],
			text[:30] + "\n" + text[30:], strings.Replace(text, string(env), "prod", 1), "pk_" + string(env) + "_" + token.ID(), token.ID(),
			format.KeyPrefix(env, token.ID()),
		} {
			if got := pattern.FindString(near); got != "" {
				t.Errorf("%q is found in %q", got, near)
			}
		}
	}
}
