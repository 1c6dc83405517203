package ratelimit_test

import (
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// Policy: limit, remaining and reset are those of one bound, the tighter one. That is the bound
// with fewer requests remaining or, if both have as many, with the later reset. A refusal has the
// numbers of the bound that refuses or, if both refuse, of the one with the later reset.
func TestTheNumbersAreOfTheTighterBound(t *testing.T) {
	type numbers struct {
		limit, remaining int64
		reset            time.Time
	}
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	midnight := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	december := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	hour := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	for _, c := range []struct {
		name   string
		limit  ratelimit.Limit
		quota  ratelimit.Quota
		before int64 // requests of one token each
		cost   int64 // the tokens of one request after them
		after  numbers
		denied string
	}{
		{"no quota", per(10, hour(1)), ratelimit.Quota{}, 2, 1, numbers{10, 7, time.Time{}}, ""},
		{"a wide quota", per(10, hour(1)), monthly(100), 2, 1, numbers{10, 7, time.Time{}}, ""},
		{"a narrow quota", per(1000, hour(1)), monthly(3), 0, 1, numbers{3, 2, december}, ""},
		{"the last of a quota", per(1000, hour(1)), monthly(3), 2, 1, numbers{3, 0, december}, ""},
		{"over the quota", per(1000, hour(1)), daily(3), 3, 1, numbers{3, 0, midnight}, "quota"},
		{"over the limit", per(3, hour(1)), daily(1000), 3, 1, numbers{3, 0, time.Time{}}, "limit"},
		{"as many of both, the quota ends later", per(3, hour(1)), monthly(3), 0, 1, numbers{3, 2, december}, ""},
		{"over both, the quota ends later", per(3, hour(1)), monthly(3), 3, 1, numbers{3, 0, december}, "quota"},
		{"over both, the quota ends earlier", per(4, hour(24)), daily(4), 4, 1, numbers{4, 0, time.Time{}}, "limit"},
		{"a cost above both, the quota ends later", per(4, hour(1)), monthly(5), 3, 4, numbers{5, 2, december}, "quota"},
		{"a cost above both, the quota ends later with less", per(5, hour(1)), monthly(4), 3, 4, numbers{4, 1, december}, "quota"},
	} {
		h, store := &fakeClock{noon}, &item{}
		limiter := ratelimit.New(store, h.time, 10)
		terms := ratelimit.Terms{Limit: c.limit, Quota: c.quota}
		for range c.before {
			if d, err := limiter.Take(t.Context(), "k", terms, 1, time.Time{}); err != nil || !d.Admitted {
				t.Fatalf("%s: %+v, %v", c.name, d, err)
			}
		}
		d, err := limiter.Take(t.Context(), "k", terms, c.cost, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		denied := ""
		switch {
		case d.OverQuota:
			denied = "quota"
		case !d.Admitted:
			denied = "limit"
		}
		u := d.Status
		want, ofQuota := c.after, !c.after.reset.IsZero()
		if !ofQuota {
			want.reset = u.Rate.Reset.UTC()
		}
		if got := (numbers{u.Limit, u.Remaining, u.Reset.UTC()}); denied != c.denied || got != want {
			t.Errorf("%s: denied by %q, %+v; want %q, %+v", c.name, denied, got, c.denied, want)
		}
		if shown := (ratelimit.Bound{Limit: u.Limit, Remaining: u.Remaining, Reset: u.Reset}); (shown != u.Rate) != ofQuota {
			t.Errorf("%s: the numbers are %+v, the limit's are %+v", c.name, u, u.Rate)
		}
		spent := c.before
		if d.Admitted {
			spent += c.cost
		}
		if u.Rate.Limit != c.limit.Requests || u.Rate.Remaining != c.limit.Requests-spent || u.Used != spent {
			t.Errorf("%s: the limit's own numbers are %+v", c.name, u.Rate)
		}
		var quota ratelimit.QuotaStatus
		if c.quota != (ratelimit.Quota{}) {
			quota = ratelimit.QuotaStatus{Used: spent, Remaining: c.quota.Requests - spent, Reset: u.Quota().Reset}
		}
		if got := u.Quota(); got != quota || got.Reset.IsZero() != (c.quota == ratelimit.Quota{}) {
			t.Errorf("%s: the quota's own numbers are %+v, want %+v", c.name, got, quota)
		}
		if !d.Admitted && d.RetryAfter < u.Reset.Sub(h.now)-time.Second && c.cost == 1 && denied == "quota" {
			t.Errorf("%s: to be tried again in %v, but reset is in %v", c.name, d.RetryAfter, u.Reset.Sub(h.now))
		}
		if peek := limiter.Peek("k", terms, time.Time{}); peek != u && c.cost == 1 {
			t.Errorf("%s: a look says %+v, the decision %+v", c.name, peek, u)
		}
		read := ratelimit.StatusOf(store.meter, terms, h.now)
		same := read.Limit == u.Limit && read.Remaining <= u.Remaining && read.Reset.Equal(u.Reset)
		if c.cost == 1 && !same {
			t.Errorf("%s: the meter says %+v, the decision %+v", c.name, read, u)
		}
	}
}
