package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

// The manual states these costs for one request with several meters. Requests come at random times,
// and each limit is twice its demand. A gate reads a key, and a user, once a second and instance. A
// plan is read as often, for all keys of an instance together, which is not counted here. A million
// writes cost $0.625 and a million reads $0.125.
func TestWhatACascadeCosts(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	for _, load := range []struct{ perSecond, instances int }{{1, 1}, {10, 1}, {100, 1}, {10, 16}} {
		for _, shape := range []struct {
			name       string
			keys       int
			own, users bool    // a key has a limit of its own, and the user has one
			mostWrites float64 // for each request of 10 a second
		}{
			{"key only", 1, true, false, 0.27}, {"key + user, 1 key", 1, true, true, 0.54},
			{"key + user, 4 keys", 4, true, true, 1.08}, {"user alone, 1 key", 1, false, true, 0.31},
			{"user alone, 4 keys", 4, false, true, 0.34},
		} {
			synctest.Test(t, func(t *testing.T) {
				c, random := newCascade(mutant{}, nil), rand.New(rand.NewPCG(1, 1))
				time.Sleep(time.Hour)
				var all []*member
				for range load.instances {
					all = append(all, c.instance(0))
				}
				user := part("user##u", per(int64(120*load.perSecond), time.Minute))
				requests := min(20_000, 1500**rounds)
				reads := 0
				for range requests {
					key := part(fmt.Sprintf("k%d", random.IntN(shape.keys)), per(int64(120*load.perSecond), time.Minute))
					if !shape.own {
						key.Terms.Limit = ratelimit.NoLimit()
					}
					e, parts := all[random.IntN(load.instances)], []ratelimit.Part{key}
					if shape.users {
						parts = append(parts, user)
					}
					reads += e.read(key.ID) + e.read(user.ID) // also if nothing is set for the user
					if j, err := e.take(t, 1, parts...); err != nil || !j.Admitted {
						t.Fatalf("%+v, %v", j, err)
					}
					time.Sleep(time.Duration(random.ExpFloat64() * float64(time.Second) / float64(load.perSecond)))
				}
				writes := 0
				for _, i := range c.store.items {
					writes += i.spends
				}
				w, r := float64(writes)/float64(requests), float64(reads)/float64(requests)
				t.Logf("%d a second, %d instances, %s: %.3f writes and %.3f reads for each request, $%.3f a million",
					load.perSecond, load.instances, shape.name, w, r, 0.625*w+0.125*r)
				if load.perSecond == 10 && load.instances == 1 && w > shape.mostWrites {
					t.Errorf("at most %v writes wanted", shape.mostWrites)
				}
			})
		}
	}
}

// The manual states these shares. A limit that keys share is for who comes first: each key gets about
// the same share of what it asks for, however much that is.
func TestACascadeServesWhoComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, random := newCascade(mutant{}, nil), rand.New(rand.NewPCG(1, 1))
		time.Sleep(time.Hour)
		var all []*member
		for range 4 {
			all = append(all, c.instance(0))
		}
		user := part("user##u", per(600, time.Minute))
		keys := []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3} // the first one asks for 8 times as much
		asked, got := make([]int, 4), make([]int, 4)
		for range min(20_000, 6000**rounds) {
			k, e := keys[random.IntN(len(keys))], all[random.IntN(len(all))]
			key := part(fmt.Sprintf("k%d", k), per(6000, time.Minute))
			e.read(key.ID)
			e.read(user.ID)
			j, err := e.take(t, 1, key, user)
			if err != nil {
				t.Fatal(err)
			}
			if asked[k]++; j.Admitted {
				got[k]++
			}
			time.Sleep(time.Duration(random.ExpFloat64() * float64(time.Second) / 20))
		}
		for k := range asked {
			share := 100 * float64(got[k]) / float64(asked[k])
			t.Logf("four keys ask for twice what they share, as 8:1:1:1: key %d gets %.0f %% of what it asks for", k, share)
			if share < 40 || share > 60 {
				t.Error("40 to 60 % wanted")
			}
		}
	})
}
