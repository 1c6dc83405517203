package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/internal/ratelimit"
)

// span returns the effective window: how long a token counts at most.
func span(window time.Duration) time.Duration { return 61 * ratelimit.Slice(window) }

// A key with room under its new terms is admitted within one new window, and its RetryAfter says
// so.
func TestAChangedWindowDeniesNoLongerThanItself(t *testing.T) {
	day, second := 24*time.Hour, time.Second
	for _, c := range []struct {
		name     string
		old, new ratelimit.Limit
		spent    int64
		pause    time.Duration
		want     time.Duration // RetryAfter; 0: admitted at once
	}{
		{"shorter, all of it just spent", per(1000, day), per(100, second), 200, 0, 2 * second},
		{"shorter, spent before the new window", per(1000, day), per(100, second), 200, 2 * second, 0},
		{"shorter, less spent than the new limit", per(1000, day), per(100, second), 99, 0, 0},
		{"a little shorter", per(100, time.Minute), per(50, 30*second), 60, 10 * second, 22 * second},
		{"longer, and lower", per(100, second), per(10, time.Minute), 100, 0, 62 * second},
		{"longer, and higher", per(100, second), per(1000, day), 100, 0, 0},
		{"longer, spent before the old window", per(100, second), per(10, time.Minute), 100, 30 * second, 32 * second},
		{"the same, lower", per(100, time.Minute), per(10, time.Minute), 100, 0, 62 * second},
	} {
		h, store := &fakeClock{morning}, &item{}
		limiter := ratelimit.New(store, h.time, 10)
		take := func(limit ratelimit.Limit, rev, n int64) ratelimit.Decision {
			d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit, Rev: rev}, n, time.Time{})
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			return d
		}
		if !take(c.old, 1, c.spent).Admitted {
			t.Fatalf("%s: %d were not admitted", c.name, c.spent)
		}
		h.now = h.now.Add(c.pause)
		d := take(c.new, 2, 1)
		if d.Admitted != (c.want == 0) || d.RetryAfter != c.want {
			t.Errorf("%s: admitted %v, retry after %v; want %v", c.name, d.Admitted, d.RetryAfter, c.want)
		}
		if reset := d.Status.Reset.Sub(h.now); reset > span(c.new.Window)+time.Second {
			t.Errorf("%s: it is said to be empty in %v", c.name, reset)
		}
		if h.now = h.now.Add(d.RetryAfter); !d.Admitted && !take(c.new, 2, 1).Admitted {
			t.Errorf("%s: denied again %v later", c.name, d.RetryAfter)
		}
	}
}

// Changing a window to a shorter one and back gains nothing. The spend in the longer window still
// counts, however often this is tried.
func TestChangingAWindowAndBackDoesNotEmptyIt(t *testing.T) {
	h, store := &fakeClock{morning}, &item{}
	limiter := ratelimit.New(store, h.time, 10)
	long := per(1000, 24*time.Hour)
	rev, admitted := int64(0), int64(0)
	for range 200 {
		for _, limit := range []ratelimit.Limit{long, per(1, time.Minute), per(2, 5*time.Minute)} {
			rev++
			for {
				d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit, Rev: rev}, 1, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if !d.Admitted {
					break
				}
				admitted++
			}
			h.now = h.now.Add(time.Minute)
		}
	}
	// Ten hours of it, in which the shorter windows alone admit a few.
	if most := long.Requests + 400; admitted > most {
		t.Errorf("%d admitted within %v, at most %d wanted", admitted, h.now.Sub(morning), most)
	}
	if len(store.meter.Earlier) > 4 {
		t.Errorf("%d points are stored of earlier windows", len(store.meter.Earlier))
	}
}

// A write removes moments of earlier windows that are no longer needed.
func TestMomentsOfEarlierWindowsAreForgotten(t *testing.T) {
	h, store := &fakeClock{morning}, &item{}
	limiter := ratelimit.New(store, h.time, 10)
	for i, c := range []struct {
		window time.Duration
		pass   time.Duration
		stored bool
	}{
		{time.Hour, 0, false}, {time.Minute, 0, true}, {time.Minute, time.Hour, true}, {time.Minute, 24*time.Hour + time.Second, false},
	} {
		h.now = h.now.Add(c.pass)
		terms := ratelimit.Terms{Limit: per(10, c.window), Rev: int64(min(i, 1))}
		d, err := limiter.Take(t.Context(), "k", terms, 1, time.Time{})
		if err != nil || !d.Admitted || (len(store.meter.Earlier) > 0) != c.stored {
			t.Errorf("step %d: %+v, %v, stored %v", i, d, err, store.meter.Earlier)
		}
	}
}

