package registry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// The usage of a day is known during the day and afterwards, for a key and for all keys of a user.
func TestUsageByDay(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	reader := func(k *apikey.Key) { k.Scopes = apikey.Scopes{apikey.ScopeRead} }
	me, you, root := b.caller(t, "me", reader), b.caller(t, "you", reader), b.caller(t, "root", admin)
	var ids []string
	var requests []gate.Request
	for range 2 {
		token := b.Token(t)
		k := b.Issue(t, token, func(k *apikey.Key) { k.UserID, k.Limit = "me", ratelimit.Limit{Requests: 100, Window: time.Minute} })
		ids, requests = append(ids, k.ID), append(requests, gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 2})
	}
	g := b.Gate(time.Second)
	check := func(which, times int) {
		t.Helper()
		for range times {
			b.Clock.Pass(2 * time.Second)
			if v, err := g.Check(t.Context(), requests[which]); err != nil || !v.Valid() {
				t.Fatalf("%s, %v", v.Code, err)
			}
		}
	}
	days := registry.Days{From: apikeytest.Noon.Truncate(24 * time.Hour), To: apikeytest.Noon.Truncate(24*time.Hour).AddDate(0, 0, 9)}
	use := func(pairs ...int64) (all []ratelimit.DayUsage) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, ratelimit.DayUsage{Day: ratelimit.Date(pairs[i]), Used: pairs[i+1]})
		}
		return all
	}
	expect := func(what string, got registry.Usage, err error, want []ratelimit.DayUsage) {
		t.Helper()
		if diff := cmp.Diff(want, got.Days); err != nil || diff != "" {
			t.Errorf("%s (-want +got): %v\n%s", what, err, diff)
		}
	}
	check(0, 3)
	got, err := b.Registry.Usage(t.Context(), me, ids[0], days)
	expect("while the day lasts", got, err, use(20261124, 6))
	b.Clock.Pass(24 * time.Hour)
	got, err = b.Registry.Usage(t.Context(), me, ids[0], days)
	expect("on the day after", got, err, use(20261124, 6))
	check(0, 2)
	check(1, 1)
	b.Clock.Pass(6 * 24 * time.Hour) // another month
	check(0, 2)
	got, err = b.Registry.Usage(t.Context(), me, ids[0], days)
	expect("in the next month", got, err, use(20261124, 6, 20261125, 4, 20261201, 4))
	got, err = b.Registry.Usage(t.Context(), me, ids[0], registry.Days{From: days.From.AddDate(0, 0, 1), To: days.From.AddDate(0, 0, 1)})
	expect("of one day", got, err, use(20261125, 4))
	got, err = b.Registry.UserUsage(t.Context(), me, "", days)
	expect("of all my keys", got, err, use(20261124, 6, 20261125, 6, 20261201, 4))
	got, err = b.Registry.UserUsage(t.Context(), root, "me", days)
	expect("of all their keys", got, err, use(20261124, 6, 20261125, 6, 20261201, 4))
	got, err = b.Registry.UserUsage(t.Context(), you, "", days)
	expect("of nobody", got, err, nil)

	if _, err := b.Registry.Usage(t.Context(), you, ids[0], days); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("somebody else's key: %v", err)
	}
	if _, err := b.Registry.UserUsage(t.Context(), you, "me", days); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("somebody else's keys: %v", err)
	}
	for _, wrong := range []registry.Days{{From: days.To, To: days.From}, {From: days.From, To: days.From.AddDate(0, 0, 400)}} {
		if _, err := b.Registry.Usage(t.Context(), me, ids[0], wrong); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
}

// A key that was deleted and imported again shows no usage of its former owner, on any day. The
// spent requests still count against its limit.
func TestUsageBelongsToALifeOfAKey(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	const text = "an-old-token-of-ours"
	token := b.Parse(t, text)
	days := registry.Days{From: apikeytest.Noon.AddDate(0, 0, -1), To: apikeytest.Noon.AddDate(0, 0, 9)}
	id := ""
	begin := func(user string) {
		t.Helper()
		b.Clock.Pass(time.Second)
		b.importKey(t, registry.Import{ID: "c", Token: token, UserID: user, Environment: apikey.Live, Change: apikey.Change{
			Limit: &ratelimit.Limit{Requests: 20, Window: 24 * time.Hour},
		}})
		b.Clock.Pass(time.Second)
		var err error
		if id, err = b.Options.Store.Resolve(t.Context(), b.Hasher.Alias(token)); err != nil {
			t.Fatal(err)
		}
	}
	end := func() {
		t.Helper()
		if err := b.Registry.Delete(t.Context(), root, id); err != nil {
			t.Fatal(err)
		}
	}
	use := func(times int) apikey.Verdict {
		t.Helper()
		var v apikey.Verdict
		for range times {
			if v = b.Check(t, b.Gate(0), text); !v.Valid() {
				t.Fatalf("%s", v.Code)
			}
			b.Clock.Pass(time.Second)
		}
		return v
	}
	shows := func(step, user string, want ...ratelimit.DayUsage) {
		t.Helper()
		one, err := b.Registry.Usage(t.Context(), root, id, days)
		if diff := cmp.Diff(want, one.Days); err != nil || diff != "" {
			t.Errorf("%s (-want +got): %v\n%s", step, err, diff)
		}
		all, err := b.Registry.UserUsage(t.Context(), root, user, days)
		if diff := cmp.Diff(want, all.Days); err != nil || diff != "" {
			t.Errorf("%s, of its user (-want +got): %v\n%s", step, err, diff)
		}
		record, err := b.Registry.Find(t.Context(), root, id)
		if never := len(want) == 0; err != nil || record.LastUsed().IsZero() != never {
			t.Errorf("%s: last used at %s, %v", step, record.LastUsed(), err)
		}
	}
	today := func(n int64) ratelimit.DayUsage {
		return ratelimit.DayUsage{Day: ratelimit.DateOf(apikeytest.Noon), Used: n}
	}
	tomorrow := func(n int64) ratelimit.DayUsage {
		return ratelimit.DayUsage{Day: ratelimit.DateOf(apikeytest.Noon.AddDate(0, 0, 1)), Used: n}
	}

	begin("u1")
	shows("new", "u1")
	use(3)
	shows("used", "u1", today(3))
	end()
	begin("u2")
	shows("another's", "u2")
	if left := use(2).Status.Remaining; left > 15 {
		t.Errorf("%d remain of 20 after 5: deleting a key gives a fresh limit", left)
	}
	shows("another's, used", "u2", today(2))
	end()
	begin("u3")
	use(1)
	shows("a third one's on that day", "u3", today(1))
	b.Clock.Pass(24 * time.Hour)
	use(4)
	shows("on the next day", "u3", today(1), tomorrow(4))
	end()
	begin("u4")
	shows("made again on the next day", "u4")
	use(1)
	shows("made again on the next day, used", "u4", tomorrow(1))
	b.Clock.Pass(24 * time.Hour)
	end()
	begin("u5")
	shows("made again a day after its last use", "u5")
	// Ending without any use leaves nothing behind.
	end()
	begin("u6")
	shows("made again, never used", "u6")
}
