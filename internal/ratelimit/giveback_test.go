package ratelimit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// returning is a meter behind a network that delivers some returns again, at once and much later.
type returning struct {
	meter    ratelimit.Meter
	random   *rand.Rand
	returns  int
	tokens   int64
	again    []ratelimit.Return
	unmarked bool // a mutant: a return does not count itself
}

func (r *returning) clone() ratelimit.Meter {
	m := r.meter
	m.Marks = append([]ratelimit.Mark(nil), m.Marks...)
	m.Past = append([]ratelimit.DayMark(nil), m.Past...)
	m.Earlier = append([]ratelimit.Point(nil), m.Earlier...)
	return m
}

func (r *returning) Spend(_ context.Context, _ string, s ratelimit.Spend) (ratelimit.Meter, error) {
	err := r.meter.Apply(s)
	r.deliver()
	return r.clone(), err
}

// deliver delivers returns again that were delivered before.
func (r *returning) deliver() {
	for _, old := range r.again {
		if r.random.IntN(4) == 0 {
			_ = r.meter.Return(old)
		}
	}
	if len(r.again) > 8 {
		r.again = r.again[1:]
	}
}

func (r *returning) Return(_ context.Context, _ string, back ratelimit.Return) (ratelimit.Meter, error) {
	err := r.meter.Return(back)
	if err == nil {
		if r.unmarked {
			r.meter.Returns--
		}
		r.returns++
		r.tokens += back.Tokens
		r.again = append(r.again, back)
		r.deliver()
	}
	return r.clone(), err
}

func (r *returning) Meter(context.Context, string) (ratelimit.Meter, error) { return r.clone(), nil }
func (r *returning) RecordUsage(context.Context, string, []ratelimit.DayUsage) error {
	return nil
}
func (r *returning) Touch(context.Context, string, time.Time) error { return nil }

// endings lets three instances spend from one meter as fast as they can, while each ends now and then
// and another takes its place. It returns the times of what they admitted.
func endings(random *rand.Rand, store *returning, limit ratelimit.Limit, lasts time.Duration) (admitted []time.Time) {
	now := time.Date(2026, 11, 30, 23, 59, 50, 0, time.UTC) // a day and a month end soon
	clock := func() time.Time { return now }
	begin := func() *ratelimit.Limiter { return ratelimit.New(store, clock, 10) }
	instances := []*ratelimit.Limiter{begin(), begin(), begin()}
	terms := ratelimit.Terms{Limit: limit, Quota: ratelimit.Quota{Requests: 1 << 40, Period: ratelimit.Month}, Rev: 1}
	for end := now.Add(lasts); now.Before(end); {
		now = now.Add(time.Duration(random.IntN(int(limit.Window / time.Duration(2*limit.Requests)))))
		n := random.IntN(len(instances))
		if d, err := instances[n].Take(context.Background(), "id", terms, 1, time.Time{}); err == nil && d.Admitted {
			admitted = append(admitted, now)
		}
		if random.IntN(200) == 0 {
			instances[n].GiveBack(context.Background(), store)
			instances[n] = begin()
		}
	}
	for _, i := range instances {
		i.GiveBack(context.Background(), store)
	}
	return admitted
}

// over returns the first time in whose window more is admitted than the limit allows.
func over(admitted []time.Time, limit ratelimit.Limit) (time.Time, bool) {
	for i := int(limit.Requests); i < len(admitted); i++ {
		if first := admitted[i-int(limit.Requests)]; admitted[i].Sub(first) < limit.Window {
			return first, true
		}
	}
	return time.Time{}, false
}

// Instances that end give their tokens back, and no interval ever has more than the limit: not if a
// return is delivered twice, and not when a slice, a day or a month ends meanwhile. The usage that is
// stored is never less than what was admitted, and it is exact for the day on which all have ended.
func TestEndingInstancesGiveBack(t *testing.T) {
	limit := ratelimit.Limit{Requests: 2000, Window: 10 * time.Second}
	returns, tokens := 0, int64(0)
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		store := &returning{random: random}
		admitted := endings(random, store, limit, 30*time.Second)
		if at, is := over(admitted, limit); is {
			t.Errorf("seed %d: more than the limit after %v", seed, at)
		}
		if store.meter.Net < int64(len(admitted)) || store.meter.Used < int64(len(admitted)) {
			t.Errorf("seed %d: %d admitted, and only %d and %d are stored", seed, len(admitted), store.meter.Used, store.meter.Net)
		}
		midnight, today := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), int64(0)
		for _, at := range admitted {
			if !at.Before(midnight) {
				today++
			}
		}
		if usage := store.meter.Net - store.meter.DayNet; usage < today || usage > today+today/20 {
			t.Errorf("seed %d: %d are stored for the last day, and %d were admitted", seed, usage, today)
		}
		returns, tokens = returns+store.returns, tokens+store.tokens
	}
	if returns < 100 || tokens < 1000 {
		t.Errorf("%d returns of %d tokens: nothing was tested", returns, tokens)
	}
	t.Logf("%d returns of %d tokens", returns, tokens)
}

