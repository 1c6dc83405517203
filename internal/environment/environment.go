// Package environment puts one running instance together: its own memory, before
// the shared table. Many can live in one process.
package environment

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/dynamo"
	"latchkey/internal/ratelimit"
	"latchkey/internal/upstream"
)

// Environment is what a transport stands on.
type Environment struct {
	Table    *dynamo.Table
	Format   apikey.Format
	Gate     *apikey.Gate
	Registry *apikey.Registry
}

const (
	// remembered is how many keys, and as many meters, aliases and unknown ids,
	// an environment keeps in mind: some 20 MB at most.
	remembered = 10_000
	// patience leaves a caller time to be told within three seconds that a check
	// could not be made.
	patience = 2500 * time.Millisecond
)

// New makes an environment. It reads the secret, so that the first request need
// not; a failure to do so is left for that request to report.
func New(ctx context.Context, c config.Config, now func() time.Time, logger *slog.Logger) (*Environment, error) {
	format, err := apikey.NewFormat(c.KeyPrefix)
	if err != nil {
		return nil, err
	}
	table, err := dynamo.Open(ctx, dynamo.Options{Name: c.TableName, Endpoint: c.Endpoint, Local: c.Local, Now: now})
	if err != nil {
		return nil, err
	}
	secret, err := config.NewSecret(ctx, c, now)
	if err != nil {
		return nil, err
	}
	_, _ = secret.Keyring(ctx)
	static, err := c.Static()
	if err != nil {
		return nil, err
	}
	up, err := askUpstream(c, now)
	if err != nil {
		return nil, err
	}
	return &Environment{
		Table:  table,
		Format: format,
		Gate: apikey.NewGate(table, ratelimit.New(table, table.Now, remembered), apikey.GateOptions{
			Keyring:      secret.Keyring,
			Static:       static,
			Upstream:     up,
			Local:        ratelimit.New(ratelimit.NewMemory(remembered), now, remembered),
			Logger:       logger,
			Freshness:    time.Duration(c.Freshness),
			Patience:     patience,
			Environments: c.Environments,
			Clock:        apikey.ClockOf(now),
			Remember:     remembered,
		}),
		Registry: &apikey.Registry{
			Store: table, Hasher: secret.Hasher, Format: format, Random: rand.Reader, Now: now, MaxKeys: c.MaxKeysPerUser,
		},
	}, nil
}

// askUpstream is the other key service that c names, or nil.
func askUpstream(c config.Config, now func() time.Time) (apikey.Upstream, error) {
	if c.UpstreamURL == "" {
		return nil, nil
	}
	return upstream.New(upstream.Options{
		URL: c.UpstreamURL, Prefix: c.UpstreamPrefix, Remember: time.Duration(c.UpstreamCache),
		Timeout: time.Duration(c.UpstreamWait), Size: remembered, Now: now,
	})
}
