package apikey_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// clock is a clock that tests set: wall and monotonic time apart.
type clock struct {
	mu  sync.Mutex
	now apikey.Instant
}

func newClock() *clock { return &clock{now: apikey.Instant{Wall: noon}} }

func (c *clock) instant() apikey.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) time() time.Time { return c.instant().Wall }

func (c *clock) pass(d time.Duration) { c.drift(d, d) }

func (c *clock) drift(wall, mono time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Wall, c.now.Mono = c.now.Wall.Add(wall), c.now.Mono+mono
}

// spy is a real table that counts reads, and can be made to fail or to be slow.
type spy struct {
	apikey.Store
	mu     sync.Mutex
	reads  int
	err    error
	during func()

	rehashed   int
	failRehash error
	failMeter  error
}

// errHang makes a call wait until its caller gives up.
var errHang = errors.New("hang")

func (s *spy) Meter(ctx context.Context, id string) (ratelimit.Meter, error) {
	if s.failMeter != nil {
		return ratelimit.Meter{}, s.failMeter
	}
	return s.Store.Meter(ctx, id)
}

func (s *spy) Rehash(ctx context.Context, from, to *apikey.Key, n int) error {
	s.mu.Lock()
	s.rehashed++
	s.mu.Unlock()
	if s.failRehash != nil {
		return s.failRehash
	}
	return s.Store.Rehash(ctx, from, to, n)
}

// outage is a store of meters that fails while it has an error.
type outage struct {
	ratelimit.Store
	err   error
	tries int
}

func (o *outage) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	o.tries++
	if o.err != nil {
		return ratelimit.Meter{}, o.err
	}
	return o.Store.Spend(ctx, id, s)
}

func (s *spy) Find(ctx context.Context, id string) (apikey.Record, error) {
	s.mu.Lock()
	s.reads++
	err, during := s.err, s.during
	s.mu.Unlock()
	if err == errHang {
		<-ctx.Done()
		return apikey.Record{}, ctx.Err()
	}
	if err != nil {
		return apikey.Record{}, err
	}
	r, err := s.Store.Find(ctx, id)
	if during != nil {
		during()
	}
	return r, err
}

func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

var master = strings.Repeat("m", 32)

func newHasher(t testing.TB, master string, peppers ...string) apikey.Hasher {
	t.Helper()
	h, err := apikey.NewHasher(master, peppers)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newFormat(t testing.TB) apikey.Format {
	t.Helper()
	f, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// bench is one deployment: a table, a registry, and environments before it.
type bench struct {
	clock    *clock
	table    *spy
	meters   ratelimit.Store
	format   apikey.Format
	hasher   apikey.Hasher
	registry *apikey.Registry
	static   apikey.Static
	upstream apikey.Upstream
	realTime bool          // of gates
	patience time.Duration // of gates; zero: 5 s
	counted  int
}

func newBench(t testing.TB) *bench {
	t.Helper()
	return newBenchBefore(t, dynamotest.NewTable(t))
}

func newBenchBefore(t testing.TB, table *dynamo.Table) *bench {
	t.Helper()
	b := &bench{clock: newClock(), table: &spy{Store: table}, meters: table, format: newFormat(t), hasher: newHasher(t, master)}
	b.registry = &apikey.Registry{
		Store: table, Hasher: b.hashing, Reread: b.hashing, Format: b.format, Random: rand.Reader, Now: b.clock.time, MaxKeys: 3, TrailKept: 365 * 24 * time.Hour,
		Pause: func(_ context.Context, d time.Duration) error { b.clock.pass(d); return nil },
	}
	return b
}

func (b *bench) keyring(context.Context) (apikey.Keyring, error) {
	return apikey.Keyring{Hasher: b.hasher}, nil
}

func (b *bench) hashing(context.Context) (apikey.Hasher, error) { return b.hasher, nil }

func (b *bench) gate(freshness time.Duration) *apikey.Gate {
	clock := b.clock.instant
	if b.realTime {
		clock = apikey.ClockOf(time.Now)
	}
	return apikey.NewGate(b.table, ratelimit.New(b.meters, b.clock.time, 100), apikey.GateOptions{
		Keyring: b.keyring, Reread: b.hashing, Static: b.static, Upstream: b.upstream, Logger: slog.New(slog.DiscardHandler),
		Local:     ratelimit.New(ratelimit.NewMemory(100), b.clock.time, 100),
		Freshness: freshness, Patience: cmp.Or(b.patience, 5*time.Second),
		Environments: []apikey.Environment{apikey.Live}, Clock: clock, Now: b.clock.time, Remember: 100,
	})
}

// issue stores a key for a token, as edit wants it.
func (b *bench) issue(t testing.TB, token apikey.Token, edit func(*apikey.Key)) *apikey.Key {
	t.Helper()
	k, err := b.registry.Build(t.Context(), token, "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(k)
	}
	if err := b.registry.Store.Write(t.Context(), apikey.Write{To: k}); err != nil {
		t.Fatal(err)
	}
	return k
}

func (b *bench) token(t testing.TB) apikey.Token {
	t.Helper()
	token, err := b.format.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// count is another number each time.
func (b *bench) count() int {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	b.counted++
	return b.counted
}

// parse returns a token from its text.
func (b *bench) parse(t testing.TB, text string) apikey.Token {
	t.Helper()
	token, err := b.format.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// forge is a well-formed token with the id of another one. The checksum is no
// secret, so anybody can make one.
func (b *bench) forge(t testing.TB, of apikey.Token) string {
	t.Helper()
	random := append([]byte{}, make([]byte, 0)...)
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, digit := range of.ID() {
		random = append(random, byte(strings.IndexRune(base62, digit)))
	}
	for len(random) < 200 {
		random = append(random, 7)
	}
	token, err := b.format.New(apikey.Live, strings.NewReader(string(random)))
	if err != nil || token.ID() != of.ID() {
		t.Fatalf("forged %v", err)
	}
	return token.Reveal()
}

// foreign returns another foreign token each time.
func (b *bench) foreign() apikey.Token {
	token, err := b.format.Parse(fmt.Sprintf("another-foreign-token-%d", b.count()))
	if err != nil {
		panic(err)
	}
	return token
}

// check judges a request that carries these values and costs 1.
func (b *bench) check(t *testing.T, g *apikey.Gate, values ...string) apikey.Verdict {
	t.Helper()
	v, err := g.Check(t.Context(), apikey.Request{Credential: b.format.Credential(values...), Cost: 1})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// twist changes one letter of a native token, and nothing of its shape.
func twist(token string) string {
	changed := []byte(token)
	if changed[20]++; !strings.ContainsAny(string(changed[20]), "123456789BCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz") {
		changed[20] = '0'
	}
	return string(changed)
}

// saying is an upstream that always says the same.
type saying apikey.Verdict

func (s saying) Ask(context.Context, apikey.Token, string, bool) (apikey.Verdict, error) {
	return apikey.Verdict(s), nil
}
