package ratelimit_test

import (
	"context"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// The clock stands still, so that it is the limiter that is measured; what
// reading a clock costs is its floor.
func BenchmarkLimiter(b *testing.B) {
	now := morning
	clock := func() time.Time { return now }
	take := func(limit ratelimit.Limit, want bool) func(*testing.B) {
		return func(b *testing.B) {
			limiter := ratelimit.New(&item{}, clock, 10)
			terms := ratelimit.Terms{Limit: limit}
			b.ReportAllocs()
			for b.Loop() {
				d, err := limiter.Take(context.Background(), "k", terms, 1, time.Time{})
				if err != nil || d.Admitted != want && limit.Requests > 1 {
					b.Fatal(d, err)
				}
			}
		}
	}
	b.Run("lease hit", take(ratelimit.Limit{Requests: 1 << 60, Window: time.Minute}, true))
	b.Run("denial", take(ratelimit.Limit{Requests: 1, Window: time.Minute}, false))
}
