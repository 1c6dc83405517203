//go:build sam

package samtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// question matches a prompt that waits for an answer at the end of the output: "\nRegion
// [us-east-1]: ", or "\tStack Name [latchkey]: " of SAM itself.
var question = regexp.MustCompile(`[\t\n]([^\t\r\n]*?[^\t\r\n ])(?: \[[^\r\n]*\])?: $`)

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// A new operator answers each question of the first deployment with Enter. SAM would repeat the
// question for a hidden parameter without a default, which no other test here would find.
func TestTheFirstDeploymentTakesEnterForEveryQuestion(t *testing.T) {
	t.Parallel()
	dir := deployFolder(t, builtAlready)
	asked, repeated, output := guided(t, dir, "make", "deploy", "SAM=./sam")
	if repeated != "" {
		t.Fatalf("the question %q is repeated:\n%s", repeated, output)
	}
	want := []string{"Region", "Architecture", "AlarmTopicArn", "BackendUrl", "OidcIssuer"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	// After the last question, SAM calls AWS.
	if !strings.Contains(output, "Unable to locate credentials") {
		t.Errorf("SAM does not reach its first call to AWS:\n%s", output)
	}

	// The table is new, so its gates may trust fences.
	if stored, err := os.ReadFile(filepath.Join(dir, ".deploy", "latchkey.yaml")); err != nil || !strings.Contains(string(stored), "Fence: trust\n") {
		t.Errorf("the answers do not trust fences: %v\n%s", err, stored)
	}

	// The answers are stored, so the next deployment asks nothing. Neither does one in CI.
	for _, more := range [][]string{nil, {"CI=1", "STACK=other", "REGION=eu-west-1"}} {
		asked, _, output := guided(t, dir, "make", append([]string{"deploy", "SAM=./sam"}, more...)...)
		if len(asked) > 0 || !strings.Contains(output, "Unable to locate credentials") {
			t.Errorf("%q: asked %q:\n%s", more, asked, output)
		}
	}
	before, err := os.ReadFile(filepath.Join(module, "samconfig.toml"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "samconfig.toml"))
	if err != nil || string(after) != string(before) {
		t.Errorf("samconfig.toml is changed: %v\n%s", err, after)
	}
}

// The test above finds a question that is repeated: SAM asks for a hidden parameter for ever.
func TestARepeatedQuestionIsFound(t *testing.T) {
	t.Parallel()
	dir := deployFolder(t, builtAlready)
	template := strings.Replace(templateText(t), "\nParameters:\n", "\nParameters:\n  Password:\n    Type: String\n    NoEcho: true\n", 1)
	if err := os.WriteFile(filepath.Join(dir, "template.yaml"), []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	_, repeated, output := guided(t, dir, "./sam", "deploy", "--guided")
	if repeated != "Parameter Password" {
		t.Errorf("the question %q is repeated, want the one for the password:\n%s", repeated, output)
	}
}

// A hidden parameter would be a secret in CloudFormation, and a question of SAM that Enter cannot
// answer. Secrets belong in the deployment's secret.
func TestNoParameterIsHidden(t *testing.T) {
	if strings.Contains(templateText(t), "NoEcho") {
		t.Error("the template has a hidden parameter")
	}
}

// A wrong parameter is refused with what is allowed, before any question.
func TestAWrongParameterIsExplained(t *testing.T) {
	t.Parallel()
	dir := deployFolder(t, builtAlready)
	asked, _, output := guided(t, dir, "make", "deploy", "SAM=./sam", "ARCHITECTURE=arm")
	if len(asked) > 0 || !strings.Contains(output, "Architecture must be one of arm64, x86_64") {
		t.Errorf("asked %q:\n%s", asked, output)
	}
	if _, err := os.Stat(filepath.Join(dir, ".deploy")); err == nil {
		t.Error("a wrong parameter is stored")
	}
}

// deployFolder returns a folder in which make deploy runs as in the repository, with sam as its SAM.
func deployFolder(t *testing.T, sam string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"Makefile", "samconfig.toml", "template.yaml"} { // SAM may write into a copy
		text, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// make builds the command line anew. Here it is built already, and the compiler does nothing.
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(commandLine(t), filepath.Join(dir, "bin", "latchkey")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// It is written last, because make would otherwise install a newer one.
	if err := os.WriteFile(filepath.Join(dir, "sam"), []byte(sam), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// commandLine builds latchkey and returns its path. The compiler's cache makes this fast.
func commandLine(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "latchkey")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./internal/cmd/latchkey")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// deployEnvironment has no credentials, and in folder dir a compiler that does nothing. It does not tell
// that these tests run in CI, or from another make.
func deployEnvironment(dir string) []string {
	return append(offline(), "CI=", "MAKEFLAGS=", "MAKELEVEL=0", "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// guided runs a command on a terminal. It answers each question with Enter, until the program ends
// or repeats a question.
func guided(t *testing.T, dir, name string, args ...string) (asked []string, repeated, output string) {
	t.Helper()
	real := samTool(t, "sam")
	screen, keyboard := ptytest.Open(t)
	run := exec.CommandContext(t.Context(), name, args...)
	run.Dir, run.Stdin, run.Stdout, run.Stderr = dir, screen, screen, screen
	// No request reaches AWS: there are no credentials, and the proxy does not exist.
	run.Env = append(deployEnvironment(dir), "REAL_SAM="+real, "HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9")
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
