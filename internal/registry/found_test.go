package registry_test

import (
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry"
)

// Texts in which a token was found. $1 and $2 are two native tokens, $F is a foreign one. The last
// column names those that end.
func TestWhichTokensInATextAreRevoked(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ name, text, ends string }{
		{"the token", "$1", "1"},
		{"with a line's end", "$1\n", "1"},
		{"with a DOS line's end", "$1\r\n", "1"},
		{"with spaces", "  $1\t", "1"},
		{"with no-break spaces", "\u00a0$1\u202f", "1"},
		{"with zero-width spaces", "\u200b$1\ufeff", "1"},
		{"in quotes", `"$1"`, "1"},
		{"in single quotes", `'$1'`, "1"},
		{"in curly quotes", "“$1”", "1"},
		{"in angle brackets", "<$1>", "1"},
		{"as a bearer", "Bearer $1", "1"},
		{"as a header", "Authorization: Bearer $1", "1"},
		{"as another header", "X-API-Key:$1", "1"},
		{"in a query", "https://api.example.com/v1/x?api_key=$1&x=1", "1"},
		{"in an escaped query", "?q=Bearer%20$1%0A", "1"},
		{"in a command", `curl -s https://api.example.com/v1/tts -H "Authorization: Bearer $1" -d '{"a":1}'`, "1"},
		{"in JSON", `{"key": "$1", "other": null}`, "1"},
		{"in JSON within JSON", `{"body":"{\"key\":\"$1\\n\"}"}`, "1"},
		{"in an environment file", "A=b\nexport LATCHKEY_KEY=$1 # mine\n", "1"},
		{"beside its public key", "pk_live_0000000000000000:$1", "1"},
		{"within a word", "xsk_live_$1x", "1"},
		{"twice", "$1 $1", "1"},
		{"two", "$1,$2", "12"},
		{"two without anything between", "$1$2", "12"},
		{"two on lines", "a: $1\nb: $2\n", "12"},
		{"broken over two lines", "$1{30}\n$1{}", "1"},
		{"broken by a command's continuation", "$1{30}\\\n    $1{}", "1"},
		{"broken by a zero-width space", "$1{30}\u200b$1{}", "1"},
		{"with escaped underscores", `sk\_live\_$1{8}`, "1"},
		{"at the end of 60 KB", strings.Repeat("sk_live_", 7500) + "$1", "1"},
		{"one of which a character is missing", "$1{1}", ""},
		{"one in another case", "^$1", ""},
		{"without its prefix", "$1{8}", ""},
		{"a foreign one", "$F", "F"},
		{"a foreign one with a line's end", "$F\n", "F"},
		{"a foreign one in quotes", `"$F"`, "F"},
		{"a foreign one as a bearer", "Bearer $F", "F"},
		{"a foreign one as a bearer in quotes", "\u200b'bearer  \"$F\"'\n", "F"},
		{"a foreign one beside a native one", "$F $1", "1"},
		{"nothing", "", ""},
		{"no text", "\u200b", ""},
		{"one quote", `"`, ""},
		{"something else", "hello, world", ""},
	} {
		tokens := map[string]string{"1": b.Token(t).Reveal(), "2": b.Token(t).Reveal(), "F": "a-foreign-token-of-" + b.Token(t).ID()}
		for n, text := range tokens {
			b.Issue(t, b.Parse(t, text), nil)
			c.text = strings.ReplaceAll(c.text, "^$"+n, strings.ToUpper(text))
			c.text = strings.ReplaceAll(c.text, "$"+n+"{1}", text[1:])
			c.text = strings.ReplaceAll(c.text, "$"+n+"{8}", text[8:])
			c.text = strings.ReplaceAll(c.text, "$"+n+"{30}", text[:30])
			c.text = strings.ReplaceAll(c.text, "$"+n+"{}", text[30:])
			c.text = strings.ReplaceAll(c.text, "$"+n, text)
		}
		if err := b.Registry.RevokeFound(t.Context(), registry.Origin{}, c.text); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for n, text := range tokens {
			want := apikey.CodeValid
			if strings.Contains(c.ends, n) {
				want = apikey.CodeRevoked
			}
			if v := b.Check(t, b.Gate(0), text); v.Code != want {
				t.Errorf("%s: token %s is %s, want %s", c.name, n, v.Code, want)
			}
		}
	}
}

// The allowed number of tokens all end. Of more tokens none ends, and the caller gets an error.
func TestHowManyTokensATextMayHold(t *testing.T) {
	b := newBench(t)
	var tokens []string
	for range apikey.MaxFound + 1 {
		token := b.Token(t)
		b.Issue(t, token, nil)
		tokens = append(tokens, token.Reveal())
	}
	err := b.Registry.RevokeFound(t.Context(), registry.Origin{}, strings.Join(tokens, "\n"))
	var field *apikey.FieldError
	if !errors.As(err, &field) || field.Field != "key" || !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("one too many: %v", err)
	}
	if v := b.Check(t, b.Gate(0), tokens[0]); !v.Valid() {
		t.Errorf("one too many: the first is %s", v.Code)
	}
	if err := b.Registry.RevokeFound(t.Context(), registry.Origin{}, strings.Join(tokens[1:], "\n")); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	for n, token := range tokens[1:] {
		if v := b.Check(t, b.Gate(0), token); v.Code != apikey.CodeRevoked {
			t.Errorf("token %d is %s", n+1, v.Code)
		}
	}
}

