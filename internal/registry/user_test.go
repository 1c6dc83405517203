package registry_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// The allowed texts for a userId and a name. Each text shows all of its characters.
func TestTextsThatDoNotShowWhatTheyAreAreRefused(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	for _, c := range []struct {
		name, text string
		user, key  bool // whether it may be a userId, and a key's name
	}{
		{"a word", "alice", true, true},
		{"an issuer's form", "auth0|5f7c8ec7c33c6c004bbafe82", true, true},
		{"a path, an address and escapes", "a/b%41+c@example.com", true, true},
		{"words", "Alice Liddell", true, true},
		{"decomposed accents", "Ame\u0301lie", true, true},
		{"Chinese", "\u7231\u4e3d\u4e1d", true, true},
		{"an ideographic space", "\u7231\u3000\u4e1d", true, true},
		{"an emoji with a variation selector", "\u2764\ufe0f", true, true},
		{"an emoji of two, joined", "\U0001F469\u200d\U0001F4BB", false, true},
		{"a Persian word with a non-joiner", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", false, true},
		{"a joiner at the end", "alice\u200d", false, false},
		{"a joiner at the beginning", "\u200dalice", false, false},
		{"two joiners", "al\u200d\u200cice", false, false},
		{"a line feed", "a\nb", false, false},
		{"NUL", "a\x00b", false, false},
		{"a C1 control character", "a\u0085b", false, false},
		{"right to left override", "alice\u202egpj", false, false},
		{"right to left mark", "alice\u200f", false, false},
		{"isolate", "\u2066alice\u2069", false, false},
		{"Arabic letter mark", "a\u061cb", false, false},
		{"zero width space", "al\u200bice", false, false},
		{"byte order mark", "\ufeffalice", false, false},
		{"word joiner", "a\u2060b", false, false},
		{"soft hyphen", "a\u00adb", false, false},
		{"a tag", "a\U000E0041b", false, false},
		{"line separator", "a\u2028b", false, false},
		{"paragraph separator", "a\u2029b", false, false},
		{"private use", "a\ue000b", false, false},
		{"an unassigned code point", "a\u0378b", false, false},
		{"no character", "a\uffffb", false, false},
		{"a Hangul filler", "a\u3164b", false, false},
		{"a Hangul filler alone", "\u115f", false, false},
		{"a halfwidth filler", "alice\uffa0", false, false},
		{"a grapheme joiner", "a\u034fb", false, false},
		{"a Khmer vowel that does not show", "a\u17b4b", false, false},
		{"a blank of Braille", "\u2800", false, false},
		{"a blank of Braille at the end", "alice\u2800", false, false},
		{"a variation selector that varies nothing", "alice\ufe0f", false, true},
		{"another one of these", "ali\U000E0100ce", false, true},
		{"a variation selector at the beginning", "\ufe0falice", false, false},
		{"an emoji of two, joined after a selector", "\u2764\ufe0f\u200d\U0001F525", false, true},
		{"a variant of a Chinese character", "\u845b\U000E0100", true, true},
		{"a keycap", "1\ufe0f\u20e3", true, true},
		{"a byte that is no UTF-8", "a\xffb", false, false},
		{"an encoded surrogate", "a\xed\xa0\x80b", false, false},
		{"the empty text", "", false, true},
		{"space around it", " alice", false, true},
		{"who needs no key", "anonymous", false, true},
		{"the same in capitals", "Anonymous", false, true},
		{"latchkey's own", "latchkey:admin", false, true},
		{"another of latchkey's own", "LatchKey:x", false, true},
		{"nearly that", "latchkeys", true, true},
		{"the owner of admin keys in earlier versions", "admin", true, true},
	} {
		if err := apikey.CheckUserID(c.text); (err == nil) != c.user || err != nil && !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("%s as a userId: %v", c.name, err)
		}
		k, _, err := b.Registry.Create(t.Context(), root, c.text, apikey.Live, apikey.Change{})
		if c.text != "" && ((err == nil) != c.user || err != nil && !isField(err, "userId")) {
			t.Errorf("a key for %s: %+v, %v", c.name, k, err)
		}
		_, _, err = b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{Name: &c.text})
		if (err == nil) != c.key || err != nil && !isField(err, "name") {
			t.Errorf("a key called %s: %v", c.name, err)
		}
		hash := sha256.Sum256([]byte(c.text))
		_, err = b.Registry.Import(t.Context(), registry.Import{Hash: &hash, UserID: c.text, Environment: apikey.Live})
		if (err == nil) != c.user {
			t.Errorf("an import for %s: %v", c.name, err)
		}
		// Their names are bound by more than this.
		_, err = apikey.Static{}.With("a-static-key-of-ours:"+c.text, ratelimit.Limit{Requests: 1, Window: time.Second})
		if err == nil && !c.user && strings.TrimSpace(c.text) == c.text {
			t.Errorf("a static key may be called %s", c.name)
		}
	}
}

func isField(err error, name string) bool {
	var field *apikey.FieldError
	return errors.As(err, &field) && field.Field == name
}

