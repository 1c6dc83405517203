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
		{"no quota", ratelimit.Limit{Requests: 10, Window: hour(1)}, ratelimit.Quota{}, 2, 1, numbers{10, 7, time.Time{}}, ""},
		{"a wide quota", ratelimit.Limit{Requests: 10, Window: hour(1)}, ratelimit.Quota{Requests: 100, Period: ratelimit.Month}, 2, 1, numbers{10, 7, time.Time{}}, ""},
		{"a narrow quota", ratelimit.Limit{Requests: 1000, Window: hour(1)}, ratelimit.Quota{Requests: 3, Period: ratelimit.Month}, 0, 1, numbers{3, 2, december}, ""},
		{"the last of a quota", ratelimit.Limit{Requests: 1000, Window: hour(1)}, ratelimit.Quota{Requests: 3, Period: ratelimit.Month}, 2, 1, numbers{3, 0, december}, ""},
		{"over the quota", ratelimit.Limit{Requests: 1000, Window: hour(1)}, ratelimit.Quota{Requests: 3, Period: ratelimit.Day}, 3, 1, numbers{3, 0, midnight}, "quota"},
		{"over the limit", ratelimit.Limit{Requests: 3, Window: hour(1)}, ratelimit.Quota{Requests: 1000, Period: ratelimit.Day}, 3, 1, numbers{3, 0, time.Time{}}, "limit"},
		{"as many of both, the quota ends later", ratelimit.Limit{Requests: 3, Window: hour(1)}, ratelimit.Quota{Requests: 3, Period: ratelimit.Month}, 0, 1, numbers{3, 2, december}, ""},
		{"over both, the quota ends later", ratelimit.Limit{Requests: 3, Window: hour(1)}, ratelimit.Quota{Requests: 3, Period: ratelimit.Month}, 3, 1, numbers{3, 0, december}, "quota"},
		{"over both, the quota ends earlier", ratelimit.Limit{Requests: 4, Window: hour(24)}, ratelimit.Quota{Requests: 4, Period: ratelimit.Day}, 4, 1, numbers{4, 0, time.Time{}}, "limit"},
		{"a cost above both, the quota ends later", ratelimit.Limit{Requests: 4, Window: hour(1)}, ratelimit.Quota{Requests: 5, Period: ratelimit.Month}, 3, 4, numbers{5, 2, december}, "quota"},
		{"a cost above both, the quota ends later and has less", ratelimit.Limit{Requests: 5, Window: hour(1)}, ratelimit.Quota{Requests: 4, Period: ratelimit.Month}, 3, 4, numbers{4, 1, december}, "quota"},
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
		if denied != c.denied || u.Limit != c.after.limit || u.Remaining != c.after.remaining || !c.after.reset.IsZero() && !u.Reset.Equal(c.after.reset) {
			t.Errorf("%s: denied by %q, %+v; want %+v", c.name, denied, u, c.after)
		}
		if ofLimit := c.after.reset.IsZero(); ofLimit != (u.Rate == ratelimit.Bound{Limit: u.Limit, Remaining: u.Remaining, Reset: u.Reset}) {
			t.Errorf("%s: the numbers are %+v, the limit's are %+v", c.name, u, u.Rate)
		}
		spent := c.before
		if d.Admitted {
			spent += c.cost
		}
		if u.Rate.Limit != c.limit.Requests || u.Rate.Remaining != c.limit.Requests-spent || u.Used != spent {
			t.Errorf("%s: the limit's own numbers are %+v", c.name, u.Rate)
		}
		if q := u.Quota(); c.quota != (ratelimit.Quota{}) && (q.Remaining != c.quota.Requests-spent || q.Used != spent || q.Reset.IsZero()) || c.quota == (ratelimit.Quota{}) && q != (ratelimit.QuotaStatus{}) {
			t.Errorf("%s: the quota's own numbers are %+v", c.name, q)
		}
		if !d.Admitted && d.RetryAfter < u.Reset.Sub(h.now)-time.Second && c.cost == 1 && denied == "quota" {
			t.Errorf("%s: to be tried again in %v, but reset is in %v", c.name, d.RetryAfter, u.Reset.Sub(h.now))
		}
		if peek := limiter.Peek("k", terms, time.Time{}); peek != u && c.cost == 1 {
			t.Errorf("%s: a look says %+v, the decision %+v", c.name, peek, u)
		}
		if read := ratelimit.StatusOf(store.meter, terms, h.now); c.cost == 1 && (read.Limit != u.Limit || read.Remaining > u.Remaining || !read.Reset.Equal(u.Reset)) {
			t.Errorf("%s: the meter says %+v, the decision %+v", c.name, read, u)
		}
	}
}
