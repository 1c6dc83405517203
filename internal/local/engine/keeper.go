package engine

import (
	"context"
	"log/slog"
	"time"
)

// restartDelay is the time between the end of an engine and the next attempt to start it.
const restartDelay = 2 * time.Second

// Keeper runs an engine. If the engine ends by itself, the keeper starts it again at the same
// endpoint and with the same files.
type Keeper struct {
	endpoint string
	cancel   context.CancelFunc
	stopped  chan struct{}
}

// Keep starts an engine and returns its keeper. ctx bounds this first start only. Stop ends both.
func Keep(ctx context.Context, o Options, logger *slog.Logger) (*Keeper, error) {
	e, err := Start(ctx, o)
	if err != nil {
		return nil, err
	}
	o.Port = e.Port()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k := &Keeper{endpoint: e.Endpoint(), cancel: cancel, stopped: make(chan struct{})}
	go func() {
		defer close(k.stopped)
		for e != nil {
			select {
			case <-ctx.Done():
				if err := e.Stop(); err != nil {
					logger.Warn("stop the engine", "error", err)
				}
				return
			case <-e.Done():
				logger.Error("the engine has ended; it is started again", "after", restartDelay)
				e = restart(ctx, o, logger)
			}
		}
	}()
	return k, nil
}

// Endpoint is the engine's URL, which stays the same after a restart.
func (k *Keeper) Endpoint() string { return k.endpoint }

// Stop ends the engine and returns when it has ended. It may be called again.
func (k *Keeper) Stop() {
	k.cancel()
	<-k.stopped
}

// restart tries until an engine has started. It returns nil if ctx ends first.
func restart(ctx context.Context, o Options, logger *slog.Logger) *Engine {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(restartDelay):
		}
		e, err := Start(ctx, o)
		if err == nil {
			return e
		}
		logger.Error("start the engine", "error", err)
	}
}