// Latchkey's own admin keys belong to latchkey:admin alone, and go on working.
func TestOnlyLatchkeysOwnKeysMakeMoreForItsOwnUser(t *testing.T) {
	b := newBench(t)
	root, other := b.caller(t, apikey.OwnUser, admin), b.caller(t, "another admin", admin)
	for _, user := range []string{"", apikey.OwnUser} {
		if k, _, err := b.Registry.Create(t.Context(), root, user, apikey.Live, apikey.Change{}); err != nil || k.UserID != apikey.OwnUser {
			t.Errorf("by its own key, for %q: %v", user, err)
		}
	}
	if _, _, err := b.Registry.Create(t.Context(), other, apikey.OwnUser, apikey.Live, apikey.Change{}); !isField(err, "userId") {
		t.Errorf("by another admin: %v", err)
	}
	for name, who := range map[string]registry.Caller{"its own key": root, "another admin": other} {
		page, err := b.Registry.List(t.Context(), who, registry.Query{UserID: apikey.OwnUser, Limit: 10})
		if err != nil || len(page.Keys) != 3 {
			t.Errorf("%s lists %d keys, %v", name, len(page.Keys), err)
		}
	}
}

// Keys that could never be active are refused, in whichever order the two ends are set.
func TestAKeyEndsAfterItBegins(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	hour := func(n int) *time.Time { return ptr(apikeytest.Noon.Add(time.Duration(n) * time.Hour)) }
	for _, c := range []struct {
		name             string
		first, then      apikey.Change // then is a PATCH
		atOnce, atUpdate string        // the field that is wrong; empty: none
	}{
		{"in order", apikey.Change{NotBefore: hour(1), ExpiresAt: hour(2)}, apikey.Change{Name: ptr("x")}, "", ""},
		{"at the same moment", apikey.Change{NotBefore: hour(1), ExpiresAt: hour(1)}, apikey.Change{}, "notBefore", ""},
		{"the wrong way round", apikey.Change{NotBefore: hour(2), ExpiresAt: hour(1)}, apikey.Change{}, "notBefore", ""},
		{"the end moves before the beginning", apikey.Change{NotBefore: hour(2)}, apikey.Change{ExpiresAt: hour(1)}, "", "expiresAt"},
		{"the beginning moves behind the end", apikey.Change{ExpiresAt: hour(2)}, apikey.Change{NotBefore: hour(3)}, "", "notBefore"},
		{"the beginning moves to the end", apikey.Change{ExpiresAt: hour(2)}, apikey.Change{NotBefore: hour(2)}, "", "notBefore"},
		{"both move", apikey.Change{NotBefore: hour(1), ExpiresAt: hour(2)}, apikey.Change{NotBefore: hour(3), ExpiresAt: hour(4)}, "", ""},
		{"the end goes", apikey.Change{NotBefore: hour(1), ExpiresAt: hour(2)}, apikey.Change{NotBefore: hour(3), ExpiresAt: &time.Time{}}, "", ""},
		{"the beginning goes", apikey.Change{NotBefore: hour(2)}, apikey.Change{NotBefore: &time.Time{}, ExpiresAt: hour(1)}, "", ""},
	} {
		hash := sha256.Sum256([]byte(c.name))
		_, err := b.Registry.Import(t.Context(), registry.Import{Hash: &hash, UserID: "u1", Environment: apikey.Live, Change: c.first})
		k, _, createErr := b.Registry.Create(t.Context(), root, "u1", apikey.Live, c.first)
		for what, err := range map[string]error{"create": createErr, "import": err} {
			if (err == nil) != (c.atOnce == "") || err != nil && (!isField(err, c.atOnce) || !errors.Is(err, apikey.ErrInvalid)) {
				t.Errorf("%s, %s: %v, want %q", c.name, what, err, c.atOnce)
			}
		}
		if c.atOnce != "" {
			continue
		}
		_, err = b.Registry.Update(t.Context(), root, k.ID, to(c.then))
		if (err == nil) != (c.atUpdate == "") || err != nil && (!isField(err, c.atUpdate) || !errors.Is(err, apikey.ErrInvalid)) {
			t.Errorf("%s, update: %v, want %q", c.name, err, c.atUpdate)
		}
	}
	// A key that an earlier version has made so can still be renamed, and mended.
	k := b.Issue(t, b.Token(t), func(k *apikey.Key) { k.NotBefore, k.ExpiresAt = *hour(2), *hour(1) })
	for _, c := range []apikey.Change{{Name: ptr("x")}, {ExpiresAt: hour(3)}} {
		if _, err := b.Registry.Update(t.Context(), root, k.ID, to(c)); err != nil {
			t.Errorf("a key that was made so: %v", err)
		}
	}
}

// Omitted fields are inherited, including the expiry.
func TestABeginningBehindAnInheritedEndIsRefused(t *testing.T) {
	b := newBench(t)
	who := b.caller(t, "u1", func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon.Add(time.Hour) })
	_, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{NotBefore: ptr(apikeytest.Noon.Add(2 * time.Hour))})
	if !isField(err, "notBefore") {
		t.Errorf("create: %v", err)
	}
}
