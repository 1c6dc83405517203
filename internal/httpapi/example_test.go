package httpapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"time"

	"latchkey/internal/httpapi"
)

// Without a registry the API has no routes that manage keys.
func ExampleNew() {
	handler := httpapi.New(httpapi.Options{
		Health: func(context.Context) error { return nil },
		Now:    time.Now,
		Logger: slog.New(slog.DiscardHandler),
	})
	for _, path := range []string{"/health", "/api/v1/api-keys"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"status":"ok"}
	// 404 {"error":{"message":"No such route","type":"invalid_request_error","param":null,"code":"not_found"}}
}