// Without its own count, a return that comes twice would be applied twice.
func TestAReturnCountsItself(t *testing.T) {
	limit := ratelimit.Limit{Requests: 2000, Window: 10 * time.Second}
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		store := &returning{random: random, unmarked: true}
		admitted := endings(random, store, limit, 30*time.Second)
		if _, is := over(admitted, limit); is || store.meter.Net < int64(len(admitted)) {
			return
		}
	}
	t.Error("the mutant was not caught")
}

func TestAReturnNeedsTheMeterThatWasSeen(t *testing.T) {
	seen := ratelimit.Meter{Window: time.Second, Newest: 5, Used: 9, Net: 8, Day: 20261201, Returns: 2}
	for name, edit := range map[string]func(*ratelimit.Meter){
		"another window": func(m *ratelimit.Meter) { m.Window *= 2 }, "a later slice": func(m *ratelimit.Meter) { m.Newest++ },
		"a spend": func(m *ratelimit.Meter) { m.Used++ }, "a spend of the quota": func(m *ratelimit.Meter) { m.Net++ },
		"another day": func(m *ratelimit.Meter) { m.Day++ }, "another return": func(m *ratelimit.Meter) { m.Returns++ },
	} {
		m := seen
		edit(&m)
		before := m.Used
		if err := m.Return(ratelimit.Return{Tokens: 1, Net: 1, Seen: seen}); !errors.Is(err, ratelimit.ErrStale) || m.Used != before {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := seen
	if err := m.Return(ratelimit.Return{Tokens: 2, Net: 1, Seen: seen}); err != nil || m.Used != 7 || m.Net != 7 || m.Returns != 3 {
		t.Errorf("%+v, %v", m, err)
	}
}

// An instance leases, and another one spends some time later. Tokens come back to the limit only while
// their slice is the newest, and to the quota only while their day is.
func TestWhatComesBack(t *testing.T) {
	start := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	monthly := ratelimit.Quota{Requests: 1 << 40, Period: ratelimit.Month}
	minute, none := ratelimit.Limit{Requests: 100_000, Window: time.Minute}, ratelimit.NoLimit()
	for _, c := range []struct {
		name            string
		limit           ratelimit.Limit
		quota           ratelimit.Quota
		begun           time.Time
		later           time.Duration // until the other spends; 0: it does not
		tokens, ofQuota bool
	}{
		{"no other", minute, monthly, start, 0, true, true},
		{"no other, long ago", minute, monthly, start, -time.Hour, true, true},
		{"another in the same slice", minute, monthly, start, time.Millisecond, true, true},
		{"another in the next slice", minute, monthly, start, time.Second, false, true},
		{"another on the next day", minute, monthly, start.Add(12*time.Hour - 300*time.Millisecond), time.Second, false, false},
		{"without a limit", none, ratelimit.Quota{}, start, 0, true, true},
		{"without a limit, on the next day", none, ratelimit.Quota{}, start.Add(12*time.Hour - 300*time.Millisecond), time.Second, false, false},
	} {
		now := c.begun
		clock := func() time.Time { return now }
		store := &returning{random: rand.New(rand.NewPCG(1, 1))}
		a, b := ratelimit.New(store, clock, 1), ratelimit.New(store, clock, 1)
		terms := ratelimit.Terms{Limit: c.limit, Quota: c.quota, Rev: 1}
		take := func(l *ratelimit.Limiter) {
			if d, err := l.Take(t.Context(), "id", terms, 1, time.Time{}); err != nil || !d.Admitted {
				t.Fatalf("%s: %+v, %v", c.name, d, err)
			}
		}
		used := int64(0)
		for range 300 {
			take(a)
			used++
			now = now.Add(100 * time.Microsecond)
		}
		now = now.Add(max(c.later, -c.later))
		if c.later > 0 {
			take(b)
			used++
		}
		before := store.meter
		if before.Used <= used {
			t.Errorf("%s: nothing is leased: %d of %d used", c.name, used, before.Used)
		}
		a.GiveBack(t.Context(), store)
		a.GiveBack(t.Context(), store)
		after := store.meter
		if back := before.Used - after.Used; back > before.Used-used || (back > 0) != c.tokens {
			t.Errorf("%s: %d of %d tokens came back", c.name, back, before.Used-used)
		}
		if back := before.Net - after.Net; back > before.Net-used || (back > 0) != c.ofQuota {
			t.Errorf("%s: %d of %d tokens came back to the quota", c.name, back, before.Net-used)
		}
	}
}
