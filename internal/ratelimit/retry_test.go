package ratelimit_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/internal/ratelimit"
)

// A request that was denied is admitted after RetryAfter, if no other request comes meanwhile. This
// holds if a lease ends during the wait, and if both quota and limit are spent.
func TestARequestIsAdmittedAfterRetryAfter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		terms := ratelimit.Terms{Limit: ratelimit.Limit{
			Requests: rapid.Int64Range(1, 400).Draw(rt, "requests"),
			Window:   time.Duration(rapid.SampledFrom([]int64{1, 9, 10, 11, 60, 600, 86_400}).Draw(rt, "window")) * time.Second,
		}}
		period := rapid.SampledFrom([]ratelimit.Period{"", ratelimit.Day, ratelimit.Month}).Draw(rt, "period")
		if period != "" {
			requests := terms.Limit.Requests * rapid.Int64Range(1, 4).Draw(rt, "quota")
			terms.Quota = ratelimit.Quota{Requests: requests, Period: period}
		}
		h := &fakeClock{anyTime(rt)}
		limiter := ratelimit.New(&item{}, h.time, 10)
		most := rapid.Int64Range(1, terms.Limit.Requests).Draw(rt, "most")
		pause := max(time.Second/500, terms.Limit.Window/time.Duration(3*terms.Limit.Requests))
		take := func(n int64) ratelimit.Decision {
			d, err := limiter.Take(t.Context(), "k", terms, n, time.Time{})
			if err != nil {
				rt.Fatal(err)
			}
			return d
		}
		for range 300 {
			h.now = h.now.Add(time.Duration(rapid.Int64Range(0, int64(pause)).Draw(rt, "pause")))
			n := rapid.Int64Range(1, most).Draw(rt, "n")
			d := take(n)
			if d.Admitted {
				continue
			}
			h.now = h.now.Add(d.RetryAfter)
			// A lease that ended with its day is lost to the quota of its month.
			if again := take(n); !again.Admitted && (d.OverQuota || !again.OverQuota || period != ratelimit.Month) {
				rt.Fatalf("%+v: denied %d, and again %v later", terms, n, d.RetryAfter)
			}
		}
	})
}

// The first token of a window makes room for one more when it leaves. The tokens that were leased
// at the denial are lost by then.
func TestRetryAfterCountsNoLeaseThatWillHaveEnded(t *testing.T) {
	h := &fakeClock{morning}
	limiter := ratelimit.New(&item{}, h.time, 10)
	terms := ratelimit.Terms{Limit: per(100, 10*time.Second)}
	take := func(n int64) ratelimit.Decision {
		d, err := limiter.Take(t.Context(), "k", terms, n, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	take(1)
	h.now = h.now.Add(5 * time.Second)
	for range 50 {
		take(1)
		h.now = h.now.Add(5 * time.Millisecond)
	}
	for limiter.Leased("k") == 0 {
		take(1)
	}
	n := limiter.Peek("k", terms, time.Time{}).Remaining + 1
	d := take(n)
	if d.Admitted || limiter.Leased("k") == 0 {
		t.Fatalf("%+v with %d leased: nothing is tested", d, limiter.Leased("k"))
	}
	h.now = h.now.Add(d.RetryAfter)
	if !take(n).Admitted {
		t.Errorf("denied %d, and again %v later", n, d.RetryAfter)
	}
}

func TestRetryAfterWaitsForTheLimitAndTheQuota(t *testing.T) {
	h := &fakeClock{morning}
	limiter := ratelimit.New(&item{}, h.time, 10)
	terms := ratelimit.Terms{
		Limit: per(5, 24*time.Hour),
		Quota: daily(5),
	}
	for _, want := range []bool{true, false, true} {
		d, err := limiter.Take(t.Context(), "k", terms, 5, time.Time{})
		if err != nil || d.Admitted != want {
			t.Fatalf("%+v, %v; want admitted %v", d, err, want)
		}
		h.now = h.now.Add(d.RetryAfter)
	}
}
