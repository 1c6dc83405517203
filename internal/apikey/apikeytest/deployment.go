package apikeytest

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
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/tally"
)

var Noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// Clock is a clock that tests set: wall and monotonic time apart.
type Clock struct {
	Mu  sync.Mutex
	Now gate.Instant
}

func NewClock() *Clock { return &Clock{Now: gate.Instant{Wall: Noon}} }

func (c *Clock) Instant() gate.Instant {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	return c.Now
}

func (c *Clock) Time() time.Time { return c.Instant().Wall }

func (c *Clock) Pass(d time.Duration) { c.Drift(d, d) }

func (c *Clock) Drift(wall, mono time.Duration) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Now.Wall, c.Now.Mono = c.Now.Wall.Add(wall), c.Now.Mono+mono
}

// Store is everything that a registry and a gate store.
type Store interface {
	registry.Store
	gate.Finder
}

// Spy is a real table that counts reads, and can be made to fail or to be slow.
type Spy struct {
	Store
	Mu     sync.Mutex
	Reads  int
	Err    error
	During func()

	Rehashed   int
	FailRehash error
	FailMeter  error

	UserReads, PlanReads int
	FailUser, FailPlan   error
}

func (s *Spy) User(ctx context.Context, id string) (apikey.UserRecord, error) {
	s.Mu.Lock()
	s.UserReads++
	err := s.FailUser
	s.Mu.Unlock()
	if err != nil {
		return apikey.UserRecord{}, err
	}
	return s.Store.User(ctx, id)
}

func (s *Spy) Plan(ctx context.Context, name string) (*apikey.Plan, error) {
	s.Mu.Lock()
	s.PlanReads++
	err := s.FailPlan
	s.Mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.Store.Plan(ctx, name)
}

// Bounds returns how often users and plans were read.
func (s *Spy) Bounds() (users, plans int) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return s.UserReads, s.PlanReads
}

// ErrHang makes a call wait until its caller gives up.
var ErrHang = errors.New("hang")

func (s *Spy) Meter(ctx context.Context, id string) (ratelimit.Meter, error) {
	if s.FailMeter != nil {
		return ratelimit.Meter{}, s.FailMeter
	}
	return s.Store.Meter(ctx, id)
}

func (s *Spy) Rehash(ctx context.Context, from, to *apikey.Key, n int) error {
	s.Mu.Lock()
	s.Rehashed++
	s.Mu.Unlock()
	if s.FailRehash != nil {
		return s.FailRehash
	}
	return s.Store.Rehash(ctx, from, to, n)
}

// Outage is a store of meters that fails while it has an error.
type Outage struct {
	ratelimit.Store
	Err   error
	Tries int
}

func (o *Outage) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	o.Tries++
	if o.Err != nil {
		return ratelimit.Meter{}, o.Err
	}
	return o.Store.Spend(ctx, id, s)
}

