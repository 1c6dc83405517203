package scale_test

import (
	"cmp"
	crand "crypto/rand"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// scenario is a load on a deployment.
type scenario struct {
	name string // of a test
	seed uint64
	// perSecond requests come at random to all keys together. Key n gets a share that falls with its number
	// to the power of popularity.
	perSecond  float64
	keys       int
	popularity float64
	// limit is the limit of each key. If zero, a key may make twice its share of the requests in a minute.
	limit ratelimit.Limit
	// instances get the requests of these keys alike. If uneven is set, the share of an instance falls with
	// its number to this power. With lambda, they are at most so many, and start when they are needed, or
	// are ready at the beginning.
	instances int
	uneven    float64
	lambda    bool
	ready     bool
	restarts  bool // all instances begin anew after a third of the time
	// slow says that the partition of the first key is slow from the first third of the time to the second.
	slow     bool
	capacity float64       // of a partition, as a share of what DynamoDB promises; zero means all of it
	warm     time.Duration // what happens before is not counted
	lasts    time.Duration // after warm
}

// result is what a scenario did after it was warm.
type result struct {
	requests, admitted, denied int
	unknown                    int // 503
	refused                    int // there was no instance
	table                      counts
	busiest, peak              int // writes a second of the busiest item: on average, and at most
	instances                  int // the most that were busy at once
	over                       int64
}

// share returns the capacity of a partition, as a share of what DynamoDB promises.
func (s *scenario) share() float64 { return cmp.Or(s.capacity, 1) }

// shares returns the sums of the shares of requests that the keys up to an index get. The last is 1.
func (s *scenario) shares() []float64 {
	shares := make([]float64, s.keys)
	sum := 0.0
	for n := range shares {
		sum += math.Pow(float64(n+1), -s.popularity)
		shares[n] = sum
	}
	for n := range shares {
		shares[n] /= sum
	}
	return shares
}

// limits returns the limits of the keys.
func (s *scenario) limits() []ratelimit.Limit {
	limits := make([]ratelimit.Limit, s.keys)
	before := 0.0
	for n, sum := range s.shares() {
		limits[n] = s.limit
		if s.limit == (ratelimit.Limit{}) {
			requests := 2 * s.perSecond * (sum - before) * time.Minute.Seconds()
			limits[n] = ratelimit.Limit{Requests: int64(math.Ceil(requests)), Window: time.Minute}
		}
		before = sum
	}
	return limits
}

// simulate runs a scenario in virtual time.
func (s scenario) simulate(t *testing.T) (r result) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(apikeytest.Noon))
		w := newWorld(s.share())
		requests := s.issue(t, w)
		f := newFleet(&s, hasher(t), func(seed uint64) table { return newLink(w, seed) })
		l := newLedger(s.keys)
		s.offer(t.Context(), f, l, requests, w)
		f.stop()
		r = l.result(s.limits())
		r.table, r.instances = w.counts, f.busiest
		r.busiest, r.peak = w.busiest(s.lasts)
	})
	return r
}

func hasher(t *testing.T) pepper.Hasher { return apikeytest.NewHasher(t, apikeytest.Master) }

// issue stores the keys of a scenario, and returns a request of each.
func (s *scenario) issue(t *testing.T, w *world) (requests []*gate.Request) {
	format, h := apikeytest.NewFormat(t), hasher(t)
	for _, limit := range s.limits() {
		token, err := format.New(apikey.Live, crand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k := &apikey.Key{
			ID: token.ID(), UserID: token.ID(), Environment: apikey.Live, Limit: limit, Enabled: true,
			CreatedAt: time.Now().Add(-time.Hour), Secrets: []apikey.Secret{h.Hash(token)},
		}
		if err := k.Spread(); err != nil {
			t.Fatal(err)
		}
		w.keys[k.ID] = k
		requests = append(requests, &gate.Request{Credential: format.Credential(token.Reveal()), Cost: 1})
		if s.slow && w.slow == "" {
			w.slow = keyPartition(token.ID())
		}
	}
	return requests
}

// arrivals returns a function that returns the time and the key of one request after the other, until
// the scenario ends.
func (s *scenario) arrivals() func() (at time.Duration, key int, ok bool) {
	random := rand.New(rand.NewPCG(s.seed, 4))
	shares := s.shares()
	at := time.Duration(0)
	return func() (time.Duration, int, bool) {
		at += time.Duration(random.ExpFloat64() / s.perSecond * float64(time.Second))
		return at, pick(shares, random.Float64()), at < s.warm+s.lasts
	}
}
