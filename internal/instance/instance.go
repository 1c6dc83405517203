// Package instance wires one running instance: a gate and a registry with their own memory, on the
// shared table. Call [Deployed] in a Lambda function and [New] elsewhere. Many instances can live in
// one process.
//
// Package edge makes the authorizer of an instance, and package web its HTTP API. The functions and
// the local stack both call these, so they are wired alike.
package instance

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"latchkey/internal/amazon"
	"latchkey/internal/apikey"
	"latchkey/internal/assertion"
	"latchkey/internal/config"
	"latchkey/internal/dynamo"
	"latchkey/internal/gate"
	"latchkey/internal/metrics"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/routes"
	"latchkey/internal/secret"
	"latchkey/internal/tally"
	"latchkey/internal/upstream"
)

// Instance has the parts of one instance. It is safe for concurrent use.
type Instance struct {
	Config   config.Config
	Logger   *slog.Logger
	Now      func() time.Time
	Table    *dynamo.Table
	Format   apikey.Format
	Gate     *gate.Gate
	Registry *registry.Registry
	Metrics  *metrics.Recorder
	// Routes are the scopes that routes need. Public are the routes that need no key.
	Routes, Public routes.Rules
	// Costs say how many requests one request of a route counts as.
	Costs routes.Costs
	// Signer signs assertions. Published returns the keys with which backends verify them.
	Signer    *assertion.Signer
	Published func(context.Context) ([]assertion.PublicKey, error)

	limiter *ratelimit.Limiter
	tally   *tally.Tally
	warming sync.WaitGroup
}

const (
	// remembered bounds the memory of an instance to some 20 MB. It is how many keys, meters,
	// aliases and unknown ids it remembers, of each.
	remembered = 10_000
	// warmth bounds how long an instance waits for the table and the secret before its first
	// request. It is part of that request's three seconds.
	warmth = 400 * time.Millisecond
)

// New returns an instance on the services to which account leads. It begins to open connections;
// see [Instance.Ready]. now must read the wall clock and the monotonic clock, as time.Now does.
func New(
	ctx context.Context,
	c config.Config,
	account aws.Config,
	now func() time.Time,
	logger *slog.Logger,
) (*Instance, error) {
	format, err := apikey.NewFormat(c.KeyPrefix)
	if err != nil {
		return nil, err
	}
	rules, err := c.Rules()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	account.AppID = c.Service // names the caller in each User-Agent
	i := &Instance{Config: c, Logger: logger, Now: now, Format: format,
		Routes: rules.Scopes, Public: rules.Public, Costs: rules.Costs}
	i.Table = dynamo.Open(dynamo.Options{
		Name: c.TableName, AWS: account, Endpoint: c.Endpoint, Local: c.Local, Now: now,
		UsageRetention: time.Duration(c.UsageDays) * 24 * time.Hour,
	})
	held := secret.New(c, account, now, logger)
	if err := i.wireGate(held); err != nil {
		return nil, err
	}
	i.Registry = i.newRegistry(held)
	if err := i.wireAssertions(held); err != nil {
		return nil, err
	}
	if !c.Local {
		i.warm(ctx, func(ctx context.Context) { _, _ = held.Hasher(ctx) })
		// There is no such key. The first request makes the same kind of read.
		i.warm(ctx, func(ctx context.Context) { _, _ = i.Table.Find(ctx, "ready") })
	}
	return i, nil
}

// wireGate sets the gate, and the recorder that observes it.
func (i *Instance) wireGate(held *secret.Secret) error {
	c := i.Config
	static, err := c.Static()
	if err != nil {
		return err
	}
	elsewhere, err := i.upstream()
	if err != nil {
		return err
	}
	limiter := ratelimit.New(i.Table, i.Table.Now, remembered)
	i.limiter = limiter
	i.tally = tally.New(i.Table, i.Table.Now)
	i.Gate = gate.New(i.Table, limiter, gate.Options{
		Keyring:     held.Keyring,
		Reread:      held.Reread,
		Static:      static,
		Upstream:    elsewhere,
		Local:       ratelimit.New(ratelimit.NewMemory(remembered), i.Table.Now, remembered),
		Logger:      i.Logger,
		Freshness:   time.Duration(c.Freshness),
		TrustFences: c.Fence == "trust",
		Life:        c.Life(),
		Patience:    apikey.Patience,
		Tally:       i.tally,
		Observe: func(v apikey.Verdict, err error, took time.Duration) {
			i.Metrics.Observe(v, err, took)
		},
		Environments: c.Environments,
		Clock:        gate.ClockOf(i.Now),
		Corrected:    i.Table.Corrected,
		Remember:     remembered,
	})
	i.Metrics = metrics.New(metrics.Options{
		Now: i.Now, Service: c.Service, Extent: metrics.Extent(c.Metrics), Function: c.Function, Level: c.LogLevel,
		Counters: []metrics.Counter{
			{Metric: metrics.Reads, Read: i.Table.Reads},
			{Metric: metrics.Writes, Read: i.Table.Writes},
			{Metric: metrics.LeaseHits, Read: limiter.LeaseHits},
			{Metric: metrics.MemoryHits, Read: i.Gate.MemoryHits},
		},
	})
	return nil
}

