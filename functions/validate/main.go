// Command validate says of an API key in a request body whether it is valid. It is
// the API of command keys without its management, under a role that may only judge.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"latchkey/internal/config"
	"latchkey/internal/instance"
	"latchkey/internal/httpapi"
	"latchkey/internal/metrics"
)

// service is what logs and metrics call this function.
const service = "validate"

func main() {
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
	handler := lambda.NewHandler(httpapi.Lambda(httpapi.New(httpapi.Options{
		Gate: e.Gate, Format: e.Format, Health: e.Table.Health, Now: time.Now, Logger: logger,
		QueryAPIKey: c.QueryAPIKey, UnlimitedNumbers: c.UnlimitedNumbers,
	}), logger))
	return e.Metrics.Watch(service, handler, os.Stdout), nil
}
