package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// interrupted is a store in which something happens between two of the steps of a change: before
// each of its reads, and before each of its writes.
type interrupted struct {
	registry.Store
	at, step int
	do       func()
}

func (s *interrupted) next() {
	if s.step++; s.step == s.at {
		s.do()
	}
}

func (s *interrupted) Find(ctx context.Context, id string) (apikey.Record, error) {
	s.next()
	return s.Store.Find(ctx, id)
}

func (s *interrupted) Write(ctx context.Context, changes ...registry.Write) error {
	s.next()
	return s.Store.Write(ctx, changes...)
}

func (s *interrupted) List(ctx context.Context, userID string, after registry.Position, limit int) ([]*apikey.Key, error) {
	s.next()
	return s.Store.List(ctx, userID, after, limit)
}

// The authorizer lets a caller in, and then the caller's key is taken away, whenever that is: before
// the change is made nothing is changed, and after it the caller could do so.
func TestACallerWhoseKeyIsTakenAwayChangesNothing(t *testing.T) {
	type bed struct {
		*bench
		who, root registry.Caller
		user      string // the caller's
		other     string // another key of the user
	}
	taken := map[string]func(b bed) error{
		"revoked": func(b bed) error {
			_, err := b.Registry.Revoke(t.Context(), b.root, b.who.KeyID, "")
			return err
		},
		"deleted":  func(b bed) error { return b.Registry.Delete(t.Context(), b.root, b.who.KeyID) },
		"disabled": func(b bed) error { return b.patch(t, b.root, b.who.KeyID, apikey.Change{Enabled: ptr(false)}) },
		"put off": func(b bed) error {
			return b.patch(t, b.root, b.who.KeyID, apikey.Change{NotBefore: ptr(apikeytest.Noon.Add(24 * time.Hour))})
		},
		"rotated, with a grace": func(b bed) error {
			_, err := b.Registry.Rotate(t.Context(), b.root, b.who.KeyID, time.Hour)
			return err
		},
		"rotated, without a grace": func(b bed) error {
			_, err := b.Registry.Rotate(t.Context(), b.root, b.who.KeyID, 0)
			return err
		},
		"deleted, and made again without its rights": func(b bed) error {
			if err := b.Registry.Delete(t.Context(), b.root, b.who.KeyID); err != nil {
				return err
			}
			again := &apikey.Key{ID: b.who.KeyID, UserID: b.who.UserID, Environment: apikey.Live, Limit: apikey.DefaultLimit(), Enabled: true, CreatedAt: b.Clock.Time().Add(time.Second)}
			return b.Options.Store.Write(t.Context(), registry.Write{To: again})
		},
		"no manager any more": func(b bed) error {
			return b.patch(t, b.root, b.who.KeyID, apikey.Change{Scopes: &apikey.Scopes{"tts", "*", apikey.ScopeRead}})
		},
	}
	deeds := []struct {
		name  string
		admin bool // the caller is one
		do    func(r *registry.Registry, b bed) error
	}{
		{"create", false, func(r *registry.Registry, b bed) error {
			_, _, err := r.Create(t.Context(), b.who, "", apikey.Live, apikey.Change{})
			return err
		}},
		{"create by name", false, func(r *registry.Registry, b bed) error {
			b.who.Idempotency = registry.Idempotency{Key: "the-name-of-this-request", Body: []byte("{}")}
			_, _, err := r.Create(t.Context(), b.who, "", apikey.Live, apikey.Change{})
			return err
		}},
		{"create for another", true, func(r *registry.Registry, b bed) error {
			_, _, err := r.Create(t.Context(), b.who, "u2", apikey.Live, apikey.Change{})
			return err
		}},
		{"update", false, func(r *registry.Registry, b bed) error {
			_, err := r.Update(t.Context(), b.who, b.other, to(apikey.Change{Name: ptr("x")}))
			return err
		}},
		{"update itself", false, func(r *registry.Registry, b bed) error {
			_, err := r.Update(t.Context(), b.who, b.who.KeyID, to(apikey.Change{Name: ptr("x")}))
			return err
		}},
		{"rotate", false, func(r *registry.Registry, b bed) error {
			_, err := r.Rotate(t.Context(), b.who, b.other, 0)
			return err
		}},
		{"rotate itself", false, func(r *registry.Registry, b bed) error {
			_, err := r.Rotate(t.Context(), b.who, b.who.KeyID, time.Hour)
			return err
		}},
		{"end a grace", false, func(r *registry.Registry, b bed) error {
			_, err := r.EndGrace(t.Context(), b.who, b.other)
			return err
		}},
		{"revoke", false, func(r *registry.Registry, b bed) error {
			_, err := r.Revoke(t.Context(), b.who, b.other, "")
			return err
		}},
		{"delete", false, func(r *registry.Registry, b bed) error { return r.Delete(t.Context(), b.who, b.other) }},
		{"revoke all of a user", true, func(r *registry.Registry, b bed) error {
			_, _, err := r.RevokeUser(t.Context(), b.who, b.user, "", "")
			return err
		}},
	}
	shared := newBench(t)
	shared.Configure(func(o *registry.Options) { o.MaxKeys = 10 })
	root := shared.caller(t, "root", admin)
	for _, d := range deeds {
		for what, take := range taken {
			for at := 1; ; at++ {
				b := bed{bench: shared, root: root, user: fmt.Sprintf("u of %s, %s, %d", d.name, what, at)}
				b.who = b.caller(t, b.user, func(k *apikey.Key) {
					if d.admin {
						admin(k)
					}
				})
				b.other = b.caller(t, b.user, func(k *apikey.Key) {
					k.Secrets = append([]apikey.Secret{{Algorithm: "hmac-sha256", Hash: []byte("x"), NotAfter: apikeytest.Noon.Add(time.Hour)}}, k.Secrets...)
				}).KeyID
				var took error
				store := &interrupted{Store: b.Options.Store, at: at, do: func() { took = take(b) }}
				hasty := b.On(store)
				before := everything(t, b.bench, b.who.KeyID, b.user, "u2")
				err := d.do(hasty, b)
				if took != nil {
					t.Fatal(took)
				}
				if store.step < at {
					if err != nil {
						t.Errorf("%s, undisturbed: %v", d.name, err)
					}
					break // it has no more steps
				}
				if d.name == "revoke all of a user" {
					if left := strings.Contains(everything(t, b.bench, b.who.KeyID, b.user), "0001-01-01"); left != (err != nil) && !errors.Is(err, apikey.ErrForbidden) {
						t.Errorf("%s, where its key is %s before step %d: %v, and some are left: %t", d.name, what, at, err, left)
					}
					continue // some were revoked before
				}
				if !errors.Is(err, apikey.ErrForbidden) && !(strings.HasPrefix(what, "deleted") && errors.Is(err, apikey.ErrNotFound)) {
					t.Errorf("%s, where its key is %s before step %d: %v", d.name, what, at, err)
				}
				if after := everything(t, b.bench, b.who.KeyID, b.user, "u2"); before != after {
					t.Errorf("%s, where its key is %s before step %d, changed\n%s\nto\n%s", d.name, what, at, before, after)
				}
			}
		}
	}
}

