package gate_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// lag is a transport that lets the injected clock pass with each request: half of it before the
// table acts, half of it after.
type lag struct {
	next http.RoundTripper
	turn sync.Mutex // requests that are sent at the same time come one after the other

	mu     sync.Mutex
	clock  *apikeytest.Clock
	every  time.Duration
	calls  int
	during func(call int) // in the middle of a request, after the table has acted

	repeated bool // see hasRepeated
}

func (l *lag) RoundTrip(r *http.Request) (*http.Response, error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.mu.Lock()
	l.calls++
	l.repeated = l.repeated || !strings.HasPrefix(r.Header.Get("Amz-Sdk-Request"), "attempt=1;")
	call, every, during := l.calls, l.every, l.during
	l.mu.Unlock()
	if l.clock == nil {
		return l.next.RoundTrip(r)
	}
	l.clock.Pass(every / 2)
	response, err := l.next.RoundTrip(r)
	l.clock.Pass(every - every/2)
	if during != nil {
		during(call)
	}
	return response, err
}

// set changes the lag, and starts the count again.
func (l *lag) set(every time.Duration, during func(int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls, l.every, l.during, l.repeated = 0, every, during, false
}

// hasRepeated reports whether the SDK has repeated a request since set, because the engine of a busy
// machine did not answer in time. The numbers of the calls then mean nothing.
func (l *lag) hasRepeated() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.repeated
}

func (l *lag) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

// lagging is a bench whose gates see a slow table, while the registry sees a fast one.
func lagging(t *testing.T) (*bench, *lag) {
	t.Helper()
	options, faults := dynamotest.Faulty(t)
	b := newBenchBefore(t, dynamo.Open(options))
	l := &lag{next: faults, clock: b.Clock}
	options.Transport = l
	slow := dynamo.Open(options)
	b.Table, b.Meters = &apikeytest.Spy{Store: slow}, slow
	b.Patience = time.Minute // the latency is not real, and a busy machine may stop an engine for seconds
	return b, l
}

// withAndWithoutFences runs a test with gates that trust fences, and with gates that do not.
func withAndWithoutFences(t *testing.T, test func(t *testing.T, fences bool)) {
	t.Run("fences", func(t *testing.T) { test(t, true) })
	t.Run("no fences", func(t *testing.T) { test(t, false) })
}

// ways are the ways to end a token, by name. Those of users and plans begin with "its".
var ways = map[string]func(b *bench, k *apikey.Key) error{
	"revoked": func(b *bench, k *apikey.Key) error {
		return b.rewrite(k, func(to *apikey.Key) { to.RevokedAt = b.Clock.Time() })
	},
	"disabled": func(b *bench, k *apikey.Key) error { return b.rewrite(k, func(to *apikey.Key) { to.Enabled = false }) },
	"rotated": func(b *bench, k *apikey.Key) error {
		return b.rewrite(k, func(to *apikey.Key) {
			ended := k.Secrets[0]
			ended.NotAfter, ended.Ended = b.Clock.Time(), true
			to.Secrets = []apikey.Secret{ended}
		})
	},
	"deleted": func(b *bench, k *apikey.Key) error {
		return b.Options.Store.Write(context.Background(), registry.Write{From: k, Delete: true, At: b.Clock.Time()})
	},
	"its user is suspended": func(b *bench, k *apikey.Key) error {
		return b.changeUser(k.UserID, func(u *apikey.User) { u.Suspended = true })
	},
	"its user has a plan without the scope": func(b *bench, k *apikey.Key) error {
		return b.changeUser(k.UserID, func(u *apikey.User) { u.Plan = "narrow" })
	},
	"its plan has the scope no more": func(b *bench, k *apikey.Key) error {
		return b.changePlan(k.UserID, func(p *apikey.Plan) { p.Scopes = apikey.Scopes{"stt"} })
	},
}

// plans stores the plans that ways need.
func (b *bench) plans(t *testing.T) {
	t.Helper()
	b.SetPlan(t, "narrow", func(p *apikey.Plan) { p.Scopes = apikey.Scopes{"stt"} })
}

