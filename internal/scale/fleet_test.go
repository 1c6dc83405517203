package scale_test

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sort"
	"sync"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// fleet gives requests to instances. It is safe for concurrent use.
//
// A fleet with lastFirst is one Lambda function. Each request goes to the instance that was busy last, and
// a new instance is started if all are busy. Other fleets have as many instances as they begin with, which
// requests for other keys keep running.
type fleet struct {
	connect   func(seed uint64) table
	hasher    pepper.Hasher
	random    *rand.Rand
	lastFirst bool
	most      int // instances
	// shares are the sums of the shares of requests that the instances up to an index get. If empty, each
	// idle instance is as likely.
	shares []float64

	mu      sync.Mutex
	all     []*instance // of a fleet that has shares
	idle    []*instance // of the other ones
	version int
	running int // instances of this version
	busy    int
	busiest int
	starts  bucket
}

// table is what an instance asks.
type table interface {
	gate.Finder
	ratelimit.Store
}

// instance is one running Lambda environment. It does one thing at a time.
type instance struct {
	gate    *gate.Gate
	table   table
	version int
	cold    bool // it has not begun to judge yet
	busy    bool
	work    chan func()
}

const (
	// clockSkew is how far the clock of an instance is from the true time at most.
	clockSkew = 50 * time.Millisecond
	// Lambda starts so many instances of a function at once, and then so many a second.
	startsAtOnce    = 1000
	startsPerSecond = 100
	// starting is how long the first request of an instance waits. It is an assumption.
	starting = 200 * time.Millisecond
	// judging is how long a check takes beside its requests to the table, which is an assumption too.
	judging = time.Millisecond
	// remembered bounds the memory of an instance.
	remembered = 2000
)

func newFleet(s *scenario, h pepper.Hasher, connect func(seed uint64) table) *fleet {
	f := &fleet{
		connect: connect, hasher: h, random: rand.New(rand.NewPCG(s.seed, 3)), lastFirst: s.lambda, most: s.instances,
		starts: bucket{rate: startsPerSecond, most: startsAtOnce, left: startsAtOnce},
	}
	if s.ready || !s.lambda {
		for range s.instances {
			f.idle = append(f.idle, f.start())
		}
	}
	if s.uneven > 0 {
		f.all, f.idle = f.idle, nil
		sum := 0.0
		for n := range f.all {
			sum += math.Pow(float64(n+1), -s.uneven)
			f.shares = append(f.shares, sum)
		}
	}
	return f
}

// start starts an instance. The caller must hold the lock, or be alone.
func (f *fleet) start() *instance {
	i := &instance{version: f.version, work: make(chan func(), 1)}
	f.running++
	f.renew(i)
	go func() {
		for do := range i.work {
			do()
		}
	}()
	return i
}

// renew empties the memory of an instance.
func (f *fleet) renew(i *instance) {
	seed := f.random.Uint64()
	offset := time.Duration(f.random.Int64N(int64(2*clockSkew)+1)) - clockSkew
	now := func() time.Time { return time.Now().Add(offset) }
	begun := time.Now()
	clock := func() gate.Instant { return gate.Instant{Wall: now(), Mono: time.Since(begun)} }
	i.table = f.connect(seed)
	limiter := ratelimit.New(i.table, now, remembered).Choose(rand.New(rand.NewPCG(seed, 4)).IntN)
	i.gate = gate.New(i.table, limiter, gate.Options{
		Keyring:   func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: f.hasher}, nil },
		Reread:    func(context.Context) (pepper.Hasher, error) { return f.hasher, nil },
		Logger:    slog.New(slog.DiscardHandler),
		Freshness: time.Second, TrustFences: true, Patience: apikey.Patience,
		Environments: []apikey.Environment{apikey.Live}, Clock: clock, Remember: remembered,
	})
}

// pick returns an instance for a request, or nil if all are busy and no more may be started.
func (f *fleet) pick() *instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.choose()
	if i != nil {
		i.busy = true
		f.busy++
		f.busiest = max(f.busiest, f.busy)
	}
	return i
}

func (f *fleet) choose() *instance {
	last := len(f.idle) - 1
	switch {
	case len(f.shares) > 0:
		first := sort.SearchFloat64s(f.shares, f.random.Float64()*f.shares[len(f.shares)-1])
		for n := range f.all {
			if i := f.all[(first+n)%len(f.all)]; !i.busy {
				return i
			}
		}
	case last >= 0:
		if !f.lastFirst {
			n := f.random.IntN(last + 1)
			f.idle[n], f.idle[last] = f.idle[last], f.idle[n]
		}
		i := f.idle[last]
		f.idle = f.idle[:last]
		return i
	case f.lastFirst && f.running < f.most && f.starts.take(time.Now()):
		i := f.start()
		i.cold = true
		return i
	}
	return nil
}

// done gives back an instance.
func (f *fleet) done(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i.busy = false
	f.busy--
	switch {
	case i.version != f.version:
		close(i.work)
	case len(f.shares) == 0:
		f.idle = append(f.idle, i)
	}
}

// restart ends all instances, as a new version of a function does. Those of a fleet without lastFirst begin
// anew at once.
func (f *fleet) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lastFirst {
		for _, i := range f.idle {
			close(i.work)
		}
		f.idle, f.running = nil, 0
		f.version++
		return
	}
	for _, i := range append(f.all, f.idle...) {
		f.renew(i)
	}
}

// stop ends all instances. None may be busy.
func (f *fleet) stop() {
	for _, i := range append(f.all, f.idle...) {
		close(i.work)
	}
}

// judge judges a request on an instance that was picked.
func (f *fleet) judge(ctx context.Context, i *instance, r *gate.Request) (apikey.Verdict, error) {
	defer f.done(i)
	if i.cold {
		i.cold = false
		time.Sleep(starting)
	}
	if f.lastFirst {
		time.Sleep(judging)
	}
	return i.gate.Check(ctx, *r)
}
