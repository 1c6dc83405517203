package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

const day = 24 * time.Hour

// rotate makes the n-th of a key's tokens, counted from the first.
func (b *bench) rotate(t testing.TB, who registry.Caller, id string, grace time.Duration) registry.Issued {
	t.Helper()
	issued, err := b.Registry.Rotate(t.Context(), who, id, grace)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// The tokens of one key over its life, as an environment that has just started
// and one that remembers see them.
func TestWhichTokensOpenAKeyThatIsRotated(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	first := b.Token(t)
	k := b.Issue(t, first, func(k *apikey.Key) { k.Limit.Requests = 1000 })
	tokens := []apikey.Token{first}
	old := b.Gate(time.Second)
	const open, over, gone = apikey.CodeValid, apikey.CodeRevoked, apikey.CodeUnknown
	for i, c := range []struct {
		pass  time.Duration
		grace time.Duration // of a rotation; -1: there is none
		err   error
		want  []apikey.Code
	}{
		{0, -1, nil, []apikey.Code{open}},
		{0, time.Hour, nil, []apikey.Code{open, open}},
		{time.Minute, time.Hour, apikey.ErrTwoSecrets, []apikey.Code{open, open}},
		{0, 0, nil, []apikey.Code{over, over, open}}, // 0 ends every older one
		{time.Hour, -1, nil, []apikey.Code{over, over, open}},
		{0, 30 * day, nil, []apikey.Code{over, over, open, open}},
		{30 * day, 0, nil, []apikey.Code{gone, gone, over, over, open}}, // over for 30 days
		{time.Minute, time.Hour, nil, []apikey.Code{gone, gone, over, over, open, open}},
	} {
		b.Clock.Pass(c.pass)
		if c.grace >= 0 {
			issued, err := b.Registry.Rotate(t.Context(), root, k.ID, c.grace)
			if !errors.Is(err, c.err) {
				t.Errorf("step %d: %v, want %v", i, err, c.err)
			}
			if err == nil {
				tokens = append(tokens, issued.Token)
				if issued.Key.ID != k.ID || issued.Token.ID() != k.ID || !issued.Previous.Equal(issued.At.Add(c.grace)) {
					t.Errorf("step %d: id %s, valid until %v", i, issued.Key.ID, issued.Previous)
				}
			}
		}
		for n, token := range tokens {
			for name, g := range map[string]*gate.Gate{"old": old, "new": b.Gate(time.Second)} {
				// A read of before the last step may be trusted for a second.
				if name == "old" && n < len(tokens)-1 {
					continue
				}
				if v := b.Check(t, g, token.Reveal()); v.Code != c.want[n] {
					t.Errorf("step %d: token %d before the %s environment is %s, want %s", i, n, name, v.Code, c.want[n])
				}
			}
		}
		b.Clock.Pass(time.Second)
		for n, token := range tokens {
			if v := b.Check(t, old, token.Reveal()); v.Code != c.want[n] {
				t.Errorf("step %d: token %d a second later is %s, want %s", i, n, v.Code, c.want[n])
			}
		}
	}
	if r, err := b.Options.Store.Find(t.Context(), k.ID); err != nil || r.Meter.Used == 0 {
		t.Errorf("the meter: %+v, %v", r.Meter, err)
	}
}

// An emergency: whatever older tokens there are, and however long they were to live, one
// rotation without grace ends them all, and is never refused for them. So does end-grace,
// which leaves the present token alone.
func TestAnEmergencyEndsEveryOlderToken(t *testing.T) {
	const open, over = apikey.CodeValid, apikey.CodeRevoked
	for _, c := range []struct {
		name   string
		before []time.Duration // the graces of the rotations before it, 0: all of a day ago
		end    bool            // end-grace in place of a rotation
		want   []apikey.Code
	}{
		{"the first rotation", nil, false, []apikey.Code{over, open}},
		{"within the longest grace", []time.Duration{30 * day}, false, []apikey.Code{over, over, open}},
		{"within the shortest grace", []time.Duration{time.Second}, false, []apikey.Code{over, over, open}},
		{"after another emergency", []time.Duration{0}, false, []apikey.Code{over, over, open}},
		{"after another emergency within a grace", []time.Duration{30 * day, 0}, false, []apikey.Code{over, over, over, open}},
		{"end-grace without any grace", nil, true, []apikey.Code{open}},
		{"end-grace within a grace", []time.Duration{30 * day}, true, []apikey.Code{over, open}},
		{"end-grace after an emergency", []time.Duration{30 * day, 0}, true, []apikey.Code{over, over, open}},
	} {
		b := newBench(t)
		root := b.caller(t, "root", admin)
		tokens := []apikey.Token{b.Token(t)}
		k := b.Issue(t, tokens[0], nil)
		for _, grace := range c.before {
			tokens = append(tokens, b.rotate(t, root, k.ID, grace).Token)
		}
		if c.end {
			for range 2 { // again changes nothing
				r, err := b.Registry.EndGrace(t.Context(), root, k.ID)
				if err != nil || !r.Key.PreviousUntil(b.Clock.Time()).IsZero() {
					t.Errorf("%s: %v, an older token works until %v", c.name, err, r.Key.PreviousUntil(b.Clock.Time()))
				}
			}
		} else {
			tokens = append(tokens, b.rotate(t, root, k.ID, 0).Token)
		}
		for n, token := range tokens {
			if v := b.Check(t, b.Gate(0), token.Reveal()); v.Code != c.want[n] {
				t.Errorf("%s: token %d is %s, want %s", c.name, n+1, v.Code, c.want[n])
			}
		}
	}
}

// Until when an older token works, as every answer about the key shows it.
func TestUntilWhenAnOlderTokenWorks(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	k := b.Issue(t, b.Token(t), nil)
	for _, c := range []struct {
		name string
		do   func() (*apikey.Key, error)
		want time.Duration // from noon; 0: none does
	}{
		{"no rotation", func() (*apikey.Key, error) { r, err := b.Registry.Find(t.Context(), root, k.ID); return r.Key, err }, 0},
		{"a rotation", func() (*apikey.Key, error) { return b.rotate(t, root, k.ID, 30*day).Key, nil }, 30 * day},
		{"the key ends sooner", func() (*apikey.Key, error) {
			r, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(day))}))
			return r.Key, err
		}, day},
		{"the key ends later", func() (*apikey.Key, error) {
			r, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(90 * day))}))
			return r.Key, err
		}, 30 * day},
		{"end-grace", func() (*apikey.Key, error) {
			r, err := b.Registry.EndGrace(t.Context(), root, k.ID)
			return r.Key, err
		}, 0},
		{"another rotation", func() (*apikey.Key, error) { return b.rotate(t, root, k.ID, time.Hour).Key, nil }, time.Hour + 120*time.Millisecond},
		{"the key is revoked", func() (*apikey.Key, error) {
			r, err := b.Registry.Revoke(t.Context(), root, k.ID, "")
			return r.Key, err
		}, 0},
	} {
		k, err := c.do()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var want time.Time
		if c.want > 0 {
			want = apikeytest.Noon.Add(c.want)
		}
		if got := k.PreviousUntil(b.Clock.Time()); !got.Equal(want) {
			t.Errorf("%s: until %v, want %v", c.name, got, want)
		}
	}
}