// ending issues a key that a way can end. If needed, it has a user and a plan of its own.
func (b *bench) ending(t *testing.T, way string) (*apikey.Key, gate.Request) {
	t.Helper()
	k, r := b.person(t, func(k *apikey.Key) {
		k.Limit.Window, k.Scopes = time.Hour, apikey.Scopes{"tts"}
	})
	if strings.HasPrefix(way, "its") {
		b.SetPlan(t, k.UserID, func(*apikey.Plan) {})
		b.SetUser(t, k.UserID, func(u *apikey.User) { u.Plan = k.UserID })
	}
	r.Scope = "tts"
	return k, r
}

// changeUser changes the record of a user, which must exist.
func (b *bench) changeUser(id string, edit func(*apikey.User)) error {
	ctx := context.Background()
	record, err := b.Options.Store.User(ctx, id)
	if err != nil {
		return err
	}
	to := *record.User
	to.Rev++
	to.Seq++
	edit(&to)
	return b.Options.Store.Write(ctx, registry.Write{User: &registry.Replacement[apikey.User]{From: record.User, To: &to}, At: b.Clock.Time()})
}

// changePlan changes a plan, which must exist.
func (b *bench) changePlan(name string, edit func(*apikey.Plan)) error {
	ctx := context.Background()
	from, err := b.Options.Store.Plan(ctx, name)
	if err != nil {
		return err
	}
	to := *from
	to.Rev++
	to.Seq++
	edit(&to)
	return b.Options.Store.Write(ctx, registry.Write{Plan: &registry.Replacement[apikey.Plan]{From: from, To: &to}, At: b.Clock.Time()})
}

func (b *bench) rewrite(k *apikey.Key, edit func(*apikey.Key)) error {
	to := *k
	edit(&to)
	return b.Options.Store.Write(context.Background(), registry.Write{From: k, To: &to, At: b.Clock.Time()})
}

var freshnesses = []time.Duration{0, gate.MinFreshness, time.Second, 10 * time.Second}

// A request that begins FRESHNESS or more after a change was acknowledged is judged by the change,
// however slow the table is. A request that begins earlier may be judged by the state before.
func TestNoRequestIsAdmittedThatBeginsAfterARevocationAndFreshness(t *testing.T) {
	withAndWithoutFences(t, noRequestIsAdmittedThatBeginsAfterARevocationAndFreshness)
}

func noRequestIsAdmittedThatBeginsAfterARevocationAndFreshness(t *testing.T, fences bool) {
	b, l := lagging(t)
	b.Fences = fences
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	b.plans(t)
	for _, freshness := range freshnesses {
		for _, latency := range []time.Duration{0, 20 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond, 3 * time.Second} {
			for name, end := range ways {
				k, r := b.ending(t, name)
				g := b.Gate(freshness)
				check := func() (apikey.Verdict, error) { return g.Check(t.Context(), r) }
				l.set(latency, nil)
				if v, err := check(); err != nil || !v.Valid() {
					t.Fatalf("freshness %v, latency %v: before: %s, %v", freshness, latency, v.Code, err)
				}
				l.set(0, nil)
				if err := end(b, k); err != nil {
					t.Fatal(err)
				}
				b.Clock.Pass(freshness)
				l.set(latency, nil)
				if v, err := check(); err != nil || v.Valid() {
					t.Errorf("freshness %v, latency %v, %s: %s, %v", freshness, latency, name, v.Code, err)
				}
			}
		}
	}
}

// However slow the table is, a check takes one read of the key, one of its user, one write and at most
// one more of each read, spends one token, and returns a verdict.
func TestASlowTableIsNoOutageAndCostsNoTokens(t *testing.T) {
	withAndWithoutFences(t, aSlowTableIsNoOutageAndCostsNoTokens)
}