// The last use is stored in whole milliseconds. A token that was spent less than a millisecond after
// its slice began counts after each change of the window.
func TestATokenAtTheBeginningOfASliceCountsAfterChanges(t *testing.T) {
	slice := int64(ratelimit.Slice(time.Second))
	begin := time.Unix(0, (morning.UnixNano()/slice+1)*slice)
	if begin.Nanosecond()%1_000_000 == 0 {
		begin = begin.Add(time.Duration(slice))
	}
	h, store := &fakeClock{begin}, &item{}
	limiter := ratelimit.New(store, h.time, 10)
	for i, c := range []struct {
		limit ratelimit.Limit
		n     int64
		yes   bool
	}{
		{per(1, time.Second), 1, true}, {per(3, 2*time.Second), 2, true}, {per(3, 9*time.Second), 1, false},
	} {
		d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: c.limit, Rev: int64(i)}, c.n, time.Time{})
		if err != nil || d.Admitted != c.yes {
			t.Errorf("step %d: %+v, %v", i, d, err)
		}
		h.now = h.now.Add(3 * time.Second)
	}
}

// spending is one write that was committed.
type spending struct {
	at     time.Time
	tokens int64
}

// changes is a random history of one key. Its terms change in every way while instances spend. Each
// instance gets a change up to a second later.
type changes struct {
	*rapid.T
	clock     *fakeClock
	store     *item
	limiters  []*ratelimit.Limiter
	heard     []int // by limiter: the index of the terms that it has
	terms     []ratelimit.Terms
	changed   []time.Time
	committed []spending
	// known is the time since when the meter must know every spend. It follows from the windows
	// that the meter had.
	known, restarted time.Time
	window           time.Duration
}

// broken plays the history and returns the law that it breaks, or "".
func (c *changes) broken() string {
	c.clock = &fakeClock{anyTime(c.T)}
	c.store.onSpend = func(s ratelimit.Spend) {
		if c.window != 0 && c.window != s.Window {
			if c.restarted.IsZero() || c.clock.now.Sub(c.restarted) > 24*time.Hour {
				c.known = c.clock.now.Add(-c.window)
			}
			c.restarted = c.clock.now
		}
		c.window = s.Window
		c.committed = append(c.committed, spending{c.clock.now, s.Tokens})
	}
	for range rapid.IntRange(1, 3).Draw(c.T, "instances") {
		c.limiters = append(c.limiters, ratelimit.New(c.store, c.clock.time, 10))
		c.heard = append(c.heard, 0)
	}
	c.change()
	for range rapid.IntRange(10, 120).Draw(c.T, "steps") {
		if rapid.IntRange(0, 9).Draw(c.T, "change") == 0 {
			c.change()
		}
		if broken := c.step(); broken != "" {
			return broken
		}
	}
	return ""
}

func (c *changes) change() {
	seconds := rapid.SampledFrom([]int64{1, 2, 9, 10, 30, 60, 600, 3600, 86_400}).Draw(c.T, "window")
	window := time.Duration(seconds) * time.Second
	limit := ratelimit.Limit{Requests: rapid.Int64Range(1, 300).Draw(c.T, "requests"), Window: window}
	terms := ratelimit.Terms{Limit: limit}
	if n := len(c.terms); n > 0 && rapid.IntRange(0, 4).Draw(c.T, "life") > 0 {
		terms.Rev = c.terms[n-1].Rev + 1
	} // or else the key was deleted and made again
	period := rapid.SampledFrom([]ratelimit.Period{"", "", ratelimit.Day, ratelimit.Month}).Draw(c.T, "period")
	if period != "" {
		terms.Quota = ratelimit.Quota{Requests: limit.Requests * rapid.Int64Range(1, 5).Draw(c.T, "quota"), Period: period}
	}
	c.terms, c.changed = append(c.terms, terms), append(c.changed, c.clock.now)
}

