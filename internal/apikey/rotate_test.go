package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

const day = 24 * time.Hour

// rotate makes the n-th of a key's tokens, counted from the first.
func (b *bench) rotate(t testing.TB, who apikey.Caller, id string, grace time.Duration) apikey.Issued {
	t.Helper()
	issued, err := b.registry.Rotate(t.Context(), who, id, grace)
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
	first := b.token(t)
	k := b.issue(t, first, func(k *apikey.Key) { k.Limit.Requests = 1000 })
	tokens := []apikey.Token{first}
	old := b.gate(time.Second)
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
		{30 * day, 0, nil, []apikey.Code{gone, gone, over, over, open}}, // what was over for 30 days
		{time.Minute, time.Hour, nil, []apikey.Code{gone, gone, over, over, open, open}},
	} {
		b.clock.pass(c.pass)
		if c.grace >= 0 {
			issued, err := b.registry.Rotate(t.Context(), root, k.ID, c.grace)
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
			for name, g := range map[string]*apikey.Gate{"old": old, "new": b.gate(time.Second)} {
				// A read of before the last step may be trusted for a second.
				if name == "old" && n < len(tokens)-1 {
					continue
				}
				if v := b.check(t, g, token.Reveal()); v.Code != c.want[n] {
					t.Errorf("step %d: token %d before the %s environment is %s, want %s", i, n, name, v.Code, c.want[n])
				}
			}
		}
		b.clock.pass(time.Second)
		for n, token := range tokens {
			if v := b.check(t, old, token.Reveal()); v.Code != c.want[n] {
				t.Errorf("step %d: token %d a second later is %s, want %s", i, n, v.Code, c.want[n])
			}
		}
	}
	if r, err := b.registry.Store.Find(t.Context(), k.ID); err != nil || r.Meter.Used == 0 {
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
		tokens := []apikey.Token{b.token(t)}
		k := b.issue(t, tokens[0], nil)
		for _, grace := range c.before {
			tokens = append(tokens, b.rotate(t, root, k.ID, grace).Token)
		}
		if c.end {
			for range 2 { // again changes nothing
				r, err := b.registry.EndGrace(t.Context(), root, k.ID)
				if err != nil || !r.Key.PreviousUntil(b.clock.time()).IsZero() {
					t.Errorf("%s: %v, an older token works until %v", c.name, err, r.Key.PreviousUntil(b.clock.time()))
				}
			}
		} else {
			tokens = append(tokens, b.rotate(t, root, k.ID, 0).Token)
		}
		for n, token := range tokens {
			if v := b.check(t, b.gate(0), token.Reveal()); v.Code != c.want[n] {
				t.Errorf("%s: token %d is %s, want %s", c.name, n+1, v.Code, c.want[n])
			}
		}
	}
}

// Until when an older token works, as every answer about the key shows it.
func TestUntilWhenAnOlderTokenWorks(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	k := b.issue(t, b.token(t), nil)
	for _, c := range []struct {
		name string
		do   func() (*apikey.Key, error)
		want time.Duration // from noon; 0: none does
	}{
		{"no rotation", func() (*apikey.Key, error) { r, err := b.registry.Find(t.Context(), root, k.ID); return r.Key, err }, 0},
		{"a rotation", func() (*apikey.Key, error) { return b.rotate(t, root, k.ID, 30*day).Key, nil }, 30 * day},
		{"the key ends sooner", func() (*apikey.Key, error) {
			r, err := b.registry.Update(t.Context(), root, k.ID, to(apikey.Change{ExpiresAt: ptr(noon.Add(day))}))
			return r.Key, err
		}, day},
		{"the key ends later", func() (*apikey.Key, error) {
			r, err := b.registry.Update(t.Context(), root, k.ID, to(apikey.Change{ExpiresAt: ptr(noon.Add(90 * day))}))
			return r.Key, err
		}, 30 * day},
		{"end-grace", func() (*apikey.Key, error) {
			r, err := b.registry.EndGrace(t.Context(), root, k.ID)
			return r.Key, err
		}, 0},
		{"another rotation", func() (*apikey.Key, error) { return b.rotate(t, root, k.ID, time.Hour).Key, nil }, time.Hour + 120*time.Millisecond},
		{"the key is revoked", func() (*apikey.Key, error) { r, err := b.registry.Revoke(t.Context(), root, k.ID); return r.Key, err }, 0},
	} {
		k, err := c.do()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var want time.Time
		if c.want > 0 {
			want = noon.Add(c.want)
		}
		if got := k.PreviousUntil(b.clock.time()); !got.Equal(want) {
			t.Errorf("%s: until %v, want %v", c.name, got, want)
		}
	}
}

