package serve

import (
	"log/slog"
	"net/http"
	"time"

	"latchkey/internal/instance"
	"latchkey/internal/instance/edge"
	"latchkey/internal/instance/site"
	"latchkey/internal/local"
	"latchkey/internal/local/sam"
)

// App answers requests by one instance. It is safe for concurrent use.
type App struct {
	http.Handler
	Instance *instance.Instance
}

// New returns an App on an instance, with the routes of t.
func New(i *instance.Instance, t *sam.Template, now func() time.Time, logger *slog.Logger) (*App, error) {
	s := &service{door: edge.Door(i), api: site.Handler(i), hops: i.Config.TrustedProxyHops}
	gateway, err := local.NewDirect(t, s, now, logger)
	if err != nil {
		return nil, err
	}
	return &App{gateway, i}, nil
}

// Close closes the instance; see [instance.Instance.Close].
func (a *App) Close() { a.Instance.Close() }