// step lets some time pass, and then lets one instance spend a few times.
func (c *changes) step() string {
	latest := c.terms[len(c.terms)-1]
	pass := rapid.SampledFrom([]time.Duration{
		time.Millisecond, time.Second, latest.Limit.Window / 20, latest.Limit.Window,
	}).Draw(c.T, "scale")
	c.clock.now = c.clock.now.Add(time.Duration(rapid.Int64Range(0, int64(pass)).Draw(c.T, "pass")))
	i := rapid.IntRange(0, len(c.limiters)-1).Draw(c.T, "instance")
	if next := c.heard[i] + 1; next < len(c.terms) {
		if c.clock.now.Sub(c.changed[next]) >= time.Second || rapid.Bool().Draw(c.T, "hears") {
			c.heard[i] = len(c.terms) - 1
		}
	}
	terms := c.terms[c.heard[i]]
	n := rapid.Int64Range(1, terms.Limit.Requests).Draw(c.T, "n")
	for range rapid.IntRange(1, 5).Draw(c.T, "times") {
		before := len(c.committed)
		d, err := c.take(i, terms, n)
		if errors.Is(err, ratelimit.ErrOldTerms) && terms != latest {
			c.heard[i] = len(c.terms) - 1 // the gate reads the key again
			return ""
		}
		if err != nil {
			return err.Error()
		}
		if broken := c.tooMany(terms.Limit, before); broken != "" {
			return broken
		}
		if !d.Admitted {
			return c.tooLate(i, terms, n, d)
		}
	}
	return ""
}

// take spends as the gate does. If the terms are the latest, a higher revision of the meter is from
// before the key was deleted. An instance may have to learn of several such revisions.
func (c *changes) take(i int, terms ratelimit.Terms, n int64) (d ratelimit.Decision, err error) {
	latest := terms == c.terms[len(c.terms)-1]
	for range 4 {
		d, err = c.limiters[i].Take(context.Background(), "k", terms, n, time.Time{})
		old, ok := errors.AsType[*ratelimit.OldTermsError](err)
		if !ok || !latest {
			return d, err
		}
		terms.Rev = old.Rev
	}
	return d, err
}

// tooMany checks the tokens that were handed out in the window before each of the new writes.
func (c *changes) tooMany(limit ratelimit.Limit, from int) string {
	for k := from; k < len(c.committed); k++ {
		end, sum := c.committed[k].at, int64(0)
		for _, s := range c.committed[:k+1] {
			if end.Sub(s.at) < limit.Window && s.at.After(c.known) {
				sum += s.tokens
			}
		}
		if sum > limit.Requests {
			return "more than the new limit was handed out in the last new window"
		}
	}
	return ""
}

// tooLate waits for RetryAfter while no other request comes. An instance that has not seen the
// spends of others may learn of them then, and deny again. The waits together must not exceed the
// bound.
func (c *changes) tooLate(i int, terms ratelimit.Terms, n int64, d ratelimit.Decision) string {
	most := span(terms.Limit.Window) + time.Second
	if d.OverQuota {
		day := c.clock.now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
		if terms.Quota.Period == ratelimit.Month {
			day = time.Date(c.clock.now.Year(), c.clock.now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		}
		most = max(most, day.Sub(c.clock.now)+time.Second)
	}
	if d.RetryAfter > most {
		return "told to wait for longer than the new window and the period last"
	}
	if terms != c.terms[len(c.terms)-1] || !rapid.Bool().Draw(c.T, "waits") {
		return ""
	}
	before, last := len(c.committed), c.clock.now.Add(most)
	for !d.Admitted {
		if c.clock.now = c.clock.now.Add(d.RetryAfter); c.clock.now.After(last.Add(time.Second)) {
			return "denied for longer than the new window and the period last"
		}
		again, err := c.take(i, terms, n)
		if err != nil {
			return err.Error()
		}
		if again.OverQuota && !d.OverQuota {
			return c.tooMany(terms.Limit, before) // the quota is spent as well
		}
		d = again
	}
	return c.tooMany(terms.Limit, before)
}

// A change of the terms keeps two laws. No new window holds more than the new limit, as far back as
// the windows before it reached. No wait is longer than the new window or the period.
func TestTermsThatChangeBreakNoLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &changes{T: rt, store: &item{}}
		if broken := c.broken(); broken != "" {
			rt.Fatalf("%s: %+v", broken, c.terms)
		}
	})
}

// Without one of the parts that a change stores about the past, one of the laws is broken.
func TestEveryPartOfAChangeIsNeeded(t *testing.T) {
	for name, edit := range map[string]func(*ratelimit.Spend){
		"the new window begins empty":                func(s *ratelimit.Spend) { s.Base = s.MinUsed },
		"nothing is stored of the windows before":    func(s *ratelimit.Spend) { s.Earlier = nil },
		"the last use is stored as if it were later": func(s *ratelimit.Spend) { s.At = s.At.Add(24 * time.Hour) },
	} {
		histories := rapid.Custom(func(rt *rapid.T) string {
			return (&changes{T: rt, store: &item{edit: edit}}).broken()
		})
		broken := ""
		for seed := 0; broken == "" && seed < 2000; seed++ {
			broken = histories.Example(seed)
		}
		if broken == "" {
			t.Errorf("no law is broken by: %s", name)
		}
		t.Logf("%s: %s", name, broken)
	}
}
