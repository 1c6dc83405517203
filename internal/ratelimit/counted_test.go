package ratelimit_test

import (
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// A window has leases exactly if MostCounted sets no bound: spending twice at once then takes fewer
// than two writes for two tokens of a busy id.
func TestAWindowWithoutLeasesWritesForEachToken(t *testing.T) {
	for _, window := range []time.Duration{time.Second, 9 * time.Second, 10 * time.Second, time.Minute} {
		now := morning
		store := &item{}
		limiter := ratelimit.New(store, func() time.Time { return now }, 10)
		const requests = 500
		for range requests {
			now = now.Add(time.Millisecond)
			d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: per(1000, window)}, 1, time.Time{})
			if err != nil || !d.Admitted {
				t.Fatal(d, err)
			}
		}
		if bounded := ratelimit.MostCounted(window) > 0; bounded != (store.spends == requests) {
			t.Errorf("%v: %d writes for %d requests, and MostCounted is %d", window, store.spends, requests, ratelimit.MostCounted(window))
		}
	}
	if got := ratelimit.MostCounted(5 * time.Second); got != 5000 {
		t.Errorf("5 s: %d", got)
	}
}
