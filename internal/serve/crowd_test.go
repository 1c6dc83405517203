package serve

import (
	"crypto/rand"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// One instance answers many callers at once: the parts that had one request at a time on Lambda are
// shared. The key never gets more than its limit, and every answer is one of those that its caller may
// get. The race detector watches.
func TestOneInstanceAnswersACrowd(t *testing.T) {
	i := newInstance(t, nil)
	app := newApp(t, i)
	issue := func(user string, change apikey.Change) string {
		t.Helper()
		token, err := i.Format.New(apikey.Live, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k, err := i.Registry.Build(t.Context(), token, user, apikey.Live, change)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Table.Write(t.Context(), registry.Write{To: k}); err != nil {
			t.Fatal(err)
		}
		return token.Reveal()
	}
	const limit = 200
	unlimited, scopes := true, apikey.Scopes{apikey.ScopeAdmin}
	admin := issue("root", apikey.Change{Scopes: &scopes, Unlimited: &unlimited})
	busy := issue("u1", apikey.Change{Limit: &ratelimit.Limit{Requests: limit, Window: time.Hour}})
	ask := func(method, path, body, token string) (int, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("X-API-Key", token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	var admitted, denied, undecided atomic.Int64 // a machine that is too slow may not decide
	count := func(status int, text string) string {
		switch {
		case status == 503:
			undecided.Add(1)
		case status == 429 || strings.Contains(text, `"valid":false`):
			denied.Add(1)
		case status == 200:
			admitted.Add(1)
		default:
			return fmt.Sprint(status, " ", text)
		}
		return ""
	}
	one := func(want int, status int, text string) string {
		if status == want || status == 503 {
			return ""
		}
		return fmt.Sprint(status, " ", text)
	}
	callers := []func(n int) string{
		func(int) string { return count(ask("GET", "/api/v1/whoami", "", busy)) },
		func(int) string {
			return count(ask("POST", "/api/v1/api-keys/validate", `{"apiKey":"`+busy+`","cost":1}`, ""))
		},
		func(n int) string {
			status, text := ask("GET", "/api/v1/whoami", "", fmt.Sprintf("unknown-token-of-nobody-%d", n))
			return one(401, status, text)
		},
		func(n int) string {
			status, text := ask("POST", "/api/v1/api-keys", fmt.Sprintf(`{"userId":"maker-%d"}`, n), admin)
			return one(201, status, text)
		},
		func(int) string { status, text := ask("GET", "/health", "", ""); return one(200, status, text) },
		func(int) string { status, text := ask("GET", "/openapi.json", "", ""); return one(200, status, text) },
		func(int) string { i.Metrics.Totals(); return "" },
	}
	var all sync.WaitGroup
	for n := range 6 * len(callers) {
		all.Go(func() {
			for turn := range 30 {
				if fault := callers[n%len(callers)](n*1000 + turn); fault != "" {
					t.Errorf("caller %d: %.300s", n%len(callers), fault)
					return
				}
			}
		})
	}
	all.Wait()
	a, d, u := admitted.Load(), denied.Load(), undecided.Load()
	if a > limit || a+d+u != 360 || u == 0 && a != limit || u > 60 {
		t.Errorf("%d admitted, %d denied and %d not decided; want %d and %d", a, d, u, limit, 360-limit)
	}
}
