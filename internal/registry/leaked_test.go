package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/registry"
)

const found = "https://github.com/example/app/blob/main/config.py"

// leak reports tokens, each found in the same file, and returns the results in short: the key's label or
// -, with ! if the token has ended by it, and * if the key is static.
func (b *bench) leak(t *testing.T, labels map[string]string, texts ...string) string {
	t.Helper()
	var leaks []registry.Leak
	for _, text := range texts {
		leaks = append(leaks, registry.Leak{Credential: b.Format.Credential(text), Source: found})
	}
	results, err := b.Registry.RevokeLeaked(t.Context(), registry.Origin{SourceIP: "192.0.2.1"}, "github", leaks)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range results {
		short := "-"
		if r.KeyID != "" {
			short = labels[r.KeyID]
		}
		if r.Revoked {
			short += "!"
		}
		if r.Static {
			short += "*"
		}
		all = append(all, short)
	}
	return strings.Join(all, " ")
}

// A report revokes the keys whose tokens it has, and no other key.
func TestOnlyATokenProvesALeak(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	static, err := apikey.Static{}.With("hV7mK2pX9qR4tB8w:partner", apikey.DefaultLimit())
	if err != nil {
		t.Fatal(err)
	}
	b.Configure(func(o *registry.Options) {
		o.Static = func(context.Context) (apikey.Static, error) { return static, nil }
	})
	tokens, labels := make(map[string]string), map[string]string{"static-partner": "static"}
	issue := func(label, text string, edit func(*apikey.Key)) *apikey.Key {
		k := b.Issue(t, b.Parse(t, text), edit)
		tokens[label], labels[k.ID] = text, label
		return k
	}
	create := func(label string) *apikey.Key {
		k, token, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		tokens[label], labels[k.ID] = token.Reveal(), label
		return k
	}
	live, rotated := create("live"), create("rotated")
	issue("foreign", "a-foreign-token-of-ours-1", nil)
	issue("disabled", b.Token(t).Reveal(), func(k *apikey.Key) { k.Enabled = false })
	issue("expired", b.Token(t).Reveal(), func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon })
	issue("revoked", b.Token(t).Reveal(), func(k *apikey.Key) { k.RevokedAt = apikeytest.Noon })
	issue("other", b.Token(t).Reveal(), nil)
	successor := b.rotate(t, root, rotated.ID, time.Hour).Token
	ended := issue("ended", b.Token(t).Reveal(), nil)
	b.rotate(t, root, ended.ID, 0)

	for _, c := range []struct{ name, text, want string }{
		{"a forged token with a right checksum", b.Forge(t, b.Parse(t, tokens["live"])), "-"},
		{"the public key", live.PublicKey().String(), "-"},
		{"a token with a wrong checksum", apikeytest.Twist(tokens["live"]), "-"},
		{"the beginning of a token", tokens["live"][:40], "-"},
		{"a token of nobody", b.Token(t).Reveal(), "-"},
		{"a foreign token of nobody", "a-foreign-token-of-nobody", "-"},
		{"a token of another prefix", "xx" + strings.TrimPrefix(tokens["live"], "sk"), "-"},
		{"a token of a revoked key", tokens["revoked"], "revoked"},
		{"a token that was replaced for good", tokens["ended"], "ended"},
		{"a static key", "hV7mK2pX9qR4tB8w", "static*"},
		{"nothing", "", "-"},
	} {
		if got := b.leak(t, labels, c.text); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	for _, label := range []string{"live", "foreign", "other", "rotated"} {
		if v := b.Check(t, b.Gate(0), tokens[label]); !v.Valid() {
			t.Errorf("%s: %s", label, v.Code)
		}
	}

	report := []string{tokens["live"], tokens["foreign"], tokens["live"], tokens["disabled"], tokens["expired"], tokens["rotated"], tokens["revoked"]}
	if got, want := b.leak(t, labels, report...), "live! foreign! live! disabled! expired! rotated! revoked"; got != want {
		t.Errorf("a report: %s, want %s", got, want)
	}
	if got, want := b.leak(t, labels, report...), "live foreign live disabled expired rotated revoked"; got != want {
		t.Errorf("the same report again: %s, want %s", got, want)
	}
	v := b.Check(t, b.Gate(0), tokens["live"])
	if v.Code != apikey.CodeRevoked || v.Key.Revocation != (apikey.Revocation{Reason: "leaked", Source: found}) {
		t.Errorf("live: %s, %+v", v.Code, v.Key.Revocation)
	}
	for label, want := range map[string]apikey.Code{"foreign": apikey.CodeRevoked, "rotated": apikey.CodeRevoked, "other": apikey.CodeValid} {
		if v := b.Check(t, b.Gate(0), tokens[label]); v.Code != want {
			t.Errorf("%s: %s, want %s", label, v.Code, want)
		}
	}
	if v := b.Check(t, b.Gate(0), successor.Reveal()); !v.Valid() {
		t.Errorf("the token that replaced one in its grace: %s", v.Code)
	}
	last := func(id string) string { all := b.trail(t, id); return all[len(all)-1] }
	if got, want := last(live.ID), `scanner github revoke; revocationReason: null > "leaked"; revocationSource: null > "`+found+`"; revokedAt: `; !strings.HasPrefix(got, want) {
		t.Errorf("the entry is %s", got)
	}
	if got := last(rotated.ID); !strings.HasPrefix(got, "scanner github revoke-token; endedTokens: ") || !strings.Contains(got, `"reason":"leaked","source":"`+found+`"`) {
		t.Errorf("the entry of the token in its grace is %s", got)
	}
}