func (b *bench) patch(t *testing.T, who registry.Caller, id string, c apikey.Change) error {
	_, err := b.Registry.Update(t.Context(), who, id, to(c))
	return err
}

// everything returns the stored keys of users, except one key.
func everything(t *testing.T, b *bench, without string, users ...string) (text string) {
	t.Helper()
	for _, user := range users {
		keys, err := b.Options.Store.List(t.Context(), user, registry.Position{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if k.ID != without {
				text += fmt.Sprintln(k.ID, k.Rev, k.RevokedAt)
			}
		}
	}
	return text
}

// A change of the caller's key does not prevent a change that the caller may still make.
func TestAChangeOfTheCallersKeyIsJudgedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		change apikey.Change
		refuse string
	}{
		"renamed":            {apikey.Change{Name: ptr("x")}, ""},
		"wider":              {apikey.Change{Limit: &ratelimit.Limit{Requests: 1000, Window: time.Minute}}, ""},
		"narrower by limit":  {apikey.Change{Limit: &ratelimit.Limit{Requests: 9, Window: time.Minute}}, "rateLimit"},
		"narrower by scopes": {apikey.Change{Scopes: &apikey.Scopes{apikey.ScopeWrite}}, "scopes"},
	} {
		for _, deed := range []string{"create", "update", "rotate"} {
			b := newBench(t)
			who, root := b.caller(t, "u1", nil), b.caller(t, "root", admin)
			target := b.caller(t, "u1", func(k *apikey.Key) { k.Scopes, k.Limit.Requests = apikey.Scopes{"tts"}, 10 })
			store := &interrupted{Store: b.Options.Store, do: func() {
				if err := b.patch(t, root, who.KeyID, c.change); err != nil {
					t.Error(err)
				}
			}}
			hasty := b.On(store)
			limit, scopes := ratelimit.Limit{Requests: 10, Window: time.Minute}, apikey.Scopes{"tts"}
			store.at = map[string]int{"create": 2, "update": 3, "rotate": 3}[deed] // before the write
			var err error
			switch deed {
			case "create":
				_, _, err = hasty.Create(t.Context(), who, "", "", apikey.Change{Limit: &limit, Scopes: &scopes})
			case "update":
				_, err = hasty.Update(t.Context(), who, target.KeyID, to(apikey.Change{Limit: &limit, Scopes: &scopes, ExpiresAt: &time.Time{}, Enabled: ptr(true), NotBefore: ptr(apikeytest.Noon)}))
				if c.refuse != "" {
					continue // nothing is widened by it
				}
			case "rotate":
				_, err = hasty.Rotate(t.Context(), who, target.KeyID, 0)
			}
			refused(t, deed+", where the caller becomes "+name, err, c.refuse)
		}
	}
}

