package dynamo_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
)

// Eight environments with clocks up to 50 ms apart from the true time, two
// requests at a time in each, a network and a table that let 2 % of the requests
// down in each of nine ways. Time passes twice as fast as it does.
func TestManyEnvironmentsNeverExceedALimit(t *testing.T) {
	const (
		environments, each = 8, 2
		speed              = 2
	)
	limit := ratelimit.Limit{Requests: 200, Window: 10 * time.Second}
	span := 5 * limit.Window / 2
	options, faults := dynamotest.Faulty(t)
	faults.Set(0.02, append(dynamotest.Before(), dynamotest.After()...)...)

	begun := time.Now()
	now := func() time.Time { return morning.Add(speed * time.Since(begun)) }
	var (
		mu       sync.Mutex
		admitted []time.Time
		denied   atomic.Int64
		failed   atomic.Int64
		wg       sync.WaitGroup
	)
	for e := range environments {
		table := dynamo.Open(options)
		offset := time.Duration(e-environments/2) * 100 * time.Millisecond / environments
		limiter := ratelimit.New(table, func() time.Time { return now().Add(offset) }, 10)
		for range each {
			wg.Go(func() {
				for now().Before(morning.Add(span)) {
					d, err := limiter.Take(t.Context(), meterID, ratelimit.Terms{Limit: limit}, 1, time.Time{})
					switch {
					case err != nil:
						failed.Add(1)
					case !d.Admitted:
						denied.Add(1)
						time.Sleep(2 * time.Millisecond)
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
	t.Logf("%d admitted, %d denied, %d undecided in %v", len(admitted), denied.Load(), failed.Load(), span)
	if windows := int64(span / limit.Window); int64(len(admitted)) < limit.Requests*windows*7/10 {
		t.Errorf("only %d admitted in %d windows of %d", len(admitted), windows, limit.Requests)
	}
	if denied.Load() == 0 || failed.Load() > environments*each {
		t.Errorf("%d denied, %d undecided: the test did not test the limit", denied.Load(), failed.Load())
	}
}
