package ratelimit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"latchkey/internal/ratelimit"
)

// The clock stands still, so that reading it costs nothing.
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
	b.Run("lease hit", take(per(1<<60, time.Minute), true))
	b.Run("denial", take(per(1, time.Minute), false))
	takeAll := func(last ratelimit.Limit, want bool) func(*testing.B) {
		return func(b *testing.B) {
			limiter := ratelimit.New(&shelf{}, clock, 10)
			parts := []ratelimit.Part{part("k", per(1<<60, time.Minute)), part("user##u", last)}
			b.ReportAllocs()
			for b.Loop() {
				j, err := limiter.TakeAll(context.Background(), parts, 1, time.Time{})
				if err != nil || j.Admitted != want && last.Requests > 1 {
					b.Fatal(j, err)
				}
			}
		}
	}
	b.Run("lease hits of two meters", takeAll(per(1<<60, time.Minute), true))
	b.Run("denial of two meters", takeAll(per(1, time.Minute), false))
	// Any limiter with meters in memory must find a meter under a lock.
	b.Run("floor", func(b *testing.B) {
		var mu sync.Mutex
		memory, err := simplelru.NewLRU[string, *int64](10, nil)
		if err != nil {
			b.Fatal(err)
		}
		memory.Add("k", new(int64))
		b.ReportAllocs()
		for b.Loop() {
			mu.Lock()
			if n, ok := memory.Get("k"); ok && clock().After(morning) {
				*n++
			}
			mu.Unlock()
		}
	})
	// A denial costs the same whatever the limit.
	for _, requests := range []int64{10, 100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("limit=%d", requests), func(b *testing.B) {
			now := morning
			limiter := ratelimit.New(&item{}, func() time.Time { return now }, 10)
			terms := ratelimit.Terms{Limit: per(requests, time.Minute)}
			for range 60 {
				now = now.Add(ratelimit.Slice(time.Minute))
				for range (requests + 59) / 60 {
					if _, err := limiter.Take(b.Context(), "k", terms, 1, time.Time{}); err != nil {
						b.Fatal(err)
					}
				}
			}
			for b.Loop() {
				if _, err := limiter.Take(context.Background(), "k", terms, 1, time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