func TestACallerEndsTheGraceOfItsOwnKeys(t *testing.T) {
	b := newBench(t)
	root, mine, yours := b.caller(t, "root", admin), b.caller(t, "u1", nil), b.caller(t, "u2", nil)
	reader := mine
	reader.Scopes = apikey.Scopes{apikey.ScopeRead}
	stale := root
	stale.Match = []int64{7}
	inGrace := func(then func(id string)) string {
		k := b.Issue(t, b.Token(t), func(k *apikey.Key) { k.Scopes = apikey.Scopes{"tts"} })
		b.rotate(t, root, k.ID, time.Hour)
		if then != nil {
			then(k.ID)
		}
		return k.ID
	}
	for _, c := range []struct {
		name string
		who  registry.Caller
		id   string
		want error
	}{
		{"one's own", mine, inGrace(nil), nil},
		{"any, for an admin", root, inGrace(nil), nil},
		{"the calling key", mine, mine.KeyID, nil},
		{"a revoked key has none left", mine, inGrace(func(id string) {
			if _, err := b.Registry.Revoke(t.Context(), root, id, ""); err != nil {
				t.Fatal(err)
			}
		}), nil},
		{"another's", yours, inGrace(nil), apikey.ErrNotFound},
		{"no key", root, "0000000000000000", apikey.ErrNotFound},
		{"no id", root, "static-default", apikey.ErrNotFound},
		{"without keys:write", reader, inGrace(nil), apikey.ErrForbidden},
		{"another revision", stale, inGrace(nil), apikey.ErrPrecondition},
	} {
		if _, err := b.Registry.EndGrace(t.Context(), c.who, c.id); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// An environment may have read the key the moment before, and have refused a
// guess on that.
func TestANewSecretWorksEverywhereTheMomentItIsHandedOut(t *testing.T) {
	for _, age := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 99 * time.Millisecond, 100 * time.Millisecond, 900 * time.Millisecond} {
		b := newBench(t)
		root := b.caller(t, "root", admin)
		token := b.Token(t)
		k := b.Issue(t, token, nil)
		gates := []*gate.Gate{b.Gate(time.Minute), b.Gate(time.Second), b.Gate(0)}
		for _, g := range gates {
			b.Check(t, g, token.Reveal())
			b.Check(t, g, b.Forge(t, token))
		}
		b.Clock.Pass(age)
		next := b.rotate(t, root, k.ID, 0).Token
		for i, g := range gates {
			if v := b.Check(t, g, next.Reveal()); !v.Valid() {
				t.Errorf("read %v before, gate %d: %s", age, i, v.Code)
			}
		}
	}
}

func TestAReplacedSecretIsToldWhenItEnded(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	token := b.Token(t)
	k := b.Issue(t, token, nil)
	b.rotate(t, root, k.ID, time.Hour)
	b.Clock.Pass(2 * time.Hour)
	g := b.Gate(time.Second)
	v := b.Check(t, g, token.Reveal())
	if v.Code != apikey.CodeRevoked || v.Message() != "Invalid or revoked API key: it was replaced, and ended at 2026-11-24T13:00:00Z" {
		t.Errorf("%s: %s", v.Code, v.Message())
	}
	if v := b.Check(t, g, b.Forge(t, token)); v.Code != apikey.CodeUnknown || strings.Contains(v.Message(), "ended") || v.Key != nil {
		t.Errorf("a guess is told %s: %s", v.Code, v.Message())
	}
}

// A rotation replaces all imported tokens of a key together. Each of them is refused as replaced. The
// ends of the last ten rotations are stored.
func TestAllTokensThatWereReplacedAtOnceAreTold(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	var tokens []string
	for n := range 12 {
		tokens = append(tokens, fmt.Sprintf("a-token-of-elsewhere-%d", n))
		b.importKey(t, registry.Import{ID: "k", Hash: hash(tokens[n]), UserID: "u1", Environment: apikey.Live})
	}
	id := b.Check(t, b.Gate(0), tokens[0]).Key.ID
	for n, want := range []apikey.Code{
		apikey.CodeRevoked, "", "", "", "", "", "", "", "", apikey.CodeRevoked, apikey.CodeUnknown,
	} {
		b.rotate(t, root, id, 0)
		b.Clock.Pass(time.Minute)
		for _, token := range tokens {
			if want == "" {
				continue
			}
			if v := b.Check(t, b.Gate(0), token); v.Code != want {
				t.Errorf("rotation %d: %s is %s, want %s", n+1, token, v.Code, want)
			}
		}
	}
}

// A secret does not outlive its key.
func TestAGracePeriodEndsWithTheKey(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	k := b.Issue(t, b.Token(t), func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon.Add(time.Hour) })
	if issued := b.rotate(t, root, k.ID, day); !issued.Previous.Equal(k.ExpiresAt) {
		t.Errorf("until %v, and the key until %v", issued.Previous, k.ExpiresAt)
	}
}

