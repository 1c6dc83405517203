package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/redact"
	"latchkey/internal/smoke"
)

// smokesNothing runs the smoke test of a URL at which no stack answers. It returns its error, and
// fails if a check is reported or if the error has more than one line.
func smokesNothing(t *testing.T, at string) string {
	t.Helper()
	u, err := smoke.ParseURL(at)
	if err != nil {
		t.Fatal(err)
	}
	err = smoke.Run(t.Context(), smoke.Options{
		URL: u, Key: redact.New("canary-of-a-key"), DenyStatus: 429, Now: time.Now, Timeout: time.Second / 2,
		Report: func(row smoke.Row) { t.Errorf("a check is reported: %s", row) },
	})
	if err == nil || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "canary") {
		t.Errorf("the error must be one line without the key: %v", err)
		return ""
	}
	return err.Error()
}

func TestAStackThatDoesNotAnswerIsOneLine(t *testing.T) {
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	silence := make(chan struct{})
	defer close(silence)
	plain := serve(http.NotFound)
	for name, c := range map[string]struct{ at, says string }{
		"refused":      {"http://127.0.0.1:1", "connection refused"},
		"no such host": {"https://no-such-stack.invalid/prod", "cannot be resolved"},
		"certificate":  {secure.URL, "TLS failed"},
		"no TLS":       {strings.Replace(plain, "http:", "https:", 1), "TLS failed"},
		"closed": {serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			"closed without a whole answer"},
		"silent": {serve(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-silence:
			case <-r.Context().Done():
			}
		}), "no answer within 500ms"},
		"no latchkey": {plain, "with status 404, is not the health of latchkey"},
		"no stage": {serve(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"message":"Missing Authentication Token"}`, http.StatusForbidden)
		}), "with its stage"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := smokesNothing(t, c.at); !strings.HasPrefix(got, "the stack does not answer: GET "+c.at+"/latchkey/health: ") ||
				!strings.Contains(got, c.says) {
				t.Errorf("%q, want %q", got, c.says)
			}
		})
	}
}

// A run ends with the first request that has no answer, and still tries to delete its keys.
func TestAStackThatStopsAnsweringEndsTheRun(t *testing.T) {
	s := start(t, t.TempDir(), "FRESHNESS=0")
	var gone atomic.Bool
	at := gateway{answer: func(r *http.Response) {
		if r.Request.URL.Path == "/api/v1/whoami" && r.StatusCode == http.StatusTooManyRequests {
			gone.Store(true)
		}
		if gone.Load() && r.Request.Method != http.MethodDelete {
			panic(http.ErrAbortHandler)
		}
	}}.start(t, s)
	checks, err := smokes(t.Context(), t, s, at, nil)
	if err == nil || len(checks) == 0 || len(differing(checks)) > 0 || strings.Contains(err.Error(), "\n") ||
		!strings.HasPrefix(err.Error(), "the stack stopped answering after ") || !strings.Contains(err.Error(), "/whoami: ") {
		t.Errorf("%d checks, differ: %q, %v", len(checks), differing(checks), err)
	}
	s.hasNoSmokeKeys(t)

	dead := gateway{answer: func(r *http.Response) {
		if r.Request.Method == http.MethodDelete {
			panic(http.ErrAbortHandler)
		}
	}}.start(t, s)
	_, err = smokes(t.Context(), t, s, dead, nil)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "could not be deleted") {
		t.Errorf("keys that are left behind are not named in one line: %v", err)
	}
}
