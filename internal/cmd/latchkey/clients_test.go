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

// runClient runs a program that make clients has installed.
func runClient(t *testing.T, program string, args ...string) string {
	t.Helper()
	path := filepath.Join(dynamotest.Root(), ".latchkey", "clients", "bin", program)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no %s: make clients brings it", path)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// schemathesis makes valid and invalid requests from the OpenAPI document. It must find no answer
// that the document does not describe. Two of its checks do not apply. API Gateway answers
// undeclared methods as unknown routes. And the document does not contain all rules, for example
// that two fields exclude each other.
func TestClientThatReadsTheDocument(t *testing.T) {
	s := start(t, t.TempDir(), "ROOT_KEY=root-key-that-tests-the-document", "ACCESS_LOG=false")
	t.Chdir(t.TempDir()) // schemathesis leaves files behind
	out := runClient(t, "schemathesis", "run", s.url+"/openapi.json", "--header", s.admin(), "--seed", "1", "--max-time", "60",
		"--exclude-checks", "unsupported_method,positive_data_acceptance")
	if !strings.Contains(out, "Test cases:") {
		t.Errorf("no test cases:\n%s", out)
	}
}

// OpenAI's own client calls an API like OpenAI's behind latchkey. It must raise the same exceptions
// as with OpenAI.
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
	if out := runClient(t, "python", filepath.Join("testdata", "openai_client.py"), s.url, good, limited); !strings.HasSuffix(out, "done\n") {
		t.Errorf("the client stopped early:\n%s", out)
	}
}
