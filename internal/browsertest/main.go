//go:build browser

package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/internal/oidc/oidctest"
)

// Root is the token of the stack's admin key.
const Root = "root-key-that-tests-the-console"

// ClientID names the console at the issuer.
const ClientID = "console"

// running is what the tests of this binary share. It is a variable of the package because TestMain
// cannot pass values to tests.
var running struct {
	root    string // the folder of the module
	url     string // of the stack
	issuer  *oidctest.Issuer
	people  people
	browser context.Context
}

// Main runs the tests with a stack and a browser, and ends the process.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "browsertest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	s := &setUp{}
	defer s.undo()
	if err := s.start(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// setUp is a [testing.TB] for what all tests share. Only the methods that it has may be called.
type setUp struct {
	testing.TB
	cleanups []func()
}

func (s *setUp) Helper()          {}
func (s *setUp) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *setUp) Fatal(args ...any) {
	s.undo()
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

func (s *setUp) undo() {
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		s.cleanups[i]()
	}
	s.cleanups = nil
}

func (s *setUp) start(dir string) error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	running.root = filepath.Dir(strings.TrimSpace(string(out)))
	program := filepath.Join(dir, "latchkey")
	build := exec.Command("go", "build", "-o", program, "./internal/cmd/latchkey")
	build.Dir = running.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build latchkey: %w\n%s", err, out)
	}
	running.issuer = oidctest.Start(s)
	running.people.serve(running.issuer)
	if err := s.stack(program, dir); err != nil {
		return err
	}
	return s.chromium()
}

var ready = regexp.MustCompile(`latchkey is ready at (http://\S+)`)

func (s *setUp) stack(program, dir string) error {
	var log bytes.Buffer
	c := exec.Command(program, "dev")
	c.Dir, c.Stderr = running.root, &log
	c.Env = append(os.Environ(), "PORT=0", "STATE="+filepath.Join(dir, "state"), "ROOT_KEY="+Root,
		"ACCESS_LOG=false", "FRESHNESS=1s", "CONSOLE_CLIENT_ID="+ClientID, "USER_SCOPES=tts,stt",
		"OIDC_ISSUER="+running.issuer.URL, "OIDC_AUDIENCE="+oidctest.Audience,
		"OIDC_ADMIN_CLAIM=role=admin", "OIDC_GROUPS_CLAIM=groups")
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start latchkey: %w", err)
	}
	s.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := ready.FindStringSubmatch(lines.Text()); m != nil {
			running.url = m[1]
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return nil
		}
	}
	return fmt.Errorf("the stack did not start:\n%s", log.String())
}

func (s *setUp) chromium() error {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return fmt.Errorf("there is no Chromium: make browser installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("lang", "en-US"), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	s.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	s.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		return fmt.Errorf("start Chromium: %w", err)
	}
	running.browser = ctx
	return nil
}

// Call sends a request to the stack's API and returns the status and the JSON of the answer. body may
// be empty.
func Call(t testing.TB, token, method, path, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, running.url+"/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// Create makes a key from the JSON of its fields, and returns its id and its token.
func Create(t testing.TB, fields string) (id, token string) {
	t.Helper()
	status, answer := Call(t, Root, "POST", "api/v1/api-keys", fields)
	if status != http.StatusCreated {
		t.Fatalf("create %s: %d %v", fields, status, answer)
	}
	return answer["id"].(string), answer["key"].(string)
}

// Module returns a path in the folder of the module.
func Module(parts ...string) string {
	return filepath.Join(append([]string{running.root}, parts...)...)
}
