package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where systemd is at hand, it finds no fault in the manual's units.
func TestSystemdTakesTheUnits(t *testing.T) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder, arguments := t.TempDir(), []string{"verify"}
	for _, p := range pages(t) {
		for _, b := range p.Blocks {
			if b.Language != "ini" {
				continue
			}
			file := filepath.Join(folder, filepath.Base(b.Name))
			text := strings.ReplaceAll(b.Text, "/usr/local/bin/latchkey", own) // it looks for the program
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			arguments = append(arguments, file)
		}
	}
	if len(arguments) != 3 {
		t.Fatalf("the manual has the units %v", arguments[1:])
	}
	out, err := exec.CommandContext(t.Context(), program, arguments...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "latchkey.") {
		t.Errorf("%v\n%s", err, out)
	}
}
