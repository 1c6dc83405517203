package authorizer_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/gate"
	"latchkey/internal/metrics"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
	"latchkey/internal/tally"
)

// memory is a table with one key that answers at once. A benchmark with it measures only latchkey's
// own work.
type memory struct {
	key  *apikey.Key
	user *apikey.User
	plan *apikey.Plan
}

func (m memory) Find(context.Context, string) (apikey.Record, error) {
	return apikey.Record{Key: m.key}, nil
}
func (m memory) User(context.Context, string) (apikey.UserRecord, error) {
	return apikey.UserRecord{User: m.user}, nil
}
func (m memory) Plan(context.Context, string) (*apikey.Plan, error) { return m.plan, nil }
func (m memory) Resolve(context.Context, string) (string, error)    { return "", apikey.ErrNotFound }
func (m memory) Meter(context.Context, string) (ratelimit.Meter, error) {
	return ratelimit.Meter{}, nil
}
func (m memory) Rehash(context.Context, *apikey.Key, *apikey.Key, int) error     { return nil }
func (m memory) Text(*apikey.Key, int64) ([]byte, error)                         { return nil, nil }
func (m memory) RecordUsage(context.Context, string, []ratelimit.DayUsage) error { return nil }
func (m memory) Touch(context.Context, string, time.Time) error                  { return nil }
func (m memory) Spend(_ context.Context, _ string, s ratelimit.Spend) (ratelimit.Meter, error) {
	return ratelimit.Meter{
		Window: s.Window, Used: s.Tokens, Net: s.Net, Newest: s.Slice, Marks: []ratelimit.Mark{{Slice: s.Slice}},
		Day: s.Day, Month: s.Day.Month(),
	}, nil
}

// warm returns a gate that has one key in memory, and the key's token. observe may be nil.
func warm(b testing.TB, observe func(apikey.Verdict, error, time.Duration)) (*gate.Gate, apikey.Format, string) {
	b.Helper()
	return warmWith(b, observe, nil)
}

// warmWith is warm for a key whose user has a plan, unless that is nil.
func warmWith(
	b testing.TB, observe func(apikey.Verdict, error, time.Duration), plan *apikey.Plan,
) (*gate.Gate, apikey.Format, string) {
	b.Helper()
	format, err := apikey.NewFormat("sk")
	if err != nil {
		b.Fatal(err)
	}
	hasher, err := pepper.NewHasher(strings.Repeat("m", 32), nil)
	if err != nil {
		b.Fatal(err)
	}
	token, err := format.New(apikey.Live, strings.NewReader(strings.Repeat("latchkey", 100)))
	if err != nil {
		b.Fatal(err)
	}
	table := memory{key: &apikey.Key{
		ID: token.ID(), UserID: "u1", Name: "demo", Environment: apikey.Live, Scopes: apikey.Scopes{"tts"}, Enabled: true,
		Limit:   ratelimit.Limit{Requests: 1 << 50, Window: time.Minute},
		Secrets: []apikey.Secret{hasher.Hash(token)},
	}}
	if plan != nil {
		table.user, table.plan = &apikey.User{ID: "u1", Plan: plan.Name}, plan
	}
	now := time.Unix(1795521600, 0)
	g := gate.New(table, ratelimit.New(table, func() time.Time { return now }, 10), gate.Options{
		Keyring:   func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: hasher}, nil },
		Freshness: time.Second, Patience: time.Second, Observe: observe, Environments: []apikey.Environment{apikey.Live},
		Clock: func() gate.Instant { return gate.Instant{Wall: now} }, Remember: 10,
		Tally: tally.New(nil, func() time.Time { return now }), // nothing is refused
	})
	return g, format, token.Reveal()
}

// floorEvent has the members that every reader of the event must decode.
type floorEvent struct {
	MethodArn         string `json:"methodArn"`
	MultiValueHeaders struct {
		APIKey        []string `json:"X-API-Key"`
		Authorization []string `json:"Authorization"`
		ForwardedFor  []string `json:"X-Forwarded-For"`
	} `json:"multiValueHeaders"`
	Query struct {
		APIKey []string `json:"api_key"`
	} `json:"multiValueQueryStringParameters"`
	RequestContext struct {
		RequestTimeEpoch int64 `json:"requestTimeEpoch"`
		Identity         struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
	} `json:"requestContext"`
}

