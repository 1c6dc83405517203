package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/ratelimit"
)

// cascade is the world of one user: the meters of the user and of the user's keys, the instances
// that serve the keys, and a ledger of the admissions by each meter.
type cascade struct {
	store  *shelf
	mutant mutant

	mu             sync.Mutex
	meters         map[string]*world
	slowest        time.Duration
	tokens         int64
	denied, unsure int
}

// newCascade returns a world whose meters are items that configure has changed.
func newCascade(m mutant, configure func(*item)) *cascade {
	build := func() *item {
		i := &item{clock: time.Now, edit: m.spend}
		if configure != nil {
			configure(i)
		}
		return i
	}
	return &cascade{mutant: m, store: &shelf{build: build}, meters: make(map[string]*world)}
}

// member is one instance. It may be replaced by a new one, which knows nothing.
type member struct {
	c       *cascade
	limiter *ratelimit.Limiter
	offset  time.Duration
	reads   map[string]time.Time // when meters were last read
}

func (c *cascade) instance(offset time.Duration) *member {
	e := &member{c: c, offset: offset}
	e.replace()
	return e
}

func (e *member) replace() {
	e.limiter = ratelimit.New(e.c.store, func() time.Time { return time.Now().Add(e.offset) }, 100)
	if e.c.mutant.rules != nil {
		e.limiter.Mutate(e.c.mutant.rules)
	}
}

// read reads a meter as a gate does, which trusts its last read of a key or of a user for a second. It
// returns how many reads that takes.
func (e *member) read(id string) int {
	if last, ok := e.reads[id]; ok && time.Since(last) < time.Second {
		return 0
	}
	if e.reads == nil {
		e.reads = make(map[string]time.Time)
	}
	e.reads[id] = time.Now()
	i := e.c.store.item(id)
	i.mu.Lock()
	defer i.mu.Unlock()
	e.limiter.Observe(id, i.snapshot())
	return 1
}

// take spends from all parts and enters an admission into the ledger of each.
func (e *member) take(t *testing.T, n int64, parts ...ratelimit.Part) (ratelimit.Joint, error) {
	begun := time.Now()
	j, err := e.limiter.TakeAll(t.Context(), parts, n, time.Time{})
	c := e.c
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.unsure++
		return j, err
	case !j.Admitted:
		c.denied++
		return j, err
	}
	c.tokens += n
	c.slowest = max(c.slowest, time.Since(begun))
	for _, p := range parts {
		w := c.meters[p.ID]
		if w == nil {
			w = &world{}
			c.meters[p.ID] = w
		}
		w.admitted = append(w.admitted, admission{time.Now(), n, p.Terms})
	}
	return j, err
}

// spendAll takes one token at a time until there are no more, and returns how many there were.
func (e *member) spendAll(t *testing.T, parts ...ratelimit.Part) (n int64) {
	for {
		if j, err := e.take(t, 1, parts...); err == nil && !j.Admitted {
			return n
		} else if err == nil {
			n++
		}
	}
}

// broken checks the bounds of each meter, and returns the one that was broken, or "".
func (c *cascade) broken() string {
	for id, w := range c.meters {
		w.slowest = c.slowest
		if broken := w.broken(); broken != "" {
			return id + ": " + broken
		}
	}
	return ""
}

// miscounted returns a meter that does not count exactly what was admitted and what the instances
// may still use or give back, or "".
func (c *cascade) miscounted(all []*member) string {
	for id, i := range c.store.items {
		left := int64(0)
		for _, e := range all {
			left += e.limiter.Leased(id)
		}
		used := int64(0)
		if w := c.meters[id]; w != nil {
			used = w.tokens()
		}
		if i.meter.Net != used+left {
			return fmt.Sprintf("%s: %d counted, %d used and %d leased", id, i.meter.Net, used, left)
		}
	}
	return ""
}

// grants are the bounds of a user and of the user's keys. The user's change, and no two versions of
// them are equal.
type grants struct {
	keys   [][]ratelimit.Part // by key
	user   [][]ratelimit.Part // by version
	window time.Duration      // the longest of the windows that are spent often
	most   int64              // tokens in it that the user may spend
	short  bool               // one of the windows has no leases
}

