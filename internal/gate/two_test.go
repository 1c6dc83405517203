package gate_test

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/registry"
)

// Clients send more than one text that could be a token: a placeholder that a library requires, a
// token of a cloud, or the same token in two places. The request is judged by the only token that has
// a key. Two tokens of different keys are ambiguous, and refused.
func TestOneKeyAmongOtherTextsIsJudged(t *testing.T) {
	b := newBench(t)
	native, second, revoked := b.Token(t), b.Token(t), b.Token(t)
	k, k2 := b.Issue(t, native, nil), b.Issue(t, second, nil)
	b.Issue(t, revoked, func(k *apikey.Key) { k.RevokedAt = apikeytest.Noon.Add(-time.Hour) })
	imported, other, disabled := strings.Repeat(
		"imported-",
		3,
	), strings.Repeat(
		"another-",
		3,
	), strings.Repeat(
		"disabled-",
		3,
	)
	f := b.Issue(t, b.Parse(t, imported), nil)
	b.Issue(t, b.Parse(t, other), nil)
	b.Issue(t, b.Parse(t, disabled), func(k *apikey.Key) { k.Enabled = false })
	pair := k.PublicKey().String() + ":" + native.Reveal()
	wrongPair := k2.PublicKey().String() + ":" + native.Reveal()
	unknown := b.Token(t).Reveal()
	const cloud = "ya29.a0AfB_byDwXh3k1-0123456789abcdefghijklmnop"
	long := "ya29." + strings.Repeat("c0ffee", 40)
	jwt := "eyJhbGciOiJub25lIn0.e30.x"
	var no *apikey.Key

	for _, c := range []struct {
		name   string
		values []string
		want   apikey.Code
		key    *apikey.Key // the one that is judged
	}{
		{"a placeholder", []string{native.Reveal(), "dummy"}, apikey.CodeValid, k},
		{"undefined", []string{native.Reveal(), "Bearer undefined"}, apikey.CodeValid, k},
		{"several placeholders", []string{"null", native.Reveal(), "EMPTY", "[object Object]"}, apikey.CodeValid, k},
		{"a mistyped key beside a good one", []string{native.Reveal(), apikeytest.Twist(second.Reveal())}, apikey.CodeValid, k},
		{"a long token of a cloud", []string{native.Reveal(), "Bearer " + long}, apikey.CodeValid, k},
		{"a token of a cloud that could be a key", []string{native.Reveal(), "Bearer " + cloud}, apikey.CodeValid, k},
		{"the same beside an imported key", []string{imported, "Bearer " + cloud}, apikey.CodeValid, f},
		{"a cloud's token and a placeholder", []string{"dummy", imported, cloud}, apikey.CodeValid, f},
		{"a cloud's token twice", []string{imported, cloud, cloud}, apikey.CodeValid, f},
		{"a JWT too", []string{jwt, imported, cloud, native.Reveal()}, apikey.CodeTwoKeys, no},
		{"a pair beside a cloud's token", []string{pair, cloud}, apikey.CodeValid, k},
		{"a pair and its half beside a cloud's token", []string{pair, cloud, native.Reveal()}, apikey.CodeValid, k},
		{"an imported key beside one that nobody knows", []string{unknown, imported}, apikey.CodeValid, f},

		{"the same key twice in one line", []string{native.Reveal() + "," + native.Reveal()}, apikey.CodeValid, k},
		{"with a space", []string{imported + ", " + imported}, apikey.CodeValid, f},
		{"with empty parts", []string{"," + imported + ",,"}, apikey.CodeValid, f},
		{"Bearer in a key's header", []string{"Bearer " + native.Reveal()}, apikey.CodeValid, k},
		{"Bearer twice", []string{"bearer  Bearer " + native.Reveal()}, apikey.CodeValid, k},
		{"Bearer in each part", []string{"Bearer " + imported + ", Bearer " + imported}, apikey.CodeValid, f},
		{"Bearer with a tab", []string{"Bearer\t" + native.Reveal()}, apikey.CodeValid, k},
		{"Bearer alone", []string{"Bearer"}, apikey.CodeMissing, no},
		{"a Bearer JWT", []string{"Bearer " + jwt}, apikey.CodeMissing, no},

		{"two keys of ours", []string{native.Reveal(), second.Reveal()}, apikey.CodeTwoKeys, no},
		{"two in one line", []string{native.Reveal() + "," + second.Reveal()}, apikey.CodeTwoKeys, no},
		{"two imported ones", []string{imported, other}, apikey.CodeTwoKeys, no},
		{"one of each kind", []string{imported, native.Reveal()}, apikey.CodeTwoKeys, no},
		{"one of each kind, the other way round", []string{native.Reveal(), imported}, apikey.CodeTwoKeys, no},
		{"one that is revoked", []string{imported, revoked.Reveal()}, apikey.CodeTwoKeys, no},
		{"one that is disabled", []string{native.Reveal(), disabled}, apikey.CodeTwoKeys, no},
		{"an imported key with a public half of another", []string{k.PublicKey().String() + ":" + imported, other}, apikey.CodeTwoKeys, no},
		{"three that could be keys", []string{native.Reveal(), cloud, cloud + "2"}, apikey.CodeTwoKeys, no},
		{"three, and the first again", []string{native.Reveal(), cloud, cloud + "2", native.Reveal()}, apikey.CodeTwoKeys, no},
		{"two that nobody knows", []string{cloud, unknown}, apikey.CodeTwoKeys, no},
		{"two keys and a placeholder", []string{"dummy", imported, native.Reveal()}, apikey.CodeTwoKeys, no},

		{"a revoked key beside a cloud's token", []string{revoked.Reveal(), cloud}, apikey.CodeRevoked, nil},
		{"a wrong pair beside its key", []string{wrongPair, native.Reveal()}, apikey.CodeMalformed, no},
		{"a key beside its wrong pair", []string{native.Reveal(), wrongPair}, apikey.CodeMalformed, no},
		{"a wrong pair between", []string{native.Reveal(), wrongPair, native.Reveal()}, apikey.CodeMalformed, no},
		{"two public halves, and the key again", []string{pair, "pk_" + strings.Repeat("a1", 16) + ":" + native.Reveal(), native.Reveal()}, apikey.CodeMalformed, no},
		{"placeholders alone", []string{"dummy", "undefined"}, apikey.CodeMalformed, no},
		{"a placeholder twice", []string{"dummy", "dummy"}, apikey.CodeMalformed, no},
	} {
		for _, freshness := range []time.Duration{0, time.Second} {
			g := b.Gate(freshness)
			credential := b.Format.Credential(c.values...)
			v, err := g.Check(t.Context(), gate.Request{Credential: credential, Cost: 1})
			if err != nil || v.Code != c.want || c.want == apikey.CodeValid && v.Key.ID != c.key.ID {
				t.Errorf("%s: %s, %v; want %s", c.name, v.Code, err, c.want)
			}
			if c.want == apikey.CodeTwoKeys && (v.Key != nil || strings.Contains(v.Message(), "sk_")) {
				t.Errorf("%s: the refusal tells of a key", c.name)
			}
			// Other users of a credential take two tokens for none.
			if c.want == apikey.CodeTwoKeys {
				root := registry.Caller{Scopes: apikey.Scopes{apikey.ScopeAdmin}}
				if _, err := b.Registry.Lookup(t.Context(), root, credential); err == nil {
					t.Errorf("%s: it is looked up as one key", c.name)
				}
			}
		}
	}
	// Two keys spend nothing, and a key beside something else spends once.
	before := remaining(t, b, native)
	for _, values := range [][]string{{native.Reveal(), imported}, {native.Reveal(), second.Reveal()}} {
		if v, err := b.Gate(time.Second).Check(t.Context(), gate.Request{Credential: b.Format.Credential(values...), Cost: 1}); err != nil ||
			v.Valid() {
			t.Errorf("%s, %v", v.Code, err)
		}
	}
	if after := remaining(t, b, native); after != before {
		t.Errorf("two keys spent %d", before-after)
	}
	if v, err := b.Gate(time.Second).Check(t.Context(), gate.Request{Credential: b.Format.Credential(native.Reveal(), cloud), Cost: 1}); err != nil ||
		!v.Valid() {
		t.Errorf("%s, %v", v.Code, err)
	}
	if after := remaining(t, b, native); after != before-1 {
		t.Errorf("a key beside a cloud's token spent %d", before-after)
	}
}

