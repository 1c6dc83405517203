//go:build sam

package samtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recordingSAM stands in for the SAM CLI. It records its arguments in a file.
const recordingSAM = `#!/bin/sh
echo "$@ # built for $ARCHITECTURE" >> calls
`

// The functions are built for the processor in the stored answers.
func TestADeploymentIsBuiltForItsArchitecture(t *testing.T) {
	t.Parallel()
	dir := deployFolder(t, recordingSAM)
	const now = " --no-confirm-changeset --no-fail-on-empty-changeset"
	for _, c := range []struct {
		name       string
		variables  []string // of make
		want, says string   // the stack, the processor and more arguments; or the error of make
	}{
		{name: "no terminal and no CI", says: "the questions need a terminal"},
		{name: "no region", variables: []string{"CI=1"}, says: "--region is needed"},
		{name: "the first time", variables: []string{"CI=1", "REGION=eu-west-1"}, want: "latchkey arm64" + now},
		{name: "again", want: "latchkey arm64"},
		{name: "another stack", variables: []string{"STACK=latch", "ARCHITECTURE=x86_64", "CI=true", "REGION=us-east-1"}, want: "latch x86_64" + now},
		{name: "again, without an architecture", variables: []string{"STACK=latch"}, want: "latch x86_64"},
		{name: "again, with another architecture", variables: []string{"STACK=latch", "ARCHITECTURE=arm64"}, want: "latch arm64"},
		{name: "parameters with blanks", variables: []string{"PARAMETERS=Architecture=x86_64 RouteScopes='POST /tts/*=tts; *='"}, want: "latchkey x86_64"},
		{name: "a wrong parameter", variables: []string{"PARAMETERS=UsageDays=0"}, says: "UsageDays must be a whole number from 1 to 400"},
		{name: "an unknown parameter", variables: []string{"PARAMETERS=ApiKeys=x"}, says: `no parameter "ApiKeys"`},
		{name: "after that", want: "latchkey x86_64"},
	} {
		_ = os.Remove(filepath.Join(dir, "calls"))
		run := exec.CommandContext(t.Context(), "make", append([]string{"deploy", "SAM=./sam", "CI="}, c.variables...)...)
		run.Dir, run.Env = dir, deployEnvironment(dir)
		out, err := run.CombinedOutput()
		calls, _ := os.ReadFile(filepath.Join(dir, "calls")) // there is none if SAM was not called
		if c.want == "" {
			if err == nil || !strings.Contains(string(out), c.says) || len(calls) > 0 {
				t.Errorf("%s: %v, want an error that says %q, and no call of SAM:\n%s%s", c.name, err, c.says, out, calls)
			}
			continue
		}
		stack, rest, _ := strings.Cut(c.want, " ")
		processor, more, _ := strings.Cut(rest, " --")
		if more != "" {
			more = " --" + more
		}
		file := " --config-file .deploy/" + stack + ".yaml"
		want := "build" + file + " # built for " + processor + "\ndeploy" + file + more + " # built for"
		if err != nil || !strings.HasPrefix(string(calls), want) || strings.Count(string(calls), "\n") != 2 {
			t.Errorf("%s: %v, sam was called with\n%s, want\n%s\n%s", c.name, err, calls, want, out)
		}
		region := map[string]string{"latchkey": "eu-west-1", "latch": "us-east-1"}[stack]
		next := "Next:\n  export LATCHKEY_KEY=\"$(bin/latchkey init --stack " + stack + " --region " + region +
			")\"\n  make smoke STACK=" + stack + " REGION=" + region + "\n"
		if !strings.HasSuffix(string(out), next) {
			t.Errorf("%s: the last lines are not the next commands\n%s:\n%s", c.name, next, out)
		}
	}
}

// The real SAM CLI reads the stored answers as they were given. Only answers that differ from the
// defaults are there, so a later version's defaults hold.
func TestSAMReadsTheStoredAnswers(t *testing.T) {
	t.Parallel()
	dir := deployFolder(t, strings.Replace(builtAlready, `"$@"`, `"$@" --debug`, 1))
	run := exec.CommandContext(t.Context(), "make", "deploy", "SAM=./sam", "CI=1", "REGION=eu-west-1",
		`PARAMETERS=RouteScopes='POST /tts/*=tts; GET /v1/models=' UserScopes='a, b' OidcAdminClaim='groups="x y"' OidcIssuer=https://id.example.com `+
			`OidcAudience=latchkey KeyPrefix=sk`)
	run.Dir = dir
	run.Env = append(deployEnvironment(dir), "REAL_SAM="+samTool(t, "sam"), "HTTPS_PROXY=http://127.0.0.1:9")
	out, err := run.CombinedOutput()
	const want = `{'OidcAdminClaim': 'groups="x y"', 'OidcAudience': 'latchkey', 'OidcIssuer': 'https://id.example.com', 'RouteScopes': 'POST /tts/*=tts; GET /v1/models=', 'UserScopes': 'a, b'}`
	if err == nil || !strings.Contains(string(out), "Converted 5 parameters: "+want) {
		t.Errorf("%v: SAM did not read %s:\n%s", err, want, out)
	}
}
