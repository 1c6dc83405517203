package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cli runs one command to its end and returns what a script sees of it.
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
		{[]string{"--dry-run"}, "2 created, 1 added to a key, 0 unchanged, 1 failed (dry run: nothing was written)\n"},
		{nil, "2 created, 1 added to a key, 0 unchanged, 1 failed\n"},
		{nil, "0 created, 0 added to a key, 3 unchanged, 1 failed\n"},
	} {
		code, out, talk := cli(t, "", nil, append([]string{"import", file, "--state", s.state}, c.more...)...)
		if code != 1 || out != c.want || !strings.HasPrefix(talk, "line 6: key belongs to the key of line 3 already\n") || strings.Contains(talk, one) {
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

	// By its hash alone, from standard input.
	line := `{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","userId":"u1","scopes":["tts"]}`
	code, out, talk := cli(t, line, nil, "import", "-", "--json", "--state", s.state)
	var summary map[string]any
	if err := json.Unmarshal([]byte(out), &summary); err != nil || code != 0 || summary["created"] != 1.0 || summary["complete"] != true || talk != "" {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, talk)
	}
}

func TestAnImportThatIsNotUnderstoodBeginsNothing(t *testing.T) {
	folder := t.TempDir()
	for _, c := range []struct {
		code int
		args []string
	}{
		{2, nil}, {2, []string{"a", "b"}}, {2, []string{"-", "--format", "csv"}}, {2, []string{"-", "--default-limit", "100"}},
		{2, []string{"-", "--default-limit", "0/1m"}}, {2, []string{"-", "--scopes", "All"}}, {2, []string{"-", "--user", "a\tb"}},
		{2, []string{"-", "--state", "x", "--stack", "y"}}, {1, []string{folder, "--state", folder}}, {1, []string{folder + "/none"}},
		{1, []string{"-", "--state", folder}},
	} {
		if code, out, talk := cli(t, "", nil, append([]string{"import"}, c.args...)...); code != c.code || out != "" || !strings.HasPrefix(talk, "latchkey: ") {
			t.Errorf("%v: exit code %d, want %d\n%s%s", c.args, code, c.code, out, talk)
		}
	}
}

// An interrupted import says how far it came, and the same again goes on.
func TestAnInterruptedImportIsToldApart(t *testing.T) {
	s := start(t, t.TempDir())
	c := command(t, nil, "import", "-", "--state", s.state)
	file, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out, talk safeBuffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	const token = "the-first-key-of-many"
	if _, err := file.Write([]byte("a:" + token + "\nbad\n")); err != nil {
		t.Fatal(err)
	}
	// The file goes on, so that only this shows that its first line is done.
	for tries := 0; s.whoami(t, token).status != 200; tries++ {
		if tries == 100 {
			t.Fatal("the first line is not imported while the rest is awaited")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 130 || !strings.HasPrefix(out.String(), "1 created, ") || !strings.Contains(talk.String(), "interrupted at line 2;") {
		t.Errorf("exit code %d\n%s%s", code, out.String(), talk.String())
	}
}
