//go:build clients

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

// python runs a script of testdata with the clients' own Python.
func python(t *testing.T, script string, args ...string) {
	t.Helper()
	program := filepath.Join(dynamotest.Root(), ".latchkey", "clients", "bin", "python")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("there is no %s: make clients brings it", program)
	}
	out, err := exec.CommandContext(t.Context(), program, append([]string{filepath.Join("testdata", script)}, args...)...).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}

// OpenAI's own client, before an API of its kind: what it raises is what it would
// raise before OpenAI's.
func TestClientOfOpenAI(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-User-Id") == "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/v1/models":
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"us"}]}`)
		case r.URL.Path != "/v1/chat/completions":
			w.WriteHeader(http.StatusNotFound)
		case bytes.Contains(body, []byte(`"stream":true`)):
			w.Header().Set("Content-Type", "text/event-stream")
			for _, word := range []string{"one ", "two ", "three"} {
				chunk, _ := json.Marshal(map[string]any{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
					"choices": []any{map[string]any{"index": 0, "delta": map[string]any{"content": word}}}})
				_, _ = io.WriteString(w, "data: "+string(chunk)+"\n\n")
				w.(http.Flusher).Flush()
			}
			_, _ = io.WriteString(w, "data: [DONE]\n\n")
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",
				"message":{"role":"assistant","content":"hello to you"}}]}`)
		}
	}))
	defer backend.Close()
	s := start(t, t.TempDir(), "BACKEND_URL="+backend.URL)
	_, good := s.create(t, `{"userId":"u1"}`)
	_, limited := s.create(t, `{"userId":"u2","rateLimit":{"requests":1,"window":10}}`)
	python(t, "openai_client.py", s.url, good, limited)
}