// counter counts the requests to the table by their operation.
type counter struct {
	next http.RoundTripper
	mu   sync.Mutex
	sent map[string]int
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c.mu.Lock()
	c.sent[operation]++
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

// The work for a text, and so its duration, does not reveal anything about the token in it.
func TestEveryTextTakesTheSameRequests(t *testing.T) {
	options := plain(dynamotest.Options(t))
	count := &counter{next: options.Transport, sent: make(map[string]int)}
	options.Transport = count
	b := newBenchBefore(t, dynamo.Open(options))
	root := b.caller(t, "root", admin)
	rotated := func(grace time.Duration) string {
		token := b.Token(t)
		b.rotate(t, root, b.Issue(t, token, nil).ID, grace)
		return token.Reveal()
	}
	live, foreign, revoked := b.Token(t).Reveal(), "a-foreign-token-of-ours-1", b.Token(t).Reveal()
	b.Issue(t, b.Parse(t, live), nil)
	b.Issue(t, b.Parse(t, foreign), nil)
	b.Issue(t, b.Parse(t, revoked), func(k *apikey.Key) { k.RevokedAt = apikeytest.Noon })
	guessed := b.Forge(t, b.Parse(t, revoked))
	want := map[string]int{"GetItem": 2, "Query": 2, "UpdateItem": 1, "TransactWriteItems": 1}
	for _, c := range []struct{ name, text string }{
		{"live", live}, {"live, in a sentence", "it is " + rotated(time.Hour) + ", I think"}, {"revoked by now", live}, {"revoked", revoked},
		{"in its grace", rotated(time.Hour)}, {"ended", rotated(0)}, {"foreign", foreign}, {"foreign, revoked by now", foreign},
		{"a wrong secret of a key", guessed}, {"of no key", b.Token(t).Reveal()}, {"foreign, of no key", "a-foreign-token-of-nobody"},
		{"no token", "hello, world"}, {"nothing", ""}, {"a long text", strings.Repeat("x", 60_000)},
	} {
		before := maps.Clone(count.sent)
		if err := b.Registry.RevokeFound(t.Context(), registry.Origin{}, c.text); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		sent := make(map[string]int)
		for operation, n := range count.sent {
			if n -= before[operation]; n > 0 {
				sent[operation] = n
			}
		}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	// Requests without a key left nothing behind.
	if keys, err := b.Options.Store.List(t.Context(), "u1", registry.Position{}, 100); err != nil || len(keys) != 6 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// A copied text is read without the characters that came with it.
func TestTokensAreFoundInACopiedText(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"k":                   "k",
		" \tk\r\n":            "k",
		"\u00a0k\u3000\u2028": "k",
		"\u200b\ufeffk\u2060\u200d\u00ad\ufe0f\u3164": "k",
		"\x00k\x7f":      "k",
		`"k"`:            "k",
		`'k'`:            "k",
		"`k`":            "k",
		"“k”":            "k",
		"„k“":            "k",
		"«k»":            "k",
		" \"\u200bk \" ": "k",
		`""k""`:          `"k"`, // one pair
		`"k'`:            `"k'`,
		`"k`:             `"k`,
		`"`:              `"`,
		`""`:             "",
		"a b":            "a b",
		"a\u200bb":       "a\u200bb",
	} {
		if got := apikey.Bare(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Whatever stands around a token, and whatever blanks have come into it, it is found, and
// nothing else is.
func TestATokenIsFoundInAnyText(t *testing.T) {
	format := apikeytest.NewFormat(t)
	live := make(map[string]apikey.Token)
	for range 3 {
		token, err := format.New(apikey.Test, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		live[token.ID()] = token
	}
	rapid.Check(t, func(rt *rapid.T) {
		blanks := rapid.SampledFrom([]string{"", "", "", " ", "\n", "\r\n  ", "\u00a0", "\u200b", "\ufeff", "\\\n", "\\", "\u00ad"})
		around := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"sk_live_", "sk_", "Bearer ", `"`, "'", "\\n", "pk_live_0000000000000000:", "%20", "sk_test_0"}))
		var text strings.Builder
		want := make(map[string]bool)
		for range rapid.IntRange(0, 4).Draw(rt, "pieces") {
			text.WriteString(around.Draw(rt, "around"))
			if !rapid.Bool().Draw(rt, "token") {
				continue
			}
			id := rapid.SampledFrom(slices.Sorted(maps.Keys(live))).Draw(rt, "which")
			want[id] = true
			for _, c := range live[id].Reveal() {
				text.WriteRune(c)
				text.WriteString(blanks.Draw(rt, "blank"))
			}
		}
		found, err := format.TokensIn(text.String())
		if err != nil {
			rt.Fatal(err)
		}
		got := make(map[string]bool)
		for _, c := range found {
			if token := c.Token(); token.Native() {
				got[token.ID()] = true
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("%q (-want +got):\n%s", text.String(), diff)
		}
	})
}
