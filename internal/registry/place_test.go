package registry_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// spender is a caller who wants as much as they can get out of the keys that they may make.
type spender struct {
	*bench
	who    registry.Caller
	gates  []*gate.Gate
	limits []ratelimit.Limit // that they may grant
	// windows says that they change the windows of keys. A meter of a shorter window remembers
	// nothing older, so that a key whose windows differ may have up to twice its limit.
	windows bool
	// omits says that they leave out the limit of some keys, and give further ones to others.
	omits  bool
	random *rand.Rand
	tokens map[string]apikey.Token // of keys that they had, by id
	living []string                // ids
	spent  []time.Time
}

func (b *bench) spender(who registry.Caller, random *rand.Rand, limits ...ratelimit.Limit) *spender {
	b.Configure(func(o *registry.Options) { o.Freshness = time.Second })
	return &spender{
		bench: b, who: who, gates: []*gate.Gate{b.Gate(time.Second), b.Gate(time.Second)},
		limits: limits, random: random, tokens: make(map[string]apikey.Token),
	}
}

// burst spends all that a key has, on one of the instances.
func (s *spender) burst(t *testing.T, token apikey.Token) {
	g := s.gates[s.random.IntN(len(s.gates))]
	for {
		v, err := g.Check(t.Context(), gate.Request{Credential: s.Format.Credential(token.Reveal()), Cost: 1})
		if err != nil {
			t.Fatal(err)
		}
		if !v.Valid() {
			return
		}
		s.spent = append(s.spent, s.Clock.Time())
	}
}

func (s *spender) step(t *testing.T) {
	limit := s.limits[s.random.IntN(len(s.limits))]
	id := ""
	if len(s.living) > 0 {
		id = s.living[s.random.IntN(len(s.living))]
	}
	drop := func() {
		for i := range s.living {
			if s.living[i] == id {
				s.living = append(s.living[:i], s.living[i+1:]...)
				return
			}
		}
	}
	ignore := func(err error, expected ...error) {
		t.Helper()
		for _, e := range append(expected, nil) {
			if errors.Is(err, e) {
				return
			}
		}
		t.Fatal(err)
	}
	switch n := s.random.IntN(24); {
	case n >= 16 || n >= 7 && id == "":
		s.Clock.Pass(time.Duration(s.random.Int64N(int64(12 * time.Second))))
	case n < 7:
		made := apikey.Change{Limit: &limit}
		if s.omits {
			made = []apikey.Change{made, {}, {Limits: &[]ratelimit.Limit{{Requests: 5, Window: 2 * time.Minute}}}}[s.random.IntN(3)]
		}
		k, token, err := s.Registry.Create(t.Context(), s.who, "", "", made)
		ignore(err, apikey.ErrTooManyKeys)
		if err == nil {
			s.tokens[k.ID], s.living = token, append(s.living, k.ID)
		}
	case n < 10:
		ignore(s.Registry.Delete(t.Context(), s.who, id))
		drop()
	case n < 12:
		_, err := s.Registry.Revoke(t.Context(), s.who, id, "")
		ignore(err)
		drop()
	case n < 14:
		_, err := s.Registry.Update(t.Context(), s.who, id, func(k *apikey.Key) (apikey.Change, error) {
			if !s.windows && k.Limit.Window != limit.Window {
				limit = ratelimit.Limit{Requests: 1, Window: k.Limit.Window}
			}
			if s.omits && k.Limit != (ratelimit.Limit{}) && s.random.IntN(2) == 0 {
				further := append(slices.Clone(k.Limits), ratelimit.Limit{Requests: 100, Window: 2 * time.Hour})
				return apikey.Change{Limits: &further}, nil
			}
			return apikey.Change{Limit: &limit}, nil
		})
		if !s.omits || !errors.Is(err, apikey.ErrForbidden) && !errors.Is(err, apikey.ErrInvalid) {
			ignore(err)
		}
	case n < 15:
		issued, err := s.Registry.Rotate(t.Context(), s.who, id, 0)
		if ignore(err, apikey.ErrEnded); err == nil {
			s.tokens[id] = issued.Token
		}
	default:
		// One that ends by itself.
		_, err := s.Registry.Update(t.Context(), s.who, id, to(apikey.Change{ExpiresAt: ptr(s.Clock.Time().Add(time.Second))}))
		ignore(err)
	}
	for _, token := range s.tokens { // also of keys that have ended, which an instance may remember
		s.burst(t, token)
	}
	if len(s.tokens) > 4 {
		for id := range s.tokens {
			delete(s.tokens, id)
			break
		}
	}
}

