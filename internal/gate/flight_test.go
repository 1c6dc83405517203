package gate_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// run lets the injected clock go on as the real one does, until the test ends.
func (b *bench) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for last := time.Now(); ctx.Err() == nil; time.Sleep(time.Millisecond) {
			now := time.Now()
			b.Clock.Pass(now.Sub(last))
			last = now
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
}

// fleet are many connections to some instances, with the keys of one user.
type fleet struct {
	b        *bench
	userID   string
	keys     int
	requests []gate.Request // by key
	gates    []*gate.Gate
	ended    atomic.Int64 // checks
}

func newFleet(t *testing.T, keys, instances int, freshness time.Duration, fences bool) *fleet {
	t.Helper()
	f := &fleet{b: newBench(t), userID: "u1", keys: keys}
	f.b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	f.b.Fences = fences
	f.b.run(t)
	for range keys {
		token := f.b.Token(t)
		f.b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 1_000_000, Window: time.Hour} })
		f.requests = append(f.requests, gate.Request{Credential: f.b.Format.Credential(token.Reveal()), Cost: 1})
	}
	for range instances {
		f.gates = append(f.gates, f.b.Gate(freshness))
	}
	return f
}

// wait waits for a time, and then until as many checks have ended as a test needs. A busy machine takes
// longer for them.
func (f *fleet) wait(d time.Duration) {
	time.Sleep(d)
	for before := f.ended.Load(); f.ended.Load() < before+200; {
		time.Sleep(time.Millisecond)
	}
}

// asked is one check, with the times between which it was decided.
type asked struct {
	key        int
	begun, end time.Time
	verdict    apikey.Verdict
	err        error
}

