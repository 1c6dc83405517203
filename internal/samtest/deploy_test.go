//go:build sam

package samtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recordingSAM stands in for the SAM CLI. It records its arguments in a file, and stores the
// answers to its questions as SAM does. ANSWER is the answer about the architecture; if it is
// empty, the answer is Enter.
const recordingSAM = `#!/bin/sh
echo "$@ # built for $ARCHITECTURE" >> calls
case "$*" in *--guided*)
	cat >> samconfig.toml <<-END

	[$4.deploy.parameters]
	stack_name = "$4"
	parameter_overrides = "StageName=\"prod\" Architecture=\"${ANSWER:-${9#Architecture=}}\" KeyPrefix=\"sk\""

	[$4.global.parameters]
	region = "us-east-1"
	END
esac
`

func TestADeploymentAsksOnceAndBuildsForItsArchitecture(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Makefile", "samconfig.toml"} {
		text, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "sam"), []byte(recordingSAM), 0o700); err != nil {
		t.Fatal(err)
	}
	const guided = "deploy --guided --config-env %s --stack-name %s --confirm-changeset --parameter-overrides Architecture=%a"
	for _, c := range []struct {
		name       string
		variables  []string // of make
		want, says string   // sam's last call, or if that is empty, the error of make
	}{
		{name: "the first time", want: guided + " latchkey arm64"},
		{name: "again", want: "deploy --config-env %s latchkey arm64"},
		{name: "another stack whose name is the start of the first one's", variables: []string{"STACK=latch", "ARCHITECTURE=x86_64"}, want: guided + " latch x86_64"},
		{name: "again, without an architecture", variables: []string{"STACK=latch"}, want: "deploy --config-env %s latch x86_64"},
		{name: "again, with the same architecture", variables: []string{"STACK=latch", "ARCHITECTURE=x86_64"}, want: "deploy --config-env %s latch x86_64"},
		{name: "again, with another architecture", variables: []string{"STACK=latch", "ARCHITECTURE=arm64"}, says: "Architecture=x86_64 for latch: change it"},
		{name: "another architecture as the answer", variables: []string{"STACK=other", "ANSWER=x86_64"}, says: "built for arm64, but Architecture of other is x86_64"},
		{name: "again after that", variables: []string{"STACK=other"}, want: "deploy --config-env %s other x86_64"},
	} {
		_ = os.Remove(filepath.Join(dir, "calls"))
		run := exec.CommandContext(t.Context(), "make", append([]string{"deploy", "SAM=./sam"}, c.variables...)...)
		run.Dir = dir
		out, err := run.CombinedOutput()
		if c.want == "" {
			if err == nil || !strings.Contains(string(out), c.says) {
				t.Errorf("%s: %v, want an error that says %q:\n%s", c.name, err, c.says, out)
			}
			continue
		}
		calls, readErr := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil || readErr != nil {
			t.Fatalf("%s: %v, %v\n%s", c.name, err, readErr, out)
		}
		fields := strings.Fields(c.want)
		stack, processor := fields[len(fields)-2], fields[len(fields)-1]
		deploy := strings.NewReplacer("%s", stack, "%a", processor).Replace(strings.Join(fields[:len(fields)-2], " "))
		want := "build --parameter-overrides Architecture=" + processor + " # built for " + processor + "\n" + deploy
		if !strings.HasPrefix(string(calls), want) || strings.Count(string(calls), "\n") != 2 {
			t.Errorf("%s: sam was called with\n%s, want\n%s", c.name, calls, want)
		}
	}
}
