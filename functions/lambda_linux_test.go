package functions_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
)

// build makes a bootstrap as sam build does, but for this machine, and returns
// where it is. More flags of go build may be given.
func build(t testing.TB, function string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	make := exec.Command("make", "-s", "-C", dynamotest.Root(), "build-"+function, "ARTIFACTS_DIR="+dir, "GOARCH="+runtime.GOARCH,
		"BOOTSTRAP_GOFLAGS="+strings.Join(flags, " "))
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", make.Args, err, out)
	}
	return filepath.Join(dir, "bootstrap")
}

// environment is a bootstrap in a process of its own, before a Runtime API that
// hands it one event after the other, as Lambda does.
type environment struct {
	started time.Time
	events  chan []byte
	answers chan answer
	output  string // file of what it writes
	exited  chan struct{}
	status  error // how it exited, to be read after that
	end     func()
}

// answer is what a function posts for an event: a response, or an error.
type answer struct {
	text   string
	failed bool
	at     time.Time
	log    string // what it wrote about it
}

// start starts a bootstrap with what Lambda sets, and these variables.
func start(t testing.TB, bootstrap string, variables ...string) *environment {
	t.Helper()
	e := &environment{events: make(chan []byte, 1), answers: make(chan answer, 1), output: filepath.Join(t.TempDir(), "log"), exited: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	sent := 0
	api := http.NewServeMux()
	api.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case event := <-e.events:
			sent++
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", requestID(sent))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(10*time.Second).UnixMilli(), 10))
			_, _ = w.Write(event)
		case <-ctx.Done():
		}
	})
	post := func(failed bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			a := answer{text: string(text), failed: failed, at: time.Now()}
			w.WriteHeader(http.StatusAccepted)
			e.answers <- a
		}
	}
	api.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", post(false))
	api.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", post(true))
	server := httptest.NewServer(api)

	process := exec.Command(bootstrap)
	process.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"),
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023",
		"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=" + canary, "AWS_SESSION_TOKEN=" + canary,
		"AWS_LAMBDA_FUNCTION_NAME=function", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO",
		"LAMBDA_TASK_ROOT=/var/task", "_HANDLER=bootstrap", "TZ=:UTC", "LANG=en_US.UTF-8",
	}, variables...)
	// A file, and no pipe: what was written before an answer is there when it is.
	output, err := os.Create(e.output)
	if err != nil {
		t.Fatal(err)
	}
	process.Stdout, process.Stderr = output, output
	e.started = time.Now()
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		e.status = process.Wait()
		close(e.exited)
	}()
	e.end = sync.OnceFunc(func() {
		cancel()
		_ = process.Process.Kill()
		<-e.exited
		_ = output.Close()
		server.Close()
	})
	t.Cleanup(e.end)
	return e
}

// canary stands in for what must never be seen in a log.
const canary = "cAnArY5ecret"

func requestID(n int) string { return fmt.Sprintf("request-%d", n) }

// invoke sends an event and waits for the answer.
func (e *environment) invoke(t testing.TB, event []byte) answer {
	t.Helper()
	before := len(e.log(t))
	e.events <- event
	select {
	case a := <-e.answers:
		a.log = e.log(t)[before:]
		return a
	case <-e.exited:
		t.Fatalf("the function ended: %v\n%s", e.status, e.log(t))
	case <-time.After(20 * time.Second):
		t.Fatalf("the function does not answer\n%s", e.log(t))
	}
	return answer{}
}

func (e *environment) log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(e.output)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// event is one of the repository, with a key that works.
func event(t testing.TB, name, token string) []byte {
	t.Helper()
	text := read(t, name)
	filled := bytes.ReplaceAll(text, []byte("sk_live_REPLACE_ME"), []byte(token))
	if bytes.Equal(filled, text) {
		t.Fatalf("%s has no key in it", name)
	}
	return filled
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dynamotest.Root(), "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
