package local

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// Reloader serves the handler that it built last. It is safe for concurrent use.
type Reloader struct {
	build   func() (http.Handler, error)
	current atomic.Pointer[http.Handler]
}

// NewReloader returns a Reloader that has built its first handler.
func NewReloader(build func() (http.Handler, error)) (*Reloader, error) {
	r := &Reloader{build: build}
	return r, r.Reload()
}

// Reload builds a new handler, and closes the one before if it has a method Close. Requests that run
// keep the handler that they began with. If build fails, the handler stays as it was.
func (r *Reloader) Reload() error {
	h, err := r.build()
	if err == nil {
		closeHandler(r.current.Swap(&h))
	}
	return err
}

// Close closes the present handler if it has a method Close.
func (r *Reloader) Close() { closeHandler(r.current.Load()) }

func closeHandler(h *http.Handler) {
	if h == nil {
		return
	}
	if closer, ok := (*h).(interface{ Close() }); ok {
		closer.Close()
	}
}

func (r *Reloader) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	(*r.current.Load()).ServeHTTP(w, request)
}

// ReloadOnHangup reloads at each SIGHUP to this process, until ctx ends.
func (r *Reloader) ReloadOnHangup(ctx context.Context, logger *slog.Logger) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		if err := r.Reload(); err != nil {
			logger.Error("the configuration stays as it was", "error", err)
			continue
		}
		logger.Info("configuration and secret are read anew")
	}
}
