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

// build builds a bootstrap for this machine, with the flags of sam build and with more flags. It
// returns the path.
func build(t testing.TB, function string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	make := exec.Command("make", "-s", "-C", dynamotest.Root(), "build-"+function,
		"ARTIFACTS_DIR="+dir, "GOARCH="+runtime.GOARCH, "BOOTSTRAP_GOFLAGS="+strings.Join(flags, " "))
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", make.Args, err, out)
	}
	return filepath.Join(dir, "bootstrap")
}

// process is a bootstrap in its own process. As on Lambda, a Runtime API gives it one event after
// the other.
type process struct {
	started time.Time
	ready   chan time.Time // receives when the process first asks for an event
	events  chan []byte
	answers chan answer
	output  string        // the path of the file with its output
	exited  chan struct{} // closed when the process has exited
	status  error         // the error of the process; valid after exited is closed
	end     func()        // kills the process
}

// answer is the response or the error that a function posts for an event.
type answer struct {
	text   string
	failed bool
	at     time.Time
	log    string // the output of the function between the event and the answer
}

// start starts a bootstrap with the variables that Lambda sets, and with more variables.
func start(t testing.TB, bootstrap string, variables ...string) *process {
	t.Helper()
	i := &process{
		ready: make(chan time.Time, 1), events: make(chan []byte, 1), answers: make(chan answer, 1),
		output: filepath.Join(t.TempDir(), "log"), exited: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	sent := 0
	api := http.NewServeMux()
	api.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case i.ready <- time.Now():
		default: // it has asked before
		}
		select {
		case event := <-i.events:
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
			i.answers <- a
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
		"AWS_LAMBDA_FUNCTION_NAME=function", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO",
		"LAMBDA_TASK_ROOT=/var/task", "_HANDLER=bootstrap", "TZ=:UTC", "LANG=en_US.UTF-8",
	}, variables...)
	// The output is a file and no pipe, so the output before an answer can be read once the answer
	// has come.
	output, err := os.Create(i.output)
	if err != nil {
		t.Fatal(err)
	}
	process.Stdout, process.Stderr = output, output
	i.started = time.Now()
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		i.status = process.Wait()
		close(i.exited)
	}()
	i.end = sync.OnceFunc(func() {
		cancel()
		_ = process.Process.Kill()
		<-i.exited
		_ = output.Close()
		server.Close()
	})
	t.Cleanup(i.end)
	return i
}

// canary is a secret. It must never appear in a log.
const canary = "cAnArY5ecret"

func requestID(n int) string { return fmt.Sprintf("request-%d", n) }

// invoke sends an event and waits for the answer.
func (i *process) invoke(t testing.TB, event []byte) answer {
	t.Helper()
	before := len(i.log(t))
	i.events <- event
	select {
	case a := <-i.answers:
		a.log = i.log(t)[before:]
		return a
	case <-i.exited:
		t.Fatalf("the function ended: %v\n%s", i.status, i.log(t))
	case <-time.After(20 * time.Second):
		t.Fatalf("the function does not answer\n%s", i.log(t))
	}
	return answer{}
}

// log returns all output of the function so far.
func (i *process) log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(i.output)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// event returns an event of the folder events with a token in place of the placeholder.
func event(t testing.TB, name, token string) []byte {
	t.Helper()
	text := read(t, name)
	filled := bytes.ReplaceAll(text, []byte("sk_live_REPLACE_ME"), []byte(token))
	if bytes.Equal(filled, text) {
		t.Fatalf("%s has no placeholder for a token", name)
	}
	return filled
}

// read returns a file of the folder events.
func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dynamotest.Root(), "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