// createAtOnce creates n keys of the caller at the same time, and returns how many the user had room for.
func (b *bench) createAtOnce(t *testing.T, caller registry.Caller, n int) (created int) {
	t.Helper()
	var wg sync.WaitGroup
	results := make([]error, n)
	for i := range results {
		wg.Go(func() { _, _, results[i] = b.Registry.Create(t.Context(), caller, "", "", apikey.Change{}) })
	}
	wg.Wait()
	for _, err := range results {
		switch {
		case err == nil:
			created++
		case !errors.Is(err, apikey.ErrTooManyKeys):
			t.Error(err)
		}
	}
	return created
}

// Simultaneous changes by one caller do not prevent one another.
func TestACallerMakesManyChangesAtOnce(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys, o.Pause = 20, nil })
	who := b.caller(t, "u1", nil)
	if made := b.createAtOnce(t, who, 30); made != 19 {
		t.Errorf("%d were made beside the caller's own, of 20", made)
	}
	keys, err := b.Options.Store.List(t.Context(), "u1", registry.Position{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	results := make([]error, 12)
	for n, k := range keys[:12] {
		wg.Go(func() { results[n] = b.patch(t, who, k.ID, apikey.Change{Name: ptr("x")}) })
	}
	wg.Wait()
	if err := errors.Join(results...); err != nil {
		t.Error(err)
	}
}

// An admin ends all keys of a user, even if the user is the admin: the key that the admin came with
// goes last, on the last page.
func TestRevokingAllOfAUserEndsTheCallersOwnKeyLast(t *testing.T) {
	b := newBench(t)
	who := b.caller(t, "u1", admin)
	for range 60 {
		b.Clock.Pass(time.Second)
		b.caller(t, "u1", nil)
	}
	b.Clock.Pass(time.Second)
	total, calls := 0, 0
	for cursor := ""; calls == 0 || cursor != ""; calls++ {
		n, next, err := b.Registry.RevokeUser(t.Context(), who, "u1", "", cursor)
		if err != nil {
			t.Fatal(err)
		}
		total, cursor = total+n, next
	}
	if total != 61 || calls != 3 {
		t.Errorf("revoked %d of 61 in %d calls", total, calls)
	}
}
