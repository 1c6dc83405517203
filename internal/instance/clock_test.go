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

// An instance whose clock is an hour wrong judges keys by the table's time, as it limits them.
func TestAKeyIsJudgedByTheTablesTime(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
		options, _ := dynamotest.Faulty(t)
		e, err := instance.New(t.Context(), config.Config{
			TableName: options.Name, Endpoint: options.Endpoint, Local: true,
			Secret:    config.NewSensitive(`{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`),
			KeyPrefix: "sk", AuditDays: 365, Freshness: config.Duration(time.Second), Environments: []apikey.Environment{apikey.Live},
		}, options.AWS, func() time.Time { return time.Now().Add(off) }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			edit func(*apikey.Key)
			want apikey.Code
		}{
			{"it ends in half an hour", func(k *apikey.Key) { k.ExpiresAt = time.Now().Add(30 * time.Minute) }, apikey.CodeValid},
			{"it ended half an hour ago", func(k *apikey.Key) { k.ExpiresAt = time.Now().Add(-30 * time.Minute) }, apikey.CodeExpired},
			{"it begins in half an hour", func(k *apikey.Key) { k.NotBefore = time.Now().Add(30 * time.Minute) }, apikey.CodeInactive},
			{"it began half an hour ago", func(k *apikey.Key) { k.NotBefore = time.Now().Add(-30 * time.Minute) }, apikey.CodeValid},
			{"its token ended half an hour ago", func(k *apikey.Key) { k.Secrets[0].NotAfter = time.Now().Add(-30 * time.Minute) }, apikey.CodeRevoked},
			{"its token ends in half an hour", func(k *apikey.Key) { k.Secrets[0].NotAfter = time.Now().Add(30 * time.Minute) }, apikey.CodeValid},
		} {
			token, err := e.Format.New(apikey.Live, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			k, err := e.Registry.Build(t.Context(), token, "u1", apikey.Live, apikey.Change{})
			if err != nil {
				t.Fatal(err)
			}
			c.edit(k)
			if err := e.Table.Write(t.Context(), registry.Write{To: k}); err != nil {
				t.Fatal(err)
			}
			for range 2 { // read, then remembered
				v, err := e.Gate.Check(t.Context(), gate.Request{Credential: e.Format.Credential(token.Reveal()), Cost: 1})
				if err != nil || v.Code != c.want {
					t.Errorf("a clock %v off, %s: %s, %v; want %s", off, c.name, v.Code, err, c.want)
				}
			}
		}
	}
}
