//go:build sam

// Package samtest_test runs the functions as they are shipped, under the SAM CLI.
//
// .ci/sam prepares what these tests need and runs them; `make sam-test` calls it.
package samtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What start-api answers in its own way, since it knows none of the gateway
// responses that template.yaml defines.
const (
	samDenied       = http.StatusForbidden  // a Deny; API Gateway: 429 by ACCESS_DENIED
	samUnauthorized = http.StatusBadGateway // any error of the authorizer; API Gateway: 401 by UNAUTHORIZED, 503 by AUTHORIZER_FAILURE
	samNoRoute      = http.StatusForbidden  // no such path or method; API Gateway: 404 by MISSING_AUTHENTICATION_TOKEN
)

// given is a variable that .ci/sam sets.
func given(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: `make sam-test` runs this test, with all that it needs", name)
	}
	return value
}

// sam is a command line of the SAM CLI that runs functions before the table.
func sam(t testing.TB, arguments ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(given(t, "SAM"), append([]string{"local"}, arguments...)...)
	c.Args = append(c.Args, "--config-file", given(t, "SAM_CONFIG"))
	c.Dir = module
	return c
}

// server is a running start-api or start-lambda.
type server struct {
	url     string
	log     *buffer
	process *exec.Cmd
	ended   chan struct{}
}

// serve starts a server, which ends with the test. Functions have other variables
// where overrides says so.
func serve(t *testing.T, command string, overrides ...environment) *server {
	t.Helper()
	port := freePort(t)
	s := &server{url: "http://127.0.0.1:" + port, log: &buffer{}, ended: make(chan struct{})}
	s.process = sam(t, command, "--port", port)
	if len(overrides) > 0 {
		s.process.Args = append(s.process.Args, "--env-vars", merged(t, overrides[0]))
	}
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.process.Wait() // it is ended by a signal
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.process.Process.Signal(syscall.SIGTERM) // fails only on one that has ended
		select {
		case <-s.ended:
		case <-time.After(20 * time.Second):
			_ = s.process.Process.Kill()
			<-s.ended
			t.Error("sam did not end when asked and was killed")
		}
		if t.Failed() {
			t.Logf("sam local %s:\n%s", command, s.log)
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; {
		response, err := http.Get(s.url)
		if err == nil {
			_ = response.Body.Close() // whatever it is: SAM answers
			return s
		}
		select {
		case <-s.ended:
			t.Fatalf("sam local %s has ended", command)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("sam local %s does not answer", command)
		}
	}
}

// environment is the content of an --env-vars file: variables by function and, for
// all functions, by Parameters.
type environment map[string]map[string]string

// merged writes a file with what .ci/sam gives the functions, and overrides.
func merged(t *testing.T, overrides environment) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(given(t, "SAM_CONFIG")), "env.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all environment
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for function, values := range overrides {
		if all[function] == nil {
			all[function] = make(map[string]string)
		}
		maps.Copy(all[function], values)
	}
	text, err = json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "env.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// ports are those below the ones that outgoing connections get: a server's own
// must not be taken between the test that looks for it and the server.
var ports atomic.Int32

func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(int(20000 + ports.Add(1)))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// buffer is what a process prints.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any // nil when it is none
}

// send makes one request to url; headers are "Name: value", and may repeat.
func send(t testing.TB, method, url, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Content-Type" {
			r.Header.Del(name)
		}
		r.Header.Add(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.json)
	return a
}

// create makes a key with the admin's, at the local stack or at start-api.
func create(t testing.TB, url, body string) (id, token string) {
	t.Helper()
	a := send(t, "POST", url+"/api/v1/api-keys", body, "X-API-Key: "+given(t, "ROOT_KEY"))
	if a.status != http.StatusCreated {
		t.Fatalf("create: %d %s", a.status, a.text)
	}
	return a.json["id"].(string), a.json["key"].(string)
}
