package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"latchkey/internal/local"
)

// Options are the options of a [Server]. Listener, Build, Connections and Logger are required.
type Options struct {
	// Listener accepts the connections of clients. The server closes it.
	Listener net.Listener
	// MonitorListener accepts those of an operator's monitoring. If nil, there is none.
	MonitorListener net.Listener
	// Certificate makes clients speak TLS. If nil, they speak plain HTTP.
	Certificate *Certificate
	// Build makes the App, with a configuration and a secret that it has just read. It is called at the
	// start and with each [Server.Reload].
	Build func(context.Context) (*App, error)
	// Connections is the largest number of connections that are open at a time. Others wait.
	Connections int
	// DrainDelay is how long the server goes on accepting connections when it has turned its readiness
	// off. A load balancer needs it to find out.
	DrainDelay time.Duration
	// ShutdownTime is how long requests that run may take after that. If zero, it is 10 seconds: a request
	// that has arrived is answered within three, and a slow client may need longer to send one.
	ShutdownTime time.Duration
	Logger       *slog.Logger
}

const shutdownTime = 10 * time.Second

// Server serves one [App] after the other. Its methods are safe for concurrent use.
type Server struct {
	Options
	apps     *local.Reloader
	current  atomic.Pointer[App]
	draining atomic.Bool
	answered atomic.Bool // the table has answered once
	meter    *meter
}

// NewServer returns a server that has built its first App.
func NewServer(ctx context.Context, o Options) (*Server, error) {
	s := &Server{Options: o, meter: newMeter()}
	apps, err := local.NewReloader(func() (http.Handler, error) {
		app, err := o.Build(ctx)
		if err != nil {
			return nil, err
		}
		s.current.Store(app)
		return app, nil
	})
	s.apps = apps
	return s, err
}

// Reload reads the certificate, the configuration and the secret again. No connection ends. What
// cannot be read stays as it was, and is the error.
func (s *Server) Reload() error {
	var unread error
	if s.Certificate != nil {
		unread = s.Certificate.Reload()
	}
	return errors.Join(unread, s.apps.Reload())
}

// Run serves until ctx ends. It then says that it is not ready, waits for DrainDelay, closes the
// listener, lets requests end for ShutdownTime at most, and closes the App. It returns nil if it has
// ended so.
func (s *Server) Run(ctx context.Context) error {
	defer s.apps.Close()
	clients := local.NewServer(s.meter.watch(s.apps))
	// Clients cause these lines, such as a handshake that fails.
	clients.ErrorLog = slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug)
	listener := local.Limit(s.Listener, s.Connections)
	if s.Certificate != nil {
		listener = tls.NewListener(listener, s.Certificate.config())
	}
	failed := make(chan error, 2)
	go func() { failed <- clients.Serve(listener) }()
	if s.MonitorListener != nil {
		monitor := local.NewServer(s.Monitor())
		go func() { failed <- monitor.Serve(s.MonitorListener) }()
		defer monitor.Close() // the last to end, so that the end can be watched
	}
	select {
	case err := <-failed:
		_ = clients.Close()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.Logger.Info("draining")
	time.Sleep(s.DrainDelay)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(s.ShutdownTime, shutdownTime))
	defer cancel()
	if err := clients.Shutdown(last); err != nil {
		s.Logger.Warn("some requests were cut off", "error", err)
		return clients.Close()
	}
	return nil
}