// anyGrants returns random bounds in which each level denies now and then.
func anyGrants(random *rand.Rand) (g grants) {
	windows := []time.Duration{5 * time.Second, 10 * time.Second, time.Minute, 10 * time.Minute}
	g.window = windows[random.IntN(len(windows))]
	g.most = 2 + random.Int64N(50)
	limit := func(most int64, window time.Duration) ratelimit.Limit {
		g.short = g.short || window < 10*time.Second
		return per(1+random.Int64N(most), window)
	}
	shorter := func() time.Duration {
		return max(g.window/[]time.Duration{6, 10, 60}[random.IntN(3)], time.Second).Truncate(time.Second)
	}
	for k := range 1 + random.IntN(4) {
		id := fmt.Sprintf("k%d", k)
		first := part(id, limit(2*g.most, g.window))
		if random.IntN(3) == 0 {
			first.Terms.Limit = ratelimit.NoLimit()
		}
		if random.IntN(3) == 0 {
			first.Terms.Quota = daily(1 + random.Int64N(5*g.most))
		}
		parts := []ratelimit.Part{first}
		if random.IntN(2) == 0 {
			parts = append(parts, part(id+"#s", limit(g.most, shorter())))
		}
		if random.IntN(3) == 0 {
			parts = append(parts, credits(id+"#lifetime", 1+random.Int64N(8*g.most)))
		}
		g.keys = append(g.keys, parts)
	}
	short, quotas, further, prepaid := shorter(), random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(3) == 0
	for v := range int64(4) {
		first := part("user##u", per(g.most*(1+random.Int64N(4))/2+v, g.window))
		if g.window >= 20*time.Second && random.IntN(3) == 0 {
			first.Terms.Limit.Window = 10*time.Second + time.Duration(random.Int64N(int64(g.window))).Truncate(time.Second)
		}
		if first.Terms.Rev = v; quotas {
			first.Terms.Quota = ratelimit.Quota{Requests: 4*g.most + v, Period: ratelimit.Periods()[random.IntN(2)]}
		}
		parts := []ratelimit.Part{first}
		if further {
			parts = append(parts, part("user#s#u", per(1+g.most/2+v, short)))
		}
		if prepaid {
			parts = append(parts, credits("user#lifetime#u", (4+v)*g.most))
		}
		g.user = append(g.user, parts)
	}
	g.short = g.short || further && short < 10*time.Second || g.window < 10*time.Second
	return g
}

// play lets instances serve requests with all keys for several windows. They learn of a change up to
// a second late. Some are frozen, and some are replaced. Others serve several requests at once.
func (c *cascade) play(t *testing.T, g grants, random *rand.Rand, replaced bool) []*member {
	const windows = 8
	var wg sync.WaitGroup
	var all []*member
	begun := time.Now()
	instances := 1 + random.IntN(6)
	pause := g.window * time.Duration(instances) / time.Duration(2*g.most)
	var e *member
	for i := range instances * 2 {
		own := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
		if i%2 == 0 || replaced {
			e = c.instance(time.Duration(own.Int64N(int64(2*skew)+1)) - skew)
			all = append(all, e)
		}
		burst := i%4 > 1
		e := e
		wg.Go(func() {
			for time.Since(begun) < windows*g.window {
				late := time.Since(begun) - time.Duration(own.Int64N(int64(time.Second)))
				version := min(int(max(late, 0)*time.Duration(len(g.user))/(windows*g.window)), len(g.user)-1)
				parts := slices.Concat(g.keys[own.IntN(len(g.keys))], g.user[version])
				if own.IntN(4) == 0 {
					own.Shuffle(len(parts), func(a, b int) { parts[a], parts[b] = parts[b], parts[a] })
				}
				cost := int64(1)
				if own.IntN(8) == 0 {
					cost = 1 + own.Int64N(3)
				}
				j, err := e.take(t, cost, parts...)
				switch {
				case err == nil && !j.Admitted:
					time.Sleep(time.Duration(own.Int64N(int64(g.window / 4))))
				case replaced && own.IntN(50) == 0:
					e.replace()
				case !burst:
					time.Sleep(time.Duration(own.Int64N(int64(2*pause) + 1)))
				}
			}
		})
	}
	wg.Wait()
	return all
}

// cascades is how many histories a round has.
const cascades = 30

// No meter of a user or of a key ever admits more than its bounds, while the bounds change and
// instances with different clocks lose requests, freeze and die. Without loss, every meter counts
// exactly what was used.
func TestNoCascadeBreaksABound(t *testing.T) {
	var runs, denied, unsure, writes int
	var tokens int64
	for seed := range uint64(*rounds * cascades) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 5))
				g, rough := anyGrants(random), seed%3 > 0
				c := newCascade(mutant{}, func(i *item) {
					i.random, i.delay = rand.New(rand.NewPCG(seed, 6)), 40*time.Millisecond
					if rough && !g.short {
						i.lossy, i.freezing = 0.02, 0.005
					}
				})
				if time.Sleep(time.Hour); rough && seed%2 == 0 { // across a midnight
					time.Sleep(23*time.Hour - 2*g.window)
				}
				all := c.play(t, g, random, rough)
				if broken := c.broken(); broken != "" {
					t.Error(broken)
				}
				if miscounted := c.miscounted(all); !rough && miscounted != "" {
					t.Error(miscounted)
				}
				runs, denied, unsure, tokens = runs+1, denied+c.denied, unsure+c.unsure, tokens+c.tokens
				for _, i := range c.store.items {
					writes += i.spends
				}
			})
		})
	}
	t.Logf("%d cascades: %d tokens admitted with %d writes, %d requests denied, %d undecided", runs, tokens, writes, denied, unsure)
	if tokens < int64(20*runs) || denied < 10*runs {
		t.Error("too little happened")
	}
}
