package dynamo_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
)

// Eight environments with clocks up to 50 ms apart from the true time, eight
// requests at a time in each, a network that loses requests and replies. The
// time that counts is a virtual one that every request moves on, so that some
// windows pass within seconds.
func TestManyEnvironmentsNeverExceedALimit(t *testing.T) {
	const (
		environments, each = 8, 8
		requests           = 110 // of each goroutine
		step               = 4 * time.Millisecond
	)
	limit := ratelimit.Limit{Requests: 200, Window: 10 * time.Second}
	options := dynamotest.Options(t)
	f := newFaults(7)
	f.requests, f.replies = 0.02, 0.02
	options.HTTP = f

	var ticks atomic.Int64
	now := func() time.Time { return morning.Add(time.Duration(ticks.Load()) * step) }
	var (
		mu       sync.Mutex
		admitted []time.Time
		denied   atomic.Int64
		failed   atomic.Int64
		wg       sync.WaitGroup
	)
	for e := range environments {
		table := dynamotest.Open(t, options)
		offset := time.Duration(e-environments/2) * 100 * time.Millisecond / environments
		limiter := ratelimit.New(table, func() time.Time { return now().Add(offset) }, 10)
		for range each {
			wg.Go(func() {
				for range requests {
					ticks.Add(1)
					d, err := limiter.Take(t.Context(), meterID, ratelimit.Terms{Limit: limit}, 1, time.Time{})
					switch {
					case err != nil:
						failed.Add(1)
					case !d.Admitted:
						denied.Add(1)
					default:
						mu.Lock()
						admitted = append(admitted, now())
						mu.Unlock()
					}
				}
			})
		}
	}
	wg.Wait()
	slices.SortFunc(admitted, time.Time.Compare)
	for i, first := range admitted {
		if last := i + int(limit.Requests); last < len(admitted) && admitted[last].Sub(first) < limit.Window {
			t.Fatalf("%d admitted within %v", limit.Requests+1, admitted[last].Sub(first))
		}
	}
	span := time.Duration(ticks.Load()) * step
	t.Logf("%d admitted, %d denied, %d undecided in %v", len(admitted), denied.Load(), failed.Load(), span)
	if windows := int64(span / limit.Window); int64(len(admitted)) < limit.Requests*windows*7/10 {
		t.Errorf("only %d admitted in %d windows of %d", len(admitted), windows, limit.Requests)
	}
	if denied.Load() == 0 || failed.Load() > environments*each {
		t.Errorf("%d denied, %d undecided: the test did not test the limit", denied.Load(), failed.Load())
	}
}