func TestWhoseGraceMayBeEnded(t *testing.T) {
	b := newBench(t)
	root, mine, yours := b.caller(t, "root", admin), b.caller(t, "u1", nil), b.caller(t, "u2", nil)
	reader := mine
	reader.Scopes = apikey.Scopes{apikey.ScopeRead}
	stale := root
	stale.Match = []int64{7}
	inGrace := func(then func(id string)) string {
		k := b.issue(t, b.token(t), func(k *apikey.Key) { k.Scopes = apikey.Scopes{"tts"} })
		b.rotate(t, root, k.ID, time.Hour)
		if then != nil {
			then(k.ID)
		}
		return k.ID
	}
	for _, c := range []struct {
		name string
		who  apikey.Caller
		id   string
		want error
	}{
		{"one's own", mine, inGrace(nil), nil},
		{"any, for an admin", root, inGrace(nil), nil},
		{"the calling key", mine, mine.KeyID, nil},
		{"a revoked key has none left", mine, inGrace(func(id string) {
			if _, err := b.registry.Revoke(t.Context(), root, id); err != nil {
				t.Fatal(err)
			}
		}), nil},
		{"another's", yours, inGrace(nil), apikey.ErrNotFound},
		{"no key", root, "0000000000000000", apikey.ErrNotFound},
		{"no id", root, "static-default", apikey.ErrNotFound},
		{"without keys:write", reader, inGrace(nil), apikey.ErrForbidden},
		{"another revision", stale, inGrace(nil), apikey.ErrPrecondition},
	} {
		if _, err := b.registry.EndGrace(t.Context(), c.who, c.id); !errors.Is(err, c.want) {
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
		token := b.token(t)
		k := b.issue(t, token, nil)
		gates := []*apikey.Gate{b.gate(time.Minute), b.gate(time.Second), b.gate(0)}
		for _, g := range gates {
			b.check(t, g, token.Reveal())
			b.check(t, g, b.forge(t, token))
		}
		b.clock.pass(age)
		next := b.rotate(t, root, k.ID, 0).Token
		for i, g := range gates {
			if v := b.check(t, g, next.Reveal()); !v.Valid() {
				t.Errorf("read %v before, gate %d: %s", age, i, v.Code)
			}
		}
	}
}

func TestAReplacedSecretIsToldWhenItEnded(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	token := b.token(t)
	k := b.issue(t, token, nil)
	b.rotate(t, root, k.ID, time.Hour)
	b.clock.pass(2 * time.Hour)
	g := b.gate(time.Second)
	v := b.check(t, g, token.Reveal())
	if v.Code != apikey.CodeRevoked || v.Message() != "Invalid or revoked API key: it was replaced, and ended at 2026-11-24T13:00:00Z" {
		t.Errorf("%s: %s", v.Code, v.Message())
	}
	if v := b.check(t, g, b.forge(t, token)); v.Code != apikey.CodeUnknown || strings.Contains(v.Message(), "ended") || v.Key != nil {
		t.Errorf("a guess is told %s: %s", v.Code, v.Message())
	}
}

// However many tokens were imported for a key, they are replaced together, and
// whoever uses one of them is told so. Of rotations the last ten are remembered.
func TestAllTokensThatWereReplacedAtOnceAreTold(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	var tokens []string
	for n := range 12 {
		tokens = append(tokens, fmt.Sprintf("a-token-of-elsewhere-%d", n))
		b.importKey(t, apikey.Import{ID: "k", Hash: hash(tokens[n]), UserID: "u1", Environment: apikey.Live})
	}
	id := b.check(t, b.gate(0), tokens[0]).Key.ID
	for n, want := range []apikey.Code{
		apikey.CodeRevoked, "", "", "", "", "", "", "", "", apikey.CodeRevoked, apikey.CodeUnknown,
	} {
		b.rotate(t, root, id, 0)
		b.clock.pass(time.Minute)
		for _, token := range tokens {
			if want == "" {
				continue
			}
			if v := b.check(t, b.gate(0), token); v.Code != want {
				t.Errorf("rotation %d: %s is %s, want %s", n+1, token, v.Code, want)
			}
		}
	}
}

// A secret does not outlive its key.
func TestAGracePeriodEndsWithTheKey(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	k := b.issue(t, b.token(t), func(k *apikey.Key) { k.ExpiresAt = noon.Add(time.Hour) })
	if issued := b.rotate(t, root, k.ID, day); !issued.Previous.Equal(k.ExpiresAt) {
		t.Errorf("until %v, and the key until %v", issued.Previous, k.ExpiresAt)
	}
}

func TestWhichKeysAreNotRotated(t *testing.T) {
	b := newBench(t)
	root, mine, self, yours := b.caller(t, "root", admin), b.caller(t, "u1", nil), b.caller(t, "u1", nil), b.caller(t, "u2", nil)
	key := func(edit func(*apikey.Key)) string { return b.issue(t, b.token(t), edit).ID }
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
		who   apikey.Caller
		id    string
		grace time.Duration
		want  error
	}{
		{"one's own", mine, own(nil), 0, nil},
		{"the calling key", self, self.KeyID, day, nil},
		{"a disabled key", root, key(func(k *apikey.Key) { k.Enabled = false }), 0, nil},
		{"a revoked key", root, key(func(k *apikey.Key) { k.RevokedAt = noon }), 0, apikey.ErrEnded},
		{"an expired key", root, key(func(k *apikey.Key) { k.ExpiresAt = noon }), 0, apikey.ErrEnded},
		{"one both expired and disabled", root, key(func(k *apikey.Key) { k.ExpiresAt, k.Enabled = noon, false }), 0, apikey.ErrEnded},
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
		if _, err := b.registry.Rotate(t.Context(), c.who, c.id, c.grace); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	narrow := b.caller(t, "u1", func(k *apikey.Key) { k.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	_, err := b.registry.Rotate(t.Context(), narrow, own(nil), 0)
	refused(t, "one from more networks", err, "allowedCidrs")
}

// All tokens that were imported for a key are one generation. What replaces them
// is ours, and importing them again does not bring them back.
func TestForeignTokensRotateTogether(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	one, two := "a-token-of-elsewhere-1", "a-token-of-elsewhere-2"
	entries := []apikey.Import{{ID: "c", Token: b.parse(t, one)}, {ID: "c", Hash: hash(two)}}
	for _, in := range entries {
		b.importKey(t, in)
	}
	g := b.gate(time.Second)
	id := b.check(t, g, one).Key.ID
	next := b.rotate(t, root, id, time.Hour)
	if !next.Token.Native() || next.Token.ID() != id {
		t.Errorf("the new token is %v of %s", next.Token, next.Token.ID())
	}
	codes := func(step string, want ...apikey.Code) {
		t.Helper()
		for i, token := range []string{one, two, next.Token.Reveal()} {
			if v := b.check(t, g, token); v.Code != want[i] {
				t.Errorf("%s: token %d is %s, want %s", step, i, v.Code, want[i])
			}
		}
	}
	codes("in grace", apikey.CodeValid, apikey.CodeValid, apikey.CodeValid)
	if _, err := b.registry.Rotate(t.Context(), root, id, time.Hour); !errors.Is(err, apikey.ErrTwoSecrets) {
		t.Errorf("a third generation: %v", err)
	}
	b.clock.pass(2 * time.Hour)
	codes("after it", apikey.CodeRevoked, apikey.CodeRevoked, apikey.CodeValid)
	for _, in := range entries {
		if did := b.importKey(t, in); did != apikey.ImportUnchanged {
			t.Errorf("importing again: %s", did)
		}
	}
	codes("imported again", apikey.CodeRevoked, apikey.CodeRevoked, apikey.CodeValid)

	b.clock.pass(31 * day)
	rename := to(apikey.Change{Name: ptr("c")})
	if _, err := b.registry.Update(t.Context(), root, id, rename); err != nil {
		t.Fatal(err)
	}
	codes("long after", apikey.CodeUnknown, apikey.CodeUnknown, apikey.CodeValid)
	if _, err := b.registry.Store.Resolve(t.Context(), b.hasher.Alias(b.parse(t, one))); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("its alias: %v", err)
	}
	entries[0].UserID, entries[0].Environment = "u1", apikey.Live
	if _, err := b.registry.Import(t.Context(), entries[0]); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("importing it once more: %v", err)
	}
	// Elsewhere it may be a key of its own, also before an environment that
	// remembers whose it was.
	b.importKey(t, apikey.Import{ID: "d", Token: b.parse(t, one)})
	b.clock.pass(time.Second)
	codes("another key's", apikey.CodeValid, apikey.CodeUnknown, apikey.CodeValid)
}

// A rotation whose write is let down, at whichever request and in whichever way,
// is made or not: there is never a key without a secret that somebody has.
func TestARotationIsMadeOrNot(t *testing.T) {
	everyFault(t, func(t *testing.T, b *bench, root apikey.Caller, inject func()) {
		token := b.token(t)
		k := b.issue(t, token, nil)
		inject()
		issued, err := b.registry.Rotate(t.Context(), root, k.ID, 0)
		inject()
		g := b.gate(0)
		before := b.check(t, g, token.Reveal()).Code
		switch {
		case err == nil:
			if after := b.check(t, g, issued.Token.Reveal()).Code; after != apikey.CodeValid || before != apikey.CodeRevoked {
				t.Errorf("rotated: the old is %s and the new is %s", before, after)
			}
		case before == apikey.CodeRevoked:
			// It was made, and nobody was told: rotating again helps.
			if v := b.check(t, g, b.rotate(t, root, k.ID, 0).Token.Reveal()); !v.Valid() {
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
	k := b.issue(t, b.token(t), nil)
	b.registry.Pause = nil
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.registry.Rotate(ctx, root, k.ID, 0); err == nil {
		t.Error("handed out before every environment takes it")
	}
}
