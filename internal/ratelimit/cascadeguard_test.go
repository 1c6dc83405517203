package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

// Every guard of a request with several meters is needed. Without one of them, a story below breaks
// a bound or loses credits. With all of them, no story does.
func TestEveryGuardOfACascadeIsNeeded(t *testing.T) {
	expires := func(s *ratelimit.Spend) {
		if s.Expires.IsZero() {
			s.Expires = s.At.Add(400 * 24 * time.Hour)
		}
	}
	for _, story := range []struct {
		name   string
		play   func(*testing.T, *cascade) string // returns the law that is broken besides the bounds
		mutant mutant
	}{
		{"a write for the user is slower than the key's window", slowSecondWrite,
			mutant{name: "tokens are used however late", rules: ratelimit.UsesTokensLate}},
		{"the user denies after a token of a short window was taken", deniedAfterAShortWindow,
			mutant{name: "tokens return to a lease where there are none", rules: ratelimit.GivesBackToAnyLease}},
		{"an instance dies that spends credits quickly", diesWithCredits,
			mutant{name: "credits are leased", rules: ratelimit.LeasesCredits}},
		{"credits are not used for more than a year", unusedForAYear,
			mutant{name: "the meter of credits expires", spend: expires}},
	} {
		play := func(m mutant) (broken string) {
			synctest.Test(t, func(t *testing.T) {
				c := newCascade(m, nil)
				time.Sleep(time.Hour) // away from midnight
				if broken = story.play(t, c); broken == "" {
					broken = c.broken()
				}
			})
			return broken
		}
		if broken := play(mutant{}); broken != "" {
			t.Errorf("%s: %s", story.name, broken)
		}
		broken := play(story.mutant)
		if broken == "" {
			t.Errorf("%s: nothing is broken if %s", story.name, story.mutant.name)
		}
		t.Logf("if %s: %s (%s)", story.mutant.name, broken, story.name)
	}
}

// slowSecondWrite lets one instance take the key's tokens and then wait for the user's write. The
// other one spends the key's next window meanwhile.
func slowSecondWrite(t *testing.T, c *cascade) string {
	key, user := part("k", per(5, 10*time.Second)), part("user##u", per(100, time.Hour))
	slow := true
	c.store.onAsk = func(id string) error {
		if id == user.ID && slow {
			slow = false
			time.Sleep(11500 * time.Millisecond)
		}
		return nil
	}
	one, two := c.instance(0), c.instance(0)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = one.take(t, 5, key, user) })
	time.Sleep(11200 * time.Millisecond)
	two.spendAll(t, key)
	wg.Wait()
	return ""
}

// deniedAfterAShortWindow lets one instance take tokens of a second, and then learn that another one
// has spent the user's. The tokens of the second must not be used in a later one.
func deniedAfterAShortWindow(t *testing.T, c *cascade) string {
	key, user := part("k", per(5, time.Second)), part("user##u", per(5, time.Hour))
	one, two := c.instance(0), c.instance(0)
	_, _ = one.take(t, 1, user)
	two.spendAll(t, user)
	if j, err := one.take(t, 3, key, user); err != nil || j.Admitted || !j.Asked {
		t.Errorf("%+v, %v: nothing is tested", j, err)
	}
	time.Sleep(2 * time.Second)
	two.spendAll(t, key)
	one.spendAll(t, key)
	return ""
}

