package registry_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/registry"
)

// present is the caller that the authorizer makes of a token, as gate judges it.
func (b *bench) present(t *testing.T, gate *gate.Gate, token apikey.Token) registry.Caller {
	t.Helper()
	v := b.Check(t, gate, token.Reveal())
	if !v.Valid() {
		t.Fatalf("the caller's own token is %s", v.Code)
	}
	return registry.Caller{
		KeyID: v.Key.ID, UserID: v.Key.UserID, Scopes: v.Key.Scopes,
		Presented: &registry.Presented{Generation: v.Key.Generation(), Replaced: v.Replaced},
	}
}

// The rights of an admin key's token, by its generation. A token in its grace may be used and may
// read, and changes nothing. A token that was replaced since an instance read the key changes
// nothing either, even while that instance remembers the key.
func TestEachGenerationOfATokenHasItsRights(t *testing.T) {
	const yes, no = true, false
	type deployment struct {
		*bench
		own, other, user string // the caller's key, another key of the same user, another user
		repeated         registry.Caller
	}
	b := newBench(t)
	root := b.caller(t, "root", admin)
	for _, c := range []struct {
		name                     string
		do                       func(deployment, registry.Caller) error
		present, inGrace, lately bool // lately: replaced since the caller was let in
	}{
		{"read its own key", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.Find(t.Context(), who, d.own)
			return err
		}, yes, yes, yes},
		{"list", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.List(t.Context(), who, registry.Query{Limit: 5})
			return err
		}, yes, yes, yes},
		{"create", func(d deployment, who registry.Caller) error {
			_, _, err := d.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{})
			return err
		}, yes, no, no},
		{"create again, for the answer", func(d deployment, who registry.Caller) error {
			who.Idempotency = d.repeated.Idempotency
			_, _, err := d.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{})
			return err
		}, yes, no, no},
		{"update its own key", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.Update(t.Context(), who, d.own, to(apikey.Change{Name: ptr("n")}))
			return err
		}, yes, no, no},
		{"update another", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.Update(t.Context(), who, d.other, to(apikey.Change{Name: ptr("n")}))
			return err
		}, yes, no, no},
		{"rotate its own key", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.Rotate(t.Context(), who, d.own, 0)
			return err
		}, yes, no, no},
		{"rotate another", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.Rotate(t.Context(), who, d.other, 0)
			return err
		}, yes, no, no},
		{"end the grace of its own key", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.EndGrace(t.Context(), who, d.own)
			return err
		}, yes, no, no},
		{"end the grace of another", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.EndGrace(t.Context(), who, d.other)
			return err
		}, yes, no, no},
		{"revoke its own key", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.Revoke(t.Context(), who, d.own, "")
			return err
		}, yes, no, no},
		{"revoke another", func(d deployment, who registry.Caller) error {
			_, err := d.Registry.Revoke(t.Context(), who, d.other, "")
			return err
		}, yes, no, no},
		{"revoke all of a user", func(d deployment, who registry.Caller) error {
			_, _, err := d.Registry.RevokeUser(t.Context(), who, d.user, "", "")
			return err
		}, yes, no, no},
		{"delete its own key", func(d deployment, who registry.Caller) error {
			return d.Registry.Delete(t.Context(), who, d.own)
		}, yes, no, no},
		{"delete another", func(d deployment, who registry.Caller) error {
			return d.Registry.Delete(t.Context(), who, d.other)
		}, yes, no, no},
	} {
		for generation, may := range map[string]bool{"present": c.present, "in its grace": c.inGrace, "replaced lately": c.lately, "ended lately": c.lately} {
			token := b.Token(t)
			k := b.Issue(t, token, admin)
			d := deployment{bench: b, own: k.ID, other: b.Issue(t, b.Token(t), nil).ID, user: "u2"}
			b.rotate(t, root, d.other, time.Hour)
			b.Issue(t, b.Token(t), func(k *apikey.Key) { k.UserID = d.user })
			d.repeated = asking(b.present(t, b.Gate(0), token), name, "")
			if _, _, err := b.Registry.Create(t.Context(), d.repeated, "", apikey.Live, apikey.Change{}); err != nil {
				t.Fatal(err)
			}
			instance := b.Gate(time.Second)
			switch b.Check(t, instance, token.Reveal()); generation {
			case "in its grace":
				b.rotate(t, root, d.own, time.Hour)
				b.Clock.Pass(time.Second)
			case "replaced lately":
				b.rotate(t, root, d.own, time.Hour)
			case "ended lately":
				b.rotate(t, root, d.own, 0)
			}
			want := apikey.ErrReplaced
			if may {
				want = nil
			}
			if err := c.do(d, b.present(t, instance, token)); !errors.Is(err, want) {
				t.Errorf("a token %s, %s: %v, want %v", generation, c.name, err, want)
			}
		}
	}
}

