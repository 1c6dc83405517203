package gate_test

import (
	"errors"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// hot is a bench with one key whose limit three meters count: 15,000 each.
type hot struct {
	*bench
	key   *apikey.Key
	token apikey.Token
}

func newHot(t *testing.T) *hot {
	t.Helper()
	h := &hot{bench: newBench(t)}
	h.Fences, h.token = true, h.Token(t)
	h.key = h.Issue(t, h.token, func(k *apikey.Key) {
		k.Limit = ratelimit.Limit{Requests: 45_000, Window: time.Minute}
		if err := k.Spread(); err != nil || k.Shards.Now() != 3 {
			t.Fatalf("%d meters, %v", k.Shards.Now(), err)
		}
	})
	return h
}

// gate returns a gate that spends from one of the meters, as long as that has room.
func (h *hot) gate(freshness time.Duration, shard int) *gate.Gate {
	h.Choose = func(n int) int { return shard % n }
	defer func() { h.Choose = nil }()
	return h.Gate(freshness)
}

func (h *hot) check(t *testing.T, g *gate.Gate, cost int64) apikey.Verdict {
	t.Helper()
	v, err := g.Check(t.Context(), gate.Request{Credential: h.Format.Credential(h.token.Reveal()), Cost: cost})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// status returns what the registry shows of the key's own limit.
func (h *hot) status(t *testing.T) ratelimit.Status {
	t.Helper()
	record, err := h.Registry.Find(t.Context(), root(), h.key.ID)
	if err != nil {
		t.Fatal(err)
	}
	return h.Registry.StatusOf(record)
}

func root() registry.Caller {
	return registry.Caller{UserID: "operator", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
}

// Instances spend from different meters. Together they admit the limit, and no more.
func TestTheMetersOfAKeyAdmitItsLimitTogether(t *testing.T) {
	h := newHot(t)
	admitted := int64(0)
	for shard := range 3 {
		g := h.gate(time.Second, shard)
		for range 3 {
			v := h.check(t, g, 5000)
			if !v.Valid() {
				t.Fatalf("after %d: %s", admitted, v.Code)
			}
			admitted += 5000
			if v.Status.Limit != 45_000 || v.Status.Remaining > 45_000-admitted {
				t.Errorf("after %d, %d of %d are said to remain", admitted, v.Status.Remaining, v.Status.Limit)
			}
			if s := h.status(t); s.Used != admitted || s.Remaining != 45_000-admitted || s.Limit != 45_000 {
				t.Errorf("after %d, the registry shows %+v", admitted, s)
			}
		}
	}
	for shard := range 3 {
		v := h.check(t, h.gate(time.Second, shard), 1)
		if v.Code != apikey.CodeRateLimited || v.RetryAfter <= 0 || v.RetryAfter > 62*time.Second {
			t.Errorf("above the limit: %s, %v", v.Code, v.RetryAfter)
		}
	}
	h.Clock.Pass(62 * time.Second)
	if v := h.check(t, h.gate(time.Second, 2), 15_000); !v.Valid() {
		t.Errorf("a window later: %s", v.Code)
	}
}

// An instance whose meter has no room looks in the others, and reads each before it spends from it.
func TestAnInstanceMovesToAMeterWithRoom(t *testing.T) {
	h := newHot(t)
	g := h.Gate(time.Second)
	for n := range 9 {
		if v := h.check(t, g, 5000); !v.Valid() {
			t.Fatalf("request %d: %s", n, v.Code)
		}
	}
	if v := h.check(t, g, 1); v.Code != apikey.CodeRateLimited {
		t.Errorf("above the limit: %s", v.Code)
	}
}

// A request costs at most what one meter counts.
func TestACostAboveTheShareOfAMeterIsRefused(t *testing.T) {
	h := newHot(t)
	g := h.Gate(time.Second)
	_, err := g.Check(t.Context(), gate.Request{Credential: h.Format.Credential(h.token.Reveal()), Cost: 15_001})
	if !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("a cost above a share: %v", err)
	}
	v, err := g.Check(t.Context(), gate.Request{Credential: h.Format.Credential(h.token.Reveal()), Cost: 15_001, RouteCost: true})
	if err != nil || v.Code != apikey.CodeCostAboveLimit {
		t.Errorf("the cost of a route above a share: %s, %v", v.Code, err)
	}
}

// A gate that remembers a key proves it with a write to any of its meters. A change fences all of them.
func TestAChangeReachesEveryMeter(t *testing.T) {
	for shard := range 3 {
		h := newHot(t)
		g := h.gate(time.Second, shard)
		for range 2 {
			h.check(t, g, 15_000/4)
			h.Clock.Pass(2 * time.Second)
		}
		before := h.Table.Count()
		if v := h.check(t, g, 15_000/4); !v.Valid() || h.Table.Count() != before {
			t.Fatalf("shard %d: %s after %d reads", shard, v.Code, h.Table.Count()-before)
		}
		h.Clock.Pass(2 * time.Second)
		if _, err := h.Registry.Revoke(t.Context(), root(), h.key.ID, ""); err != nil {
			t.Fatal(err)
		}
		if v := h.check(t, g, 15_000/4); v.Code != apikey.CodeRevoked {
			t.Errorf("shard %d: a revoked key: %s", shard, v.Code)
		}
	}
}

// A key in use does not become idle because its first meter is not spent from.
func TestAUseOfAnyMeterIsAUse(t *testing.T) {
	h := newHot(t)
	h.Life.IdleDays = 30
	for range 3 {
		if v := h.check(t, h.gate(time.Second, 1), 1); !v.Valid() {
			t.Fatalf("%s", v.Code)
		}
		if record, err := h.Table.Find(t.Context(), h.key.ID); err != nil || !record.LastUsed().Equal(h.Clock.Time()) {
			t.Errorf("last used %v, now %v: %v", record.LastUsed(), h.Clock.Time(), err)
		}
		h.Clock.Pass(20 * 24 * time.Hour)
	}
}

// The limit changes so that more meters count it, and then one. What was spent counts on, and the new
// limit holds after the window.
func TestARateLimitMayNeedMoreMetersAndFewer(t *testing.T) {
	h := newHot(t)
	set := func(requests int64) {
		t.Helper()
		limit := ratelimit.Limit{Requests: requests, Window: time.Minute}
		record, err := h.Registry.Update(t.Context(), root(), h.key.ID, func(*apikey.Key) (apikey.Change, error) {
			return apikey.Change{Limit: &limit}, nil
		})
		if err != nil || record.Key.Shards.Now() != ratelimit.ShardsFor(limit) {
			t.Fatalf("%+v, %v", record.Key, err)
		}
	}
	drain := func(cost int64) (sum int64) {
		t.Helper()
		for shard := range 5 {
			for g := h.gate(0, shard); h.check(t, g, cost).Code == apikey.CodeValid; {
				sum += cost
			}
		}
		return sum
	}
	if n := drain(5000); n != 45_000 {
		t.Errorf("%d of 45000 are admitted", n)
	}
	set(75_000)
	if n := drain(5000); n != 0 {
		t.Errorf("%d are admitted beside what was spent", n)
	}
	h.Clock.Pass(90 * time.Second)
	if n := drain(5000); n != 75_000 {
		t.Errorf("%d of 75000 are admitted", n)
	}
	set(100)
	if n := drain(1); n != 0 {
		t.Errorf("%d are admitted beside what was spent", n)
	}
	h.Clock.Pass(90 * time.Second)
	if n := drain(1); n != 100 {
		t.Errorf("%d of 100 are admitted", n)
	}
	used, err := h.Registry.Usage(t.Context(), root(), h.key.ID, registry.Days{From: h.Clock.Time(), To: h.Clock.Time()})
	if err != nil || len(used.Days) != 1 || used.Days[0].Used != 45_000+75_000+100 {
		t.Errorf("usage: %+v, %v", used.Days, err)
	}
}

// Explain judges by all meters of a key.
func TestExplainAddsUpTheMetersOfAKey(t *testing.T) {
	h := newHot(t)
	explain := func() apikey.Code {
		t.Helper()
		record, err := h.Registry.Find(t.Context(), root(), h.key.ID)
		if err != nil {
			t.Fatal(err)
		}
		code, _, err := h.Gate(time.Second).Explain(t.Context(), record, gate.Request{Cost: 1})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	for shard := range 3 {
		if code := explain(); code != apikey.CodeValid {
			t.Errorf("before meter %d is spent: %s", shard, code)
		}
		h.check(t, h.gate(time.Second, shard), 15_000)
	}
	if code := explain(); code != apikey.CodeRateLimited {
		t.Errorf("with all of it spent: %s", code)
	}
}

// A key that is made again with the same id has not used what the one before it has, from any meter.
func TestANewLifeBeginsWithoutTheUsageOfAnyMeter(t *testing.T) {
	h := newHot(t)
	use := func(want int64) {
		t.Helper()
		used, err := h.Registry.Usage(t.Context(), root(), h.key.ID, registry.Days{From: h.Clock.Time(), To: h.Clock.Time()})
		sum := int64(0)
		for _, d := range used.Days {
			sum += d.Used
		}
		if err != nil || sum != want {
			t.Errorf("used %d, want %d: %v", sum, want, err)
		}
	}
	for shard := range 3 {
		h.check(t, h.gate(0, shard), 1000)
	}
	use(3000)
	if err := h.Registry.Delete(t.Context(), root(), h.key.ID); err != nil {
		t.Fatal(err)
	}
	h.Clock.Pass(time.Minute)
	h.key = h.Issue(t, h.token, func(k *apikey.Key) { k.Limit, k.Shards = h.key.Limit, h.key.Shards })
	use(0)
	h.check(t, h.gate(0, 2), 10)
	use(10)
}

// While a key has a quota for a day, its meters stay as many as they are. A quota that was divided anew
// would forget what other meters have counted of it.
func TestAKeyWithAQuotaKeepsItsMeters(t *testing.T) {
	h := newHot(t)
	set := func(c apikey.Change) (*apikey.Key, error) {
		record, err := h.Registry.Update(t.Context(), root(), h.key.ID, func(*apikey.Key) (apikey.Change, error) { return c, nil })
		return record.Key, err
	}
	limit := func(n int64) *ratelimit.Limit { return &ratelimit.Limit{Requests: n, Window: time.Minute} }
	day := func(n int64) *ratelimit.Quota { return &ratelimit.Quota{Requests: n, Period: ratelimit.Day} }
	for _, c := range []struct {
		change apikey.Change
		want   int
		field  string
	}{
		{apikey.Change{Quota: day(2)}, 3, "quota.requests"},
		{apikey.Change{Quota: day(30_000)}, 3, ""},
		{apikey.Change{Limit: limit(1_000_000)}, 3, ""},
		{apikey.Change{Limit: limit(2)}, 3, "rateLimit.requests"},
		{apikey.Change{Limit: limit(60)}, 3, ""},
		{apikey.Change{Limit: limit(45_000), Quota: &ratelimit.Quota{}}, 3, ""},
		{apikey.Change{Limit: limit(60)}, 1, ""},
	} {
		k, err := set(c.change)
		var refused *apikey.FieldError
		if errors.As(err, &refused) != (c.field != "") || refused != nil && refused.Field != c.field {
			t.Errorf("%+v: %v", c.change, err)
		}
		if err == nil && k.Shards.Now() != c.want {
			t.Errorf("%+v: %d meters", c.change, k.Shards.Now())
		}
	}
	h.SetPlan(t, "pro", func(p *apikey.Plan) { p.Key.Quota = *day(1000) })
	plan := "pro"
	if _, err := set(apikey.Change{Plan: &plan}); err != nil {
		t.Fatal(err)
	}
	if k, err := set(apikey.Change{Limit: limit(45_000)}); err != nil || k.Shards.Now() != 1 {
		t.Errorf("with the quota of a plan: %+v, %v", k, err)
	}
}

// The meters of a key share its quota for a day, and admit no more than that together.
func TestTheMetersOfAKeyShareItsQuota(t *testing.T) {
	h := newHot(t)
	quota := ratelimit.Quota{Requests: 30_000, Period: ratelimit.Day}
	if _, err := h.Registry.Update(t.Context(), root(), h.key.ID, func(*apikey.Key) (apikey.Change, error) {
		return apikey.Change{Quota: &quota}, nil
	}); err != nil {
		t.Fatal(err)
	}
	admitted, last := int64(0), apikey.Verdict{}
	for shard := range 4 {
		g := h.gate(0, shard)
		for last = h.check(t, g, 5000); last.Valid(); last = h.check(t, g, 5000) {
			admitted += 5000
		}
	}
	if s := h.status(t); admitted != 30_000 || last.Code != apikey.CodeQuotaExceeded || s.Quota().Used != 30_000 || s.Remaining != 0 {
		t.Errorf("%d are admitted, then %s; the registry shows %+v", admitted, last.Code, s)
	}
}

// A spend of a key that was just changed asks for no fence. It still keeps to the share of its meter.
func TestASpendAfterAChangeKeepsToItsMeter(t *testing.T) {
	h := newHot(t)
	g := h.gate(time.Second, 1)
	for range 2 {
		h.check(t, g, 500)
		h.Clock.Pass(2 * time.Second)
	}
	for shard := range 3 {
		for other := h.gate(0, shard); h.check(t, other, 500).Code == apikey.CodeValid; {
		}
	}
	name := "renamed"
	if _, err := h.Registry.Update(t.Context(), root(), h.key.ID, func(*apikey.Key) (apikey.Change, error) {
		return apikey.Change{Name: &name}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if v := h.check(t, g, 500); v.Code != apikey.CodeRateLimited {
		t.Errorf("with all of it spent: %s", v.Code)
	}
}
