package scale_test

import (
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

func TestAnItemTakesNoMoreThanItsUnits(t *testing.T) {
	now := time.Unix(1, 0)
	b, taken := newBucket(1000), 0
	for range 100_000 { // in ten seconds
		if b.take(now) {
			taken++
		}
		now = now.Add(100 * time.Microsecond)
	}
	if most := 1000*10 + 100; taken > most || taken < most-200 {
		t.Errorf("%d units in 10 s, want %d", taken, most)
	}
}

func TestTheWorstIntervalIsFound(t *testing.T) {
	minute := ratelimit.Limit{Requests: 2, Window: time.Minute}
	second := ratelimit.Limit{Requests: 2, Window: time.Second}
	for _, c := range []struct {
		limit ratelimit.Limit
		spent []time.Duration
		over  int64
	}{
		{minute, nil, 0},
		{minute, []time.Duration{0, 0, time.Minute, time.Minute}, 0},
		{minute, []time.Duration{0, time.Second, time.Minute - 1}, 1},
		{minute, []time.Duration{59 * time.Second, 61 * time.Second, 0, 60 * time.Second, 62 * time.Second}, 2},
		{second, []time.Duration{0, 0, 890 * time.Millisecond}, 0}, // the window without 100 ms, and 10 ms of a write
		{second, []time.Duration{0, 0, 889 * time.Millisecond}, 1},
	} {
		l := newLedger(1)
		l.spent[0], l.slowest = c.spent, 10*time.Millisecond
		if over := l.over(0, c.limit); over != c.over {
			t.Errorf("%v of %v: %d over, want %d", c.spent, c.limit, over, c.over)
		}
	}
}

// A function starts a thousand instances at once, and then as many in each ten seconds.
func TestInstancesStartAsFastAsLambdaStartsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{instances: 5000, lambda: true}
		f := newFleet(&s, hasher(t), func(seed uint64) table { return newLink(newWorld(1), seed) })
		var running []*instance
		for range 10 {
			for i := f.pick(); i != nil; i = f.pick() {
				running = append(running, i)
			}
			time.Sleep(time.Second)
		}
		if n := len(running); n != startsAtOnce+9*startsPerSecond {
			t.Errorf("%d instances started in 9 s", n)
		}
		for _, i := range running {
			f.done(i)
		}
		f.restart()
	})
}

func TestReadsAndWritesAreThrottledApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(0.001)
		l := newLink(w, 1)
		for _, u := range []unit{read, write} {
			done := 0
			for range 3 {
				l.serve("key#a", u, func() { done++ })
			}
			if done != 1 {
				t.Errorf("an item served %d of 3 requests", done)
			}
		}
		if want := (counts{reads: 1, writes: 1, throttled: 4}); w.counts != want {
			t.Errorf("%+v, want %+v", w.counts, want)
		}
	})
}
