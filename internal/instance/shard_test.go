package instance_test

import (
	"latchkey/internal/dynamo/dynamotest"
	"slices"
	"sync"
	"testing"
	"time"
)

// One of a key's two meters has a bad day. Together they never admit more than the limit. Callers get a
// verdict or "unavailable" within three seconds. The other meter goes on to admit, and two
// windows after the trouble it leaves no trace.
func TestOneMeterOfAKeyHasABadDay(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long, and the other bad days show races")
	}
	dynamotest.AnyEngine(t)
	for _, x := range troubles() {
		if !slices.Contains([]string{
			"throttled", "slower than a window", "applied, without an answer",
		}, x.name) {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			onABadDay(t, 8, "trust", func(t *testing.T, f *fleet) { oneMeterHas(t, f, x) })
		})
	}
}

func oneMeterHas(t *testing.T, f *fleet, x trouble) {
	limit := per10s(2600)
	k, token := f.issue(limit)
	// Half of the limit is left when the trouble begins.
	bad := time.Now().Add(limit.Window / 4)
	over := bad.Add(limit.Window)
	end := over.Add(2 * limit.Window)
	others := k.Shards.Others(k.ID)
	if len(others) != 1 {
		t.Fatalf("the key has the meters %v beside its first", others)
	}
	var wg sync.WaitGroup
	f.crowd(&wg, k, token, 16*time.Millisecond, end)
	f.weather.set(func(a ask) fate {
		now := time.Now()
		if a.spends(others[0]) && !now.Before(bad) && now.Before(over) && f.weather.draw() < x.share {
			return x.fate
		}
		return fate{}
	})
	wg.Wait()
	f.neverOver(k)
	during, slowest := f.of(k, bad, over)
	after, _ := f.of(k, over.Add(limit.Window), end)
	t.Logf("%v within %v, then %v", during, slowest.Round(time.Millisecond), after)
	share := int(limit.Requests / 2)
	if during[unavailable] == 0 || during[admitted] < share/4 {
		t.Errorf("during the trouble: %v", during)
	}
	if after[unavailable] > 0 || after[admitted] < share*2*3/4 || after[limited] == 0 {
		t.Errorf("two windows later: %v", after)
	}
}