// most returns how many were admitted in the fullest interval of a length.
func (s *spender) most(window time.Duration) int {
	most, from := 0, 0
	for i, at := range s.spent {
		for at.Sub(s.spent[from]) >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// In any window, a caller spends no more than MAX_KEYS_PER_USER times the limit of one of its keys,
// whatever keys it creates, spends, changes and ends, in any order.
func TestEndingKeysMultipliesNoLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	const most = 3 // of the user
	own := ratelimit.Limit{Requests: 6, Window: 20 * time.Second}
	limits := []ratelimit.Limit{own, {Requests: 3, Window: 10 * time.Second}, {Requests: 1, Window: 5 * time.Second}, {Requests: 6, Window: time.Minute}}
	for _, c := range []struct {
		name   string
		caller func(b *bench) registry.Caller
		limits []ratelimit.Limit
		keys   int
		factor int
	}{
		{"a key", func(b *bench) registry.Caller { return b.caller(t, "u1", func(k *apikey.Key) { k.Limit = own }) }, limits, most - 1, 1}, // beside its own
		{"a key that changes windows", func(b *bench) registry.Caller { return b.caller(t, "u1", func(k *apikey.Key) { k.Limit = own }) }, limits, most - 1, 2},
		{"a user without a key", func(b *bench) registry.Caller {
			b.Configure(func(o *registry.Options) { o.Users = &apikey.Key{Limit: own} })
			return registry.Caller{UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}
		}, limits[:1], most, 1},
	} {
		for seed := range uint64(2) {
			b := newBench(t)
			b.Configure(func(o *registry.Options) { o.MaxKeys = most })
			s := b.spender(c.caller(b), rand.New(rand.NewPCG(seed, 1)), c.limits...)
			s.windows = c.factor > 1
			for range 100 {
				s.step(t)
			}
			bound := c.factor * c.keys * int(own.Requests)
			if got := s.most(own.Window); got > bound || got < bound/4 {
				t.Errorf("%s, seed %d: %d admitted in %v, of at most %d", c.name, seed, got, own.Window, bound)
			} else {
				t.Logf("%s, seed %d: %d admitted in %v, of at most %d; %d in all", c.name, seed, got, own.Window, bound, len(s.spent))
			}
		}
	}
}

// A key and all keys that it makes, or a user without a key, admit together no more than one grant in
// any window, whatever keys they create, spend, change and end, in any order. Without the shared
// bounds, they admit as much for each place.
func TestAFamilyOfKeysAdmitsOneGrant(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	own := ratelimit.Limit{Requests: 6, Window: 20 * time.Second}
	limits := []ratelimit.Limit{own, {Requests: 3, Window: 10 * time.Second}, {Requests: 6, Window: time.Minute}}
	root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	scopes := apikey.Scopes{"tts", apikey.ScopeRead, apikey.ScopeWrite}
	holder := func(k *apikey.Key) registry.Caller {
		return registry.Caller{KeyID: k.ID, UserID: k.UserID, Scopes: k.Scopes}
	}
	imported := func(b *bench, token apikey.Token) *apikey.Key {
		b.importKey(t, registry.Import{Token: token, UserID: "u1", Environment: apikey.Live, Change: apikey.Change{Scopes: &scopes, Limit: &own}})
		page, err := b.Registry.List(t.Context(), root, registry.Query{UserID: "u1", Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		return page.Keys[0]
	}
	for _, c := range []struct {
		name  string
		maker func(b *bench) (registry.Caller, apikey.Token)
		bound ratelimit.Limit
		// again says that an admin deletes the maker now and then, and imports its token once more.
		again bool
	}{
		{"a key", func(b *bench) (registry.Caller, apikey.Token) {
			k, token, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{Scopes: &scopes, Limit: &own})
			if err != nil {
				t.Fatal(err)
			}
			return holder(k), token
		}, own, false},
		{"a key without a limit", func(b *bench) (registry.Caller, apikey.Token) {
			k, token, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{Scopes: &scopes})
			if err != nil {
				t.Fatal(err)
			}
			return holder(k), token
		}, apikey.DefaultLimit(), false},
		{"a key that got the right to make keys", func(b *bench) (registry.Caller, apikey.Token) {
			k, token, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{Limit: &own})
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Scopes: &scopes}))
			if err != nil {
				t.Fatal(err)
			}
			return holder(r.Key), token
		}, own, false},
		{"an imported key", func(b *bench) (registry.Caller, apikey.Token) {
			token := b.Foreign()
			return holder(imported(b, token)), token
		}, own, false},
		{"an imported key that is deleted and imported again", func(b *bench) (registry.Caller, apikey.Token) {
			token := b.Foreign()
			return holder(imported(b, token)), token
		}, own, true},
		{"a user without a key", func(b *bench) (registry.Caller, apikey.Token) {
			b.Configure(func(o *registry.Options) { o.Users = &apikey.Key{Limit: own} })
			return registry.Caller{UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}, apikey.Token{}
		}, own, false},
	} {
		for seed := range uint64(2) {
			b := newBench(t)
			b.Configure(func(o *registry.Options) { o.MaxKeys = 6 })
			who, token := c.maker(b)
			s := b.spender(who, rand.New(rand.NewPCG(seed, 2)), limits...)
			s.windows, s.omits = true, true
			for n := range 80 {
				if c.again && n%9 == 8 {
					if err := b.Registry.Delete(t.Context(), root, who.KeyID); err != nil {
						t.Fatal(err)
					}
					delete(s.tokens, who.KeyID)
					b.Clock.Pass(time.Second) // it is the newest key then
					who = holder(imported(b, token))
					s.who = who
				}
				if who.KeyID != "" {
					s.tokens[who.KeyID] = token
				}
				s.step(t)
			}
			bound := int(c.bound.Requests)
			if got := s.most(c.bound.Window); got > bound || got < bound/2 {
				t.Errorf("%s, seed %d: %d admitted in %v, of at most %d", c.name, seed, got, c.bound.Window, bound)
			} else {
				t.Logf("%s, seed %d: %d admitted in %v, of at most %d; %d in all", c.name, seed, got, c.bound.Window, bound, len(s.spent))
			}
		}
	}
}

