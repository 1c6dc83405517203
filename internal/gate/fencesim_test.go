package gate_test

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// rounds makes the simulation longer: make sim.
var rounds = flag.Int("rounds", 2, "a thousand times as many histories of fences are simulated")

// fenceHistory is a random life of one key. Instances check requests with it while writers change
// it. It then judges every verdict.
type fenceHistory struct {
	*rows
	format    apikey.Format
	hasher    pepper.Hasher
	freshness time.Duration
	limit     ratelimit.Limit
	instances []*simInstance

	mu       sync.Mutex // guards what follows
	tokens   []apikey.Token
	checks   []simCheck
	unsure   int
	admitted int
}

// simCheck is one check that was decided.
type simCheck struct {
	begun, end time.Time
	token      int // its index
	cost       int64
	asked      bool      // for the key or for tokens
	read       time.Time // when the last read began; zero if it was before the check
	verdict    apikey.Verdict
}

// simInstance is a gate that serves one request at a time.
type simInstance struct {
	history *fenceHistory
	link    *link
	gate    *gate.Gate
	random  *rand.Rand
	offset  time.Duration // of its clock
	start   time.Time
	frozen  atomic.Int64 // in nanoseconds
}

// freeze stops the instance and its monotonic clock for a while, seldom.
func (i *simInstance) freeze() {
	if i.history.float() < 0.01 {
		d := i.history.below(3 * time.Second)
		time.Sleep(d)
		i.frozen.Add(int64(d))
	}
}

func (i *simInstance) clock() gate.Instant {
	wall, mono := time.Now().Add(i.offset), time.Since(i.start)-time.Duration(i.frozen.Load())
	if i.link.mutant.stops {
		wall = i.start.Add(mono)
	}
	return gate.Instant{Wall: wall, Mono: mono}
}

func newFenceHistory(t *testing.T, seed uint64, m *fenceMutant, shared *simShared) *fenceHistory {
	random := rand.New(rand.NewPCG(seed, 7))
	h := &fenceHistory{
		rows:   &rows{mutant: m, random: random, lossy: []float64{0.02, 0.02, 0.02, 0.02, 0.3}[random.IntN(5)]},
		format: shared.format, hasher: shared.hasher, freshness: []time.Duration{0, time.Second, time.Second, 5 * time.Second}[random.IntN(4)],
		limit: ratelimit.Limit{Requests: 20 + random.Int64N(200), Window: time.Minute},
	}
	h.rows.lossy = cmp.Or(m.lossy, h.rows.lossy)
	h.addToken(shared.token)
	h.create(0, time.Now())
	h.users = []userState{{from: time.Now()}}
	for n := range 1 + random.IntN(6) {
		i := &simInstance{
			history: h, link: &link{rows: h.rows}, random: rand.New(rand.NewPCG(seed, uint64(100+n))), start: time.Now(),
			offset: time.Duration(random.Int64N(int64(100*time.Millisecond))) - 50*time.Millisecond,
		}
		i.link.freeze = i.freeze
		wall := func() time.Time { return time.Now().Add(i.offset) }
		i.gate = gate.New(i.link, ratelimit.New(i.link, wall, 10), gate.Options{
			Keyring:   func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: h.hasher}, nil },
			Reread:    func(context.Context) (pepper.Hasher, error) { return h.hasher, nil },
			Logger:    slog.New(slog.DiscardHandler),
			Freshness: h.freshness, TrustFences: true, Patience: 5 * time.Second,
			Environments: []apikey.Environment{apikey.Live}, Clock: i.clock,
			Corrected: func(time.Time) time.Time { return wall() }, Remember: 10,
		})
		if m.gate != nil {
			i.gate.Mutate(m.gate)
		}
		h.instances = append(h.instances, i)
	}
	return h
}

func (h *fenceHistory) addToken(t apikey.Token) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, t)
	return len(h.tokens) - 1
}

// check sends one request with a token, mostly the newest.
func (i *simInstance) check(t *testing.T, cost int64) {
	h := i.history
	h.mu.Lock()
	token := len(h.tokens) - 1
	if i.random.Float64() < 0.1 {
		token = i.random.IntN(len(h.tokens))
	}
	c := simCheck{begun: time.Now(), token: token, cost: cost}
	request := gate.Request{Credential: h.format.Credential(h.tokens[token].Reveal()), Cost: cost}
	h.mu.Unlock()
	before := i.link.requests
	var err error
	c.verdict, err = i.gate.Check(t.Context(), request)
	c.end, c.asked = time.Now(), i.link.requests > before
	if !i.link.read.Before(c.begun) {
		c.read = i.link.read
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.unsure++
		return
	}
	if c.verdict.Valid() {
		h.admitted++
	}
	h.checks = append(h.checks, c)
}

// serve sends requests until end, at a rate of its own.
func (i *simInstance) serve(t *testing.T, end time.Time) {
	each := []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, time.Second, 5 * time.Second}[i.random.IntN(4)]
	for {
		time.Sleep(time.Duration(i.random.ExpFloat64() * float64(each)))
		if !time.Now().Before(end) {
			return
		}
		cost := int64(1)
		if i.random.Float64() < 0.1 {
			cost = 0
		}
		i.check(t, cost)
		i.freeze()
	}
}

