// Package engine runs a DynamoDB-compatible engine as a child process. Call [Keep] for an engine that
// is started again when it ends, and [Start] for one that is not. The command make engine installs the
// engines, and the package installs one that is missing. It runs on Linux and macOS, and on Windows through WSL.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kind names a DynamoDB-compatible engine.
type Kind string

// The engines.
const (
	Dynoxide      Kind = "dynoxide"       // one binary, on the platforms that have a package
	DynamoDBLocal Kind = "dynamodb-local" // by Amazon; needs Java 17
)

// Options chooses an engine and its files.
type Options struct {
	Kind Kind
	Dir  string    // folder in which make installs engines; .latchkey/engine if empty
	Data string    // folder of the engine's files, for one engine at a time; in memory if empty
	Port int       // a free port if 0
	Logs io.Writer // receives what the engine prints; may be nil
	// Notices receives a line before an engine that is found nowhere is installed into the user's cache
	// folder, by npm. If nil, nothing is installed.
	Notices io.Writer
}

// Engine is an engine that runs as a child of this process. On Linux it ends with this process, even
// if this process is killed. It is safe for concurrent use.
type Engine struct {
	port    int
	child   *exec.Cmd
	done    chan struct{}
	failure error // why the child ended; set before done is closed
}

// defaultDir is the folder in which make installs the engines.
const defaultDir = ".latchkey/engine"

const (
	startTime = 30 * time.Second // for a JVM on a busy laptop
	stopTime  = 3 * time.Second
	lockTime  = 10 * time.Second // for an engine to end whose stack was killed
)

// Start starts an engine and returns when it answers. ctx bounds the start only. Stop ends the engine.
func Start(ctx context.Context, o Options) (*Engine, error) {
	if o.Dir == "" {
		o.Dir = defaultDir
	}
	if o.Logs == nil {
		o.Logs = io.Discard
	}
	var lock *os.File
	if o.Data != "" {
		// DynamoDB Local runs in another folder, so the path must be absolute.
		data, err := filepath.Abs(o.Data)
		if err != nil {
			return nil, fmt.Errorf("engine data: %w", err)
		}
		o.Data = data
		if lock, err = lockData(ctx, data); err != nil {
			return nil, err
		}
		defer lock.Close() // the child has a copy, which holds the lock until the child ends
	}
	for attempt := 1; ; attempt++ {
		port, err := freePort(o.Port)
		if err != nil {
			return nil, fmt.Errorf("engine port: %w", err)
		}
		e, err := start(ctx, o, port, lock)
		if err == nil {
			return e, nil
		}
		// Another process may have taken the port before the child did.
		_, clash := freePort(port)
		if attempt == 3 || o.Port != 0 || clash == nil {
			return nil, fmt.Errorf("start %s: %w", o.Kind, err)
		}
	}
}

func start(ctx context.Context, o Options, port int, lock *os.File) (*Engine, error) {
	child, err := o.command(ctx, port)
	if err != nil {
		return nil, err
	}
	last := &tail{}
	child.Stdout = io.MultiWriter(last, o.Logs)
	child.Stderr = child.Stdout
	child.WaitDelay = time.Second
	child.SysProcAttr = childAttributes()
	if lock != nil {
		child.ExtraFiles = []*os.File{lock}
	}
	e := &Engine{port: port, child: child, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux ends the child when the thread that started it ends, so the thread waits for the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := child.Start()
		started <- err
		if err == nil {
			e.failure = child.Wait()
			close(e.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if err := e.waitReady(ctx); err != nil {
		stopErr := e.Stop() // afterwards nothing writes to last
		return nil, fmt.Errorf("%w\n%s", errors.Join(err, stopErr), last)
	}
	return e, nil
}

// Find returns the path of the engine, or an error that says what to do if it is not installed. It
// installs nothing.
func (o Options) Find() (string, error) {
	if o.Dir == "" {
		o.Dir = defaultDir
	}
	o.Notices = nil
	return o.find(context.Background())
}

// command returns the engine's command line.
func (o Options) command(ctx context.Context, port int) (*exec.Cmd, error) {
	file, err := o.find(ctx)
	if err != nil {
		return nil, err
	}
	p := strconv.Itoa(port)
	if o.Kind == Dynoxide {
		arguments := []string{"--host", "127.0.0.1", "--port", p}
		if o.Data != "" {
			arguments = append(arguments, "--db-path", filepath.Join(o.Data, "table.db"))
		}
		return exec.Command(file, arguments...), nil
	}
	dir := filepath.Dir(file)
	// With its first compiler alone, Java starts sooner: 1.8 seconds instead of 3.1 on two processors.
	arguments := []string{
		"-XX:TieredStopAtLevel=1",
		"-Djava.library.path=" + filepath.Join(dir, "DynamoDBLocal_lib"), "-jar", filepath.Base(file),
		"-sharedDb", "-disableTelemetry", "-port", p,
	}
	if o.Data == "" {
		arguments = append(arguments, "-inMemory")
	} else {
		arguments = append(arguments, "-dbPath", o.Data)
	}
	child := exec.Command("java", arguments...)
	if child.Err != nil {
		return nil, fmt.Errorf("DynamoDB Local needs Java 17 or newer: %w", child.Err)
	}
	child.Dir = dir
	return child, nil
}

// Endpoint is the engine's URL.
func (e *Engine) Endpoint() string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(e.port))
}

// Port is the port of Endpoint.
func (e *Engine) Port() int { return e.port }

// Done is closed when the engine has ended, for any reason.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Stop asks the engine to end, kills it after three seconds, and returns when it has ended. It may be
// called again.
func (e *Engine) Stop() error {
	// A signal fails only if the child has ended.
	_ = e.child.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.done:
		return nil
	case <-time.After(stopTime):
	}
	_ = e.child.Process.Kill()
	<-e.done
	return errors.New("the engine did not end when asked and was killed")
}

// waitReady returns when the engine answers a well-formed request, whatever the answer is.
func (e *Engine) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // without a proxy
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Endpoint(), strings.NewReader("{}"))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-amz-json-1.0")
		request.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
		request.Header.Set("X-Amz-Date", "20000101T000000Z")
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20000101/us-east-1/dynamodb/aws4_request, "+
			"SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
		if response, err := client.Do(request); err == nil {
			return response.Body.Close()
		}
		select {
		case <-e.done:
			return fmt.Errorf("the engine ended: %v", e.failure) // failure may be nil
		case <-ctx.Done():
			return fmt.Errorf("the engine did not answer: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freePort returns a free port of the loopback interface. If wanted is 0, any port will do.
func freePort(wanted int) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(wanted)))
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// lockData prevents a second engine from using the same files, until the returned file and all its
// copies are closed.
func lockData(ctx context.Context, dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("engine data: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("engine data: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			lock.Close()
			return nil, fmt.Errorf("another latchkey dev uses this state: %s: %w", dir, err)
		}
	}
}

// tail holds the last 1,024 bytes that an engine printed, which say why it did not start.
type tail []byte

func (t *tail) Write(text []byte) (int, error) {
	*t = append(*t, text...)
	*t = (*t)[max(0, len(*t)-1024):]
	return len(text), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(*t)) }
