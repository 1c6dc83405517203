package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/local/engine"
)

// The test binary is also the program, so that tests can run it in its own process and kill it.
func TestMain(m *testing.M) {
	switch os.Getenv("LATCHKEY_TEST_RUN_MAIN") {
	case "1":
		main()
		return
	case "bare":
		bare()
		return
	}
	dynamotest.Main(m)
}

// command returns a command line of the program with more variables.
func command(t testing.TB, environment []string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "LATCHKEY_TEST_RUN_MAIN=1",
		"ENGINE="+string(dynamotest.EngineOf(t).Kind), "ENGINE_DIR="+dynamotest.EngineOf(t).Dir,
		"TEMPLATE="+filepath.Join(dynamotest.Root(), "template.yaml"), "XDG_CONFIG_HOME="+noProfiles())
	c.Env = append(c.Env, environment...)
	// A test that fails must not leave a program that writes to the next one's table.
	t.Cleanup(func() {
		if c.Process != nil {
			_ = c.Process.Kill() // it has ended already, unless the test failed
		}
	})
	return c
}

// noProfiles is a folder without profiles, so that no test uses those of the person who runs it.
func noProfiles() string { return filepath.Join(dynamotest.Root(), ".latchkey", "no-profiles") }

// stack is a running latchkey dev.
type stack struct {
	url, root, state string
	console          string // the path of its console, as the start text has it
	process          *exec.Cmd
	log              *safeBuffer
	monitor          string        // of a server
	logged           chan struct{} // closed when the log of a server is complete
	giveBack         func()        // the engine that it was lent
}

// ownEngine is for tests of the engine that a stack starts by itself.
const ownEngine = "DYNAMODB_ENDPOINT="

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var ready = regexp.MustCompile(`ready at (http://\S+)\n(?:its console is at http://[^/\s]+(\S+)\n)?\nadmin key   (\S+)\n`)

// start starts a stack in a folder with more variables, and waits until it is ready. The stack is
// killed at the end of the test. Unless environment has a DYNAMODB_ENDPOINT, the stack borrows an
// engine, and its table is deleted when the stack ends. A test that starts a second stack on the
// same table must name the engine.
func start(t testing.TB, state string, environment ...string) *stack {
	t.Helper()
	s := &stack{state: state, log: &safeBuffer{}, giveBack: func() {}}
	told := append([]string{"PORT=0", "STATE=" + state}, environment...)
	if !slices.ContainsFunc(environment, func(v string) bool { return strings.HasPrefix(v, ownEngine) }) {
		endpoint, giveBack := dynamotest.Lend(t, localTable)
		s.giveBack = sync.OnceFunc(giveBack)
		told = append(told, ownEngine+endpoint)
	}
	s.process = command(t, told, "dev")
	s.process.Stderr = s.log
	out, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.end(syscall.SIGKILL) })
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if m := ready.FindStringSubmatch(text.String()); m != nil {
			s.url, s.console, s.root = m[1], m[2], m[3]
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return s
		}
	}
	t.Fatalf("the stack did not start: %s\n%s", text.String(), s.log)
	return nil
}

// end sends a signal and waits until the process has ended. Then the log is complete.
func (s *stack) end(signal syscall.Signal) error {
	_ = s.process.Process.Signal(signal)
	if s.logged != nil {
		<-s.logged // Wait would close the pipe
	}
	err := s.process.Wait()
	s.giveBack()
	return err
}

type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// send makes one request. Each header is "Name: value".
func (s *stack) send(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.json) // an error leaves json nil
	return a
}

func (s *stack) admin() string { return "Authorization: Bearer " + s.root }

// create makes a key and returns its id and token.
func (s *stack) create(t testing.TB, body string) (id, token string) {
	t.Helper()
	a := s.send(t, "POST", "/api/v1/api-keys", body, s.admin())
	if a.status != 201 {
		t.Fatalf("create: %d %s", a.status, a.text)
	}
	return a.json["id"].(string), a.json["key"].(string)
}

func (s *stack) whoami(t testing.TB, token string) answer {
	t.Helper()
	return s.send(t, "GET", "/api/v1/whoami", "", "X-API-Key: "+token)
}