// The order of the values makes no difference, nor their number, nor whether they are in one line.
func TestTheOrderOfValuesMakesNoDifference(t *testing.T) {
	b := newBench(t)
	native, second := b.Token(t), b.Token(t)
	k := b.Issue(t, native, nil)
	b.Issue(t, second, nil)
	imported, other := strings.Repeat("imported-", 3), strings.Repeat("another-", 3)
	b.Issue(t, b.Parse(t, imported), nil)
	b.Issue(t, b.Parse(t, other), nil)
	pool := []string{
		native.Reveal(), native.Reveal(), second.Reveal(), imported, imported, other, "ya29.a0AfB_byDwXh3k1-0123", "a-token-of-another-cloud", "dummy", "undefined", "",
		k.PublicKey().
			String() +
			":" + native.Reveal(), "pk_live_0000000000000000:" + native.Reveal(), "Bearer " + imported, apikeytest.Twist(native.Reveal()), "eyJhbGciOiJub25lIn0.e30.x",
	}
	g := b.Gate(time.Minute)
	judge := func(values ...string) string {
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(values...)})
		if err != nil {
			t.Fatal(err)
		}
		if v.Code == apikey.CodeMalformed || v.Code == apikey.CodeTwoKeys {
			return "refused" // where both are true, either is said
		}
		if v.Key == nil {
			return string(v.Code)
		}
		return string(v.Code) + " " + v.Key.ID
	}
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for range 2000 {
		values := make([]string, 1+random.IntN(5))
		for i := range values {
			values[i] = pool[random.IntN(len(pool))]
		}
		want := judge(values...)
		shuffled := slices.Clone(values)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for how, got := range map[string]string{
			"shuffled": judge(shuffled...), "in one line": judge(strings.Join(values, ", ")), "twice": judge(append(slices.Clone(values), shuffled...)...),
		} {
			if got != want {
				t.Fatalf("%q: %s, and %s %s (%q)", values, want, how, got, shuffled)
			}
		}
	}
}

