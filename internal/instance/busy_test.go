package instance_test

import (
	"sync"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// faults are the ways in which a network and a table fail single requests.
func faults() []fate {
	return []fate{
		{lost: true, err: errReset},
		{err: errReset},
		{there: 20 * time.Millisecond},
		{lost: true}, // silence
		{lost: true, code: "ProvisionedThroughputExceededException"},
		{lost: true, code: "RequestLimitExceeded"},
		{lost: true, code: "InternalServerError", status: 500},
		{lost: true, code: "ServiceUnavailable", status: 503},
		{code: "InternalServerError", status: 500},
	}
}

// Eight instances let four times the limit of a key ask, while the network and the table fail 2 % of
// all requests in each of nine ways. They never admit more than the limit, and not much less. They let
// nobody in whose key was revoked or never was.
func TestABusyKeyHasABadDay(t *testing.T) {
	for _, fence := range []string{"write", "trust"} {
		t.Run("fence="+fence, func(t *testing.T) { onABadDay(t, 8, fence, busyKey) })
	}
}

func busyKey(t *testing.T, f *fleet) {
	limit := ratelimit.Limit{Requests: 200, Window: 10 * time.Second}
	k, token := f.issue(limit)
	begun := time.Now()
	end := begun.Add(5 * limit.Window / 2)
	var wg sync.WaitGroup
	strangers := f.strangers(&wg, end)
	f.weather.set(func(ask) fate {
		if n := int(f.weather.draw() * 50); n < len(faults()) {
			return faults()[n]
		}
		return fate{}
	})
	f.crowd(&wg, k, token, 100*time.Millisecond, end)
	wg.Wait()
	f.neverOver(k)
	f.neverIn(strangers, begun, end)
	all, slowest := f.of(k, begun, end)
	t.Logf("%v within %v", all, slowest.Round(time.Millisecond))
	if all[admitted] < 2*int(limit.Requests)*7/10 || all[limited] == 0 || all[unavailable]*20 > all[admitted] {
		t.Errorf("%v: nothing was tested", all)
	}
}
