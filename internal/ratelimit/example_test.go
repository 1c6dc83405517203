package ratelimit_test

import (
	"context"
	"fmt"
	"time"

	"latchkey/internal/ratelimit"
)

// A caller has 3 requests in any minute. The fourth is denied, and is told when to come back.
func Example() {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	limiter := ratelimit.New(ratelimit.NewMemory(100), func() time.Time { return now }, 100)
	terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 3, Window: time.Minute}}
	for range 4 {
		d, err := limiter.Take(context.Background(), "an id", terms, 1, time.Time{})
		if err != nil {
			fmt.Println(err) // it could not decide
			return
		}
		fmt.Printf("admitted %t, %d of %d left, retry after %v\n", d.Admitted, d.Status.Remaining, d.Status.Limit, d.RetryAfter)
	}
	// Output:
	// admitted true, 2 of 3 left, retry after 0s
	// admitted true, 1 of 3 left, retry after 0s
	// admitted true, 0 of 3 left, retry after 0s
	// admitted false, 0 of 3 left, retry after 1m2s
}

// A request that costs more than the quota has left is denied until the period ends.
func ExampleLimiter_Take_quota() {
	evening := time.Date(2026, 11, 24, 23, 0, 0, 0, time.UTC)
	limiter := ratelimit.New(ratelimit.NewMemory(100), func() time.Time { return evening }, 100)
	terms := ratelimit.Terms{
		Limit: ratelimit.Limit{Requests: 100, Window: time.Minute},
		Quota: ratelimit.Quota{Requests: 10, Period: ratelimit.Day},
	}
	for _, cost := range []int64{8, 5, 2} {
		d, err := limiter.Take(context.Background(), "an id", terms, cost, time.Time{})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d tokens: admitted %t, over quota %t, retry after %v\n", cost, d.Admitted, d.OverQuota, d.RetryAfter)
	}
	// Output:
	// 8 tokens: admitted true, over quota false, retry after 0s
	// 5 tokens: admitted false, over quota true, retry after 1h0m0s
	// 2 tokens: admitted true, over quota false, retry after 0s
}

// StatusOf reads a stored meter. It spends nothing.
func ExampleStatusOf() {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 10, Window: time.Hour}}
	status := ratelimit.StatusOf(ratelimit.Meter{}, terms, now)
	fmt.Println(status.Remaining, "of", status.Limit)
	// Output: 10 of 10
}

// A limit lies within another one if a caller who keeps to it also keeps to the other.
func ExampleLimit_Within() {
	outer := ratelimit.Limit{Requests: 60, Window: time.Minute}
	fmt.Println(ratelimit.Limit{Requests: 1, Window: time.Second}.Within(outer))
	fmt.Println(ratelimit.Limit{Requests: 2, Window: time.Second}.Within(outer))
	// Output:
	// true
	// false
}
