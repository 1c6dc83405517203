package serve

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// tableTime is how long the readiness waits for the table.
const tableTime = 2 * time.Second

// Monitor returns the handler for an operator's monitoring:
//
//   - /livez is 200 while the process answers.
//   - /readyz is 200 from the table's first answer until the server begins to end, and 503 else. A table
//     that fails later does not change it: all servers would leave the load balancer at once, and keys
//     that need no table would fail too. /latchkey/health tells of the table.
//   - /metrics has the metrics in the format of Prometheus.
func (s *Server) Monitor() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.draining.Load():
			say(w, http.StatusServiceUnavailable, "draining")
		case !s.Ready(r.Context()):
			say(w, http.StatusServiceUnavailable, "the table does not answer")
		default:
			say(w, http.StatusOK, "ready")
		}
	})
	registry := prometheus.NewRegistry()
	s.register(registry)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// Ready reports whether the table has answered once.
func (s *Server) Ready(ctx context.Context) bool {
	if s.answered.Load() {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, tableTime)
	defer cancel()
	if s.current.Load().Instance.Table.Ping(ctx) != nil {
		return false
	}
	s.answered.Store(true)
	return true
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // fails if the caller has gone
}