// A key takes a place until its spent tokens no longer count. Each line ends a key in one way, and
// gives the time for which its place is taken from then on.
func TestAPlaceIsFreeWhenNothingCountsAnyMore(t *testing.T) {
	minute := ratelimit.Limit{Requests: 60, Window: time.Minute}
	second := ratelimit.Limit{Requests: 1, Window: time.Second}
	day, month := ratelimit.Quota{Requests: 10, Period: ratelimit.Day}, ratelimit.Quota{Requests: 10, Period: ratelimit.Month}
	revoke := func(b *bench, who registry.Caller, id string) error {
		_, err := b.Registry.Revoke(t.Context(), who, id, "")
		return err
	}
	remove := func(b *bench, who registry.Caller, id string) error { return b.Registry.Delete(t.Context(), who, id) }
	patched := func(c apikey.Change, wait time.Duration) func(*bench, registry.Caller, string) error {
		return func(b *bench, who registry.Caller, id string) error {
			if err := b.patch(t, who, id, c); err != nil {
				return err
			}
			b.Clock.Pass(wait)
			return remove(b, who, id)
		}
	}
	midnight, next := apikeytest.Noon.Add(12*time.Hour), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name        string
		made        apikey.Change
		end         func(b *bench, who registry.Caller, id string) error
		least, most time.Time
	}{
		{"revoked", apikey.Change{Limit: &minute}, revoke, apikeytest.Noon.Add(62 * time.Second), apikeytest.Noon.Add(67 * time.Second)},
		{"deleted", apikey.Change{Limit: &minute}, remove, apikeytest.Noon.Add(62 * time.Second), apikeytest.Noon.Add(67 * time.Second)},
		{"revoked, then deleted", apikey.Change{Limit: &minute}, func(b *bench, who registry.Caller, id string) error {
			return errors.Join(revoke(b, who, id), remove(b, who, id))
		}, apikeytest.Noon.Add(62 * time.Second), apikeytest.Noon.Add(67 * time.Second)},
		{"a shorter window than the caller's", apikey.Change{Limit: &second}, remove, apikeytest.Noon.Add(62 * time.Second), apikeytest.Noon.Add(67 * time.Second)},
		{"a longer window", apikey.Change{Limit: &ratelimit.Limit{Requests: 1, Window: 24 * time.Hour}}, remove, apikeytest.Noon.Add(24*time.Hour + 25*time.Minute), apikeytest.Noon.Add(26 * time.Hour)},
		{"its limit was another a moment ago", apikey.Change{Limit: &ratelimit.Limit{Requests: 6, Window: time.Hour}}, patched(apikey.Change{Limit: &second}, 0), apikeytest.Noon.Add(61 * time.Minute), apikeytest.Noon.Add(67 * time.Minute)},
		{"its limit was another some time ago", apikey.Change{Limit: &ratelimit.Limit{Requests: 6, Window: time.Hour}}, patched(apikey.Change{Limit: &second}, 2*time.Hour), apikeytest.Noon.Add(2*time.Hour + time.Minute), apikeytest.Noon.Add(2*time.Hour + 68*time.Second)},
		{"a quota of a day", apikey.Change{Quota: &day}, remove, midnight, midnight},
		{"a quota of a month", apikey.Change{Quota: &month}, remove, next, next},
		{"a quota that was taken off", apikey.Change{Quota: &month}, patched(apikey.Change{Quota: &ratelimit.Quota{}}, 0), next, next},
		{"expired long ago", apikey.Change{ExpiresAt: ptr(apikeytest.Noon.Add(time.Hour))}, func(b *bench, who registry.Caller, id string) error {
			b.Clock.Pass(3 * time.Hour)
			return remove(b, registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}, id)
		}, apikeytest.Noon, apikeytest.Noon.Add(3 * time.Hour)},
		{"ended by an admin", apikey.Change{Limit: &minute}, func(b *bench, _ registry.Caller, id string) error {
			return remove(b, registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}, id)
		}, apikeytest.Noon.Add(62 * time.Second), apikeytest.Noon.Add(67 * time.Second)},
	} {
		b := newBench(t)
		b.Configure(func(o *registry.Options) { o.MaxKeys, o.Freshness = 2, time.Second })
		who := b.caller(t, "u1", nil)
		k, _, err := b.Registry.Create(t.Context(), who, "", "", c.made)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := c.end(b, who, k.ID); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		create := func() error {
			_, _, err := b.Registry.Create(t.Context(), who, "", "", apikey.Change{})
			return err
		}
		err = create()
		var many *apikey.TooManyKeysError
		if !errors.As(err, &many) {
			if err != nil || c.most.After(b.Clock.Time()) {
				t.Errorf("%s: a third of two at once: %v", c.name, err)
			}
			continue
		}
		if many.Until.Before(c.least) || many.Until.After(c.most) {
			t.Errorf("%s: room at %v, want it between %v and %v", c.name, many.Until, c.least, c.most)
		}
		b.Clock.Pass(many.Until.Sub(b.Clock.Time()) - time.Millisecond)
		if err := create(); !errors.Is(err, apikey.ErrTooManyKeys) {
			t.Errorf("%s: just before there is room: %v", c.name, err)
		}
		b.Clock.Pass(time.Millisecond)
		if err := create(); err != nil {
			t.Errorf("%s: when there is room: %v", c.name, err)
		}
		if err := create(); !errors.As(err, &many) || !many.Until.IsZero() {
			t.Errorf("%s: one more, which only another end makes room for: %v", c.name, err)
		}
	}
}

