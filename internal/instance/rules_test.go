package instance_test

import (
	"crypto/rand"
	"log/slog"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/instance"
	"latchkey/internal/registry"
)

// KEY_IDLE_DAYS reaches the gate.
func TestAnUnusedKeyIsRefusedAfterKeyIdleDays(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	for days, want := range map[string]apikey.Code{"0": apikey.CodeValid, "29": apikey.CodeIdle, "31": apikey.CodeValid} {
		c, err := config.Load(map[string]string{
			"TABLE_NAME": options.Name, "AWS_ENDPOINT_URL_DYNAMODB": options.Endpoint, "KEY_IDLE_DAYS": days,
			"LATCHKEY_SECRET": `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`,
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Local = true
		i, err := instance.New(t.Context(), c, options.AWS, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		token, err := i.Format.New(apikey.Live, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k, err := i.Registry.Build(t.Context(), token, "u1", apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		k.CreatedAt = k.CreatedAt.Add(-30 * 24 * time.Hour)
		if err := i.Table.Write(t.Context(), registry.Write{To: k}); err != nil {
			t.Fatal(err)
		}
		v, err := i.Gate.Check(t.Context(), gate.Request{Credential: i.Format.Credential(token.Reveal()), Cost: 1})
		if err != nil || v.Code != want {
			t.Errorf("after 30 days with KEY_IDLE_DAYS=%s: %s, %v; want %s", days, v.Code, err, want)
		}
	}
}
