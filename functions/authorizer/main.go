// Command authorizer is the API Gateway REQUEST authorizer.
package main

import (
	"context"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"latchkey/internal/authorizer"
	"latchkey/internal/config"
	"latchkey/internal/instance"
	"latchkey/internal/metrics"
	"latchkey/internal/oidc"
)

// service is what logs and metrics call this function.
const service = "authorizer"

func main() {
	log.SetOutput(authorizer.QuietWriter{Writer: os.Stderr})
	logger := metrics.Log(lambdacontext.NewLogHandler(), service)
	handler, err := build(context.Background(), logger)
	if err != nil {
		logger.Error("cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}

func build(ctx context.Context, logger *slog.Logger) (lambda.Handler, error) {
	c, e, err := instance.OfFunction(ctx, config.Process(), time.Now, logger)
	if err != nil {
		return nil, err
	}
	defer e.Ready() // it opens its connections while the rest is built
	handler := authorizer.New(authorizer.Options{
		Gate: e.Gate, Format: e.Format, Routes: e.Routes, Public: e.Public, Anonymous: !c.RequireAuth,
		Users:            oidc.New(oidc.Options{Issuers: c.Issuers, Audiences: c.Audiences, AdminClaim: c.AdminClaim, Now: time.Now}),
		TrustedProxyHops: c.TrustedProxyHops, QueryAPIKey: c.QueryAPIKey, Logger: logger,
	})
	return e.Metrics.Watch(service, handler, os.Stdout, authorizer.ErrUnauthorized), nil
}