// send sends requests on many connections until the context ends, and returns all checks.
func (f *fleet) send(ctx context.Context, connections int) []asked {
	var all []asked
	var mu sync.Mutex
	var connected sync.WaitGroup
	for n := range connections {
		connected.Go(func() {
			var own []asked
			for i := n; ctx.Err() == nil; i++ {
				a := asked{key: i % f.keys, begun: f.b.Clock.Time()}
				a.verdict, a.err = f.gates[n%len(f.gates)].Check(context.Background(), f.requests[a.key])
				a.end = f.b.Clock.Time()
				own = append(own, a)
				f.ended.Add(1)
				time.Sleep(3 * time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	connected.Wait()
	return all
}

// After FRESHNESS, no instance admits a request of a user who was suspended. After a moment, none
// refuses one of a user who was resumed.
func TestASuspensionBitesOnEachInstance(t *testing.T) {
	withAndWithoutFences(t, aSuspensionBitesOnEachInstance)
}

func aSuspensionBitesOnEachInstance(t *testing.T, fences bool) {
	const freshness = 500 * time.Millisecond
	f := newFleet(t, 4, 8, freshness, fences)
	f.b.SetUser(t, f.userID, func(*apikey.User) {})
	ctx, stop := context.WithCancel(t.Context())
	var suspended, resumes, resumed time.Time
	var operator sync.WaitGroup
	operator.Go(func() {
		defer stop()
		time.Sleep(freshness)
		if err := f.b.changeUser(f.userID, func(u *apikey.User) { u.Suspended = true }); err != nil {
			t.Error(err)
		}
		suspended = f.b.Clock.Time()
		f.wait(freshness)
		resumes = f.b.Clock.Time()
		if err := f.b.changeUser(f.userID, func(u *apikey.User) { u.Suspended = false }); err != nil {
			t.Error(err)
		}
		resumed = f.b.Clock.Time()
		f.wait(freshness)
	})
	all := f.send(ctx, 32)
	operator.Wait()
	refused, late, again := 0, 0, 0
	for _, a := range all {
		wanted := apikey.CodeUserSuspended
		switch {
		case a.err != nil:
			continue // it could not be decided
		case a.verdict.Code == apikey.CodeUserSuspended:
			refused++
		}
		switch {
		case a.end.Before(suspended), !a.begun.Before(resumed.Add(gate.MismatchAge)):
			wanted = apikey.CodeValid
		case a.begun.Before(suspended.Add(freshness)), !a.end.Before(resumes):
			continue
		}
		if a.end.Before(suspended) && a.verdict.Code == apikey.CodeUserSuspended {
			continue // it was stored, and not yet acknowledged
		}
		if wanted == apikey.CodeValid {
			again++
		} else {
			late++
		}
		if a.verdict.Code != wanted {
			t.Errorf("%s, begun %v after the suspension and %v after the end of it; want %s",
				a.verdict.Code, a.begun.Sub(suspended), a.begun.Sub(resumed), wanted)
		}
	}
	if refused < 10 || late < 10 || again < 10 {
		t.Errorf("of %d checks, %d were refused, %d of these late, and %d were to be admitted: too few", len(all), refused, late, again)
	}
}

// limitOf says that at most so many requests are admitted in any interval of a length.
type limitOf struct {
	what   string
	key    int // -1: of all keys together
	amount int
	window time.Duration
	since  time.Time // of requests that were begun from then on
}

// check reports the first interval that has too many. All requests of it were decided within it.
func (l limitOf) check(t *testing.T, all []asked) {
	t.Helper()
	var counted []asked
	for _, a := range all {
		if a.err == nil && a.verdict.Valid() && (l.key < 0 || l.key == a.key) && !a.begun.Before(l.since) {
			counted = append(counted, a)
		}
	}
	most := 0
	for _, first := range counted {
		n := 0
		for _, a := range counted {
			if !a.begun.Before(first.begun) && a.end.Before(first.begun.Add(l.window)) {
				n++
			}
		}
		most = max(most, n)
	}
	if most > l.amount {
		t.Errorf("%s: %d requests are admitted in %v, want at most %d", l.what, most, l.window, l.amount)
	}
	if l.key < 0 && most < l.amount/4 {
		t.Errorf("%s: only %d requests are admitted in %v of %d: nothing was tested", l.what, most, l.window, l.amount)
	}
}

// While the plan of a user changes, and the user moves between plans, no level ever admits more than
// the widest bound of that time. After the last change and FRESHNESS, it is the last bound.
func TestPlanChangesInFlightAreNeverOver(t *testing.T) {
	withAndWithoutFences(t, planChangesInFlightAreNeverOver)
}

func planChangesInFlightAreNeverOver(t *testing.T, fences bool) {
	const freshness = 300 * time.Millisecond
	f := newFleet(t, 4, 8, freshness, fences)
	plan := func(key, user int64) func(*apikey.Plan) {
		return func(p *apikey.Plan) {
			p.Key.Limits = []ratelimit.Limit{{Requests: key, Window: time.Second}}
			p.User.Limits = []ratelimit.Limit{{Requests: user, Window: 2 * time.Second}}
		}
	}
	f.b.SetPlan(t, "pro", plan(8, 20))
	f.b.SetPlan(t, "basic", plan(4, 12))
	f.b.SetUser(t, f.userID, func(u *apikey.User) {
		u.Plan, u.Limits = "pro", []ratelimit.Limit{{Requests: 60, Window: time.Hour}}
	})
	ctx, stop := context.WithCancel(t.Context())
	var last time.Time
	var operator sync.WaitGroup
	operator.Go(func() {
		defer stop()
		for n := range 14 {
			var err error
			switch n % 4 {
			case 0:
				err = f.b.changePlan("pro", plan(6, 10))
			case 1:
				err = f.b.changeUser(f.userID, func(u *apikey.User) { u.Plan = "basic" })
			case 2:
				err = f.b.changePlan("pro", plan(8, 20))
			case 3:
				err = f.b.changeUser(f.userID, func(u *apikey.User) { u.Plan = "pro" })
			}
			if err != nil {
				t.Error(err)
			}
			time.Sleep(150 * time.Millisecond)
		}
		if err := f.b.changeUser(f.userID, func(u *apikey.User) { u.Plan, u.Limits = "basic", nil }); err != nil {
			t.Error(err)
		}
		last = f.b.Clock.Time()
		time.Sleep(4 * time.Second)
	})
	all := f.send(ctx, 64)
	operator.Wait()
	var before []asked
	failed := 0
	for _, a := range all {
		if a.end.Before(last) {
			before = append(before, a)
		}
		if a.err != nil {
			failed++
		}
	}
	settled := last.Add(freshness)
	limitOf{"the user", -1, 20, 2 * time.Second, time.Time{}}.check(t, all)
	limitOf{"the user's own record", -1, 60, time.Hour, time.Time{}}.check(t, before)
	limitOf{"the user at last", -1, 12, 2 * time.Second, settled}.check(t, all)
	for key := range f.keys {
		limitOf{"a key", key, 8, time.Second, time.Time{}}.check(t, all)
		limitOf{"a key at last", key, 4, time.Second, settled}.check(t, all)
	}
	if failed > len(all)/20 {
		t.Errorf("%d of %d checks could not be decided", failed, len(all))
	}
}
