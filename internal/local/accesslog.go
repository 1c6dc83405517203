package local

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/percent"
)

// AccessLog returns a handler that calls h and then writes a line for the request:
//
//	2026-11-22T10:00:00Z | key ID, or - | METHOD /path | status
//
// The line leaves out the query, which may hold a token, and masks tokens in path and method. In the
// key ID and the method, characters that could end a field or a line are percent-encoded. AccessLog
// calls Write once for each line, from several goroutines at once.
func AccessLog(h http.Handler, out io.Writer, now func() time.Time) http.Handler {
	// The characters that cannot end a field or a line.
	inField := percent.Visible(`|%"\`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := now().UTC().Format(time.RFC3339)
		key, status := "", &statusRecorder{ResponseWriter: w}
		defer func() {
			_, _ = fmt.Fprintf(out, "%s | %s | %s %s | %d\n", begun, inField.Encode(cmp.Or(key, "-")),
				inField.Encode(apikey.MaskPath(r.Method)), apikey.MaskPath(r.URL.EscapedPath()),
				cmp.Or(status.code, http.StatusOK))
		}()
		h.ServeHTTP(status, r.WithContext(context.WithValue(r.Context(), accessKey{}, &key)))
	})
}

type accessKey struct{}

// noteKey stores the ID of the request's key for the access log, if there is one.
func noteKey(ctx context.Context, id string) {
	if key, ok := ctx.Value(accessKey{}).(*string); ok {
		*key = id
	}
}

// statusRecorder records the final status of a response.
type statusRecorder struct {
	http.ResponseWriter
	code int
}

func (s *statusRecorder) WriteHeader(code int) {
	if s.code < http.StatusOK { // not yet set, or informational
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
