package instance_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// outages are the ways in which a whole region can fail, one after the other.
func outages() []fate {
	return []fate{
		{lost: true, code: "InternalServerError", status: 500},
		{lost: true, code: "ServiceUnavailable", status: 503},
		{lost: true, err: &net.DNSError{Err: "no such host", Name: "dynamodb.us-east-1.amazonaws.com", IsTemporary: true}},
		{lost: true, err: errors.New("net/http: TLS handshake timeout"), back: 700 * time.Millisecond},
		{err: errReset},
		{lost: true}, // silence
	}
}

// While no request to the table succeeds, a check is "unavailable" within three seconds, or rests on
// a read that is younger than FRESHNESS. No good key is refused, and no other is let in. Two windows
// later, nothing remains of the outage.
func TestARegionHasABadDay(t *testing.T) {
	for _, fence := range []string{"write", "trust"} {
		t.Run("fence="+fence, func(t *testing.T) { onABadDay(t, 4, fence, region) })
	}
}

func region(t *testing.T, f *fleet) {
	limit := ratelimit.Limit{Requests: 30, Window: 10 * time.Second}
	const each = 3 * time.Second
	bad := time.Now().Add(limit.Window)
	over := bad.Add(time.Duration(len(outages())) * each)
	end := over.Add(2 * limit.Window)
	good, token := f.issue(limit)
	var wg sync.WaitGroup
	f.crowd(&wg, good, token, time.Second, end)
	strangers := f.strangers(&wg, end)
	f.weather.set(func(ask) fate {
		if now := time.Now(); !now.Before(bad) && now.Before(over) {
			return outages()[now.Sub(bad)/each]
		}
		return fate{}
	})
	wg.Wait()
	f.neverOver(good)
	for n := range outages() {
		from := bad.Add(time.Duration(n) * each)
		during, slowest := f.of(good, from, from.Add(each))
		t.Logf("outage %d: %v within %v", n, during, slowest.Round(time.Millisecond))
		if during[unavailable] == 0 {
			t.Errorf("outage %d: %v", n, during)
		}
	}
	f.neverIn(strangers, bad, end)
	after, _ := f.of(good, over.Add(limit.Window), end)
	if after[unavailable] > 0 || after[admitted] < int(limit.Requests*3/4) {
		t.Errorf("two windows later: %v", after)
	}
}
