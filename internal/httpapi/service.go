package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
)

// health is the last answer of the table. It keeps frequent requests from reaching the table.
type health struct {
	mu    sync.Mutex
	err   error
	until time.Time
}

const (
	// healthyFor and unhealthyFor are how long an answer counts.
	healthyFor    = 5 * time.Second
	unhealthyFor  = time.Second
	healthTimeout = 2 * time.Second
)

type healthOutput struct{ Body api.HealthResponse }

func (a *server) registerService() {
	handleOpen(a, &huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: api.HealthPath, Tags: []string{"service"},
		Summary: "Whether the service can decide",
		Description: "It is at " + api.OwnPrefix + api.HealthPath + " in every deployment. " +
			"503 when the table does not answer, or takes no write. A write is tried at most once in 30 seconds, " +
			"or when one has failed. An answer is remembered for 5 seconds.",
		Errors: []int{400, 503},
	}, a.healthy)
}

func (a *server) healthy(ctx context.Context, _ *struct{}) (*healthOutput, error) {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	if now := a.Now().Round(0); !now.Before(a.health.until) || now.Before(a.health.until.Add(-healthyFor)) {
		probe, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		a.health.err = a.Health(probe)
		a.health.until = a.Now().Round(0).Add(healthyFor)
		if a.health.err != nil {
			a.health.until = a.Now().Round(0).Add(unhealthyFor)
		}
	}
	if a.health.err != nil {
		return nil, a.health.err
	}
	return &healthOutput{api.HealthResponse{Status: "ok"}}, nil
}