// compactEvent returns a sample event with a token, without white space as API Gateway sends it.
func compactEvent(t testing.TB, name, token string) []byte {
	t.Helper()
	text := strings.ReplaceAll(string(read(t, name)), "sk_live_REPLACE_ME", token)
	var event bytes.Buffer
	if err := json.Compact(&event, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return event.Bytes()
}

func BenchmarkEventToPolicy(b *testing.B) {
	recorder := metrics.New(metrics.Options{Now: time.Now})
	g, format, token := warm(b, recorder.Observe)
	event := compactEvent(b, "authorizer-allow.json", token)
	a := authorizer.New(authorizer.Options{Door: admission.New(admission.Options{
		Gate: g, Format: format, QueryAPIKey: true, Logger: slog.New(slog.DiscardHandler),
	})})
	watched := recorder.Watch("authorizer", a, io.Discard)
	b.Run("authorizer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := watched.Invoke(b.Context(), event); err != nil {
				b.Fatal(err)
			}
		}
	})
	http := compactEvent(b, "authorizer-http-2.json", token)
	b.Run("http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := watched.Invoke(b.Context(), http); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e floorEvent
			if err := json.Unmarshal(event, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// threeMeters is a plan by which a request spends from three meters.
func threeMeters() *apikey.Plan {
	limits := []ratelimit.Limit{{Requests: 1 << 49, Window: time.Hour}}
	return &apikey.Plan{Name: "pro", Key: apikey.Bounds{Limits: limits}, User: apikey.Bounds{Limits: limits}}
}

func BenchmarkGate(b *testing.B) {
	g, format, token := warm(b, nil)
	r := gate.Request{Credential: format.Credential(token), Cost: 1}
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if v, err := g.Check(b.Context(), r); err != nil || !v.Valid() {
				b.Fatal(v.Code, err)
			}
		}
	})
	b.Run("plan", func(b *testing.B) {
		planned, _, _ := warmWith(b, nil, threeMeters())
		b.ReportAllocs()
		for b.Loop() {
			if v, err := planned.Check(b.Context(), r); err != nil || !v.Valid() {
				b.Fatal(v.Code, err)
			}
		}
	})
	b.Run("counted", func(b *testing.B) {
		counted, _, _ := warm(b, metrics.New(metrics.Options{Now: time.Now}).Observe)
		b.ReportAllocs()
		for b.Loop() {
			if v, err := counted.Check(b.Context(), r); err != nil || !v.Valid() {
				b.Fatal(v.Code, err)
			}
		}
	})
	// All processors judge requests of one key, which share its locks.
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if v, err := g.Check(context.Background(), r); err != nil || !v.Valid() {
					b.Error(v.Code, err)
					return
				}
			}
		})
	})
	b.Run("floor", func(b *testing.B) {
		mac := hmac.New(sha256.New, make([]byte, 32))
		text, room := []byte(token), make([]byte, 0, sha256.Size)
		known := map[string][]byte{token: make([]byte, 32)}
		b.ReportAllocs()
		for b.Loop() {
			mac.Reset()
			mac.Write(text)
			if hmac.Equal(mac.Sum(room), known[token]) {
				b.Fatal("equal")
			}
		}
	})
}

// poolsForget reports whether a sync.Pool may drop its objects, as it does under the race detector.
var poolsForget bool

// Allocations do not depend on the machine, so a test can bound them.
func TestChecksAllocateLittle(t *testing.T) {
	if poolsForget {
		t.Skip("a sync.Pool allocates at random")
	}
	g, format, token := warm(t, nil)
	a := authorizer.New(authorizer.Options{Door: admission.New(admission.Options{Gate: g, Format: format, Logger: slog.New(slog.DiscardHandler)})})
	event := compactEvent(t, "authorizer-allow.json", token)
	r := gate.Request{Credential: format.Credential(token), Cost: 1}
	planned, _, _ := warmWith(t, nil, threeMeters())
	for _, c := range []struct {
		name string
		most float64
		run  func()
	}{
		{"gate: judge a remembered key and spend from three meters", 1, func() {
			if v, err := planned.Check(t.Context(), r); err != nil || !v.Valid() || len(v.Statuses) != 3 {
				t.Fatal(v.Code, err, len(v.Statuses))
			}
		}},
		{"gate: judge a remembered key and spend", 0, func() {
			if v, err := g.Check(t.Context(), r); err != nil || !v.Valid() {
				t.Fatal(v.Code, err)
			}
		}},
		{"authorizer: event to policy", 9, func() {
			if _, err := a.Invoke(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if n := testing.AllocsPerRun(10_000, c.run); n > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, n, c.most)
		}
	}
}