// Both tokens of a key, the present one and one in its grace, revoke the key in one change.
func TestBothTokensOfAKeyAreLeaked(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		b := newBench(t)
		root := b.caller(t, "root", admin)
		k, first, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		both := []string{first.Reveal(), b.rotate(t, root, k.ID, time.Hour).Token.Reveal()}
		if got := b.leak(t, map[string]string{k.ID: "k"}, both[order[0]], both[order[1]]); got != "k! k!" {
			t.Error(got)
		}
		for _, text := range both {
			if v := b.Check(t, b.Gate(0), text); v.Code != apikey.CodeRevoked {
				t.Errorf("%v: %s", order, v.Code)
			}
		}
		if n := len(b.trail(t, k.ID)); n != 3 {
			t.Errorf("%d entries", n)
		}
	}
}

// A report with many tokens, of one user and of many, ends all of them, and the places of users are
// counted as they are after single revocations.
func TestAReportOfManyTokens(t *testing.T) {
	b := newBench(t)
	var texts []string
	labels := make(map[string]string)
	for n := range 60 {
		token := b.Token(t)
		k := b.Issue(t, token, func(k *apikey.Key) {
			if k.UserID = "one"; n%2 == 0 {
				k.UserID = "u" + k.ID
			}
		})
		texts, labels[k.ID] = append(texts, token.Reveal(), token.Reveal()), "k"
	}
	if got := b.leak(t, labels, texts...); strings.Count(got, "k!") != 120 {
		t.Error(got)
	}
	for _, text := range texts {
		if v := b.Check(t, b.Gate(0), text); v.Code != apikey.CodeRevoked {
			t.Fatalf("%s", v.Code)
		}
	}
	places, err := b.Options.Store.Places(t.Context(), "one", apikeytest.Noon.Add(time.Hour*24*31))
	if err != nil || places.Taken != 0 {
		t.Errorf("places: %+v, %v", places, err)
	}
	if got := b.leak(t, labels, texts...); strings.Contains(got, "!") {
		t.Error(got)
	}
}

// A change of a key by someone else, between the read and the write of a report, does not save the key.
// A table that fails is an error, and a repeated report ends what is left.
func TestAReportMeetsOthers(t *testing.T) {
	b := newBench(t)
	var texts []string
	for range 3 {
		token := b.Token(t)
		b.Issue(t, token, nil)
		texts = append(texts, token.Reveal())
	}
	leaks := make([]registry.Leak, len(texts))
	for n, text := range texts {
		leaks[n].Credential = b.Format.Credential(text)
	}
	meddling := &meddler{Store: b.Options.Store, id: leaks[1].Credential.Token().ID(), b: b, t: t}
	results, err := b.On(meddling).RevokeLeaked(t.Context(), registry.Origin{}, "github", leaks)
	if err != nil || !meddling.done || slices.ContainsFunc(results, func(r registry.Leaked) bool { return !r.Revoked }) {
		t.Errorf("%+v, %v", results, err)
	}

	b = newBench(t)
	token := b.Token(t)
	b.Issue(t, token, nil)
	leaks = []registry.Leak{{Credential: b.Format.Credential(token.Reveal())}}
	broken := &meddler{Store: b.Options.Store, fails: errors.New("the table is away")}
	if _, err := b.On(broken).RevokeLeaked(t.Context(), registry.Origin{}, "github", leaks); !errors.Is(err, broken.fails) {
		t.Errorf("a table that fails: %v", err)
	}
	if got, err := b.Registry.RevokeLeaked(t.Context(), registry.Origin{}, "github", leaks); err != nil || !got[0].Revoked {
		t.Errorf("repeated: %+v, %v", got, err)
	}
	if diff := cmp.Diff([]registry.Leaked{}, must1(b.Registry.RevokeLeaked(t.Context(), registry.Origin{}, "github", nil))); diff != "" {
		t.Errorf("an empty report: %s", diff)
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// meddler changes a key before the first write, or fails each write.
type meddler struct {
	registry.Store
	id    string
	b     *bench
	t     *testing.T
	done  bool
	fails error
}

func (m *meddler) Write(ctx context.Context, changes ...registry.Write) error {
	if m.fails != nil {
		return m.fails
	}
	if !m.done {
		m.done = true
		root := registry.Caller{UserID: "operator", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
		if _, err := m.b.Registry.Update(ctx, root, m.id, to(apikey.Change{Name: ptr("renamed")})); err != nil {
			m.t.Error(err)
		}
	}
	return m.Store.Write(ctx, changes...)
}
