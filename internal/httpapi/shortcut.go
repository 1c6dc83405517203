package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"latchkey/internal/api"
)

// A shortcut answers the usual requests of one operation as huma does, in a fraction of the time. It
// reports false, and writes nothing, for a request that has a fault or anything unusual. The general
// way then answers it, and can still read its body.
//
// A shortcut replaces only the reading and the writing. It calls the same functions of the server as
// huma does.
type shortcut func(ctx context.Context, w http.ResponseWriter, r *http.Request) bool

// shortcut returns the shortcut of a request, or nil if its operation has none.
func (a *server) shortcut(r *http.Request) shortcut {
	if r.URL.RawQuery != "" {
		return nil
	}
	return a.shortcuts[route{r.Method, r.URL.Path}]
}

// route is a method and a path without parameters.
type route struct{ method, path string }

// shortValidate is the shortcut of validate.
func (a *server) shortValidate(ctx context.Context, w http.ResponseWriter, r *http.Request) bool {
	_, repeated := r.Header["Idempotency-Key"]
	if size := r.ContentLength; repeated || size <= 0 || size > maxPlain || !isJSON(r.Header.Get("Content-Type")) {
		return false
	}
	body, ok := plainValidate(readAgain(r))
	if !ok {
		return false
	}
	out, err := a.validate(ctx, &validateInput{jsonBody[api.ValidateRequest]{body}})
	if err != nil {
		writeError(w, a.failed(ctx, err))
		return true
	}
	writeText(w, textOfVerdict(&out.Body))
	return true
}

// shortWhoami is the shortcut of whoami, for a caller with a key.
func (a *server) shortWhoami(ctx context.Context, w http.ResponseWriter, _ *http.Request) bool {
	o := outcomeOf(ctx)
	p := &o.arrival.Caller
	if p.KeyID == "" {
		return false
	}
	o.keyID = p.KeyID
	out := a.describe(p.caller(), p)
	header := w.Header()
	for _, h := range [...]struct{ name, value string }{
		{"X-Ratelimit-Limit", string(out.Limit)}, {"X-Ratelimit-Remaining", string(out.Remaining)},
		{"X-Ratelimit-Reset", string(out.Reset)}, {"Ratelimit-Policy", out.Policy}, {"Ratelimit", out.State},
	} {
		if h.value != "" {
			header[h.name] = []string{h.value}
		}
	}
	writeText(w, textOfWhoami(&out.Body))
	return true
}

// readAgain reads the body of a request that tells its length, or returns nil if it cannot be read. The
// body can then be read once more.
func readAgain(r *http.Request) []byte {
	text, read := make([]byte, r.ContentLength), 0
	var err error
	for read < len(text) && err == nil {
		var n int
		n, err = r.Body.Read(text[read:])
		read += n
	}
	rest := io.Reader(r.Body)
	failed := err != nil && err != io.EOF
	if failed {
		rest = failing{err} // the body need not return its error again
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text[:read]), rest), r.Body}
	if failed || read < len(text) {
		return nil
	}
	return text
}

// failing is a reader that returns an error.
type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// writeText sends JSON with a status of 200.
func writeText(w http.ResponseWriter, text []byte) {
	w.Header()["Content-Type"] = []string{mediaJSON}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(text) // fails if the caller has gone
}

// writeError sends an error as huma does.
func writeError(w http.ResponseWriter, e *apiError) {
	for name, values := range e.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header()["Content-Type"] = []string{mediaJSON}
	w.WriteHeader(e.status)
	_ = writeJSON(w, e) // fails if the caller has gone
}

// registerShortcuts adds the shortcuts.
func (a *server) registerShortcuts() {
	a.shortcuts = map[route]shortcut{
		{http.MethodPost, api.ValidatePath}: a.shortValidate,
		{http.MethodGet, api.WhoamiPath}:    a.shortWhoami,
	}
}
