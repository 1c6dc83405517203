package httpapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"latchkey/internal/httpapi"
	"latchkey/internal/registry"
)

// newRoutes returns the API with all routes, for requests without a caller.
func newRoutes() http.Handler {
	return httpapi.New(httpapi.Options{Registry: &registry.Registry{}, Logger: slog.New(slog.DiscardHandler)})
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// Policy: the start of a function registers no operation with huma. One operation makes some 500
// allocations, and all operations made 16,000.
func TestTheStartRegistersNoOperation(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() { newRoutes() }); n > 2000 {
		t.Errorf("New makes %.0f allocations", n)
	}
}

// Policy: first requests may come at the same time as a request for the document. Routes that were
// used do not change the document.
func TestRoutesAndTheDocumentAreRegisteredApart(t *testing.T) {
	h := newRoutes()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if w := get(h, keys+"/a"); w.Code != http.StatusUnauthorized {
				t.Errorf("without a caller: %d %s", w.Code, w.Body)
			}
		})
		all.Go(func() {
			if w := get(h, "/openapi.json"); w.Code != http.StatusOK {
				t.Errorf("the document: %d", w.Code)
			}
		})
	}
	all.Wait()
	unused := get(newRoutes(), "/openapi.json").Body.String()
	if used := get(h, "/openapi.json").Body.String(); used != unused || len(used) < 100_000 {
		t.Errorf("the document has %d bytes after requests, and %d before", len(used), len(unused))
	}
}
