package gate_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// update writes the table of costs in the manual anew: make manual.
var update = flag.Bool("update", false, "write the table of costs in the manual")

// fenceCost is what a check costs, in requests to the table for each check.
type fenceCost struct {
	reads, users, writes float64
	trips                float64 // requests that wait for one another
}

// The prices of a million units of us-east-1 on demand. A read of a key is strongly consistent.
const (
	readPrice  = 0.125
	writePrice = 0.625
)

func (c fenceCost) dollars() float64 { return (c.reads+c.users)*readPrice + c.writes*writePrice }

func (c fenceCost) String() string {
	return fmt.Sprintf("%s, %s, %s, $%s", figure(c.reads+c.users), figure(c.writes), figure(c.trips), figure(c.dollars()))
}

// figure writes a number with two digits or more.
func figure(x float64) string {
	digits := 2
	for at := 0.1; x < at && digits < 6; at /= 10 {
		digits++
	}
	return strconv.FormatFloat(x, 'f', digits, 64)
}

// measureFence counts the requests of checks with one key, which come at random to all instances
// alike. The limit is twice the rate.
func measureFence(t *testing.T, shared *simShared, rate float64, instances int, trust bool) (cost fenceCost) {
	const latency = 5 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(uint64(rate*10), uint64(instances)))
		h := &fenceHistory{
			rows: &rows{mutant: &fenceMutant{}, random: random, delay: latency / 2}, format: shared.format, hasher: shared.hasher,
			limit: ratelimit.Limit{Requests: max(int64(120*rate), 12), Window: time.Minute},
		}
		h.addToken(shared.token)
		h.create(0, time.Now())
		start := time.Now()
		clock := func() gate.Instant { return gate.Instant{Wall: time.Now(), Mono: time.Since(start)} }
		var gates []*gate.Gate
		for range instances {
			l := &link{rows: h.rows, freeze: func() {}}
			gates = append(gates, gate.New(l, ratelimit.New(l, time.Now, 10), gate.Options{
				Keyring:   func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: h.hasher}, nil },
				Reread:    func(context.Context) (pepper.Hasher, error) { return h.hasher, nil },
				Logger:    slog.New(slog.DiscardHandler),
				Freshness: time.Second, TrustFences: trust, Patience: 5 * time.Second,
				Environments: []apikey.Environment{apikey.Live}, Clock: clock, Remember: 10,
			}))
		}
		request := gate.Request{Credential: h.format.Credential(shared.token.Reveal()), Cost: 1}
		count := max(3000, int(30*rate))
		admitted, waited := 0, time.Duration(0)
		for range count {
			time.Sleep(time.Duration(random.ExpFloat64() * float64(time.Second) / rate))
			begun := time.Now()
			v, err := gates[random.IntN(instances)].Check(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			waited += time.Since(begun)
			if v.Valid() {
				admitted++
			}
		}
		n := float64(admitted)
		cost = fenceCost{
			reads: float64(h.counts.reads) / n, users: float64(h.counts.users) / n, writes: float64(h.counts.writes) / n,
			trips: float64(waited) / float64(latency) / n,
		}
	})
	return cost
}

// A fence saves nearly all reads of a key that is spent from, and costs hardly any write more. The manual
// prints these counts. With -update, its table is written anew.
func TestAFenceSavesReads(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	shared := newSimShared(t)
	table := "| requests/s, instances | `FENCE=write`: reads, writes, round trips, dollars | `FENCE=trust`: the same |\n|---|---|---|\n"
	for _, rate := range []float64{0.1, 1, 10, 100, 1000} {
		for _, instances := range []int{1, 16} {
			today, fenced := measureFence(t, shared, rate, instances, false), measureFence(t, shared, rate, instances, true)
			name := fmt.Sprintf("%s, %d", strings.Replace(strconv.FormatFloat(rate, 'f', -1, 64), "000", ",000", 1), instances)
			table += fmt.Sprintf("| %s | %v | %v |\n", name, today, fenced)
			most := 0.03
			if rate < 1 && instances > 1 {
				most = 0.6 // an instance sees the key every 160 s, and does not know what others took
			}
			if fenced.reads > most {
				t.Errorf("%s: %.3f reads of keys", name, fenced.reads)
			}
			if fenced.trips > 1.05+most {
				t.Errorf("%s: %.3f round trips", name, fenced.trips)
			}
			if fenced.writes > today.writes*1.08 || fenced.dollars() > today.dollars() {
				t.Errorf("%s: %v; without fences: %v", name, fenced, today)
			}
		}
	}
	const page = "../docs/limits.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile("(?m)^\\| requests/s, instances .*\n(?:\\|.*\n)+").Find(text)
	switch {
	case string(written) == table:
	case *update && written != nil:
		if err := os.WriteFile(page, bytes.Replace(text, written, []byte(table), 1), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of limits.md has drifted: run make manual. It is\n%s", table)
	}
}
