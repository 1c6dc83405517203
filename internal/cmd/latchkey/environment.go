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

// newEnvironment is one with the rights of whoever runs this, which come from
// wherever the SDK finds them. An engine and a secret of this machine need none.
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