func TestWhichKeysAreNotRotated(t *testing.T) {
	b := newBench(t)
	root, mine, self, yours := b.caller(t, "root", admin), b.caller(t, "u1", nil), b.caller(t, "u1", nil), b.caller(t, "u2", nil)
	key := func(edit func(*apikey.Key)) string { return b.Issue(t, b.Token(t), edit).ID }
	own := func(edit func(*apikey.Key)) string {
		return key(func(k *apikey.Key) {
			k.Scopes = apikey.Scopes{"tts"}
			if edit != nil {
				edit(k)
			}
		})
	}
	reader := mine
	reader.Scopes = apikey.Scopes{apikey.ScopeRead}
	for _, c := range []struct {
		name  string
		who   registry.Caller
		id    string
		grace time.Duration
		want  error
	}{
		{"one's own", mine, own(nil), 0, nil},
		{"the calling key", self, self.KeyID, day, nil},
		{"a disabled key", root, key(func(k *apikey.Key) { k.Enabled = false }), 0, nil},
		{"a revoked key", root, key(func(k *apikey.Key) { k.RevokedAt = apikeytest.Noon }), 0, apikey.ErrEnded},
		{"an expired key", root, key(func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon }), 0, apikey.ErrEnded},
		{"one both expired and disabled", root, key(func(k *apikey.Key) { k.ExpiresAt, k.Enabled = apikeytest.Noon, false }), 0, apikey.ErrEnded},
		{"no key", root, "0000000000000000", 0, apikey.ErrNotFound},
		{"no id", root, "static-default", 0, apikey.ErrNotFound},
		{"another's", yours, mine.KeyID, 0, apikey.ErrNotFound},
		{"without keys:write", reader, own(nil), 0, apikey.ErrForbidden},
		{"a negative grace", root, key(nil), -1, apikey.ErrInvalid},
		{"too long a grace", root, key(nil), 30*day + 1, apikey.ErrInvalid},
		// Its token would be all of these rights.
		{"one with a scope that the caller lacks", mine, own(func(k *apikey.Key) { k.Scopes = apikey.Scopes{"stt"} }), 0, apikey.ErrForbidden},
		{"an admin key of one's own", mine, own(admin), 0, apikey.ErrForbidden},
		{"one with a higher limit", mine, own(func(k *apikey.Key) { k.Limit.Requests = 61 }), 0, apikey.ErrForbidden},
		{"an unlimited one", mine, own(func(k *apikey.Key) { k.Unlimited = true }), 0, apikey.ErrForbidden},
		{"one with a quota", mine, own(func(k *apikey.Key) { k.Quota = ratelimit.Quota{Requests: 5, Period: ratelimit.Day} }), 0, nil},
		{"one from fewer networks", mine, own(func(k *apikey.Key) {
			k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}), 0, nil},
	} {
		if _, err := b.Registry.Rotate(t.Context(), c.who, c.id, c.grace); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	narrow := b.caller(t, "u1", func(k *apikey.Key) { k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	_, err := b.Registry.Rotate(t.Context(), narrow, own(nil), 0)
	refused(t, "one from more networks", err, "allowedCidrs")
}

// All tokens that were imported for a key are one generation. What replaces them
// is ours, and importing them again does not bring them back.
func TestForeignTokensRotateTogether(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	one, two := "a-token-of-elsewhere-1", "a-token-of-elsewhere-2"
	entries := []registry.Import{{ID: "c", Token: b.Parse(t, one)}, {ID: "c", Hash: hash(two)}}
	for _, in := range entries {
		b.importKey(t, in)
	}
	g := b.Gate(time.Second)
	id := b.Check(t, g, one).Key.ID
	next := b.rotate(t, root, id, time.Hour)
	if !next.Token.Native() || next.Token.ID() != id {
		t.Errorf("the new token is %v of %s", next.Token, next.Token.ID())
	}
	codes := func(step string, want ...apikey.Code) {
		t.Helper()
		for i, token := range []string{one, two, next.Token.Reveal()} {
			if v := b.Check(t, g, token); v.Code != want[i] {
				t.Errorf("%s: token %d is %s, want %s", step, i, v.Code, want[i])
			}
		}
	}
	codes("in grace", apikey.CodeValid, apikey.CodeValid, apikey.CodeValid)
	if _, err := b.Registry.Rotate(t.Context(), root, id, time.Hour); !errors.Is(err, apikey.ErrTwoSecrets) {
		t.Errorf("a third generation: %v", err)
	}
	b.Clock.Pass(2 * time.Hour)
	codes("after it", apikey.CodeRevoked, apikey.CodeRevoked, apikey.CodeValid)
	for _, in := range entries {
		if did := b.importKey(t, in); did != registry.ImportUnchanged {
			t.Errorf("importing again: %s", did)
		}
	}
	codes("imported again", apikey.CodeRevoked, apikey.CodeRevoked, apikey.CodeValid)

	b.Clock.Pass(31 * day)
	rename := to(apikey.Change{Name: ptr("c")})
	if _, err := b.Registry.Update(t.Context(), root, id, rename); err != nil {
		t.Fatal(err)
	}
	codes("long after", apikey.CodeUnknown, apikey.CodeUnknown, apikey.CodeValid)
	if _, err := b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(b.Parse(t, one))); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("its alias: %v", err)
	}
	entries[0].UserID, entries[0].Environment = "u1", apikey.Live
	if _, err := b.Registry.Import(t.Context(), entries[0]); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("importing it once more: %v", err)
	}
	// Elsewhere it may be a key of its own, also before an environment that
	// remembers whose it was.
	b.importKey(t, registry.Import{ID: "d", Token: b.Parse(t, one)})
	b.Clock.Pass(time.Second)
	codes("another key's", apikey.CodeValid, apikey.CodeUnknown, apikey.CodeValid)
}

