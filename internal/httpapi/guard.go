package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

// outcome holds the values of a request that the guard and the handler pass to each other, because
// huma does not. The handler sets all but the first two, for the log.
type outcome struct {
	arrival   *Arrival
	forwarded []string // X-Forwarded-For
	code      string   // of the error or the verdict
	keyID     string   // of the caller, or of the key that was judged
	refused   bool     // validate refuses a key with a status of 200
	err       error    // for the log alone
	logged    bool     // whether the door has logged a refusal
}

type outcomeKey struct{}

// outcomeOf returns the outcome of a request, which is never nil.
func outcomeOf(ctx context.Context) *outcome {
	if o, ok := ctx.Value(outcomeKey{}).(*outcome); ok {
		return o
	}
	return &outcome{arrival: &Arrival{}}
}

// guard wraps the routes and the pages. It gives a request its deadline, answers in JSON where the
// mux would answer in plain text, turns a panic into a 500, and logs requests that fail. A request that
// a shortcut answers needs no deadline: nothing that a shortcut waits for has the guard's.
func (a *server) guard() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := outcome{arrival: arrivalIn(r.Context()), forwarded: r.Header["X-Forwarded-For"]}
		ctx := context.WithValue(r.Context(), outcomeKey{}, &o)
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			if cause := recover(); cause != nil {
				o.err = fmt.Errorf("panic: %s\n%s", describe(cause), debug.Stack())
				if !rec.written {
					write(rec, newError(apikey.CodeInternalError, "", ""))
				}
			}
			a.log(ctx, rec.status, o)
		}()
		page := a.page(r.URL.Path)
		if page == nil {
			a.setHeaders(w.Header())
			if short := a.shortcut(r); short != nil && short(ctx, rec, r) {
				return
			}
		}
		limited, cancel := context.WithTimeout(ctx, apikey.Patience)
		defer cancel()
		r = r.WithContext(limited)
		if page != nil {
			r.RequestURI = requested(r, o.arrival)
			page.ServeHTTP(rec, r)
			return
		}
		if own, ok := strings.CutPrefix(r.URL.Path, api.OwnPrefix); ok && (own == api.HealthPath || own == api.KeySetPath) {
			r.URL = &url.URL{Path: own, RawQuery: r.URL.RawQuery}
		}
		if tail, ok := below(api.AuthorizePath, r.URL); ok {
			a.authorize(rec, r, tail)
			return
		}
		joinIfMatch(r.Header)
		if problem := a.route(r); problem != nil {
			write(rec, problem)
			return
		}
		a.mux.ServeHTTP(rec, r)
	})
}

// page returns the handler of the page at a path, or nil if the path belongs to the API.
func (a *server) page(path string) http.Handler {
	for at, handler := range a.Pages {
		if rest, ok := strings.CutPrefix(path, at); ok && (rest == "" || rest[0] == '/') {
			return handler
		}
	}
	return nil
}

// below returns what follows at in the path of a URL, still escaped. It reports false if the path is
// neither at nor below it.
func below(at string, u *url.URL) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(u.EscapedPath(), at)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// setHeaders sets the headers that every response of the API has.
func (a *server) setHeaders(h http.Header) {
	if a.CORSOrigin != "" {
		h["Access-Control-Allow-Origin"] = []string{a.CORSOrigin}
	}
	h["Access-Control-Expose-Headers"] = []string{
		"ETag,Location,RateLimit,RateLimit-Policy,Retry-After,X-RateLimit-Limit,X-RateLimit-Remaining,X-RateLimit-Reset"}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
}

// joinIfMatch makes one line of all lines of If-Match, since huma reads the first line alone. It
// ends with a comma, so that an empty header is not the same as none.
func joinIfMatch(h http.Header) {
	if all := h.Values("If-Match"); len(all) > 0 {
		h.Set("If-Match", strings.Join(all, ",")+",")
	}
}

// route returns the error for a request that no handler may get, or nil.
func (a *server) route(r *http.Request) *apiError {
	if !clean(r.URL) {
		return newError(apikey.CodeNotFound, "", "") // the mux would redirect
	}
	h, pattern := a.mux.Handler(r)
	if pattern == "" {
		probe := &recorder{ResponseWriter: make(discard), status: http.StatusOK}
		h.ServeHTTP(probe, r)
		e := newError(apikey.CodeOf(probe.status), "", "")
		if allow := probe.Header().Get("Allow"); allow != "" {
			e.headers = http.Header{"Allow": {allow}}
		}
		return e
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return newError(apikey.CodeInvalidRequest, "", "The query cannot be read")
	}
	if problem := a.unknownParameter(query, pattern); problem != nil {
		return problem
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name != queryKey && !isOne(query[name]) {
			return invalid(name, "must be given once and not be empty")
		}
	}
	if values, ok := r.Header["Idempotency-Key"]; ok && r.Method == http.MethodPost && !isOne(values) {
		return invalid("Idempotency-Key", "must be given once and not be empty")
	}
	return nil
}

// isOne reports whether values are one value that is not empty.
func isOne(values []string) bool { return len(values) == 1 && values[0] != "" }

// clean reports whether a path is in the form that the mux uses. The mux redirects from other
// forms.
func clean(u *url.URL) bool {
	escaped := u.EscapedPath()
	return escaped != "" && path.Clean(escaped) == escaped
}

// log writes the line for a request. Its level says how much an operator should care.
func (a *server) log(ctx context.Context, status int, o outcome) {
	level := slog.LevelDebug
	switch {
	case status >= 500 || o.err != nil:
		level = slog.LevelError
	case status == http.StatusUnauthorized || status == http.StatusForbidden || o.refused:
		level = slog.LevelWarn
	case status >= 400:
		level = slog.LevelInfo
	}
	if o.logged && status >= 400 && o.err == nil || !a.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Int("status", status)}
	if o.code == "" && status >= 400 {
		o.code = string(apikey.CodeOf(status))
	}
	if o.code != "" {
		attrs = append(attrs, slog.String("code", o.code))
	}
	if o.keyID != "" {
		attrs = append(attrs, slog.String("keyId", o.keyID))
	}
	if o.err != nil {
		attrs = append(attrs, slog.Any("error", o.err))
	}
	attrs = append(attrs, a.about(ctx)...)
	a.Logger.LogAttrs(ctx, level, "request", attrs...)
}

// about returns the attributes by which an operator finds a request, as the front door tells them. The
// authorizer's lines and the access log have the same names. Path and query are left out, because
// they may contain a token, and requestId, because a client can choose it.
func (a *server) about(ctx context.Context) (attrs []slog.Attr) {
	from := arrivalOf(ctx)
	for _, attr := range [...]slog.Attr{
		slog.String("method", from.Method), slog.String("resource", from.Resource),
		slog.String("sourceIp", a.origin(ctx).SourceIP), from.ID,
	} {
		if attr.Key != "" && attr.Value.String() != "" {
			attrs = append(attrs, attr)
		}
	}
	return attrs
}

// describe returns the type of a panic, or the text of a runtime error. Another value in a panic
// could be a secret.
func describe(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", cause)
}

// write sends an error.
func write(w http.ResponseWriter, e *apiError) {
	for name, values := range e.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(e) // fails if the caller has gone
}

// recorder records the status of a response.
type recorder struct {
	http.ResponseWriter
	status  int
	written bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.written {
		r.status, r.written = status, true
		r.ResponseWriter.WriteHeader(status)
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.written = true
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// discard is a response that is thrown away.
type discard http.Header

func (d discard) Header() http.Header       { return http.Header(d) }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
