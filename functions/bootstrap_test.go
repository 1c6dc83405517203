package functions_test

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// makeBootstrap builds a bootstrap as sam build does, from the module in root.
func makeBootstrap(t *testing.T, root, function string, variables ...string) (path, output string, err error) {
	t.Helper()
	dir := t.TempDir()
	c := exec.Command("make", "-s", "-C", root, "build-"+function, "ARTIFACTS_DIR="+dir)
	c.Env = append(os.Environ(), variables...)
	out, err := c.CombinedOutput()
	return filepath.Join(dir, "bootstrap"), string(out), err
}

func TestABootstrapIsStaticAndStrippedAndForItsArchitecture(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector sees nothing of a build")
	}
	for _, c := range []struct {
		function, variable string
		machine            elf.Machine
	}{
		{"AuthorizerFunction", "", elf.EM_AARCH64}, // the template's default
		{"AuthorizerFunction", "ARCHITECTURE=x86_64", elf.EM_X86_64},
		{"ValidateFunction", "GOARCH=amd64", elf.EM_X86_64},
		{"KeysFunction", "GOARCH=amd64", elf.EM_X86_64},
	} {
		path, out, err := makeBootstrap(t, dynamotest.Root(), c.function, c.variable)
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", c.function, c.variable, err, out)
		}
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Machine != c.machine {
			t.Errorf("%s %s: built for %v, want %v", c.function, c.variable, f.Machine, c.machine)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s: not static: it has a %v", c.function, p.Type)
			}
		}
		for _, section := range []string{".symtab", ".debug_info", ".zdebug_info"} {
			if f.Section(section) != nil {
				t.Errorf("%s: not stripped: it has %s", c.function, section)
			}
		}
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var settings []string
		for _, s := range info.Settings {
			settings = append(settings, s.Key+"="+s.Value)
		}
		text := strings.Join(settings, " ")
		for setting, wanted := range map[string]bool{"-tags=lambda.norpc": true, "-trimpath=true": true, "vcs": false} {
			if strings.Contains(text, setting) != wanted {
				t.Errorf("%s: built with %s, and %s is %t", c.function, text, setting, !wanted)
			}
		}
	}
}

func TestABootstrapForTheWrongProcessorIsDeleted(t *testing.T) {
	path, out, err := makeBootstrap(t, dynamotest.Root(), "AuthorizerFunction", "GOARCH=amd64", "ARCHITECTURE=arm64")
	if err == nil || !strings.Contains(out, "built for another processor") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the wrong bootstrap is still there")
	}
}

// The bytes do not depend on the folder, on the history of the repository, or on the user's flags.
func TestABootstrapIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector sees nothing of a build")
	}
	other := filepath.Join(t.TempDir(), "elsewhere")
	for _, dir := range []string{"functions", "internal"} {
		if err := os.CopyFS(filepath.Join(other, dir), os.DirFS(filepath.Join(dynamotest.Root(), dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"Makefile", "go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(dynamotest.Root(), file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, arguments := range [][]string{
		{"init", "-q"}, {"-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "--allow-empty", "-m", "m"},
	} {
		c := exec.Command("git", append([]string{"-C", other}, arguments...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git is needed: %v\n%s", err, out)
		}
	}
	for _, function := range []string{"AuthorizerFunction", "ValidateFunction", "KeysFunction"} {
		var sums [2][]byte
		for i, root := range []string{dynamotest.Root(), other} {
			flags := []string{"", "GOFLAGS=-buildvcs=true -gcflags=-l -ldflags=-X=main.who=me"}[i]
			path, out, err := makeBootstrap(t, root, function, flags)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(text)
			sums[i] = sum[:]
		}
		if !bytes.Equal(sums[0], sums[1]) {
			t.Errorf("%s: %x in one folder, %x in another", function, sums[0], sums[1])
		}
	}
}
