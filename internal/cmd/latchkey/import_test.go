package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cli runs one command to its end, and returns its exit code and output.
func cli(t testing.TB, stdin string, environment []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := command(t, environment, args...)
	var out, talk bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &talk
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), talk.String()
}

func TestAKeyFileIsImportedIntoTheRunningStack(t *testing.T) {
	s := start(t, t.TempDir())
	const one, two, old = "sk_live_0123456789abcdef0123456789abcdef", "an-old-key-of-customer-7", "a-key-that-has-expired"
	file := filepath.Join(t.TempDir(), "keys.txt")
	text := "# keys\r\n\r\ncustomer-7:" + one + ":2\r\ncustomer-7:" + two + "\r\ncustomer-8:" + old + "::2020-01-31\r\ncustomer-9:" + one + "\r\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		more []string
		want string
	}{
		{[]string{"--dry-run"}, "3\tcreated\tcustomer-7\tcustomer-7\t*\t2/1m\t\n4\tadded\tcustomer-7\tcustomer-7\t\t\t\n" +
			"5\tcreated\tcustomer-8\tcustomer-8\t*\t100/1m\t2020-01-31T00:00:00Z\n" +
			"2 created, 1 added to a key, 0 unchanged, 1 failed (dry run: nothing was written)\n"},
		{nil, "2 created, 1 added to a key, 0 unchanged, 1 failed\n"},
		{nil, "0 created, 0 added to a key, 3 unchanged, 1 failed\n"},
	} {
		code, out, talk := cli(t, "", nil, append([]string{"import", file, "--state", s.state}, c.more...)...)
		if code != 1 || out != c.want || !strings.HasPrefix(talk, "line 6: key belongs to the key of line 3 already; remove one of the two lines\n") || strings.Contains(talk, one) {
			t.Errorf("%v: exit code %d\n%s%s", c.more, code, out, talk)
		}
	}
	for i, c := range []struct {
		token string
		want  int
	}{{one, 200}, {two, 200}, {one, 429}, {two, 429}, {old, 401}} {
		if a := s.whoami(t, c.token); a.status != c.want || c.want == 200 && (a.json["userId"] != "customer-7" || a.json["name"] != "customer-7") {
			t.Errorf("call %d: %d %s", i+1, a.status, a.text)
		}
	}

	// A JSON line with a hash, from standard input.
	line := `{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","userId":"u1","scopes":["tts"]}`
	code, out, talk := cli(t, line, nil, "import", "-", "--json", "--state", s.state)
	var summary map[string]any
	if err := json.Unmarshal([]byte(out), &summary); err != nil || code != 0 || summary["created"] != 1.0 || summary["complete"] != true || talk != "" {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, talk)
	}
}

func TestAnImportWithAWrongCommandLineDoesNotStart(t *testing.T) {
	folder := t.TempDir()
	for _, c := range []struct {
		code int
		args []string
	}{
		{2, nil}, {2, []string{"a", "b"}}, {2, []string{"-", "--format", "yaml"}}, {2, []string{"-", "--default-limit", "100"}},
		{2, []string{"-", "--default-limit", "0/1m"}}, {2, []string{"-", "--scopes", "All"}}, {2, []string{"-", "--user", "a\tb"}},
		{2, []string{"-", "--state", "x", "--stack", "y"}}, {1, []string{folder, "--state", folder}}, {1, []string{folder + "/none"}},
		{1, []string{"-", "--state", folder}},
	} {
		if code, out, talk := cli(t, "", nil, append([]string{"import"}, c.args...)...); code != c.code || out != "" || !strings.HasPrefix(talk, "latchkey: ") {
			t.Errorf("%v: exit code %d, want %d\n%s%s", c.args, code, c.code, out, talk)
		}
	}
}