func aSlowTableIsNoOutageAndCostsNoTokens(t *testing.T, fences bool) {
	b, l := lagging(t)
	b.Fences = fences
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	for _, freshness := range freshnesses {
		for _, latency := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 249 * time.Millisecond, 900 * time.Millisecond, 1100 * time.Millisecond, 5 * time.Second} {
			token := b.Token(t)
			k := b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 10, Window: 24 * time.Hour} })
			g := b.Gate(freshness)
			for n := range int64(3) {
				l.set(latency, nil)
				v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1})
				if err != nil || !v.Valid() || v.Status.Remaining != 9-n {
					t.Errorf(
						"freshness %v, latency %v: %s, %d left, %v; want %d left",
						freshness,
						latency,
						v.Code,
						v.Status.Remaining,
						err,
						9-n,
					)
				}
				if calls := l.count(); calls > 5 {
					t.Errorf("freshness %v, latency %v: %d calls", freshness, latency, calls)
				}
			}
			l.set(0, nil)
			if m, err := b.Table.Meter(t.Context(), k.ID); err != nil || m.Used != 3 {
				t.Errorf("freshness %v, latency %v: %d tokens were spent on 3 requests, %v", freshness, latency, m.Used, err)
			}
			// A wrong secret costs one read, however long that takes.
			l.set(latency, nil)
			wrong := b.Parse(t, b.Forge(t, token))
			if v, err := b.Gate(freshness).Check(t.Context(), gate.Request{Credential: b.Format.Credential(wrong.Reveal()), Cost: 1}); err != nil ||
				v.Code != apikey.CodeUnknown ||
				l.count() != 1 {
				t.Errorf(
					"freshness %v, latency %v: a wrong secret: %s, %v after %d reads",
					freshness,
					latency,
					v.Code,
					err,
					l.count(),
				)
			}
		}
	}
}

// If the read after a slow write gets no answer, a remembered read is too old to admit the request. A
// read of the same check admits it, unless FRESHNESS is 0.
func TestTheSecondReadMayFail(t *testing.T) {
	for _, c := range []struct {
		name      string
		freshness time.Duration
		warm      bool
		hangs     bool // else it fails
		admitted  bool
		foreign   bool
	}{
		{"foreign and remembered, then silence", time.Second, true, true, false, true},
		{"its key is read, then silence", time.Second, false, true, true, true},
		{"remembered, then silence", time.Second, true, true, false, false},
		{"remembered, then an error", time.Second, true, false, false, false},
		{"read, then silence", time.Second, false, true, true, false},
		{"read, then an error", time.Second, false, false, false, false},
		{"read every time, then silence", 0, false, true, false, false},
		{"read every time, then an error", 0, false, false, false, false},
	} {
		b := newBench(t)
		b.Patience = time.Second // in which a busy engine answers, before it hangs
		token := b.Token(t)
		if c.foreign {
			token = b.Foreign()
		}
		b.Issue(t, token, func(k *apikey.Key) { k.Limit.Window = 24 * time.Hour })
		slow := &hindered{Store: b.Meters}
		b.Meters = slow
		g := b.Gate(c.freshness)
		request := gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
		if c.warm || c.foreign {
			if v, err := g.Check(t.Context(), request); err != nil || !v.Valid() {
				t.Fatalf("%s: %s, %v", c.name, v.Code, err)
			}
		}
		if c.foreign && !c.warm {
			b.Clock.Pass(c.freshness) // where the token leads is remembered for longer
		}
		slow.during = func() {
			b.Clock.Pass(1100 * time.Millisecond)
			if b.Table.Err = errors.New("broken"); c.hangs {
				b.Table.Err = apikeytest.ErrHang
			}
		}
		v, err := g.Check(t.Context(), request)
		if (err == nil) != c.admitted || v.Valid() != c.admitted {
			t.Errorf("%s: %q, %v; want admitted %v", c.name, v.Code, err, c.admitted)
		}
		b.Table.Err, slow.during = nil, nil
		if v, err := g.Check(t.Context(), request); err != nil || !v.Valid() {
			t.Errorf("%s, the next one: %q, %v", c.name, v.Code, err)
		}
	}
}

// hindered does something in the middle of each write.
type hindered struct {
	ratelimit.Store
	during func()
}

func (h *hindered) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	m, err := h.Store.Spend(ctx, id, s)
	if h.during != nil {
		h.during()
	}
	return m, err
}