// isError checks that an answer has this status, and the error envelope with this code.
func (a answer) isError(t testing.TB, what string, status int, code string) {
	t.Helper()
	e, _ := a.json["error"].(map[string]any)
	_, hasParam := e["param"]
	if a.status != status || e["code"] != code || e["message"] == "" || e["type"] == nil || !hasParam {
		t.Errorf("%s: %d %s; want %d %s in the envelope", what, a.status, a.text, status, code)
	}
}

// A key is created, checked, used up to its limit and revoked.
func TestAKeyIsUsedUpToItsLimitAndRevoked(t *testing.T) {
	s := start(t, t.TempDir())
	id, token := s.create(t, `{"name":"demo","userId":"u1","scopes":["tts"],"rateLimit":{"requests":5,"window":10}}`)

	v := s.send(t, "POST", "/api/v1/api-keys/validate", `{"apiKey":"`+token+`","scope":"tts"}`)
	if v.status != 200 || v.json["valid"] != true || v.json["keyId"] != id || v.json["userId"] != "u1" {
		t.Errorf("validate: %d %s", v.status, v.text)
	}
	for i, how := range [][2]string{
		{"", "X-API-Key: " + token}, {"", "x-api-key: " + token}, {"", "Authorization: bearer " + token},
		{"", "Authorization: " + token}, {"?api_key=" + token, "Accept: */*"},
	} {
		a := s.send(t, "GET", "/api/v1/whoami"+how[0], "", how[1])
		if a.status != 200 || a.json["keyId"] != id || a.header.Get("X-RateLimit-Limit") != "5" ||
			a.header.Get("X-RateLimit-Remaining") != string(rune('4'-i)) || a.header.Get("X-RateLimit-Reset") == "" {
			t.Errorf("call %d: %d %s %v", i+1, a.status, a.text, a.header)
		}
	}
	a := s.whoami(t, token)
	a.isError(t, "over the limit", 429, "rate_limit_exceeded")
	if a.header.Get("Retry-After") == "" || a.header.Get("X-RateLimit-Remaining") != "0" || a.header.Get("X-RateLimit-Limit") != "5" {
		t.Errorf("429 has headers %v", a.header)
	}

	if a := s.send(t, "POST", "/api/v1/api-keys/"+id+"/revoke", "", s.admin()); a.status != 200 || a.json["status"] != "revoked" {
		t.Errorf("revoke: %d %s", a.status, a.text)
	}
	time.Sleep(time.Second) // the published bound
	a = s.whoami(t, token)
	a.isError(t, "revoked", 401, "invalid_api_key")
	if a.header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	for range 200 {
		if a := s.send(t, "GET", "/api/v1/api-keys/"+id, "", s.admin()); a.status != 200 {
			t.Fatalf("admin: %d %s", a.status, a.text)
		}
	}
	stats := s.send(t, "GET", "/api/v1/api-keys/stats?userId=u1", "", s.admin())
	if data, _ := stats.json["data"].([]any); len(data) != 1 || data[0].(map[string]any)["keyId"] != id || data[0].(map[string]any)["requests"] != 5.0 {
		t.Errorf("stats: %d %s", stats.status, stats.text)
	}
	s.send(t, "GET", "/api/v1/nothing", "", s.admin()).isError(t, "an unknown route", 404, "not_found")
	if err := s.end(syscall.SIGTERM); err != nil { // the log is complete once the process has ended
		t.Errorf("SIGTERM: %v", err)
	}
	for _, secret := range []string{token[8:], s.root[8:]} {
		if strings.Contains(s.log.String(), secret) {
			t.Error("a token is in the log")
		}
	}
	refused := func(code string) bool {
		return regexp.MustCompile(`code=` + code + ` .*keyId=` + id).MatchString(s.log.String())
	}
	if !refused("rate_limited") || !refused("revoked_key") {
		t.Errorf("refusals are not in the log:\n%s", s.log)
	}
	if !strings.Contains(s.log.String(), "Z | "+id+" | GET /api/v1/whoami | 200\n") || !strings.Contains(s.log.String(), "Z | "+id+" | GET /api/v1/whoami | 429\n") {
		t.Errorf("requests have no access line:\n%s", s.log)
	}
}