// A dry run lists the keys that an import would create, in the order of the file and without tokens.
func TestADryRunListsTheKeys(t *testing.T) {
	s := start(t, t.TempDir())
	const one, two = "sk_live_0123456789abcdef0123456789abcdef", "an-old-key-of-customer-7"
	text := "customer-7:" + one + ":2:2027-01-31\ncustomer-7:" + two + "\nbad\ncustomer-8:a-key-of-customer-8\n"
	code, out, talk := cli(t, text, nil, "import", "-", "--state", s.state, "--dry-run", "--scopes", "tts,stt")
	want := "1\tcreated\tcustomer-7\tcustomer-7\ttts,stt\t2/1m\t2027-01-31T00:00:00Z\n" +
		"2\tadded\tcustomer-7\tcustomer-7\t\t\t\n" +
		"4\tcreated\tcustomer-8\tcustomer-8\ttts,stt\t100/1m\t\n" +
		"2 created, 1 added to a key, 0 unchanged, 1 failed (dry run: nothing was written)\n"
	if code != 1 || out != want || !strings.HasPrefix(talk, "line 3: key is missing; write key_id:api_key\n") {
		t.Errorf("exit code %d\n%s%s", code, out, talk)
	}
	code, out, _ = cli(t, text, nil, "import", "-", "--state", s.state, "--dry-run", "--json")
	var summary struct {
		Complete bool
		Keys     []struct {
			Line          int
			Would, UserID string
		}
	}
	if err := json.Unmarshal([]byte(out), &summary); err != nil || code != 1 || !summary.Complete || len(summary.Keys) != 3 || summary.Keys[2].UserID != "customer-8" || summary.Keys[1].Would != "added" {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	if strings.Contains(out, one[:12]) || strings.Contains(out, two[:12]) {
		t.Errorf("it gives a token away: %s", out)
	}
}

// The error names the form that the file seems to have.
func TestAFileThatIsNoKeyFileWritesNothing(t *testing.T) {
	s := start(t, t.TempDir())
	const token = "0f8a7c61d2e34b95a6f7081929304a5b"
	for _, c := range []struct{ text, says string }{
		{"_format_version: \"3.0\"\nconsumers:\n- username: alice\n  keyauth_credentials:\n  - key: " + token + "\n", "it looks like Kong's declarative YAML; say --format kong"},
		{"key_id,api_key\nalice," + token + "\n", "it looks like CSV with a header; say --format csv"},
		{"API_KEYS=" + token + ":alice\n", "it looks like an environment file"},
		{"alice:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\nbob:" + token + "\ncarol:changeme-changeme\n", "2 of 3 lines are wrong"},
	} {
		code, out, talk := cli(t, c.text, nil, "import", "-", "--state", s.state)
		if code != 1 || out != "" || !strings.Contains(talk, "nothing was written: ") || !strings.Contains(talk, c.says) || strings.Contains(talk, token) {
			t.Errorf("%q: exit code %d\n%s%s", c.says, code, out, talk)
		}
	}
	if a := s.whoami(t, token); a.status != 401 {
		t.Errorf("it became a key: %d %s", a.status, a.text)
	}
	code, out, talk := cli(t, "consumers:\n- username: alice\n  keyauth_credentials:\n  - key: "+token+"\n", nil, "import", "-", "--state", s.state, "--format", "kong")
	time.Sleep(1200 * time.Millisecond) // an instance may remember for a second that there was no such key
	if a := s.whoami(t, token); code != 0 || a.status != 200 || a.json["userId"] != "alice" {
		t.Errorf("as Kong's: exit code %d\n%s%s%s", code, out, talk, a.text)
	}
}

// An interrupted import says how far it came. The same import again continues it.
func TestAnInterruptedImportHasItsOwnExitCode(t *testing.T) {
	s := start(t, t.TempDir())
	const token = "the-first-key-of-many"
	var text strings.Builder
	text.WriteString("a:" + token + "\nbad\n")
	for n := range 5_000 {
		fmt.Fprintf(&text, "customer-%d:a-key-of-customer-%d\n", n, n)
	}
	file := filepath.Join(t.TempDir(), "keys.txt")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := command(t, nil, "import", file, "--state", s.state)
	var out, talk safeBuffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for tries := 0; s.whoami(t, token).status != 200; tries++ {
		if tries == 400 {
			t.Fatal("the first line is not imported")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 130 || !strings.Contains(out.String(), " created, ") || !strings.Contains(talk.String(), "interrupted at line ") {
		t.Errorf("exit code %d\n%s%s", code, out.String(), talk.String())
	}

	// An import from standard input that does not end can be interrupted, too.
	c = command(t, nil, "import", "-", "--state", s.state)
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var waiting safeBuffer
	c.Stderr = &waiting
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte("b:the-first-key-of-few\n")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // it is reading, or has not begun: both end
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	after := s.whoami(t, "the-first-key-of-few")
	for tries := 0; after.status == 503 && tries < 100; tries++ { // the engine still does what the first import asked of it
		time.Sleep(50 * time.Millisecond)
		after = s.whoami(t, "the-first-key-of-few")
	}
	if code := c.ProcessState.ExitCode(); code == 0 || after.status != 401 {
		t.Errorf("exit code %d, and the key is answered with %d\n%s", code, after.status, waiting.String())
	}
}