func diesWithCredits(t *testing.T, c *cascade) string {
	all := credits("k#lifetime", 400)
	one, two := c.instance(0), c.instance(0)
	for range 100 {
		if _, err := one.take(t, 1, all, part("k", per(1000, time.Minute))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	two.spendAll(t, all) // one is dead
	if c.tokens < 400 {
		return fmt.Sprintf("%d of 400 credits are lost", 400-c.tokens)
	}
	return ""
}

func unusedForAYear(t *testing.T, c *cascade) string {
	all := credits("k#lifetime", 20)
	c.instance(0).spendAll(t, all)
	time.Sleep(420 * 24 * time.Hour)
	c.instance(0).spendAll(t, all)
	return ""
}

// The random histories would show a missing guard: a limiter without it breaks a bound in one of
// them.
func TestACascadeShowsAMissingGuard(t *testing.T) {
	for _, m := range []mutant{
		{name: "tokens are used however late", rules: ratelimit.UsesTokensLate},
		{name: "tokens return to a lease where there are none", rules: ratelimit.GivesBackToAnyLease},
		{name: "no bound on the odometer", spend: func(s *ratelimit.Spend) { s.MaxUsed = 1 << 60 }},
		{name: "no bound on the used tokens", spend: func(s *ratelimit.Spend) { s.MaxNet = 1 << 60 }},
	} {
		broken := ""
		for seed := uint64(0); broken == "" && seed < 400; seed++ {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 5))
				g := anyGrants(random)
				c := newCascade(m, func(i *item) {
					i.random, i.delay = rand.New(rand.NewPCG(seed, 6)), 40*time.Millisecond
					if !g.short {
						i.lossy, i.freezing = 0.02, 0.02
					}
				})
				time.Sleep(time.Hour)
				c.play(t, g, random, !g.short)
				if broken = c.broken(); broken != "" {
					t.Logf("if there is this mistake: %s: history %d: %s", m.name, seed, broken)
				}
			})
		}
		if broken == "" {
			t.Errorf("no history shows: %s", m.name)
		}
	}
}

// Memory is asked first only to save writes and tokens. No bound is broken without that.
func TestACascadeThatAsksNoMemoryIsOnlyDearer(t *testing.T) {
	for seed := range uint64(*rounds * cascades / 3) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			g := anyGrants(random)
			c := newCascade(mutant{rules: ratelimit.AsksNoMemory}, func(i *item) {
				i.random, i.delay = rand.New(rand.NewPCG(seed, 8)), 40*time.Millisecond
			})
			time.Sleep(time.Hour)
			all := c.play(t, g, random, false)
			if broken := c.broken() + c.miscounted(all); broken != "" {
				t.Errorf("seed %d: %s", seed, broken)
			}
		})
	}
}

// The manual states these figures. While the limit that the keys of a user share is spent at twice
// the demand, a key's own limit counts some tokens of requests that the user's limit denies. They
// include the leased tokens that end unused.
func TestWhatACascadeCountsTooMuch(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	const second = time.Second
	for _, c := range []struct {
		name      string
		perSecond int64 // requests of the user's limit
		key, user time.Duration
		rules     ratelimit.Mutant
		most      float64 // % of the key's tokens
		least     float64
	}{
		{"", 10, 60 * second, 60 * second, nil, 4, 0}, {"", 10, 5 * second, 5 * second, nil, 1, 0},
		{"", 100, 60 * second, 60 * second, nil, 2, 0}, {"", 100, 5 * second, 5 * second, nil, 1, 0},
		{"", 10, 10 * second, 60 * second, nil, 6, 0}, {"", 10, 5 * second, 60 * second, nil, 12, 0},
		{", memory is not asked first", 10, 10 * second, 60 * second, ratelimit.AsksNoMemory, 1000, 20},
		{", memory is not asked first", 10, 5 * second, 60 * second, ratelimit.AsksNoMemory, 1000, 50},
	} {
		synctest.Test(t, func(t *testing.T) {
			key := part("k", per(5*c.perSecond*int64(c.key/second), c.key))
			user := part("user##u", per(c.perSecond*int64(c.user/second), c.user))
			w := newCascade(mutant{rules: c.rules}, nil)
			time.Sleep(time.Hour)
			random := rand.New(rand.NewPCG(1, 9))
			var all []*member
			for i := range 8 {
				all = append(all, w.instance(time.Duration(i%3-1)*skew))
			}
			requests := min(20_000, 4000**rounds)
			for range requests {
				e := all[random.IntN(8)]
				e.read(key.ID)
				e.read(user.ID)
				if _, err := e.take(t, 1, key, user); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(random.ExpFloat64() * float64(second) / float64(2*c.perSecond)))
			}
			k, u := w.store.item(key.ID), w.store.item(user.ID)
			more := 100 * float64(k.meter.Used-w.tokens) / float64(w.tokens)
			t.Logf("%d requests a second for half as many%s: a key's limit per %v counts %.1f %% too much "+
				"below its user's per %v, with %.2f writes for each request",
				2*c.perSecond, c.name, c.key, more, c.user, float64(k.spends+u.spends)/float64(requests))
			if more > c.most || more < c.least {
				t.Errorf("%v to %v %% wanted", c.least, c.most)
			}
		})
	}
}
