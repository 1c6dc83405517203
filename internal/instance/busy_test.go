package instance_test

import (
	"sync"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
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

// Eight instances are asked more often than a key's limit allows, while the network and the table fail
// 2 % of all requests in each of nine ways. They never admit more than the limit, and not much less.
// They admit no revoked and no unknown key.
func TestABusyKeyHasABadDay(t *testing.T) {
	dynamotest.Once(t)
	for _, c := range []struct {
		name, fence string
		busy        busy
	}{
		{"each key is read", "write", busy{per10s(200), 100 * time.Millisecond, 25 * time.Second}},
		{"a spend proves its key", "trust", busy{per10s(200), 100 * time.Millisecond, 25 * time.Second}},
		{"more than 250 a second", "trust", busy{per10s(2600), 20 * time.Millisecond, 15 * time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) { onABadDay(t, 8, c.fence, c.busy.run) })
	}
}

func per10s(n int64) ratelimit.Limit { return ratelimit.Limit{Requests: n, Window: 10 * time.Second} }

// busy is a key that each instance is asked about again after a pause.
type busy struct {
	limit        ratelimit.Limit
	pause, lasts time.Duration
}

func (b busy) run(t *testing.T, f *fleet) {
	k, token := f.issue(b.limit)
	begun := time.Now()
	end := begun.Add(b.lasts)
	var wg sync.WaitGroup
	strangers := f.strangers(&wg, end)
	f.weather.set(func(ask) fate {
		if n := int(f.weather.draw() * 50); n < len(faults()) {
			return faults()[n]
		}
		return fate{}
	})
	f.crowd(&wg, k, token, b.pause, end)
	wg.Wait()
	f.neverOver(k)
	f.neverIn(strangers, begun, end)
	all, slowest := f.of(k, begun, end)
	t.Logf("%v within %v", all, slowest.Round(time.Millisecond))
	whole := int(b.limit.Requests) * int(b.lasts/b.limit.Window)
	if all[admitted] < whole*7/10 || all[limited] == 0 || all[unavailable]*20 > all[admitted] {
		t.Errorf("%v: nothing was tested", all)
	}
}
