package ratelimit_test

import (
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

// Every guard is needed. Without one of them, a story below admits more than the promise allows.
// With all of them, no story does.
func TestEveryGuardIsNeeded(t *testing.T) {
	stories := []struct {
		name  string
		play  func(*testing.T, *world)
		needs []mutant
	}{
		{"the last moment of a slice by a slow clock, the first after its window by a fast one", lastAndFirst(10 * time.Second),
			[]mutant{{name: "no guard for clocks", rules: ratelimit.Unguarded}}},
		{"the same in a window of slices that are longer than the guard", lastAndFirst(time.Minute),
			[]mutant{{name: "B slices instead of B+1", rules: ratelimit.OneSliceFewer}}},
		{"a slow clock marks a slice after a fast one has marked the next", slowAfterFast,
			[]mutant{{name: "a write into an older slice", spend: func(s *ratelimit.Spend) { s.MaxNewest = 1 << 60 }}}},
		{"two instances spend the room that both have seen", bothSawRoom(ratelimit.Quota{}),
			[]mutant{{name: "no bound on the odometer", spend: func(s *ratelimit.Spend) { s.MaxUsed = 1 << 60 }}}},
		{"two instances spend the quota that both have seen", bothSawRoom(monthly(10)),
			[]mutant{{name: "no bound on the used tokens", spend: func(s *ratelimit.Spend) { s.MaxNet = 1 << 60 }}}},
		{"yesterday's unused tokens come back today", unusedAtMidnight,
			[]mutant{{name: "given back on any day", rules: ratelimit.GivesBackAnyDay}}},
		{"a meter is deleted as soon as it may be", deletedEarly,
			[]mutant{{name: "a TTL of 2 W with a daily quota", spend: func(s *ratelimit.Spend) { s.Expires = s.At.Add(2 * s.Window) }}}},
		{"an instance is frozen with leased tokens", frozenWithTokens,
			[]mutant{{name: "ages by the monotonic clock alone", stops: true}}},
	}
	for _, story := range stories {
		play := func(m mutant) (broken string) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(m)
				story.play(t, w)
				broken = w.broken()
			})
			return broken
		}
		if broken := play(mutant{}); broken != "" {
			t.Errorf("%s: %s", story.name, broken)
		}
		for _, m := range story.needs {
			broken := play(m)
			if broken == "" {
				t.Errorf("%s: nothing is broken by: %s", story.name, m.name)
			}
			t.Logf("%s: %s (%s)", m.name, broken, story.name)
		}
	}
}

// lastAndFirst lets a slow clock spend at the last moment of slice j. A fast clock then spends at
// the first moment at which slice j no longer counts by that clock.
func lastAndFirst(window time.Duration) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		rules := ratelimit.RulesOf(w.mutant.rules)
		slice := rules.Slice(window)
		j := time.Now().UnixNano()/int64(slice) + 2
		terms := ratelimit.Terms{Limit: per(5, window)}
		slow, fast := w.instance(-skew), w.instance(skew)
		time.Sleep(time.Until(time.Unix(0, (j+1)*int64(slice)).Add(skew - 1)))
		slow.spendAll(t, terms)
		time.Sleep(time.Until(time.Unix(0, (j+rules.Lookback()+1)*int64(slice)).Add(-skew)))
		fast.spendAll(t, terms)
	}
}

func slowAfterFast(t *testing.T, w *world) {
	time.Sleep(time.Hour) // away from midnight
	terms := ratelimit.Terms{Limit: per(7, time.Minute)}
	slice := ratelimit.Slice(time.Minute)
	h := time.Now().UnixNano()/int64(slice) + 2
	slow, fast := w.instance(-skew), w.instance(skew)
	_, _ = slow.take(t, terms, 1) // it has seen the meter
	time.Sleep(time.Until(time.Unix(0, h*int64(slice)).Add(-skew)))
	for range 5 {
		_, _ = fast.take(t, terms, 1)
	}
	_, _ = slow.take(t, terms, 1)
	time.Sleep(59 * slice)
	fast.spendAll(t, terms)
}

func bothSawRoom(quota ratelimit.Quota) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		time.Sleep(time.Hour) // away from the first midnight of the month
		terms := ratelimit.Terms{Limit: per(10, time.Minute), Quota: quota}
		if quota.Requests > 0 {
			terms.Limit.Requests *= 10
		}
		one, two := w.instance(0), w.instance(0)
		for _, e := range []*instance{one, two, one, two} {
			if _, err := e.take(t, terms, 1); err != nil {
				t.Fatal(err)
			}
		}
		one.spendAll(t, terms)
		two.spendAll(t, terms)
	}
}

func unusedAtMidnight(t *testing.T, w *world) {
	terms := ratelimit.Terms{
		Limit: per(10_000, 10*time.Second),
		Quota: daily(1000),
	}
	e := w.instance(0)
	time.Sleep(24*time.Hour - time.Second)
	for e.limiter.Leased("k") < 20 {
		_, _ = e.take(t, terms, 1)
		time.Sleep(time.Millisecond)
	}
	time.Sleep(5 * time.Second)
	e.spendAll(t, terms)
}

func deletedEarly(t *testing.T, w *world) {
	terms := ratelimit.Terms{
		Limit: per(10, 10*time.Second),
		Quota: daily(15),
	}
	for range 3 {
		w.instance(0).spendAll(t, terms)
		time.Sleep(time.Hour)
	}
}

func frozenWithTokens(t *testing.T, w *world) {
	terms := ratelimit.Terms{Limit: per(200, 10*time.Second)}
	e := w.instance(0)
	for e.limiter.Leased("k") < 10 {
		_, _ = e.take(t, terms, 1)
		time.Sleep(time.Millisecond)
	}
	e.freeze(12 * time.Second)
	w.instance(0).spendAll(t, terms)
	e.spendAll(t, terms)
}
