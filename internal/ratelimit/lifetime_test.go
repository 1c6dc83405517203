package ratelimit_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

func TestHowOneQuotaLiesWithinALifetime(t *testing.T) {
	none := ratelimit.Quota{}
	for _, c := range []struct {
		inner, outer ratelimit.Quota
		want         bool
	}{
		{lifetime(5), lifetime(5), true}, {lifetime(6), lifetime(5), false},
		{lifetime(5), none, true}, {none, lifetime(5), false},
		{lifetime(5), daily(5), true}, {lifetime(6), daily(5), false},
		{lifetime(5), monthly(5), true}, {lifetime(6), monthly(5), false},
		{daily(1), lifetime(5), false}, {monthly(1), lifetime(5), false},
	} {
		if got := c.inner.Within(c.outer); got != c.want {
			t.Errorf("%v within %v: %v", c.inner, c.outer, got)
		}
	}
}

// Credits are counted over months and years. They are gone when they are spent, no wait helps, and
// the store never forgets them.
func TestALifetimeQuotaNeverBeginsAgain(t *testing.T) {
	h, store := &fakeClock{morning}, &item{}
	terms := ratelimit.Terms{Limit: per(100, time.Minute), Quota: lifetime(20)}
	store.onSpend = func(s ratelimit.Spend) {
		if !s.Expires.IsZero() {
			t.Errorf("a spend on %v lets the meter expire at %v", s.Day, s.Expires)
		}
	}
	for day := range 20 {
		limiter := ratelimit.New(store, h.time, 10)
		d, err := limiter.Take(t.Context(), "k", terms, 1, time.Time{})
		if err != nil || !d.Admitted {
			t.Fatalf("day %d: %+v, %v", day, d, err)
		}
		if q := d.Status.Quota(); q != (ratelimit.QuotaStatus{Used: int64(day + 1), Remaining: int64(19 - day)}) {
			t.Errorf("day %d: %+v", day, q)
		}
		if limiter.Leased("k") != 0 {
			t.Errorf("day %d: %d credits are leased", day, limiter.Leased("k"))
		}
		h.now = h.now.Add(45 * 24 * time.Hour)
	}
	limiter := ratelimit.New(store, h.time, 10)
	for range 2 { // from the store, and from memory
		d, err := limiter.Take(t.Context(), "k", terms, 1, time.Time{})
		if err != nil || d.Admitted || !d.OverQuota || d.RetryAfter != 0 || !d.Status.Reset.IsZero() || d.Status.Limit != 20 {
			t.Errorf("%+v, %v", d, err)
		}
	}
	if q := ratelimit.QuotaStatusOf(store.meter, terms.Quota, h.now); q != (ratelimit.QuotaStatus{Used: 20}) {
		t.Errorf("%+v", q)
	}
	terms.Quota.Requests += 5
	if d, err := limiter.Take(t.Context(), "k", terms, 5, time.Time{}); err != nil || !d.Admitted {
		t.Errorf("added credits: %+v, %v", d, err)
	}
}

// The tighter bound is shown. Of two with as many tokens, it is the one that never begins again.
func TestTheStatusOfALimitAndALifetime(t *testing.T) {
	for _, c := range []struct{ limit, credits, shown int64 }{{5, 9, 5}, {9, 5, 5}, {5, 5, 5}} {
		terms := ratelimit.Terms{Limit: per(c.limit, time.Minute), Quota: lifetime(c.credits)}
		s := ratelimit.StatusOf(ratelimit.Meter{}, terms, morning)
		if s.Limit != c.shown || s.Reset.IsZero() != (c.credits <= c.limit) || s.Rate.Limit != c.limit {
			t.Errorf("%d a minute and %d for life: %+v", c.limit, c.credits, s)
		}
	}
}

// Tokens of a lifetime quota always count, so Until leaves them out.
func TestUntilLeavesOutALifetime(t *testing.T) {
	for _, limit := range []ratelimit.Limit{per(5, time.Minute), ratelimit.NoLimit()} {
		without := ratelimit.Terms{Limit: limit}.Until(morning)
		with := ratelimit.Terms{Limit: limit, Quota: lifetime(5)}.Until(morning)
		if !with.Equal(without) || limit.None() && !with.Equal(morning) {
			t.Errorf("%v: %v with credits, %v without", limit, with, without)
		}
	}
}

func TestNoLimitIsNoBound(t *testing.T) {
	none := ratelimit.NoLimit()
	if !none.None() || per(1<<60, time.Second).None() {
		t.Error("only NoLimit is none")
	}
	for _, l := range []ratelimit.Limit{per(1, 24*time.Hour), per(1_000_000_000, time.Second), none} {
		if !l.NoFaster(none) || !l.Within(none) || none.NoFaster(l) != l.None() || none.Within(l) != l.None() {
			t.Errorf("%v and no limit", l)
		}
	}
	h, store := &fakeClock{morning}, &item{}
	limiter := ratelimit.New(store, h.time, 10)
	for _, c := range []struct {
		quota ratelimit.Quota
		shown int64
	}{{ratelimit.Quota{}, 0}, {daily(50), 50}, {lifetime(60), 60}} {
		terms := ratelimit.Terms{Limit: none, Quota: c.quota}
		d, err := limiter.Take(t.Context(), "k", terms, 1_000_000_000_000, time.Time{})
		if admitted := c.quota == (ratelimit.Quota{}); err != nil || d.Admitted != admitted || d.Status.Limit != c.shown {
			t.Errorf("%+v: %+v, %v", c.quota, d, err)
		}
		if s := limiter.Peek("k", terms, time.Time{}); s.Limit != c.shown || s.Rate != (ratelimit.Bound{}) || s.Remaining != 0 {
			t.Errorf("%+v: %+v", c.quota, s)
		}
	}
}

// A key whose bounds are elsewhere is counted with about one write in 32 requests, and all that is
// not used returns. A request now and then is counted exactly.
func TestCountingUsageIsCheap(t *testing.T) {
	for _, c := range []struct {
		each  time.Duration
		most  float64 // writes per request
		extra int64   // tokens that are counted and not used, at the end
	}{
		{10 * time.Millisecond, 0.03, 60}, {100 * time.Millisecond, 0.05, 32}, {time.Second, 0.05, 32},
		{10 * time.Second, 0.06, 32}, {time.Minute, 0.14, 15}, {20 * time.Minute, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, random := newWorld(mutant{}), rand.New(rand.NewPCG(1, 1))
			e, terms := w.instance(0), ratelimit.Terms{Limit: ratelimit.NoLimit()}
			const requests = 5000
			for range requests {
				if _, err := e.take(t, terms, 1); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.each + time.Duration(random.Int64N(int64(c.each/10))))
			}
			writes := float64(w.store.spends) / requests
			days := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour)
			extra := w.store.meter.Net - requests
			t.Logf("a request each %v: %.3f writes for each, %d of %d tokens unused after %d days", c.each, writes, extra, requests, days)
			if writes > c.most || extra < 0 || extra > c.extra*(int64(days)+1) {
				t.Errorf("a request each %v: %.3f writes for each, and %d tokens too many", c.each, writes, extra)
			}
		})
	}
}
