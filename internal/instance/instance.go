// Package environment puts one running instance together: its own memory, before
// the shared table. Many can live in one process.
package instance

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"latchkey/internal/amazon"
	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/dynamo"
	"latchkey/internal/gate"
	"latchkey/internal/metrics"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/routes"
	"latchkey/internal/upstream"
)

// Environment is what a transport stands on.
type Instance struct {
	Table    *dynamo.Table
	Format   apikey.Format
	Gate     *gate.Gate
	Registry *registry.Registry
	Metrics  *metrics.Recorder
	// Routes and Public say what routes ask for, and which need no key.
	Routes, Public routes.Rules

	warming sync.WaitGroup
}

const (
	// remembered is how many keys, and as many meters, aliases and unknown ids,
	// an environment keeps in mind: some 20 MB at most.
	remembered = 10_000
	// warmth is how long to wait for table and secret before the first request,
	// whose three seconds it is taken from.
	warmth = 400 * time.Millisecond
)

// OfFunction makes that of a deployed function, as its variables say.
func OfFunction(ctx context.Context, variables map[string]string, now func() time.Time, logger *slog.Logger) (config.Config, *Instance, error) {
	c, err := config.Load(variables)
	if err != nil {
		return config.Config{}, nil, err
	}
	account, err := amazon.Lambda(variables)
	if err != nil {
		return config.Config{}, nil, err
	}
	e, err := New(ctx, c, account, now, logger)
	return c, e, err
}

// New makes an environment before the services that account leads to. It begins
// to speak to table and secret; see [Environment.Ready].
func New(ctx context.Context, c config.Config, account aws.Config, now func() time.Time, logger *slog.Logger) (*Instance, error) {
	format, err := apikey.NewFormat(c.KeyPrefix)
	if err != nil {
		return nil, err
	}
	rules, err := routes.Parse(c.RouteScopes)
	if err != nil {
		return nil, fmt.Errorf("configuration: ROUTE_SCOPES: %w", err)
	}
	public, err := routes.ParsePaths(c.PublicPaths)
	if err != nil {
		return nil, fmt.Errorf("configuration: PUBLIC_PATHS: %w", err)
	}
	static, err := c.Static()
	if err != nil {
		return nil, err
	}
	up, err := askUpstream(c, now)
	if err != nil {
		return nil, err
	}
	account.AppID = c.Service // in each User-Agent: who asks
	table := dynamo.Open(dynamo.Options{
		Name: c.TableName, AWS: account, Endpoint: c.Endpoint, Local: c.Local, Now: now, UsageKept: time.Duration(c.UsageDays) * 24 * time.Hour,
	})
	secret := config.NewSecret(c, account, now, logger)
	limiter := ratelimit.New(table, table.Now, remembered)
	var recorder *metrics.Recorder
	g := gate.New(table, limiter, gate.Options{
		Keyring:      secret.Keyring,
		Reread:       secret.Reread,
		Static:       static,
		Upstream:     up,
		Local:        ratelimit.New(ratelimit.NewMemory(remembered), table.Now, remembered),
		Logger:       logger,
		Freshness:    time.Duration(c.Freshness),
		Patience:     gate.Patience,
		Observe:      func(v apikey.Verdict, err error, took time.Duration) { recorder.Observe(v, err, took) },
		Environments: c.Environments,
		Clock:        gate.ClockOf(now),
		Now:          table.Now,
		Remember:     remembered,
	})
	recorder = metrics.New(metrics.Options{
		Now: now, Service: c.Service, Function: c.Function, Level: c.LogLevel, Counters: []metrics.Counter{
			{Metric: metrics.Reads, Read: table.Reads},
			{Metric: metrics.Writes, Read: table.Writes},
			{Metric: metrics.LeaseHits, Read: limiter.LeaseHits},
			{Metric: metrics.MemoryHits, Read: g.MemoryHits},
		},
	})
	e := &Instance{
		Table:   table,
		Format:  format,
		Gate:    g,
		Metrics: recorder,
		Routes:  rules,
		Public:  public,
		Registry: &registry.Registry{
			Store: table, Hasher: secret.Hasher, Reread: secret.Reread, Format: format, Random: rand.Reader, Now: now, MaxKeys: c.MaxKeysPerUser,
			Freshness: time.Duration(c.Freshness), TrailKept: time.Duration(c.AuditDays) * 24 * time.Hour,
			Static: func(ctx context.Context) ([]*apikey.Key, error) {
				keyring, err := secret.Keyring(ctx)
				return keyring.Static.Keys(), err
			},
			Users: &apikey.Key{
				Scopes: apikey.Scopes(c.UserScopes), Limit: ratelimit.Limit{Requests: c.UserMaxRequests, Window: time.Minute},
			},
		},
	}
	if !c.Local {
		e.warm(ctx, func(ctx context.Context) { _, _ = secret.Hasher(ctx) })
		// There is no such key. It is the read that the first request will make.
		e.warm(ctx, func(ctx context.Context) { _, _ = table.Find(ctx, "ready") })
	}
	return e, nil
}

// askUpstream is the other key service that c names, or nil.
func askUpstream(c config.Config, now func() time.Time) (gate.Upstream, error) {
	if c.UpstreamURL == "" {
		return nil, nil
	}
	return upstream.New(upstream.Options{
		URL: c.UpstreamURL, Prefix: c.UpstreamPrefix, Remember: time.Duration(c.UpstreamCache),
		Timeout: time.Duration(c.UpstreamWait), Size: remembered, Now: now,
	})
}

func (e *Instance) warm(ctx context.Context, task func(context.Context)) {
	e.warming.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, warmth)
		defer cancel()
		task(ctx)
	})
}

// Ready returns when the first request would find open connections and the
// secret read, but soon. That table or secret do not answer is left for that
// request to find out for itself.
func (e *Instance) Ready() { e.warming.Wait() }
