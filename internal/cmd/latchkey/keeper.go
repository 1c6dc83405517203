package main

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"latchkey/internal/local/engine"
)

// keeper starts the engine again when it has ended by itself: a stack whose
// engine is gone answers 503, and should come back without being asked to.
type keeper struct {
	config devConfig
	state  state
	logger *slog.Logger
}

const restartAfter = 2 * time.Second

// watch returns a channel that closes when, after ctx, the engine has been
// stopped.
func (k keeper) watch(ctx context.Context, e *engine.Engine) <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ctx.Done():
				if err := e.Stop(); err != nil {
					k.logger.Warn("stop the engine", "error", err)
				}
				return
			case <-e.Done():
				k.logger.Error("the engine has ended; it is started again", "after", restartAfter)
			}
			if e = k.restart(ctx, e.Endpoint()); e == nil {
				return
			}
		}
	}()
	return stopped
}

// restart tries until it works, at the same place. Nil: ctx came first.
func (k keeper) restart(ctx context.Context, endpoint string) *engine.Engine {
	port, err := portFrom(endpoint)
	if err != nil {
		panic(err) // the engine's own
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(restartAfter):
		}
		e, err := k.config.startEngine(ctx, k.state, port)
		if err == nil {
			return e
		}
		k.logger.Error("start the engine", "error", err)
	}
}

func portFrom(endpoint string) (int, error) {
	at, err := url.Parse(endpoint)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(at.Port())
}
