//go:build sam

package samtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/ptytest"
)

// builtAlready runs the SAM CLI without its build, because its questions do not depend on the
// build.
const builtAlready = `#!/bin/sh
[ "$1" = build ] || exec "$REAL_SAM" "$@"
`

// question matches a prompt that waits for an answer at the end of SAM's output: "\tAWS Region
// [us-east-1]: ".
var question = regexp.MustCompile(`\t([^\t\r\n]*?[^\t\r\n ])(?: \[[^\r\n]*\])?: $`)

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// A new operator answers each question of the first deployment with Enter. SAM repeats the question
// for a hidden parameter without a default, which no other test here would find.
func TestAGuidedDeploymentTakesEnterForEveryQuestion(t *testing.T) {
	for name, c := range map[string]struct {
		secret bool // the template has such a parameter
	}{"our template": {}, "a template that asks for a secret": {true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template := templateText(t)
			if c.secret {
				template = strings.Replace(template, "\nParameters:\n", "\nParameters:\n  Password:\n    Type: String\n    NoEcho: true\n", 1)
			}
			asked, repeated, output := guided(t, template)
			if c.secret {
				if repeated != "Parameter Password" {
					t.Errorf("SAM repeats the question %q, want the one for the password:\n%s", repeated, output)
				}
				return
			}
			if repeated != "" {
				t.Fatalf("SAM repeats the question %q:\n%s", repeated, output)
			}
			// After the last question, SAM calls AWS.
			if !strings.Contains(output, "Unable to locate credentials") {
				t.Errorf("SAM does not reach its first call to AWS:\n%s", output)
			}
			if len(asked) < 6 || asked[0] != "Stack Name" || asked[1] != "AWS Region" {
				t.Errorf("SAM asked %q", asked)
			}
		})
	}
}

// guided runs the first make deploy on a terminal. It answers each question with Enter, until the
// program ends or repeats a question.
func guided(t *testing.T, template string) (asked []string, repeated, output string) {
	t.Helper()
	real := samTool(t, "sam")
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Makefile", "samconfig.toml"} { // SAM writes its answers into a copy
		text, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, string(text))
	}
	write("template.yaml", template)
	write("sam", builtAlready) // written last, because make would otherwise install a newer one
	screen, keyboard := ptytest.Open(t)
	run := exec.CommandContext(t.Context(), "make", "deploy", "SAM=./sam")
	run.Dir, run.Stdin, run.Stdout, run.Stderr = dir, screen, screen, screen
	// No request reaches AWS: there are no credentials, and the proxy does not exist.
	run.Env = append(offline(), "REAL_SAM="+real, "HOME="+dir, "HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9")
	run.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	screen.Close() // so that reading ends when the program does
	end := func() { _ = syscall.Kill(-run.Process.Pid, syscall.SIGKILL) }
	defer time.AfterFunc(2*time.Minute, end).Stop() // in case it waits for anything else
	defer func() { end(); _ = run.Wait() }()

	seen := make(map[string]bool)
	var printed strings.Builder
	for part := make([]byte, 4096); ; {
		n, err := keyboard.Read(part)
		printed.Write(part[:n])
		output = colours.ReplaceAllString(printed.String(), "")
		if err != nil {
			return asked, "", output
		}
		match := question.FindStringSubmatch(output)
		if match == nil {
			continue
		}
		if seen[match[1]] {
			return asked, match[1], output
		}
		seen[match[1]], asked = true, append(asked, match[1])
		if _, err := keyboard.WriteString("\n"); err != nil {
			t.Fatal(err)
		}
	}
}