func remaining(t testing.TB, b *bench, token apikey.Token) int64 {
	t.Helper()
	v, err := b.Gate(0).Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal())})
	if err != nil || !v.Valid() {
		t.Fatal(v.Code, err)
	}
	return v.Status.Remaining
}

// Two keys in the two fields of validate are no pair.
func TestAPairOfTwoKeysIsNone(t *testing.T) {
	b := newBench(t)
	token, other := b.Token(t), strings.Repeat("imported-", 3)
	k := b.Issue(t, token, nil)
	b.Issue(t, b.Parse(t, other), nil)
	for _, text := range []string{token.Reveal() + "," + other, other + ", " + token.Reveal(), token.Reveal() + "," + b.Token(t).Reveal()} {
		v, err := b.Gate(time.Second).
			Check(t.Context(), gate.Request{Credential: b.Format.Pair(k.PublicKey().String(), text)})
		if err != nil || v.Code != apikey.CodeTwoKeys {
			t.Errorf("%s, %v", v.Code, err)
		}
	}
}

// An upstream is never asked about a token of a cloud beside a key.
func TestAnUpstreamIsNotAskedAboutOneOfTwoTokens(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	b.Issue(t, token, nil)
	asked := 0
	b.Upstream = upstreamFunc(
		func(apikey.Token) (apikey.Verdict, error) { asked++; return apikey.Verdict{}, errors.New("asked") },
	)
	g := b.Gate(time.Second)
	for values, want := range map[[2]string]apikey.Code{
		{token.Reveal(), "ya29.0123456789abcdef"}:             apikey.CodeValid,
		{"ya29.0123456789abcdef", "another-of-another-cloud"}: apikey.CodeTwoKeys,
	} {
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(values[:]...), Cost: 1})
		if err != nil || v.Code != want || asked != 0 {
			t.Errorf("%s, %v; want %s; asked %d times", v.Code, err, want, asked)
		}
	}
	if _, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential("ya29.0123456789abcdef"), Cost: 1}); err == nil ||
		asked != 1 {
		t.Errorf("alone it is asked for %d times, %v", asked, err)
	}
}

type upstreamFunc func(apikey.Token) (apikey.Verdict, error)

func (a upstreamFunc) Ask(_ context.Context, token apikey.Token, _ string, _ bool) (apikey.Verdict, error) {
	return a(token)
}
