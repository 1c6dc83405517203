package smoke

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Echo is an API that answers each request with a [Received]. As the API at BackendUrl it shows what
// API Gateway makes of a request. Its zero value can be used, by several goroutines at once.
//
// A request whose path ends with /stream gets the first line of an answer at once. It gets the second
// line when another request's path ends with /release and its query has the same id, or after 5 s.
type Echo struct {
	mu      sync.Mutex
	streams map[string]chan struct{}
}

// Received is what an Echo got. It repeats all headers, tokens included, to their sender alone.
type Received struct {
	Server     string      `json:"server"` // always echoName
	Method     string      `json:"method"`
	Path       string      `json:"path"` // as in the request line, so percent-encoded
	Query      string      `json:"query"`
	Host       string      `json:"host"`
	Headers    http.Header `json:"headers"`
	BodyBytes  int64       `json:"bodyBytes"`
	BodySHA256 string      `json:"bodySha256"` // in hex digits
}

const (
	echoName    = "latchkey echo"
	maxEchoed   = 10 << 20 // bytes of a body, which is API Gateway's own bound
	releaseTime = 5 * time.Second
)

func (e *Echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	id := r.URL.Query().Get("id")
	switch {
	case strings.HasSuffix(r.URL.Path, "/stream"):
		e.stream(w, r, id)
		return
	case strings.HasSuffix(r.URL.Path, "/release"):
		e.release(id)
	}
	hash := sha256.New()
	n, err := io.Copy(hash, http.MaxBytesReader(w, r.Body, maxEchoed))
	if err != nil {
		http.Error(w, "the body cannot be read, or has more than 10 MB", http.StatusRequestEntityTooLarge)
		return
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	_ = json.NewEncoder(w).Encode(Received{ // fails if the caller has gone
		Server: echoName, Method: r.Method, Path: path, Query: r.URL.RawQuery, Host: r.Host, Headers: r.Header,
		BodyBytes: n, BodySHA256: hex.EncodeToString(hash.Sum(nil)),
	})
}

// The lines of a stream. The last one is late if no request has released it.
const (
	firstLine = "first\n"
	lastLine  = "released\n"
	lateLine  = "late\n"
)

func (e *Echo) stream(w http.ResponseWriter, r *http.Request, id string) {
	released := e.open(id)
	defer e.release(id)
	_, _ = io.WriteString(w, firstLine)
	_ = http.NewResponseController(w).Flush()
	late := time.NewTimer(releaseTime)
	defer late.Stop()
	select {
	case <-released:
		_, _ = io.WriteString(w, lastLine)
	case <-late.C:
		_, _ = io.WriteString(w, lateLine)
	case <-r.Context().Done():
	}
}

// open returns a channel that release closes. A second stream of the same id replaces the first.
func (e *Echo) open(id string) <-chan struct{} {
	e.release(id)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.streams == nil {
		e.streams = make(map[string]chan struct{})
	}
	e.streams[id] = make(chan struct{})
	return e.streams[id]
}

func (e *Echo) release(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if stream, ok := e.streams[id]; ok {
		close(stream)
		delete(e.streams, id)
	}
}
