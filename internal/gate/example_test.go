package gate_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// A gate judges requests. This one has a static key, which needs no table.
func ExampleGate_Check() {
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	hasher, err := pepper.NewHasher(strings.Repeat("m", 32), nil) // the deployment's secret
	if err != nil {
		log.Fatal(err)
	}
	limit := ratelimit.Limit{Requests: 2, Window: time.Minute}
	static, err := apikey.Static{}.With("a-static-token-of-ours:backup", limit)
	if err != nil {
		log.Fatal(err)
	}
	meters := ratelimit.New(ratelimit.NewMemory(10), now, 10)
	g := gate.New(nil, meters, gate.Options{
		Keyring: func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: hasher}, nil },
		Static:  static, Local: meters, Logger: slog.New(slog.DiscardHandler), Patience: time.Second,
		Environments: []apikey.Environment{apikey.Live}, Clock: gate.ClockOf(now), Remember: 10,
	})
	format, err := apikey.NewFormat("sk")
	if err != nil {
		log.Fatal(err)
	}
	const ours = "Bearer a-static-token-of-ours"
	for _, header := range []string{ours, ours, ours, "Bearer another-token", ""} {
		v, err := g.Check(context.Background(), gate.Request{Credential: format.Credential(header), Cost: 1})
		if err != nil {
			log.Fatal(err) // the gate could not decide; answer 503
		}
		fmt.Println(v.Valid(), v.Code, v.Status.Remaining)
	}
	// Output:
	// true valid 1
	// true valid 0
	// false rate_limited 0
	// false malformed_key 0
	// false missing_key 0
}
