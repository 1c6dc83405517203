package scale_test

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var only = flag.Int("only", -1, "")

func TestTry(t *testing.T) {
	for n, s := range append(hotKeys(), deployments()...) {
		if *only >= 0 && n != *only {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			r := s.simulate(t)
			q := float64(r.requests)
			fmt.Printf("%2d %-40s %8d  adm %.3f 429 %.3f 503 %.3f none %.3f  r %.3f w %.3f thr %d busiest %d peak %d inst %d over %d  %v\n", n, s.cells, r.requests,
				float64(r.admitted)/q, float64(r.denied)/q, float64(r.unknown)/q, float64(r.refused)/q, float64(r.table.reads)/q, float64(r.table.writes)/q,
				r.table.throttled, r.busiest, r.peak, r.instances, r.over, time.Since(begun).Round(100*time.Millisecond))
		})
	}
}
