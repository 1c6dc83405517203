package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// reloaded is a gateway whose functions are started anew, with the secret as it
// then is, when the process is sent SIGHUP. Requests that run keep theirs.
type reloaded struct {
	build   func() (http.Handler, error)
	current atomic.Pointer[http.Handler]
}

func (g *reloaded) load() error {
	h, err := g.build()
	if err == nil {
		g.current.Store(&h)
	}
	return err
}

func (g *reloaded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*g.current.Load()).ServeHTTP(w, r)
}

func (g *reloaded) onHangup(ctx context.Context, logger *slog.Logger) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		if err := g.load(); err != nil {
			logger.Error("the configuration stays as it was", "error", err)
			continue
		}
		logger.Info("configuration and secret are read anew")
	}
}
