package httpapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/httpapi"
	"latchkey/internal/registry"
)

type panics struct{}

func (panics) Check(_ context.Context, r gate.Request) (apikey.Verdict, error) {
	panic("canary of " + r.Scope)
}

func TestAPanicIsA500WithoutItsValue(t *testing.T) {
	var log bytes.Buffer
	handler := httpapi.New(httpapi.Options{
		Gate: panics{}, Registry: &registry.Registry{}, Now: func() time.Time { return noon }, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Health: func(context.Context) error { panic("canary") },
	})
	for _, r := range []*http.Request{
		httptest.NewRequest("POST", keys+"/validate", strings.NewReader(`{"apiKey":"a-foreign-token-of-ours"}`)),
		httptest.NewRequest("GET", "/health", nil),
	} {
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"code":"internal_error"`) || strings.Contains(w.Body.String()+log.String(), "canary of") {
			t.Errorf("%s: %d %s\n%s", r.URL.Path, w.Code, w.Body, log.String())
		}
	}
	if !strings.Contains(log.String(), "panic: string") {
		t.Errorf("the panic is not in the log: %s", log.String())
	}
}

type unhurried struct{ deadline bool }

func (u *unhurried) Check(ctx context.Context, _ gate.Request) (apikey.Verdict, error) {
	_, u.deadline = ctx.Deadline()
	return apikey.Verdict{Code: apikey.CodeMissing}, nil
}

// The upstream's own timeout applies, as at the authorizer, and not that of this API.
func TestTheGateAloneLimitsTheTimeOfAVerdict(t *testing.T) {
	slow := &unhurried{}
	handler := httpapi.New(httpapi.Options{Gate: slow, Registry: &registry.Registry{}, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest("POST", keys+"/validate", strings.NewReader(`{"apiKey":"a-foreign-token-of-ours"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if handler.ServeHTTP(w, r); w.Code != 200 || slow.deadline {
		t.Errorf("%d %s; a deadline: %t", w.Code, w.Body, slow.deadline)
	}
}
