package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"latchkey/internal/amazon"
	"latchkey/internal/config"
	"latchkey/internal/environment"
)

// newEnvironment wires an instance with the user's own AWS credentials, which the SDK finds. If
// the configuration brings a secret, it needs no credentials, because everything is local.
func newEnvironment(ctx context.Context, c config.Config, logger *slog.Logger) (*environment.Environment, error) {
	account := amazon.Local()
	if c.Secret.Reveal() == "" {
		loaded, err := awsconfig.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, fmt.Errorf("configure AWS: %w", err)
		}
		account = amazon.Patient(loaded)
	}
	return environment.New(ctx, c, account, time.Now, logger)
}
