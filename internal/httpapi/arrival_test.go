package httpapi_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/httpapi"
)

// The caller comes from the context of the request. Nothing that a client sends makes one.
func TestACallerComesFromTheFrontDoorAlone(t *testing.T) {
	handler := httpapi.New(httpapi.Options{
		Health: func(context.Context) error { return nil }, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	caller := httpapi.Principal{
		KeyID: "k1", UserID: "u1", Scopes: apikey.Scopes{"tts"}, Window: &httpapi.Window{Limit: 60, Remaining: 59},
	}
	for _, c := range []struct {
		name   string
		caller httpapi.Principal
		header string
		want   int
	}{
		{"a key", caller, "", 200},
		{"a user", httpapi.Principal{UserID: "u1"}, "", 200},
		{"nobody", httpapi.Principal{}, "", 401},
		{"a name alone", httpapi.Principal{Name: "root", Scopes: apikey.Scopes{"keys:admin"}}, "", 401},
		{"the adapter's header", httpapi.Principal{}, "X-GoLambdaProxy-ApiGw-Context", 401},
		{"another header", httpapi.Principal{}, "X-User-Id", 401},
	} {
		r := httptest.NewRequest("GET", "/api/v1/whoami", nil)
		if c.header != "" {
			r.Header.Set(c.header, `{"authorizer":{"keyId":"k1","userId":"u1"}}`)
		}
		if c.name != "the adapter's header" && c.name != "another header" {
			r = r.WithContext(httpapi.WithArrival(r.Context(), &httpapi.Arrival{Caller: c.caller}))
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if c.caller.KeyID == "k1" && (!strings.Contains(w.Body.String(), `"scopes":["tts"]`) || w.Header().Get("X-RateLimit-Remaining") != "59") {
			t.Errorf("%s: %v %s", c.name, w.Header(), w.Body)
		}
	}
}
