package main

import (
	"bytes"
	"io"
	"os"
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
