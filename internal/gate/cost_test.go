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

// BenchmarkCost counts the writes of meters per admitted request. Requests come at random, at a rate,
// and to all instances alike. The limit is twice the rate. The counts do not depend on the machine.
func BenchmarkCost(b *testing.B) {
	for _, rate := range []int64{1, 10, 100, 1000} {
		for _, environments := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("rate=%d/instances=%d", rate, environments), func(b *testing.B) {
				for b.Loop() {
					cost(b, rate, environments)
				}
			})
		}
	}
}

func cost(b *testing.B, rate int64, environments int) {
	bench := newBench(b)
	meters := &counted{Store: bench.Meters}
	bench.Meters = meters
	token := bench.Token(b)
	bench.Issue(b, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 120 * rate, Window: time.Minute} })
	var gates []*gate.Gate
	for range environments {
		gates = append(gates, bench.Gate(time.Second))
	}
	request := gate.Request{Credential: bench.Format.Credential(token.Reveal()), Cost: 1}
	random := rand.New(rand.NewPCG(uint64(rate), uint64(environments)))
	requests, admitted := max(2000, 20*int(rate)), 0
	for range requests {
		bench.Clock.Pass(time.Duration(random.ExpFloat64() * float64(time.Second) / float64(rate)))
		v, err := gates[random.IntN(environments)].Check(b.Context(), request)
		if err != nil {
			b.Fatal(err)
		}
		if v.Valid() {
			admitted++
		}
	}
	b.ReportMetric(float64(bench.Table.Count())/float64(admitted), "reads/request")
	b.ReportMetric(float64(meters.writes)/float64(admitted), "writes/request")
	b.ReportMetric(float64(requests-admitted)/float64(requests), "denied/request")
}