// play lets instances and writers run for some stretches, with long pauses in between.
func (h *fenceHistory) play(t *testing.T) {
	for range 1 + h.below(3) {
		if h.float() < 0.3 {
			h.quiet(t)
			continue
		}
		end := time.Now().Add(time.Second + h.below(7*time.Second))
		var all sync.WaitGroup
		for _, i := range h.instances {
			all.Go(func() { i.serve(t, end) })
		}
		for n := range 1 + h.below(2) {
			all.Go(func() { h.write(t, end, time.Duration(n)) })
		}
		all.Wait()
		h.pause()
	}
	time.Sleep(lateDuplicate)
	synctest.Wait()
}

// quiet lets a change come between two requests that are far apart.
func (h *fenceHistory) quiet(t *testing.T) {
	if r := h.expiry(); h.float() < 0.5 && !r.IsZero() {
		time.Sleep(time.Until(r) - h.below(10*time.Minute))
	}
	for _, i := range h.instances {
		i.check(t, int64(h.below(2)))
	}
	for range 1 + h.below(2) {
		h.change(t, h.below(longestDelay))
	}
	h.pause()
	for range 2 {
		for _, i := range h.instances {
			i.check(t, 1)
		}
	}
}

// pause sleeps for a time at which something may be forgotten.
func (h *fenceHistory) pause() {
	d := []time.Duration{0, 300 * time.Millisecond, 2 * time.Second, 14 * time.Minute, 16 * time.Minute, 433 * 24 * time.Hour}[h.below(6)]
	if end := h.expiry(); h.float() < 0.2 && !end.IsZero() {
		d = time.Until(end) + h.below(time.Second)
	}
	time.Sleep(d)
}

// expiry returns when the meter expires.
func (h *fenceHistory) expiry() time.Time {
	h.rows.mu.Lock()
	defer h.rows.mu.Unlock()
	h.expire()
	return h.expires
}

// simShared is what takes long to make, for all histories.
type simShared struct {
	format apikey.Format
	hasher pepper.Hasher
	token  apikey.Token
}

func newSimShared(t *testing.T) *simShared {
	s := &simShared{format: apikeytest.NewFormat(t), hasher: apikeytest.NewHasher(t, apikeytest.Master)}
	var err error
	if s.token, err = s.format.New(apikey.Live, crand.Reader); err != nil {
		t.Fatal(err)
	}
	return s
}

// judge returns the promise that a verdict breaks, or "".
func (h *fenceHistory) judge() string {
	for n := range h.checks {
		if broken := h.judgeOne(&h.checks[n]); broken != "" {
			return broken
		}
	}
	return h.overLimit()
}

// judgeOne judges one check. A verdict must rest on a state of the key that held at some moment of the
// check. If it took no request for the key or for tokens, or if it refuses, the state may have held
// up to Freshness before. If it took one, it also rests on a state that held within Freshness before
// its end, or during the last read.
func (h *fenceHistory) judgeOne(c *simCheck) string {
	age := h.freshness
	if c.asked && c.verdict.Valid() && c.cost > 0 {
		age = 0
	}
	from := c.begun.Add(-age)
	if c.verdict.Valid() && c.asked {
		young := c.end.Add(-h.freshness)
		if !c.read.IsZero() && c.read.Before(young) {
			young = c.read
		}
		from = apikey.Later(from, young)
	}
	if broken := h.judgeUser(c); broken != "" {
		return broken
	}
	if c.verdict.Key != nil {
		n, _ := strconv.Atoi(c.verdict.Key.Name)
		if n+1 < len(h.states) && h.states[n+1].from.Before(from) {
			return fmt.Sprintf("%s by state %d, which ended %v before the check (asked: %v)",
				c.verdict.Code, n, c.begun.Sub(h.states[n+1].from), c.asked)
		}
		return ""
	}
	from = c.begun.Add(-min(gate.MismatchAge, h.freshness))
	for n, s := range h.states {
		if ended := n+1 < len(h.states) && h.states[n+1].from.Before(from); ended || s.from.After(c.end) {
			continue
		}
		if s.key == nil || !h.opens(s.key, c.token) || s.key.Gone(c.end) {
			return ""
		}
	}
	return fmt.Sprintf("%s for a token that was good for longer", c.verdict.Code)
}

// judgeUser judges a check by the user, whose record is never older than Freshness.
func (h *fenceHistory) judgeUser(c *simCheck) string {
	suspended := c.verdict.Code == apikey.CodeUserSuspended
	if !suspended && !c.verdict.Valid() {
		return ""
	}
	from := c.begun.Add(-h.freshness)
	if suspended {
		from = c.begun.Add(-min(gate.MismatchAge, h.freshness))
	}
	for n, s := range h.users {
		if ended := n+1 < len(h.users) && h.users[n+1].from.Before(from); !ended && !s.from.After(c.end) && s.suspended == suspended {
			return ""
		}
	}
	return fmt.Sprintf("%s, by an old record of the user", c.verdict.Code)
}

func (h *fenceHistory) opens(k *apikey.Key, token int) bool {
	ok, err := h.hasher.Matches(h.tokens[token], &k.Secrets[0])
	return ok && err == nil
}

// overLimit reports whether more was admitted in an interval than the limit allows.
func (h *fenceHistory) overLimit() string {
	var ends []time.Time
	for _, c := range h.checks {
		if c.verdict.Valid() && c.cost > 0 {
			ends = append(ends, c.end)
		}
	}
	sortTimes(ends)
	for first, last := 0, 0; last < len(ends); last++ {
		for ends[last].Sub(ends[first]) >= h.limit.Window {
			first++
		}
		if n := int64(last - first + 1); n > h.limit.Requests {
			return fmt.Sprintf("%d of %d admitted within %v", n, h.limit.Requests, ends[last].Sub(ends[first]))
		}
	}
	return ""
}
