package devstack

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// AccessLog returns h with a line for each request:
//
//	2026-11-22T10:00:00Z | key ID, or - | METHOD /path | status
//
// It has no query, which may hold a key. out is written to once for each line.
func AccessLog(h http.Handler, out io.Writer, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := now().UTC().Format(time.RFC3339)
		key, status := "", &statusRecorder{ResponseWriter: w}
		defer func() {
			line := fmt.Sprintf("%s | %s | %s %s | %d", begun, cmp.Or(key, "-"), r.Method, r.URL.EscapedPath(), cmp.Or(status.code, http.StatusOK))
			if strings.ContainsFunc(line, unicode.IsControl) {
				line = strings.Trim(strconv.Quote(line), `"`)
			}
			_, _ = io.WriteString(out, line+"\n")
		}()
		h.ServeHTTP(status, r.WithContext(context.WithValue(r.Context(), accessKey{}, &key)))
	})
}

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