// The gateway answers every wrong key alike. The log and validate have the reason.
func TestEveryWrongKeyGetsTheSameAnswer(t *testing.T) {
	s := start(t, t.TempDir(), "FRESHNESS=0")
	end := time.Now().Add(3 * time.Second)
	stamp := func(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
	_, expired := s.create(t, `{"expiresAt":"`+stamp(end)+`"}`)
	_, early := s.create(t, `{"notBefore":"`+stamp(end.Add(time.Hour))+`"}`)
	id, disabled := s.create(t, `{}`)
	if a := s.send(t, "PATCH", "/api/v1/api-keys/"+id, `{"enabled":false}`, s.admin()); a.status != 200 || a.json["status"] != "disabled" {
		t.Fatalf("disable: %d %s", a.status, a.text)
	}
	deletedID, deleted := s.create(t, `{}`)
	if a := s.send(t, "DELETE", "/api/v1/api-keys/"+deletedID, "", s.admin()); a.status != 204 || a.text != "" {
		t.Fatalf("delete: %d %s", a.status, a.text)
	}
	_, elsewhere := s.create(t, `{"allowedCidrs":["192.0.2.0/24"]}`)
	time.Sleep(time.Until(end))
	var codes []string
	for code, token := range map[string]string{
		"missing_key": "", "malformed_key": "sk_live", "expired_key": expired, "inactive_key": early,
		"disabled_key": disabled, "unknown_key": deleted, "address_not_allowed": elsewhere,
	} {
		s.whoami(t, token).isError(t, code, 401, "invalid_api_key")
		codes = append(codes, code)
		if code == "address_not_allowed" {
			continue // validate gets no address
		}
		v := s.send(t, "POST", "/api/v1/api-keys/validate", `{"apiKey":"`+token+`"}`)
		if v.status != 200 || v.json["valid"] != false || v.json["code"] != code || v.json["error"] == "" {
			t.Errorf("validate %s: %d %s", code, v.status, v.text)
		}
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	for _, code := range codes {
		if !strings.Contains(s.log.String(), "code="+code) {
			t.Errorf("%s is not in the log", code)
		}
	}
}

func TestARequestThatRunsAtCtrlCIsAnswered(t *testing.T) {
	s := start(t, t.TempDir(), ownEngine)
	endpoint, err := read(state(s.state).endpoint())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = `{"userId":"u1"}`
	fmt.Fprintf(conn, "POST /api/v1/api-keys HTTP/1.1\r\nHost: localhost\r\n%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		s.admin(), len(body))
	in := bufio.NewReader(conn)
	if a, err := http.ReadResponse(in, nil); err != nil || a.StatusCode != http.StatusContinue {
		t.Fatalf("%v, %v", a, err)
	}
	if err := s.process.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for range 50 { // for the time in which an engine ends
		probe, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
		if err != nil {
			t.Error("the engine has ended before the requests")
			break
		}
		probe.Close()
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	if a, err := http.ReadResponse(in, nil); err != nil || a.StatusCode != http.StatusCreated {
		t.Errorf("%v, %v", a, err)
	}
}

func TestTheErrorAboutAWrongRootKeyNamesItsFile(t *testing.T) {
	state := t.TempDir()
	file := filepath.Join(state, "root-key")
	if err := os.WriteFile(file, []byte("canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	defer giveBack()
	code, _, talk := cli(t, "", []string{"STATE=" + state, "PORT=0", "DYNAMODB_ENDPOINT=" + endpoint}, "dev")
	if code != 1 || !strings.Contains(talk, file) || strings.Contains(talk, "canary") {
		t.Errorf("exit code %d\n%s", code, talk)
	}
}

func TestWithoutItsEngineAStackAnswers503UntilTheEngineRuns(t *testing.T) {
	o := dynamotest.Engine()
	o.Data = t.TempDir()
	e, err := engine.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Stop() }()
	s := start(t, t.TempDir(), "DYNAMODB_ENDPOINT="+e.Endpoint(), "ROOT_KEY=an-admin-key-of-my-own")
	_, token := s.create(t, `{}`)
	if a := s.whoami(t, token); a.status != 200 {
		t.Fatalf("before: %d %s", a.status, a.text)
	}
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{token, "sk_live_some-unknown-token"} {
		a := s.whoami(t, wrong)
		a.isError(t, "without a table", 503, "unavailable")
		if a.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	s.send(t, "POST", "/api/v1/api-keys/validate", `{"apiKey":"`+token+`"}`).isError(t, "validate", 503, "unavailable")
	o.Port = e.Port()
	if e, err = engine.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if a := s.whoami(t, token); a.status != 200 {
		t.Errorf("when the engine runs again: %d %s", a.status, a.text)
	}
}

func TestAKillLosesNoKey(t *testing.T) {
	state := t.TempDir()
	s := start(t, state, ownEngine)
	_, token := s.create(t, `{"unlimited":true}`)
	if err := s.end(syscall.SIGKILL); err == nil {
		t.Fatal("it was not killed")
	}
	again := start(t, state, ownEngine)
	if again.root != s.root {
		t.Error("the admin key has changed")
	}
	if a := again.whoami(t, token); a.status != 200 || a.json["unlimited"] != true {
		t.Errorf("a key after a kill: %d %s", a.status, a.text)
	}
	key, err := os.Stat(filepath.Join(state, "root-key"))
	if err != nil || key.Mode().Perm() != 0o600 {
		t.Errorf("root-key: %v, %v", key.Mode(), err)
	}

	// init writes to the running stack's table.
	out, err := command(t, nil, "init", "--state", state, "--user", "ops").Output()
	if err != nil {
		t.Fatalf("init: %v", err)
	}
	a := again.whoami(t, strings.TrimSpace(string(out)))
	if a.status != 200 || a.json["userId"] != "ops" {
		t.Errorf("a key of init: %d %s", a.status, a.text)
	}

	endpoint, err := os.ReadFile(filepath.Join(state, "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if _, err := http.Get(strings.TrimSpace(string(endpoint))); err == nil {
		t.Error("the engine still runs")
	}
}

// With a wrong variable, the stack does not start. The error names the variable and not its value.
func TestAStackWithAWrongVariableDoesNotStart(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	defer giveBack()
	state := t.TempDir()
	for i, wrong := range []string{
		"RATE_LIMIT_REQUESTS=canary", "API_KEYS=canary:a,canary:b", `API_KEYS="canary-of-a-static-key:alice"`, "INTERNAL_API_KEY=canary", "UPSTREAM_URL=canary", "ROOT_KEY=canary", `ROOT_KEY="canary-of-an-admin-key"`, "ROOT_KEY=${CANARY_ADMIN_KEY}", "ROOT_KEY=changeme-canary-changeme", "BACKEND_URL=canary",
		"BACKEND_URL=http://127.0.0.1:8080/", "BACKEND_URL=http://api.example.com", "PLAIN_BACKEND_URL=canary", "BACKEND_URL=http://127.0.0.1:8080?canary", "PUBLIC_PATHS=health", "ACCESS_LOG=canary",
		"OWN_PREFIX=canary", "OWN_PREFIX=/canary", "CONSOLE_ENABLED=canary",
	} {
		at := endpoint
		if i == 0 {
			at = "" // an engine of its own, which must not keep the stack from ending
		}
		c := command(t, []string{"PORT=0", "STATE=" + state, "DYNAMODB_ENDPOINT=" + at, wrong}, "dev")
		log := &safeBuffer{}
		c.Stderr = log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case err := <-ended:
			name, _, _ := strings.Cut(wrong, "=")
			if err == nil || !strings.Contains(log.String(), name) || strings.Contains(log.String(), "canary") {
				t.Errorf("%s: %v\n%s", wrong, err, log)
			}
		case <-time.After(30 * time.Second):
			_ = c.Process.Kill()
			t.Errorf("%s: the stack runs\n%s", wrong, log)
		}
	}
}

func TestAMisspeltCommandFails(t *testing.T) {
	for _, args := range [][]string{{}, {"devv"}, {"dev", "x"}, {"init", "--stat", "x"}} {
		err := command(t, nil, args...).Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("latchkey %s: %v, want exit code 2", strings.Join(args, " "), err)
		}
	}
	if err := command(t, nil, "init", "--state", t.TempDir()).Run(); err == nil {
		t.Error("init without a stack succeeds")
	}
}
