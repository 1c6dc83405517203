package gate_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// stall lets the clock pass at the calls of one kind, and notes all calls.
type stall struct {
	apikeytest.Store
	clock *apikeytest.Clock
	slow  string
	by    time.Duration
	mu    sync.Mutex // a key and its user are read at the same time
	calls []string
}

// stalled makes the store of b a stall.
func (b *bench) stalled() *stall {
	s := &stall{Store: b.Table.Store, clock: b.Clock}
	b.Table.Store, b.Meters = s, stalledMeters{b.Meters, s}
	return s
}

// set makes the calls of one kind take a time, and forgets the calls.
func (s *stall) set(slow string, by time.Duration) { s.slow, s.by, s.calls = slow, by, nil }

func (s *stall) pass(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	if call == s.slow {
		s.clock.Pass(s.by)
	}
}

func (s *stall) Find(ctx context.Context, id string) (apikey.Record, error) {
	s.pass("key")
	return s.Store.Find(ctx, id)
}

func (s *stall) User(ctx context.Context, id string) (apikey.UserRecord, error) {
	s.pass("user")
	return s.Store.User(ctx, id)
}

func (s *stall) Resolve(ctx context.Context, alias string) (string, error) {
	s.pass("alias")
	return s.Store.Resolve(ctx, alias)
}

// stalledMeters are the meters of a stall.
type stalledMeters struct {
	ratelimit.Store
	stall *stall
}

func (m stalledMeters) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	m.stall.pass("spend")
	return m.Store.Spend(ctx, id, s)
}

// A check reads the clock once if nothing is waited for. After a wait it reads the clock again, because
// a lease may have ended meanwhile.
func TestALeaseThatEndsDuringAWaitIsNotUsed(t *testing.T) {
	for _, c := range []struct {
		name string
		wait string // the call that is slow
		// tokens returns a token that gets the lease, and one of a request that could use it.
		tokens func(*bench, *gate.Gate) (warm, next apikey.Token)
		after  time.Duration // from the one to the other
	}{
		{"a read of the key", "key", func(b *bench, g *gate.Gate) (apikey.Token, apikey.Token) {
			token := b.Token(t)
			b.Issue(t, token, func(k *apikey.Key) { k.Limit = perMinute(60_000)[0] })
			return token, token
		}, 300 * time.Millisecond},
		{"a read of the user", "user", func(b *bench, g *gate.Gate) (apikey.Token, apikey.Token) {
			first, token := b.Token(t), b.Token(t)
			b.Issue(t, first, nil)
			b.Issue(t, token, func(k *apikey.Key) { k.Limit = perMinute(60_000)[0] })
			b.Check(t, g, first.Reveal()) // reads the user
			b.Clock.Pass(200 * time.Millisecond)
			return token, token
		}, 150 * time.Millisecond},
		{"a read of the alias", "alias", func(b *bench, g *gate.Gate) (apikey.Token, apikey.Token) {
			first, second := b.Foreign(), b.Foreign()
			b.Issue(t, first, func(k *apikey.Key) {
				k.Limit = perMinute(60_000)[0]
				k.Secrets = append(k.Secrets, b.Hasher.Hash(second))
			})
			return first, second
		}, 0},
	} {
		for _, wait := range []time.Duration{0, 2 * time.Second} {
			b := newBench(t)
			s := b.stalled()
			g := b.Gate(300 * time.Millisecond)
			warm, next := c.tokens(b, g)
			for range 50 { // until there is a lease
				b.Check(t, g, warm.Reveal())
			}
			b.Clock.Pass(c.after)
			s.set(c.wait, wait)
			b.Check(t, g, next.Reveal())
			if !slices.Contains(s.calls, c.wait) || slices.Contains(s.calls, "spend") != (wait > 0) {
				t.Errorf("%s of %v: the calls were %q", c.name, wait, s.calls)
			}
		}
	}
}

