package instance_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// trouble is what happens to a share of the writes of one key's meter for a while.
type trouble struct {
	name  string
	share float64
	fate  fate
	fails undecided
}

// undecided says whether some requests of a bad day cannot be decided.
type undecided int

const (
	never   undecided = iota
	perhaps           // repetitions by the SDK may save all of them
	always
)

var errReset = errors.New("read: connection reset by peer")

// troubles are the ways in which one item of the table can have a bad day.
func troubles() []trouble {
	return []trouble{
		{"none", 0, fate{}, never},
		{"throttled", 1, fate{lost: true, code: "ThrottlingException"}, always},
		{"throttled for a minute", 1, fate{lost: true, code: "ProvisionedThroughputExceededException", after: "60000"}, always},
		{"mostly throttled", 0.9, fate{lost: true, code: "RequestLimitExceeded"}, always},
		{"in a transaction of others", 1, fate{lost: true, code: "TransactionConflictException"}, always},
		{"always lost to others", 1, fate{lost: true, code: "ConditionalCheckFailedException"}, always},
		{"slower than a slice", 1, fate{there: 200 * time.Millisecond, back: 200 * time.Millisecond}, never},
		{"slower than a caller waits", 1, fate{there: 3 * time.Second}, always},
		{"slower than a window", 1, fate{there: 11 * time.Second}, always},
		{"applied, with a late answer", 1, fate{back: 2 * time.Second}, always},
		{"applied, without an answer", 1, fate{err: errReset}, always},
		{"applied twice, at once and later", 0.5, fate{err: errReset, again: 5 * time.Second}, perhaps},
		{"applied, with an error", 0.5, fate{code: "InternalServerError", status: 500}, perhaps},
	}
}

// Each item of the table has a bad day of its own. Callers of its key get a verdict or "unavailable"
// within three seconds, and are never let through more often than the limit allows. Callers of other
// keys notice nothing. An instance that the table asks to wait answers at once. Within two windows after
// the trouble, it leaves no trace.
func TestAKeyHasABadDay(t *testing.T) {
	onABadDay(t, 4, "trust", func(t *testing.T, f *fleet) {
		limit := ratelimit.Limit{Requests: 30, Window: 10 * time.Second}
		bad := time.Now().Add(limit.Window)
		over := bad.Add(3 * limit.Window / 2)
		end := over.Add(2 * limit.Window)
		keys := make(map[string]*apikey.Key)
		var wg sync.WaitGroup
		for _, x := range troubles() {
			k, token := f.issue(limit)
			keys[x.name] = k
			f.crowd(&wg, k, token, time.Second, end)
		}
		f.weather.set(func(a ask) fate {
			if now := time.Now(); now.Before(bad) || !now.Before(over) {
				return fate{}
			}
			for _, x := range troubles() {
				if a.spends(keys[x.name].ID) && f.weather.draw() < x.share {
					return x.fate
				}
			}
			return fate{}
		})
		wg.Wait()
		for _, x := range troubles() {
			k := keys[x.name]
			f.neverOver(k)
			during, slowest := f.of(k, bad, over)
			after, _ := f.of(k, over.Add(limit.Window), end)
			t.Logf("%s: %v within %v, then %v", x.name, during, slowest.Round(time.Millisecond), after)
			quick := x.share == 0 || x.fate.after != ""
			wrong := x.fails == never && during[unavailable] > 0 || x.fails == always && during[unavailable] == 0
			if wrong || quick && slowest > usual {
				t.Errorf("%s: %v within %v", x.name, during, slowest)
			}
			if after[unavailable] > 0 || after[admitted] < int(limit.Requests*3/4) {
				t.Errorf("%s, two windows later: %v", x.name, after)
			}
		}
	})
}