// FRESHNESS=0 is never weaker than another value. If a key ends at any call of a request, 0 admits
// nothing that the other value refuses.
func TestFreshnessZeroAdmitsNothingThatAnotherValueRefuses(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	b, l := lagging(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	b.plans(t)
	refusals, compared := 0, 0
	for _, latency := range []time.Duration{time.Millisecond, 100 * time.Millisecond, 260 * time.Millisecond, 510 * time.Millisecond, 1100 * time.Millisecond} {
		for name, end := range ways {
			// Before the first call, after so many, or after the last one. The calls between may come in
			// any order.
			moments := []int{0, 1, 2, 3, 5}
			if strings.HasPrefix(name, "its") {
				if moments = []int{0, 1, 2, 3, 4, 7}; latency != 100*time.Millisecond && latency != 1100*time.Millisecond {
					continue
				}
			}
			for _, at := range moments {
				for _, warm := range []float64{0, 0.01, 0.999} { // of the time that a read may be trusted; 0: nothing is remembered
					admitted := make(map[time.Duration]bool)
					repeated := false
					last := 0 // call of the check with 0
					for _, freshness := range freshnesses {
						k, r := b.ending(t, name)
						g := b.Gate(freshness)
						check := func() (apikey.Verdict, error) { return g.Check(t.Context(), r) }
						l.set(0, nil)
						if warm > 0 {
							if v, err := check(); err != nil || !v.Valid() {
								t.Fatalf("%s, %v", v.Code, err)
							}
							b.Clock.Pass(time.Duration(warm * float64(freshness)))
						}
						over := false
						finish := func(call int) {
							if freshness == 0 {
								last = max(last, call)
							}
							if call == at && !over {
								if over = true; end(b, k) != nil {
									t.Error("not ended")
								}
							}
						}
						finish(0)
						l.set(latency, finish)
						v, err := check()
						if err != nil && !l.hasRepeated() {
							t.Errorf("freshness %v, latency %v, %s after call %d: %v", freshness, latency, name, at, err)
						}
						if admitted[freshness] = v.Valid(); !v.Valid() {
							refusals++
						}
						repeated = repeated || l.hasRepeated()
					}
					if at >= last {
						continue // with 0, the check was over when the key ended
					}
					compared++
					for freshness, yes := range admitted {
						if admitted[0] && !yes && !repeated {
							t.Errorf("latency %v, warm %v, %s after call %d of %d: admitted with 0, refused with %v",
								latency, warm, name, at, last, freshness)
						}
					}
				}
			}
		}
	}
	if refusals < 100 || compared < 100 {
		t.Errorf("only %d refusals and %d comparisons: nothing was tested", refusals, compared)
	}
}

// A future time of the gateway makes no read look younger than it is, and no key older.
func TestAFutureTimeIsNotBelieved(t *testing.T) {
	for _, ahead := range []time.Duration{time.Second, 4 * time.Second, 6 * time.Second, 10 * time.Minute, 200 * 365 * 24 * time.Hour} {
		for _, freeze := range []time.Duration{time.Second, time.Minute, 24 * time.Hour} {
			b := newBench(t)
			token := b.Token(t)
			k := b.Issue(t, token, nil)
			g := b.Gate(time.Second)
			r := gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
			later := r
			later.Time = b.Clock.Time().Add(ahead)
			if v, err := g.Check(t.Context(), later); err != nil || !v.Valid() {
				t.Fatalf("%v ahead: %s, %v", ahead, v.Code, err)
			}
			k.RevokedAt = apikeytest.Noon
			if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, To: k}); err != nil {
				t.Fatal(err)
			}
			b.Clock.Drift(freeze, 0) // the monotonic clock stops
			if v, err := g.Check(t.Context(), r); err != nil || v.Code != apikey.CodeRevoked {
				t.Errorf("%v ahead, frozen for %v: %s, %v", ahead, freeze, v.Code, err)
			}
		}
		b := newBench(t)
		token, next := b.Token(t), b.Token(t)
		b.Issue(t, token, func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon.Add(5500 * time.Millisecond) })
		b.Issue(t, next, func(k *apikey.Key) { k.NotBefore = apikeytest.Noon.Add(5500 * time.Millisecond) })
		for _, token := range []apikey.Token{token, next} {
			v, err := b.Gate(time.Second).
				Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Time: apikeytest.Noon.Add(ahead), Cost: 1})
			if err != nil || v.Valid() != (token.ID() != next.ID()) {
				t.Errorf("%v ahead: %s, %v", ahead, v.Code, err)
			}
		}
	}
}

