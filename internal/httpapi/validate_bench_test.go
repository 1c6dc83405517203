package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/httpapi"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// The function that judges a key, from the bytes of an event to those of the answer. The key is in
// memory and costs one request of a lease. The floor decodes the event and the body, and encodes the
// answer.
func BenchmarkValidate(b *testing.B) {
	s := newService(b)
	_, token, _ := s.made(`,"rateLimit":{"requests":1000000,"window":60}`)
	text, err := os.ReadFile("../../events/keys-validate.json")
	if err != nil {
		b.Fatal(err)
	}
	filled := strings.NewReplacer("sk_live_REPLACE_ME", token, `\"tts\"`, `\"keys:read\",\"cost\":1`).Replace(string(text))
	var compact bytes.Buffer // API Gateway sends no white space
	if err := json.Compact(&compact, []byte(filled)); err != nil {
		b.Fatal(err)
	}
	event := compact.Bytes()
	function := validateFunction(b, s)
	var answer events.APIGatewayProxyResponse
	b.Run("function", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			text, err := function.Invoke(b.Context(), event)
			if err != nil {
				b.Fatal(err)
			}
			if answer.Body == "" { // once
				if err := json.Unmarshal(text, &answer); err != nil || !strings.Contains(answer.Body, `"valid":true`) {
					b.Fatalf("%s, %v", text, err)
				}
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e events.APIGatewayProxyRequest
			if err := json.Unmarshal(event, &e); err != nil {
				b.Fatal(err)
			}
			var body struct{ APIKey, Scope string }
			if err := json.Unmarshal([]byte(e.Body), &body); err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(answer); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// validateFunction is the function that validates, with a gate that remembers keys.
func validateFunction(b *testing.B, s *service) httpapi.Function {
	hasher, err := pepper.NewHasher(strings.Repeat("m", 32), nil)
	if err != nil {
		b.Fatal(err)
	}
	now := func() time.Time { return noon }
	logger := slog.New(slog.DiscardHandler)
	return httpapi.Lambda(httpapi.New(httpapi.Options{
		Gate: gate.New(s.table, ratelimit.New(s.table, now, 10), gate.Options{
			Keyring:   func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: hasher}, nil },
			Freshness: time.Second, Patience: time.Second, Environments: []apikey.Environment{apikey.Live},
			Clock: func() gate.Instant { return gate.Instant{Wall: noon} }, Remember: 10,
		}),
		Format: s.options.Format, Now: now, Logger: logger, Health: func(context.Context) error { return nil },
	}), logger, "")
}