// When places become free, callers who ask at once get as many keys as there are places.
func TestFreePlacesAreTakenOnce(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 6 })
	who := b.caller(t, "u1", nil)
	for range 5 {
		k, _, err := b.Registry.Create(t.Context(), who, "", "", apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Pass(3 * time.Second) // so that they end at different times
		if err := b.Registry.Delete(t.Context(), who, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	b.Clock.Pass(2 * time.Minute)
	b.Configure(func(o *registry.Options) { o.Pause = nil })
	if made := b.createAtOnce(t, who, 12); made != 5 {
		t.Errorf("%d were made at once where there is room for 5", made)
	}
}

// The count item stays small for a user who only ends keys.
func TestACountOfPlacesStaysSmall(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	for n := range 120 {
		k, _, err := b.Registry.Create(t.Context(), root, "u1", "", apikey.Change{Name: ptr(fmt.Sprint(n))})
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Pass(10 * time.Second)
		if err := b.Registry.Delete(t.Context(), root, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	places, err := b.Options.Store.Recount(t.Context(), "u1", b.Clock.Time().Add(-time.Hour)) // before any has come
	if err != nil || len(places.Ends) > 30 {
		t.Errorf("%d times are stored, %v", len(places.Ends), err)
	}
	if places, err = b.Options.Store.Recount(t.Context(), "u1", b.Clock.Time().Add(time.Hour)); err != nil || places.Taken != 0 || len(places.Ends) != 0 {
		t.Errorf("an hour later: %+v, %v", places, err)
	}
}

// A key whose plan has a quota takes its place until that quota begins anew, however the key ends. If
// not, a user gets the quota again with each key.
func TestAKeyTakesItsPlaceUntilTheQuotaOfItsPlanBeginsAnew(t *testing.T) {
	for name, end := range map[string]func(b *bench, who registry.Caller, id string, token apikey.Token) error{
		"delete": func(b *bench, who registry.Caller, id string, _ apikey.Token) error {
			return b.Registry.Delete(t.Context(), who, id)
		},
		"revoke": func(b *bench, who registry.Caller, id string, _ apikey.Token) error {
			_, err := b.Registry.Revoke(t.Context(), who, id, "")
			return err
		},
		"revoke by token": func(b *bench, _ registry.Caller, _ string, token apikey.Token) error {
			return b.Registry.RevokeFound(t.Context(), registry.Origin{}, token.Reveal())
		},
	} {
		b := newBench(t)
		who := b.selfService("tts")
		b.Configure(func(o *registry.Options) { o.MaxKeys = 1 })
		day := ratelimit.Quota{Requests: 5, Period: ratelimit.Day}
		if _, err := b.Registry.PutPlan(t.Context(), root(), apikey.Plan{Name: "pro", Key: apikey.Bounds{Quota: day}}); err != nil {
			t.Fatal(err)
		}
		b.setUser(t, "u1", apikey.UserChange{Plan: ptr("pro")})
		k, token, err := b.Registry.Create(t.Context(), who, "", "", apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		if err := end(b, who, k.ID, token); err != nil {
			t.Fatal(err)
		}
		b.Clock.Pass(time.Hour)
		if err := b.create(t, who, "u1"); !errors.Is(err, apikey.ErrTooManyKeys) {
			t.Errorf("%s: an hour later: %v", name, err)
		}
		b.Clock.Pass(12 * time.Hour) // it was noon
		if err := b.create(t, who, "u1"); err != nil {
			t.Errorf("%s: the next day: %v", name, err)
		}
	}
}
