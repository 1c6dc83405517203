package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryCommandHasAManualPage(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "man", "man1")
	asked{args: "man " + folder, talk: "manual pages are in " + folder}.run(t)
	for path := range helpExamples() {
		text, err := os.ReadFile(filepath.Join(folder, strings.ReplaceAll(path, " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, want := range []string{".TH ", ".SH NAME\n", ".SH SYNOPSIS\n.B " + roff(path), ".SH EXAMPLES\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the page of %s has no %q", path, want)
			}
		}
	}
	if got := roff(".x\n'y \\ --z"); got != "\\&.x\n\\&'y \\e \\-\\-z" {
		t.Errorf("roff returns %q", got)
	}
	asked{args: "man", code: 2, talk: "needs one DIR"}.run(t)
	asked{args: "man /dev/null/x", code: 1, talk: "make the folder"}.run(t)
}

func TestVersionIsReadByPrograms(t *testing.T) {
	for _, name := range []string{"version", "commit", "date", "go", "platform"} {
		if code, out, talk := cli(t, "", nil, "version", "--jq", "."+name); code != 0 || len(strings.TrimSpace(out)) < 2 {
			t.Errorf("%s: exit code %d, %q %s", name, code, out, talk)
		}
	}
	asked{args: "version -o csv", out: "version,commit,date,modified,go,platform"}.run(t)
}
