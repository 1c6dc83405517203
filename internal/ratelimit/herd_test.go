package ratelimit_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

// A meter takes a thousand writes a second. Instances that choose a shard at random stay far below that,
// and those that all begin on the first shard do not.
func TestInstancesThatBeginOnOneShardAreAHerd(t *testing.T) {
	for _, c := range []struct {
		herd        bool
		least, most float64 // share of the requests that the store does not take in time
	}{{false, 0, 0.001}, {true, 0.02, 1}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSpread(3, 10*time.Millisecond, 0)
			busiest := s.throttle(100 * time.Millisecond)
			s.change(per(100_000, time.Minute))
			p, known := s.part(0)
			end := time.Now().Add(10 * time.Second)
			var wg sync.WaitGroup
			const instances = 1000
			for range instances {
				own := rand.New(rand.NewPCG(s.random.Uint64(), 1))
				l := ratelimit.New(s, time.Now, 100)
				if l.Choose(own.IntN); c.herd {
					l.StartsOnFirstShard()
				}
				gap := func() time.Duration { return time.Duration(own.ExpFloat64() * float64(instances*time.Minute/95_000)) }
				wg.Go(func() {
					for time.Sleep(gap()); time.Now().Before(end); time.Sleep(gap()) {
						s.spend(t, l, p, known, 1)
					}
				})
			}
			wg.Wait()
			share := float64(s.unsure) / float64(s.unsure+s.denied+len(s.admitted))
			t.Logf("herd %v: %.4f are not decided, %d writes of the busiest shard in a second", c.herd, share, *busiest)
			if share < c.least || share > c.most {
				t.Errorf("herd %v: %.4f are not decided", c.herd, share)
			}
		})
	}
}

// throttle lets each meter take a thousand writes a second, in buckets of one length. It returns the
// most writes of a second that were sent to one meter.
func (s *spread) throttle(bucket time.Duration) (busiest *int) {
	type at struct {
		id string
		n  int64
	}
	var mu sync.Mutex
	taken, sent := make(map[at]time.Duration), make(map[at]int)
	busiest = new(int)
	s.onAsk = func(id string) error {
		mu.Lock()
		defer mu.Unlock()
		second := at{id, time.Now().Unix()}
		sent[second]++
		*busiest = max(*busiest, sent[second])
		now := at{id, time.Now().UnixNano() / int64(bucket)}
		if taken[now] += time.Millisecond; taken[now] > bucket {
			return ratelimit.ErrThrottled
		}
		return nil
	}
	return busiest
}