// A pepper that is missing is waited for as well.
func TestALeaseThatEndsWhileThePepperIsReadIsNotUsed(t *testing.T) {
	b := newBench(t)
	old := b.Hasher
	b.Hasher = apikeytest.NewHasher(t, apikeytest.Master, "a pepper that came later")
	token := b.Token(t)
	b.Issue(t, token, func(k *apikey.Key) {
		k.Limit = perMinute(60_000)[0]
		k.Secrets = []apikey.Secret{b.Hasher.Hash(token)}
	})
	s := b.stalled()
	g := gate.New(b.Table, ratelimit.New(b.Meters, b.Clock.Time, 100), gate.Options{
		Keyring: func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: old}, nil },
		Reread:  func(context.Context) (pepper.Hasher, error) { s.pass("pepper"); return b.Hasher, nil },
		Logger:  slog.New(slog.DiscardHandler), Patience: time.Minute, Freshness: time.Hour, Remember: 100,
		Environments: []apikey.Environment{apikey.Live}, Clock: b.Clock.Instant,
	})
	for range 50 { // until there is a lease
		b.Check(t, g, token.Reveal())
	}
	for _, wait := range []time.Duration{0, 2 * time.Second} {
		s.set("pepper", wait)
		b.Check(t, g, token.Reveal())
		if !slices.Contains(s.calls, "pepper") || slices.Contains(s.calls, "spend") != (wait > 0) {
			t.Errorf("%v: the calls were %q", wait, s.calls)
		}
	}
}

// A key is judged by the time after its read.
func TestAKeyThatExpiresWhileItIsReadIsRefused(t *testing.T) {
	b := newBench(t)
	token := b.Token(t)
	b.Issue(t, token, func(k *apikey.Key) { k.ExpiresAt = apikeytest.Noon.Add(time.Second) })
	s := b.stalled()
	s.set("key", 2*time.Second)
	if v := b.Check(t, b.Gate(time.Hour), token.Reveal()); v.Code != apikey.CodeExpired {
		t.Errorf("%s", v.Code)
	}
}

// A request is admitted on a key and a user that were both read less than FRESHNESS before, or are read
// now. Either of the two reads may be the older one.
func TestTheOlderOfTheReadsOfAKeyAndItsUserCounts(t *testing.T) {
	b := newBench(t)
	g := b.Gate(time.Second)
	first, token := b.Token(t), b.Token(t) // of one user
	b.Issue(t, first, nil)
	b.Issue(t, token, nil)
	s := b.stalled()
	for _, step := range []struct {
		after time.Duration // the step before
		token apikey.Token
		reads []string
	}{
		{0, first, []string{"key", "user"}},
		{500 * time.Millisecond, token, []string{"key"}},
		{500*time.Millisecond - 1, token, nil}, // the user was read just less than 1 s before
		{1, token, []string{"user"}},
		{500*time.Millisecond - 1, token, nil}, // the key was read just less than 1 s before
		{1, token, []string{"key"}},            // and the user half a second before
	} {
		b.Clock.Pass(step.after)
		s.set("", 0)
		b.Check(t, g, step.token.Reveal())
		reads := slices.DeleteFunc(slices.Clone(s.calls), func(call string) bool { return call == "spend" })
		if !slices.Equal(reads, step.reads) {
			t.Errorf("the reads were %q, want %q", reads, step.reads)
		}
	}
}

// A check looks at the key again if its spend took so long that the key may have been revoked since the
// read. It does not look again after a faster spend.
func TestACheckLooksAgainAfterASlowSpendAlone(t *testing.T) {
	for _, fences := range []bool{false, true} {
		for _, c := range []struct {
			spend time.Duration
			reads int
		}{{0, 1}, {time.Second - 1, 1}, {time.Second, 2}} {
			b := newBench(t)
			b.Fences = fences
			token := b.Token(t)
			b.Issue(t, token, nil)
			s := b.stalled()
			s.set("spend", c.spend)
			b.Check(t, b.Gate(time.Second), token.Reveal())
			reads := 0
			for _, call := range s.calls {
				if call == "key" {
					reads++
				}
			}
			if reads != c.reads {
				t.Errorf("fences %t, a spend of %v: %d reads of the key, want %d", fences, c.spend, reads, c.reads)
			}
		}
	}
}