// A rotation whose write is let down, at whichever request and in whichever way,
// is made or not: there is never a key without a secret that somebody has.
func TestARotationIsMadeOrNot(t *testing.T) {
	everyFault(t, func(t *testing.T, b *bench, root registry.Caller, inject func()) {
		token := b.Token(t)
		k := b.Issue(t, token, nil)
		inject()
		issued, err := b.Registry.Rotate(t.Context(), root, k.ID, 0)
		inject()
		g := b.Gate(0)
		before := b.Check(t, g, token.Reveal()).Code
		switch {
		case err == nil:
			if after := b.Check(t, g, issued.Token.Reveal()).Code; after != apikey.CodeValid || before != apikey.CodeRevoked {
				t.Errorf("rotated: the old is %s and the new is %s", before, after)
			}
		case before == apikey.CodeRevoked:
			// The rotation was made, but its answer was lost. Another rotation gives a token.
			if v := b.Check(t, g, b.rotate(t, root, k.ID, 0).Token.Reveal()); !v.Valid() {
				t.Errorf("after another rotation: %s", v.Code)
			}
		case before != apikey.CodeValid:
			t.Errorf("not rotated: the old is %s", before)
		}
	})
}

// A pause that is cut short hands nothing out.
func TestAPauseThatIsCutShortIsAnError(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	k := b.Issue(t, b.Token(t), nil)
	b.Configure(func(o *registry.Options) { o.Pause = nil })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Registry.Rotate(ctx, root, k.ID, 0); err == nil {
		t.Error("handed out before every environment takes it")
	}
}