// The wall clock may lag when an instance is thawed. The gateway's times of the two requests then
// show how much time has passed.
func TestTheGatewaysClockEndsAFreeze(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	k := b.Issue(t, token, nil)
	g := b.Gate(time.Second)
	r := gate.Request{
		Credential: b.Format.Credential(token.Reveal()),
		Time:       apikeytest.Noon.Add(-300 * time.Millisecond),
		Cost:       1,
	}
	reads := b.Table.Count()
	for range 3 {
		if v, err := g.Check(t.Context(), r); err != nil || !v.Valid() {
			t.Fatalf("%s, %v", v.Code, err)
		}
		r.Time = r.Time.Add(100 * time.Millisecond)
	}
	if reads = b.Table.Count() - reads; reads != 1 {
		t.Errorf("%d reads for 3 checks in a moment", reads)
	}
	k.RevokedAt = apikeytest.Noon
	if err := b.Options.Store.Write(t.Context(), registry.Write{From: k, To: k}); err != nil {
		t.Fatal(err)
	}
	r.Time = apikeytest.Noon.Add(time.Hour)
	if v, err := g.Check(t.Context(), r); err != nil || v.Code != apikey.CodeRevoked {
		t.Errorf("an hour later by the gateway: %s, %v", v.Code, err)
	}
}

// While the table does not answer, a future time does not keep an instance from asking it again.
func TestAFutureTimeDoesNotProlongAnOutage(t *testing.T) {
	b := newBench(t)
	b.configure(t, "the-static-key-k1:alice", "")
	out := &apikeytest.Outage{Store: b.Meters, Err: errors.New("down")}
	b.Meters = out
	g := b.Gate(time.Second)
	r := gate.Request{
		Credential: b.Format.Credential("the-static-key-k1"),
		Cost:       1,
		Time:       apikeytest.Noon.Add(10 * time.Minute),
	}
	if v, err := g.Check(t.Context(), r); err != nil || !v.Valid() {
		t.Fatalf("%s, %v", v.Code, err)
	}
	before := out.Tries
	b.Clock.Pass(6 * time.Second)
	r.Time = time.Time{}
	if v, err := g.Check(t.Context(), r); err != nil || out.Tries == before {
		t.Errorf("%s, %v: the table was not asked again", v.Code, err)
	}
}

// Memory never refuses a token that the table would admit. The table is asked before a refusal by a
// read that is 100 ms old or older.
func TestMemoryNeverRefusesAGoodToken(t *testing.T) {
	withAndWithoutFences(t, memoryNeverRefusesAGoodToken)
}

