package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// What a check costs in writes does not depend on the machine: arrivals are
// random (Poisson) in virtual time, the limit twice the rate.
func BenchmarkWrites(b *testing.B) {
	for _, rate := range []int64{1, 10, 100, 1000} {
		for _, environments := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("rate=%d/environments=%d", rate, environments), func(b *testing.B) {
				store := &item{}
				random := rand.New(rand.NewPCG(1, 2))
				now := morning
				var limiters []*ratelimit.Limiter
				for range environments {
					limiters = append(limiters, ratelimit.New(store, func() time.Time { return now }, 10))
				}
				terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 120 * rate, Window: time.Minute}}
				admitted := 0
				for b.Loop() {
					for range 100 {
						now = now.Add(time.Duration(random.ExpFloat64() * float64(time.Second) / float64(rate)))
						d, err := limiters[random.IntN(environments)].Take(context.Background(), "k", terms, 1, time.Time{})
						if err != nil {
							b.Fatal(err)
						}
						if d.Admitted {
							admitted++
						}
					}
				}
				b.ReportMetric(float64(store.spends)/float64(admitted), "writes/request")
				b.ReportMetric(100*(1-float64(store.meter.Net-0)/float64(store.meter.Used)), "stranded%")
			})
		}
	}
}
