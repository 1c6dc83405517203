package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/term"

	"latchkey/internal/ptytest"
)

func TestCtrlCEndsAQuestion(t *testing.T) {
	for _, q := range []struct {
		args, question string
		hidden         bool // the terminal does not show the answer
	}{
		{"keys revoke AAAAAAAAAAAAAAAA", "[y/N] ", false},
		{"validate", "API key: ", true},
	} {
		screen, keyboard := ptytest.Open(t)
		state := func() term.State {
			s, err := term.GetState(int(screen.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			return *s
		}
		before := state()
		c := command(t, []string{"LATCHKEY_URL=http://127.0.0.1:1"}, strings.Fields(q.args)...)
		c.Stdin, c.SysProcAttr = screen, &syscall.SysProcAttr{Setsid: true, Setctty: true}
		talk, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() }).Stop() // if it ignores Ctrl-C
		var said []byte
		for one := make([]byte, 1); !strings.HasSuffix(string(said), q.question); said = append(said, one...) {
			if _, err := io.ReadFull(talk, one); err != nil {
				t.Fatalf("%s: %v: %s", q.args, err, said)
			}
		}
		for q.hidden && state() == before {
			time.Sleep(time.Millisecond)
		}
		if _, err := keyboard.WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(talk)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); c.ProcessState.ExitCode() != 130 || string(rest) != "\nlatchkey: interrupted\n" {
			t.Errorf("%s: %v: %q", q.args, err, rest)
		}
		if state() != before {
			t.Errorf("%s: the terminal still hides input", q.args)
		}
	}
}

// A new token is shown only once, so the error names its key.
func TestAKeyThatCannotBePrintedIsNamed(t *testing.T) {
	s := start(t, t.TempDir())
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	id, _ := s.create(t, `{"userId":"u1"}`)
	for _, args := range []string{"keys create --user u1", "keys create --user u1 --json", "keys rotate " + id} {
		c := command(t, []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root}, strings.Fields(args)...)
		var talk bytes.Buffer
		c.Stdout, c.Stderr = full, &talk
		if err := c.Run(); err == nil || !strings.Contains(talk.String(), "could not be printed: rotate or revoke ") {
			t.Errorf("latchkey %s: %v\n%s", args, err, talk.String())
		}
	}
}

// After a wrong answer, the question is repeated with the allowed values. Ctrl-C stores nothing.
func TestTheQuestionsOfADeployment(t *testing.T) {
	dir := t.TempDir()
	ask := func(answers ...string) (said string, code int) {
		screen, keyboard := ptytest.Open(t)
		c := command(t, []string{"AWS_REGION=", "AWS_DEFAULT_REGION=", "AWS_CONFIG_FILE=" + os.DevNull}, "configure")
		c.Dir, c.Stdin, c.SysProcAttr = dir, screen, &syscall.SysProcAttr{Setsid: true, Setctty: true}
		talk, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() }).Stop() // if it waits for more answers
		var all []byte
		for _, answer := range answers {
			for one := make([]byte, 1); !strings.HasSuffix(string(all), "]: "); all = append(all, one...) {
				if _, err := io.ReadFull(talk, one); err != nil {
					t.Fatalf("%v: %s", err, all)
				}
			}
			all = append(all, '\n') // the terminal shows the answer, and not the program
			if _, err := keyboard.WriteString(answer); err != nil {
				t.Fatal(err)
			}
		}
		rest, err := io.ReadAll(talk)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rest...)
		_ = c.Wait()
		return string(all), c.ProcessState.ExitCode()
	}
	file := filepath.Join(dir, ".deploy", "latchkey.yaml")
	said, code := ask("\n", "\x03")
	if _, err := os.Stat(file); code != 130 || err == nil {
		t.Errorf("after Ctrl-C: code %d, the file: %v\n%s", code, err, said)
	}
	said, code = ask("Frankfurt\n", "eu-central-1\n", "\n", "alarms\n", "\n", "api.example.com\n", "https://api.example.com\n",
		"http://id.example.com\n", "https://id.example.com\n", "\n", "latchkey\n")
	stored, err := os.ReadFile(file)
	if code != 0 || err != nil {
		t.Fatalf("code %d, %v\n%s", code, err, said)
	}
	for _, want := range []string{
		"Region [us-east-1]: \nRegion must be an AWS region", "Architecture [arm64]: ", "AlarmTopicArn []: \nAlarmTopicArn ", "BackendUrl []: \nBackendUrl ",
		"OidcIssuer []: \nOidcIssuer (OIDC_ISSUER) must be URLs", "OidcAudience []: \nOidcAudience must not be empty",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	for _, want := range []string{
		"region: eu-central-1", "BackendUrl: https://api.example.com", "OidcIssuer: https://id.example.com", "OidcAudience: latchkey",
	} {
		if !strings.Contains(string(stored), want) {
			t.Errorf("the answers have no %q:\n%s", want, stored)
		}
	}
	if strings.Contains(string(stored), "Alarm") || strings.Contains(string(stored), "Architecture") {
		t.Errorf("defaults are stored:\n%s", stored)
	}
}