func (s *Spy) Find(ctx context.Context, id string) (apikey.Record, error) {
	s.Mu.Lock()
	s.Reads++
	err, during := s.Err, s.During
	s.Mu.Unlock()
	if err == ErrHang {
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

func (s *Spy) Count() int {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return s.Reads
}

var Master = strings.Repeat("m", 32)

func NewHasher(t testing.TB, master string, peppers ...string) pepper.Hasher {
	t.Helper()
	h, err := pepper.NewHasher(master, peppers)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func NewFormat(t testing.TB) apikey.Format {
	t.Helper()
	f, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Deployment is a table with a registry. Gates are made by its method Gate.
type Deployment struct {
	Clock    *Clock
	Table    *Spy
	Meters   ratelimit.Store
	Format   apikey.Format
	Hasher   pepper.Hasher
	Registry *registry.Registry
	Options  registry.Options // of Registry; changed by Configure
	Static   apikey.Static
	Upstream gate.Upstream
	RealTime bool          // of gates
	Patience time.Duration // of gates; zero: 5 s
	Life     apikey.Life   // of gates
	Logger   *slog.Logger  // of gates; discards if nil
	Tally    *tally.Tally  // of gates; may be nil
	Counted  int
	Fences   bool            // gates trust fences
	Choose   func(n int) int // chooses shards for gates; at random if nil
}

// New returns a deployment on table.
func New(t testing.TB, table *dynamo.Table) *Deployment {
	t.Helper()
	b := &Deployment{
		Clock:  NewClock(),
		Table:  &Spy{Store: table},
		Meters: table,
		Format: NewFormat(t),
		Hasher: NewHasher(t, Master),
	}
	b.Options = registry.Options{
		Store: table, Hasher: b.Hashing, Reread: b.Hashing, Format: b.Format, Random: rand.Reader, Now: b.Clock.Time,
		AuditRetention: 365 * 24 * time.Hour, MaxKeys: 3,
		Pause: func(_ context.Context, d time.Duration) error { b.Clock.Pass(d); return nil },
	}
	b.Registry = registry.New(b.Options)
	return b
}

// Configure changes the options of b.Registry. The pointer stays the same.
func (b *Deployment) Configure(edit func(*registry.Options)) {
	edit(&b.Options)
	*b.Registry = *registry.New(b.Options)
}

// On returns another registry, which has the same options and stores in store.
func (b *Deployment) On(store registry.Store) *registry.Registry {
	o := b.Options
	o.Store = store
	return registry.New(o)
}

// Keyring returns the keyring of gates.
func (b *Deployment) Keyring(context.Context) (gate.Keyring, error) {
	return gate.Keyring{Hasher: b.Hasher}, nil
}

// Hashing returns the present hasher.
func (b *Deployment) Hashing(context.Context) (pepper.Hasher, error) { return b.Hasher, nil }

// Gate returns another gate before the table.
func (b *Deployment) Gate(freshness time.Duration) *gate.Gate {
	clock, corrected := b.Clock.Instant, (func(time.Time) time.Time)(nil)
	if b.RealTime { // of ages alone
		clock, corrected = gate.ClockOf(time.Now), func(time.Time) time.Time { return b.Clock.Time() }
	}
	limiter := ratelimit.New(b.Meters, b.Clock.Time, 100).Choose(b.Choose)
	return gate.New(b.Table, limiter, gate.Options{
		Keyring: b.Keyring, Reread: b.Hashing, Static: b.Static, Upstream: b.Upstream,
		TrustFences: b.Fences,
		Logger:      cmp.Or(b.Logger, slog.New(slog.DiscardHandler)), Life: b.Life,
		Local:     ratelimit.New(ratelimit.NewMemory(100), b.Clock.Time, 100),
		Freshness: freshness, Patience: cmp.Or(b.Patience, 5*time.Second),
		Environments: []apikey.Environment{apikey.Live}, Clock: clock, Corrected: corrected, Remember: 100, Tally: b.Tally,
	})
}

// Issue stores a key for a token, as edit wants it. It has the default limit as its own.
func (b *Deployment) Issue(t testing.TB, token apikey.Token, edit func(*apikey.Key)) *apikey.Key {
	t.Helper()
	limit := apikey.DefaultLimit()
	k, err := b.Registry.Build(t.Context(), token, "u1", apikey.Live, apikey.Change{Limit: &limit})
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(k)
	}
	if err := b.Options.Store.Write(t.Context(), registry.Write{To: k}); err != nil {
		t.Fatal(err)
	}
	return k
}

// SetUser stores what edit sets for a user.
func (b *Deployment) SetUser(t testing.TB, id string, edit func(*apikey.User)) {
	t.Helper()
	record, err := b.Options.Store.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	to := apikey.User{ID: id, Rev: b.Clock.Time().Unix(), Since: b.Clock.Time()}
	if record.User != nil {
		to = *record.User
		to.Rev++
		to.Seq++
	}
	edit(&to)
	w := registry.Write{User: &registry.Replacement[apikey.User]{From: record.User, To: &to}, At: b.Clock.Time()}
	if err := b.Options.Store.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// SetPlan stores a plan as edit wants it.
func (b *Deployment) SetPlan(t testing.TB, name string, edit func(*apikey.Plan)) {
	t.Helper()
	from, err := b.Options.Store.Plan(t.Context(), name)
	to := apikey.Plan{Name: name, Rev: b.Clock.Time().Unix(), Since: b.Clock.Time()}
	switch {
	case err == nil:
		to = *from
		to.Rev++
		to.Seq++
	case !errors.Is(err, apikey.ErrNotFound):
		t.Fatal(err)
	}
	edit(&to)
	w := registry.Write{Plan: &registry.Replacement[apikey.Plan]{From: from, To: &to}, At: b.Clock.Time()}
	if err := b.Options.Store.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// Token returns another native token each time.
func (b *Deployment) Token(t testing.TB) apikey.Token {
	t.Helper()
	token, err := b.Format.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Count is another number each time.
func (b *Deployment) Count() int {
	b.Clock.Mu.Lock()
	defer b.Clock.Mu.Unlock()
	b.Counted++
	return b.Counted
}

// Parse returns a token from its text.
func (b *Deployment) Parse(t testing.TB, text string) apikey.Token {
	t.Helper()
	token, err := b.Format.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Forge is a well-formed token with the id of another one. The checksum is no
// secret, so anybody can make one.
func (b *Deployment) Forge(t testing.TB, of apikey.Token) string {
	t.Helper()
	random := append([]byte{}, make([]byte, 0)...)
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, digit := range of.ID() {
		random = append(random, byte(strings.IndexRune(base62, digit)))
	}
	for len(random) < 200 {
		random = append(random, 7)
	}
	token, err := b.Format.New(apikey.Live, strings.NewReader(string(random)))
	if err != nil || token.ID() != of.ID() {
		t.Fatalf("forged %v", err)
	}
	return token.Reveal()
}

// Foreign returns another foreign token each time.
func (b *Deployment) Foreign() apikey.Token {
	token, err := b.Format.Parse(fmt.Sprintf("another-foreign-token-%d", b.Count()))
	if err != nil {
		panic(err)
	}
	return token
}

// Check judges a request that carries these values and costs 1.
func (b *Deployment) Check(t *testing.T, g *gate.Gate, values ...string) apikey.Verdict {
	t.Helper()
	v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(values...), Cost: 1})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Twist changes one letter of a native token, and nothing of its shape.
func Twist(token string) string {
	changed := []byte(token)
	if changed[20]++; !strings.ContainsAny(
		string(changed[20]),
		"123456789BCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz",
	) {
		changed[20] = '0'
	}
	return string(changed)
}

// Saying is an upstream that always says the same.
type Saying apikey.Verdict

func (s Saying) Ask(context.Context, apikey.Token, string, bool) (apikey.Verdict, error) {
	return apikey.Verdict(s), nil
}
