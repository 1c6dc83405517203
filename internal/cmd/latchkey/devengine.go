package main

import (
	"context"
	"io"
	"log/slog"

	"latchkey/internal/local/engine"
)

// startEngine starts the engine of a folder, unless DYNAMODB_ENDPOINT names one that runs.
func (d devConfig) startEngine(
	ctx context.Context, s state, notices io.Writer, logger *slog.Logger,
) (endpoint string, stop func(), err error) {
	if d.Endpoint != "" {
		return d.Endpoint, func() {}, nil
	}
	options := engine.Options{Kind: d.Engine, Dir: d.Engines, Data: s.data(), Notices: notices}
	keeper, err := engine.Keep(ctx, options, logger)
	if err != nil {
		return "", nil, err
	}
	return keeper.Endpoint(), keeper.Stop, nil
}