func (i *Instance) wireAssertions(held *secret.Secret) (err error) {
	algorithm := i.Config.AssertionAlgorithm
	i.Signer, err = assertion.New(assertion.Options{
		Issuer: i.Config.AssertionIssuer, Algorithm: algorithm, Keys: held.Assertion, Now: i.Now,
	})
	i.Published = func(ctx context.Context) ([]assertion.PublicKey, error) {
		keys, err := held.Published(ctx)
		return keys.Public(algorithm), err
	}
	return err
}

func (i *Instance) newRegistry(held *secret.Secret) *registry.Registry {
	c := i.Config
	return registry.New(registry.Options{
		Store:          i.Table,
		Hasher:         held.Hasher,
		Reread:         held.Reread,
		Format:         i.Format,
		Random:         rand.Reader,
		Now:            i.Now,
		MaxKeys:        c.MaxKeysPerUser,
		Freshness:      time.Duration(c.Freshness),
		AuditRetention: time.Duration(c.AuditDays) * 24 * time.Hour,
		Life:           c.Life(),
		Static: func(ctx context.Context) (apikey.Static, error) {
			keyring, err := held.Keyring(ctx)
			return keyring.Static, err
		},
		Users: &apikey.Key{
			Scopes: apikey.Scopes(c.UserScopes), Limit: ratelimit.Limit{Requests: c.UserMaxRequests, Window: time.Minute},
		},
	})
}

// upstream returns the other key service that the configuration names, or nil.
func (i *Instance) upstream() (gate.Upstream, error) {
	c := i.Config
	if c.UpstreamURL == "" {
		return nil, nil
	}
	return upstream.New(upstream.Options{
		URL: c.UpstreamURL, Prefix: c.UpstreamPrefix, Remember: time.Duration(c.UpstreamCache),
		Timeout: time.Duration(c.UpstreamWait), Size: remembered, Now: i.Now,
	})
}

func (i *Instance) warm(ctx context.Context, task func(context.Context)) {
	i.warming.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, warmth)
		defer cancel()
		task(ctx)
	})
}

// Ready waits until connections are open and the secret is read, but no longer than 0.4 s. It
// returns no error: if the table or the secret does not answer, the first request finds out.
func (i *Instance) Ready() { i.warming.Wait() }

// closing bounds how long an instance that ends waits for the table.
const closing = 400 * time.Millisecond

// Close gives back the tokens of its leases, and writes what the instance has counted and not written.
// It must be called after the last request, or not at all: then the tokens count as used, and the counts
// are lost. Lambda ends a process without a word, so there it is never called.
func (i *Instance) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { i.limiter.GiveBack(ctx, i.Table) })
	both.Go(func() { i.tally.Flush(ctx) })
	both.Wait()
}

// Run runs a Lambda function until Lambda ends the process. service is the function's name in logs
// and metrics. handler makes the function's handler. answers are the handler's errors that are
// answers, so they do not count as failures. now must be time.Now.
func Run(service string, now func() time.Time, handler func(*Instance) lambda.Handler, answers ...error) {
	logger := metrics.Log(lambdacontext.NewLogHandler(), service)
	i, err := Deployed(context.Background(), config.Process(), now, logger)
	if err != nil {
		logger.Error("cannot start", "error", err)
		os.Exit(1)
	}
	h := i.Metrics.Watch(service, handler(i), os.Stdout, answers...)
	i.Ready()
	lambda.Start(h)
}

// Deployed returns the instance of a deployed function, which its variables configure.
func Deployed(
	ctx context.Context,
	variables map[string]string,
	now func() time.Time,
	logger *slog.Logger,
) (*Instance, error) {
	c, err := config.Load(variables)
	if err != nil {
		return nil, err
	}
	account, err := amazon.Lambda(variables)
	if err != nil {
		return nil, err
	}
	return New(ctx, c, account, now, logger)
}
