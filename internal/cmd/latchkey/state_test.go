package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
)

// A stack whose secret is lost would make another, say that it is well, and answer 503 to every key.
func TestATableThatNeedsAnotherSecretIsNotServed(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	type loss struct {
		lose func(t *testing.T, s state)
		says string
	}
	losses := map[string]loss{
		"the secret is lost":                  {func(t *testing.T, s state) { remove(t, s.secret()) }, "is missing"},
		"the secret and root key are lost":    {func(t *testing.T, s state) { remove(t, s.secret()); remove(t, s.rootKey()) }, "is missing"},
		"another stack's secret, root key":    {func(t *testing.T, s state) { writeSecret(t, s, anotherSecret); remove(t, s.rootKey()) }, "is not the one"},
		"the secret is empty":                 {func(t *testing.T, s state) { writeSecret(t, s, "") }, "is damaged"},
		"the secret is cut off":               {func(t *testing.T, s state) { writeSecret(t, s, `{"master":"`) }, "is damaged"},
		"the secret is too short":             {func(t *testing.T, s state) { writeSecret(t, s, `{"master":"short"}`) }, "is damaged"},
		"another stack's secret in its place": {func(t *testing.T, s state) { writeSecret(t, s, anotherSecret) }, "is not the one"},
	}
	check := func(name string, c loss, endpoint string) {
		t.Helper()
		dir := t.TempDir()
		s := start(t, dir, "DYNAMODB_ENDPOINT="+endpoint)
		_, token := s.create(t, `{"unlimited":true}`)
		if err := s.end(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		kept := state(dir)
		secret, err := os.ReadFile(kept.secret())
		if err != nil {
			t.Fatal(err)
		}
		c.lose(t, kept)
		left, _ := os.ReadFile(kept.secret())
		table := kept.data()
		if endpoint != "" {
			table = endpoint
			if c.says == "is damaged" {
				table = "" // this advice names no table elsewhere
			}
		}
		// Starting again is refused again: the first try leaves no new secret behind.
		for range 2 {
			code, talk := dev(t, "STATE="+dir, "DYNAMODB_ENDPOINT="+endpoint)
			if code != 1 || !strings.Contains(talk, kept.secret()+" "+c.says) || !strings.Contains(talk, "restore") || !strings.Contains(talk, table) {
				t.Errorf("%s: exit code %d\n%s", name, code, talk)
			}
		}
		if now, _ := os.ReadFile(kept.secret()); string(now) != string(left) {
			t.Errorf("%s: a secret was written", name)
		}
		if err := os.WriteFile(kept.secret(), secret, 0o600); err != nil {
			t.Fatal(err)
		}
		again := start(t, dir, "DYNAMODB_ENDPOINT="+endpoint)
		if a := again.whoami(t, token); a.status != 200 {
			t.Errorf("%s, and restored: %d %s", name, a.status, a.text)
		}
		if err := again.end(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range losses {
		endpoint, giveBack := dynamotest.Lend(t, localTable)
		check(name, c, endpoint)
		giveBack()
	}
	// With an engine of its own, the stack names the folder of the table's files.
	for _, name := range []string{"the secret is lost", "the secret is cut off"} {
		check(name+", on an engine of its own", losses[name], "")
	}
}

// dev runs a stack that is to end by itself.
func dev(t *testing.T, environment ...string) (code int, talk string) {
	t.Helper()
	c := command(t, append([]string{"PORT=0"}, environment...), "dev")
	log := &safeBuffer{}
	c.Stderr = log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
	defer limit.Stop()
	_ = c.Wait() // its exit code says how it ended
	return c.ProcessState.ExitCode(), log.String()
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

const anotherSecret = `{"master":"another another another another another","peppers":[]}`

// writeSecret puts another text in the place of the stack's secret.
func writeSecret(t *testing.T, s state, text string) {
	t.Helper()
	if err := os.WriteFile(s.secret(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The engine may be another than the folder's own, and run before and after the stack.
func TestATableElsewhereThatNeedsAnotherSecretIsNotServed(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	first := start(t, t.TempDir(), "DYNAMODB_ENDPOINT="+endpoint)
	if err := first.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code, talk := dev(t, "STATE="+t.TempDir(), "DYNAMODB_ENDPOINT="+endpoint)
	if code != 1 || !strings.Contains(talk, "restore") || !strings.Contains(talk, endpoint) {
		t.Errorf("exit code %d\n%s", code, talk)
	}
}

// A secret without its older peppers is not loaded while the stack runs.
func TestASecretThatOpensNoKeyIsNotReloaded(t *testing.T) {
	s := start(t, t.TempDir())
	_, token := s.create(t, `{"unlimited":true}`)
	writeSecret(t, state(s.state), anotherSecret)
	if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for n := 0; !strings.Contains(s.log.String(), "stays as it was"); n++ {
		if n == 400 {
			t.Fatalf("a wrong secret is not told of\n%s", s.log)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if a := s.whoami(t, token); a.status != 200 {
		t.Errorf("a key: %d %s", a.status, a.text)
	}
}

func TestOneStackRunsOnAFolder(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, ownEngine)
	for _, environment := range [][]string{nil, {"DYNAMODB_ENDPOINT=http://127.0.0.1:9"}, {"STATE=" + dir + "/."}} {
		begun := time.Now()
		code, talk := dev(t, append([]string{"STATE=" + dir}, environment...)...)
		if code != 1 || !strings.Contains(talk, "another latchkey dev") || !strings.Contains(talk, "STATE") || time.Since(begun) > 20*time.Second {
			t.Errorf("%v: exit code %d after %v\n%s", environment, code, time.Since(begun), talk)
		}
	}
	if out, err := command(t, nil, "init", "--state", dir).Output(); err != nil || len(out) == 0 {
		t.Errorf("init, while others were refused: %v", err)
	}
	if a := s.whoami(t, s.root); a.status != 200 {
		t.Errorf("the first: %d %s", a.status, a.text)
	}
}

func TestOfTwoStartsAtOnceOneRuns(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	const starts = 4
	ended := make(chan string, starts)
	ran, refused := make(chan struct{}, starts), make(chan struct{})
	oneIsLeft := sync.OnceFunc(func() { close(refused) })
	for range starts {
		wg.Go(func() {
			c := command(t, []string{"PORT=0", "STATE=" + dir}, "dev")
			log := &safeBuffer{}
			c.Stderr = log
			out, err := c.StdoutPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Error(err)
				return
			}
			var text strings.Builder
			for lines := bufio.NewScanner(out); !ready.MatchString(text.String()) && lines.Scan(); {
				text.WriteString(lines.Text() + "\n")
			}
			if ready.MatchString(text.String()) {
				ran <- struct{}{}
				select {
				case <-refused:
				case <-time.After(15 * time.Second): // another runs as well
				}
				_ = c.Process.Signal(syscall.SIGTERM)
				_ = c.Wait()
				return
			}
			_ = c.Wait()
			ended <- log.String()
			if len(ended) == starts-1 {
				oneIsLeft()
			}
		})
	}
	wg.Wait()
	if len(ran) != 1 {
		t.Errorf("%d of %d have run", len(ran), starts)
	}
	if len(ended) != starts-1 {
		t.Fatalf("%d of %d were refused", len(ended), starts)
	}
	for range starts - 1 {
		if text := <-ended; !strings.Contains(text, "another latchkey dev") {
			t.Errorf("refused with %s", text)
		}
	}
	if _, err := os.Stat(state(dir).endpoint()); err == nil {
		t.Error("the endpoint is still there")
	}
}

// The files of a killed stack prevent no new stack, and no command takes them for a running one.
func TestLeftoversOfAKilledStackAreNoStack(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, ownEngine)
	if err := s.end(syscall.SIGKILL); err == nil {
		t.Fatal("it was not killed")
	}
	if _, err := os.Stat(state(dir).endpoint()); err != nil {
		t.Fatalf("a killed stack has removed its endpoint: %v", err)
	}
	// Another stack's engine may have the same port by now.
	other := start(t, t.TempDir())
	text, err := os.ReadFile(state(other.state).endpoint())
	if err == nil {
		err = os.WriteFile(state(dir).endpoint(), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, out, talk := cli(t, "", nil, "init", "--state", dir); code != 1 || out != "" || !strings.Contains(talk, "no local stack runs on "+dir) {
		t.Errorf("init: exit code %d\n%s%s", code, out, talk)
	}
	again := start(t, dir, ownEngine)
	if err := again.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(state(dir).endpoint()); err == nil {
		t.Error("the endpoint is still there")
	}
}

// The folder was removed and made anew below a running stack, by another one.
func TestAStackRemovesItsOwnEndpointAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first := start(t, dir)
	if err := os.Rename(dir, dir+"-removed"); err != nil {
		t.Fatal(err)
	}
	second := start(t, dir)
	if err := first.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if out, err := command(t, nil, "init", "--state", second.state).Output(); err != nil || len(out) == 0 {
		t.Errorf("init on the second: %v", err)
	}
}
