//go:build sam

// Package samtest_test runs the functions, as they are deployed, under the SAM CLI.
//
// make sam-test runs these tests. It calls .ci/sam, which starts everything that they need.
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

// The statuses of start-api that differ from those of API Gateway, because SAM has no gateway
// responses.
const (
	samDenied       = http.StatusForbidden  // a Deny; API Gateway: 429 by ACCESS_DENIED
	samUnauthorized = http.StatusBadGateway // any error of the authorizer; API Gateway: 401 by UNAUTHORIZED, 503 by AUTHORIZER_FAILURE
	samNoRoute      = http.StatusForbidden  // no such path or method; API Gateway: 404 by MISSING_AUTHENTICATION_TOKEN
)

// given returns a variable that .ci/sam sets.
func given(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run this test with make sam-test", name)
	}
	return value
}

// sam returns a command of the SAM CLI that runs functions with the table.
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

// serve starts a server, which ends with the test. The variables in overrides replace those of the
// functions.
func serve(t *testing.T, command string, overrides ...envVars) *server {
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
		_ = s.process.Wait() // returns an error, because a signal ends the process
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.process.Process.Signal(syscall.SIGTERM) // fails only if the process has ended
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
			_ = response.Body.Close() // every answer shows that SAM is up
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

// envVars is the content of an --env-vars file: the variables of each function. Those under the
// name Parameters are for all functions.
type envVars map[string]map[string]string

// merged writes an --env-vars file with the variables of .ci/sam and overrides. It returns its
// path.
func merged(t *testing.T, overrides envVars) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(given(t, "SAM_CONFIG")), "env.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all envVars
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

// ports counts the ports that were used. They lie below the ports of outgoing connections, so that
// no connection takes a port between the test that finds it and the server that listens on it.
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

// buffer collects the output of a process. It is safe for concurrent use.
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
	json   map[string]any // nil if the body is no JSON object
}

// send makes one request to url. Each header is "Name: value", and a name may repeat.
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

// create makes a key with the admin's key. url is the URL of the local stack or of start-api.
func create(t testing.TB, url, body string) (id, token string) {
	t.Helper()
	a := send(t, "POST", url+"/api/v1/api-keys", body, "X-API-Key: "+given(t, "ROOT_KEY"))
	if a.status != http.StatusCreated {
		t.Fatalf("create: %d %s", a.status, a.text)
	}
	return a.json["id"].(string), a.json["key"].(string)
}
