package percent_test

import (
	"net/url"
	"strings"
	"testing"

	"latchkey/internal/percent"
)

func TestEncode(t *testing.T) {
	visible := percent.Visible("%,")
	words := visible.With(" ")
	for _, c := range []struct {
		set        percent.Set
		text, want string
	}{
		{visible, "", ""}, {visible, "!az~", "!az~"}, {visible, "a b,c%", "a%20b%2Cc%25"},
		{visible, "é\n\x00\x7f\xff", "%C3%A9%0A%00%7F%FF"},
		{words, "a b,c", "a b%2Cc"},
		{percent.Set{}.With("az"), "abz-", "a%62z%2D"},
	} {
		if got := c.set.Encode(c.text); got != c.want {
			t.Errorf("%q became %q, want %q", c.text, got, c.want)
		}
	}
}

// If "%" is not in the set, decoding restores each text, and only bytes of the set and escapes are
// left.
func FuzzEncode(f *testing.F) {
	f.Add("a b", ",")
	f.Fuzz(func(t *testing.T, text, except string) {
		set := percent.Visible(except + "%")
		encoded := set.Encode(text)
		if back, err := url.PathUnescape(encoded); err != nil || back != text {
			t.Fatalf("%q became %q, then %q (%v)", text, encoded, back, err)
		}
		if rest := strings.ReplaceAll(encoded, "%", ""); set.Encode(rest) != rest && !strings.ContainsAny(except, "0123456789ABCDEF") {
			t.Fatalf("%q has bytes outside of the set", encoded)
		}
	})
}

func TestEncodeAllocatesNothingForAPlainText(t *testing.T) {
	set := percent.Visible("%")
	if n := testing.AllocsPerRun(100, func() { set.Encode("customer-7") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
