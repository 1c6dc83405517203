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

// AccessLog returns h with a line for each request:
//
//	2026-11-22T10:00:00Z | key ID, or - | METHOD /path | status
//
// The line has no query, which may hold a token, and masks tokens in path and method. In the key ID and the method, characters
// that could end a field or a line are percent-encoded. AccessLog calls Write once for each line.
func AccessLog(h http.Handler, out io.Writer, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := now().UTC().Format(time.RFC3339)
		key, status := "", &statusRecorder{ResponseWriter: w}
		defer func() {
			_, _ = fmt.Fprintf(out, "%s | %s | %s %s | %d\n", begun, inField.Encode(cmp.Or(key, "-")), inField.Encode(apikey.MaskPath(r.Method)),
				apikey.MaskPath(r.URL.EscapedPath()), cmp.Or(status.code, http.StatusOK))
		}()
		h.ServeHTTP(status, r.WithContext(context.WithValue(r.Context(), accessKey{}, &key)))
	})
}

// inField are the characters that cannot end a field or a line of the access log.
var inField = percent.Visible(`|%"\`)

type accessKey struct{}

// noteKey tells the access log, if there is one, whose request it is.
func noteKey(ctx context.Context, id string) {
	if key, ok := ctx.Value(accessKey{}).(*string); ok {
		*key = id
	}
}

type statusRecorder struct {
	http.ResponseWriter
	code int
}

func (s *statusRecorder) WriteHeader(code int) {
	if s.code < http.StatusOK { // what came before was informational
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
