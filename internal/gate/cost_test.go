package gate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// counted counts the writes of meters.
type counted struct {
	ratelimit.Store
	writes int
}

func (c *counted) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	c.writes++
	return c.Store.Spend(ctx, id, s)
}

// bounded is what bounds the requests of a benchmark.
type bounded struct {
	name string
	keys int  // of one user, to which the requests go alike
	user bool // the user has a limit
	plan bool // the limits are in a plan, besides the key's own
}

// BenchmarkCost counts the reads and the writes of meters per admitted request. Requests come at
// random, at a rate, and to all instances alike. Each limit is twice the rate. The counts do not
// depend on the machine.
func BenchmarkCost(b *testing.B) {
	run := func(by bounded, rate int64, environments int) {
		b.Run(fmt.Sprintf("%srate=%d/instances=%d", by.name, rate, environments), func(b *testing.B) {
			for b.Loop() {
				cost(b, by, rate, environments)
			}
		})
	}
	for _, rate := range []int64{1, 10, 100, 1000} {
		for _, environments := range []int{1, 4, 16} {
			run(bounded{keys: 1}, rate, environments)
		}
	}
	for _, by := range []bounded{
		{"user/", 1, true, false}, {"plan/", 1, true, true}, {"shared/", 4, true, true},
	} {
		for _, rate := range []int64{1, 10, 100} {
			for _, environments := range []int{1, 16} {
				run(by, rate, environments)
			}
		}
	}
}

func cost(b *testing.B, by bounded, rate int64, environments int) {
	bench := newBench(b)
	meters := &counted{Store: bench.Meters}
	bench.Meters = meters
	limit := ratelimit.Limit{Requests: 120 * rate, Window: time.Minute}
	if by.plan {
		bench.SetPlan(b, "pro", func(p *apikey.Plan) { p.User.Limits = []ratelimit.Limit{limit} })
	}
	if by.user {
		bench.SetUser(b, "u1", func(u *apikey.User) {
			if by.plan {
				u.Plan = "pro"
			} else {
				u.Limits = []ratelimit.Limit{limit}
			}
		})
	}
	var requests []gate.Request
	for range by.keys {
		token := bench.Token(b)
		bench.Issue(b, token, func(k *apikey.Key) { k.Limit = limit })
		requests = append(requests, gate.Request{Credential: bench.Format.Credential(token.Reveal()), Cost: 1})
	}
	var gates []*gate.Gate
	for range environments {
		gates = append(gates, bench.Gate(time.Second))
	}
	random := rand.New(rand.NewPCG(uint64(rate), uint64(environments)))
	count, admitted := max(2000, 20*int(rate)), 0
	for range count {
		bench.Clock.Pass(time.Duration(random.ExpFloat64() * float64(time.Second) / float64(rate)))
		v, err := gates[random.IntN(environments)].Check(b.Context(), requests[random.IntN(by.keys)])
		if err != nil {
			b.Fatal(err)
		}
		if v.Valid() {
			admitted++
		}
	}
	users, plans := bench.Table.Bounds()
	b.ReportMetric(float64(bench.Table.Count()+users+plans)/float64(admitted), "reads/request")
	b.ReportMetric(float64(meters.writes)/float64(admitted), "writes/request")
	b.ReportMetric(float64(count-admitted)/float64(count), "denied/request")
}