// A caller who rotates its own key, and loses the answer, may retry with the replaced token,
// because only the answer has the new one.
func TestOnlyARotationOfItsOwnKeyIsAnsweredToAReplacedToken(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	k := b.Issue(t, token, func(k *apikey.Key) { k.Scopes = apikey.Scopes{apikey.ScopeWrite} })
	who := func() registry.Caller {
		c := asking(b.present(t, b.Gate(0), token), name, "x")
		c.Scopes = k.Scopes
		return c
	}
	first := b.rotate(t, who(), k.ID, time.Hour)
	again := b.rotate(t, who(), k.ID, time.Hour)
	if first.Token.Reveal() != again.Token.Reveal() {
		t.Error("another token was made")
	}
	other := who()
	other.Idempotency.Key += "!"
	if _, err := b.Registry.Rotate(t.Context(), other, k.ID, 0); !errors.Is(err, apikey.ErrReplaced) {
		t.Errorf("by another name: %v", err)
	}
}

// An authorizer of an earlier version does not say which token was presented. While the token could
// be a replaced one, the change cannot be decided, which is no refusal.
func TestACallerWhoseTokenIsNotTold(t *testing.T) {
	for _, c := range []struct {
		name   string
		rotate time.Duration // the grace; -1: no rotation
		pass   time.Duration
		told   *registry.Presented
		may    bool
	}{
		{"of a key that was never rotated", -1, 0, nil, true},
		{"while an older token is in its grace", time.Hour, time.Minute, nil, false},
		{"when an older token has just ended", 0, time.Second, nil, false},
		{"when the grace has just ended", time.Minute, time.Minute + time.Second, nil, false},
		{"when every older token ended long ago", 0, time.Hour, nil, true},
		// An earlier version of the keys function drops unknown fields of a record.
		{"of a generation that the record does not know", time.Hour, time.Minute, &registry.Presented{Generation: apikeytest.Noon.Add(day).UnixMilli()}, false},
		{"of such a generation, of a key that was never rotated", -1, 0, &registry.Presented{Generation: apikeytest.Noon.Add(day).UnixMilli()}, true},
		{"of such a generation, replaced", -1, 0, &registry.Presented{Generation: apikeytest.Noon.Add(day).UnixMilli(), Replaced: true}, false},
	} {
		b := newBench(t)
		root := b.caller(t, "root", admin)
		k := b.Issue(t, b.Token(t), admin)
		if c.rotate >= 0 {
			b.rotate(t, root, k.ID, c.rotate)
		}
		b.Clock.Pass(c.pass)
		who := registry.Caller{KeyID: k.ID, UserID: k.UserID, Scopes: k.Scopes, Presented: c.told}
		_, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{})
		if (err == nil) != c.may {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.told == nil && errors.Is(err, apikey.ErrForbidden) {
			t.Errorf("%s: refused, though it could be the present token: %v", c.name, err)
		}
	}
}

// A record of an earlier version says neither when its present tokens were created nor how often it
// was rotated.
func TestGenerationsOfARecordOfAnEarlierVersion(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	older := b.Token(t)
	present, err := b.Format.Next(apikey.Live, older.ID(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := b.Issue(t, older, func(k *apikey.Key) {
		admin(k)
		k.Secrets[0].NotAfter = apikeytest.Noon.Add(time.Hour)
		k.Secrets = append(k.Secrets, b.Hasher.Hash(present))
	})
	create := func(who registry.Caller) error {
		_, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{})
		return err
	}
	instance := b.Gate(time.Second)
	was := map[string]registry.Caller{"older": b.present(t, instance, older), "present": b.present(t, instance, present)}
	if err := create(was["older"]); !errors.Is(err, apikey.ErrReplaced) {
		t.Errorf("the older token: %v", err)
	}
	if err := create(was["present"]); err != nil {
		t.Errorf("the present token: %v", err)
	}
	third := b.rotate(t, root, k.ID, 0).Token
	for token, who := range was {
		if err := create(who); !errors.Is(err, apikey.ErrReplaced) {
			t.Errorf("the %s token after a rotation: %v", token, err)
		}
	}
	if err := create(b.present(t, instance, third)); err != nil {
		t.Errorf("the third token: %v", err)
	}
}

// All tokens that were imported for a key are of one generation, also one that is added
// later. A key that is deleted and imported again has a generation of its own.
func TestImportedTokensAreOneGeneration(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	one, two := b.Parse(t, "a-token-of-elsewhere-1"), b.Parse(t, "a-token-of-elsewhere-2")
	in := registry.Import{ID: "k", Token: one, UserID: "u1", Environment: apikey.Live, Change: apikey.Change{Scopes: &apikey.Scopes{apikey.ScopeAdmin}}}
	b.importKey(t, in)
	instance := b.Gate(time.Second)
	first := b.present(t, instance, one)
	b.Clock.Pass(time.Minute)
	in.Token = two
	b.importKey(t, in)
	second := b.present(t, instance, two)
	create := func(who registry.Caller) error {
		_, _, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{})
		return err
	}
	for _, who := range []registry.Caller{first, second} {
		if err := create(who); err != nil {
			t.Error(err)
		}
	}
	if err := b.Registry.Delete(t.Context(), root, first.KeyID); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(time.Millisecond)
	b.importKey(t, in)
	if err := create(first); !errors.Is(err, apikey.ErrReplaced) {
		t.Errorf("a token of the deleted key: %v", err)
	}
}