func memoryNeverRefusesAGoodToken(t *testing.T, fences bool) {
	const foreign = "a-foreign-token-of-a-friend"
	store := func(b *bench, w registry.Write) {
		if err := b.Options.Store.Write(context.Background(), w); err != nil {
			panic(err)
		}
	}
	build := func(b *bench, token apikey.Token, id string) *apikey.Key {
		k, err := b.Registry.Build(context.Background(), token, "u1", apikey.Live, apikey.Change{})
		if err != nil {
			panic(err)
		}
		if id != "" {
			k.ID = id
		}
		return k
	}
	for _, c := range []struct {
		name  string
		token string // empty: a native one
		// before is the state that the instances have seen, and after the state of the table.
		before, after func(b *bench, token apikey.Token, k *apikey.Key) *apikey.Key
	}{
		{"deleted, and imported under another id", foreign,
			func(b *bench, token apikey.Token, _ *apikey.Key) *apikey.Key { return build(b, token, "") },
			func(b *bench, token apikey.Token, k *apikey.Key) *apikey.Key {
				store(b, registry.Write{From: k, Delete: true, At: b.Clock.Time()})
				return build(b, token, "")
			}},
		{"deleted, and imported under its id", foreign,
			func(b *bench, token apikey.Token, _ *apikey.Key) *apikey.Key {
				k := build(b, token, "imported00000001")
				k.RevokedAt = apikeytest.Noon
				return k
			},
			func(b *bench, token apikey.Token, k *apikey.Key) *apikey.Key {
				store(b, registry.Write{From: k, Delete: true, At: b.Clock.Time()})
				return build(b, token, k.ID)
			}},
		{"imported, after it was tried", foreign,
			func(*bench, apikey.Token, *apikey.Key) *apikey.Key { return nil },
			func(b *bench, token apikey.Token, _ *apikey.Key) *apikey.Key { return build(b, token, "") }},
		{"made, after it was tried", "",
			func(*bench, apikey.Token, *apikey.Key) *apikey.Key { return nil },
			func(b *bench, token apikey.Token, _ *apikey.Key) *apikey.Key { return build(b, token, "") }},
		{"enabled", "",
			func(b *bench, token apikey.Token, _ *apikey.Key) *apikey.Key {
				k := build(b, token, "")
				k.Enabled = false
				return k
			},
			func(b *bench, token apikey.Token, k *apikey.Key) *apikey.Key {
				store(b, registry.Write{From: k, Delete: true, At: b.Clock.Time()})
				return build(b, token, k.ID)
			}},
		{"taken from one key, and given to another", foreign,
			func(b *bench, token apikey.Token, _ *apikey.Key) *apikey.Key { return build(b, token, "") },
			func(b *bench, token apikey.Token, k *apikey.Key) *apikey.Key {
				to := *k
				to.Secrets = []apikey.Secret{b.Hasher.Hash(b.Foreign())}
				store(b, registry.Write{From: k, To: &to})
				return build(b, token, "")
			}},
	} {
		for _, freshness := range []time.Duration{0, time.Second, time.Hour} {
			b := newBench(t)
			b.Fences = fences
			b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
			token := b.Token(t)
			if c.token != "" {
				token = b.Parse(t, c.token)
			}
			k := c.before(b, token, nil)
			if k != nil {
				store(b, registry.Write{To: k})
			}
			g, idle := b.Gate(freshness), b.Gate(freshness)
			check := func(g *gate.Gate) apikey.Verdict {
				v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1})
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			check(g)
			check(idle)
			k = c.after(b, token, k)
			store(b, registry.Write{To: k})
			b.Clock.Pass(100 * time.Millisecond)
			if v := check(g); !v.Valid() {
				t.Errorf("%s, freshness %v: %s", c.name, freshness, v.Code)
			}
			b.Clock.Pass(freshness) // nothing that is older may be used
			for i, g := range []*gate.Gate{g, idle} {
				if v := check(g); !v.Valid() || v.Key.ID != k.ID {
					t.Errorf("%s, freshness %v, later, instance %d: %s", c.name, freshness, i, v.Code)
				}
			}
		}
	}
}

// Of two reads at the same time, memory keeps the one that began later.
func TestAnEarlierReadDoesNotReplaceALaterOne(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	g := b.Gate(time.Second)
	request := gate.Request{Credential: b.Format.Credential(token.Reveal())}
	b.Table.During = func() { // the first read has found nothing, and its answer is on its way
		b.Table.During = nil
		b.Clock.Pass(10 * time.Millisecond)
		b.Issue(t, token, nil)
		if v, err := g.Check(t.Context(), request); err != nil || !v.Valid() {
			t.Errorf("the second: %s, %v", v.Code, err)
		}
	}
	if v, err := g.Check(t.Context(), request); err != nil || v.Code != apikey.CodeUnknown {
		t.Errorf("the first: %s, %v", v.Code, err)
	}
	reads := b.Table.Count()
	if v, err := g.Check(t.Context(), request); err != nil || !v.Valid() || b.Table.Count() != reads {
		t.Errorf("the third: %s, %v, %d reads", v.Code, err, b.Table.Count()-reads)
	}
}
