package ratelimit_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/internal/ratelimit"
)

// A limiter uses one view of a meter for many requests. It must show what a view shows that was made
// for the moment, however the terms, the meter and the time change meanwhile.
func TestAViewThatIsUsedAgainIsTrue(t *testing.T) {
	all := []ratelimit.Terms{
		{Limit: per(10, time.Minute)},
		{Limit: per(10, time.Minute), Quota: daily(30)},
		{Limit: per(9, time.Minute), Quota: monthly(40)},
		{Limit: per(10, 5*time.Second), Rev: 1},
		{Limit: ratelimit.NoLimit(), Quota: ratelimit.Quota{Requests: 50, Period: ratelimit.Lifetime}},
	}
	const ms = time.Millisecond
	steps := []time.Duration{0, 1, ms, 50 * ms, 200 * ms, 300 * ms, 500 * ms, time.Second, -ms, -time.Second}
	jumps := []time.Duration{20 * time.Second, time.Minute, 6 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		h, store := &fakeClock{anyTime(t)}, &item{}
		writer, reader := ratelimit.New(store, h.time, 1), ratelimit.New(store, h.time, 1)
		var terms ratelimit.Terms
		for i := range 100 {
			switch rapid.IntRange(0, 19).Draw(t, "jumps") {
			case 18:
				h.now = h.now.Truncate(24 * time.Hour).Add(24*time.Hour - 100*ms) // just before midnight
			case 19:
				h.now = h.now.Add(rapid.SampledFrom(jumps).Draw(t, "jump"))
			}
			h.now = h.now.Add(rapid.SampledFrom(steps).Draw(t, "step"))
			if i == 0 || rapid.IntRange(0, 4).Draw(t, "change") == 4 {
				terms = rapid.SampledFrom(all).Draw(t, "terms")
			}
			if rapid.Bool().Draw(t, "spends") {
				// Any error leaves the meter as it was.
				_, _ = writer.Take(t.Context(), "k", terms, rapid.Int64Range(1, 4).Draw(t, "tokens"), time.Time{})
			}
			if rapid.Bool().Draw(t, "observe") {
				reader.Observe("k", store.meter)
			}
			want := ratelimit.StatusOf(ratelimit.Seen(reader, "k"), terms, h.now)
			if got := reader.Peek("k", terms, time.Time{}); got != want {
				t.Fatalf("%v, %+v: %+v, want %+v", h.now, terms, got, want)
			}
		}
	})
}

// If the window of the terms is not that of the meter, tokens may leave it at any moment.
func TestAViewOfAnotherWindowIsOfOneMoment(t *testing.T) {
	h, store := &fakeClock{morning}, &item{}
	writer, reader := ratelimit.New(store, h.time, 1), ratelimit.New(store, h.time, 1)
	for range 80 {
		h.now = h.now.Add(100 * time.Millisecond)
		if _, err := writer.Take(t.Context(), "k", ratelimit.Terms{Limit: per(1000, time.Minute)}, 1, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	reader.Observe("k", store.meter)
	shorter := ratelimit.Terms{Limit: per(1000, 5*time.Second), Rev: 1}
	for range 100 {
		h.now = h.now.Add(50 * time.Millisecond)
		want := ratelimit.StatusOf(store.meter, shorter, h.now)
		if got := reader.Peek("k", shorter, time.Time{}); got != want {
			t.Fatalf("%v: %+v, want %+v", h.now, got, want)
		}
	}
}
