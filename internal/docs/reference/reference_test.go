package reference_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/docs"
	"latchkey/internal/docs/bill"
	"latchkey/internal/docs/reference"
)

// update writes the generated parts of the manual anew: make manual.
var update = flag.Bool("update", false, "write the generated parts of the manual")

// root is the module's folder.
const root = "../../.."

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The parts that need a running stack, or the commands, are tested beside those.
func TestReferencePagesAgreeWithTheCode(t *testing.T) {
	template := read(t, "template.yaml")
	if *update {
		embedded := filepath.Join(root, "internal", "local", "sam", "template.yaml")
		if err := os.WriteFile(embedded, template, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	variables, err := reference.Variables(filepath.Join(root, "internal", "config"), "Config")
	if err != nil {
		t.Fatal(err)
	}
	configuration, err := reference.Configuration(variables, template)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := reference.Metrics(filepath.Join(root, "internal", "metrics"), template)
	if err != nil {
		t.Fatal(err)
	}
	prices, err := bill.Read()
	if err != nil {
		t.Fatal(err)
	}
	costs, err := reference.Costs(prices, template)
	if err != nil {
		t.Fatal(err)
	}
	for page, text := range map[string]string{
		"costs.md": costs, "configuration.md": configuration, "metrics.md": metrics, "errors.md": reference.Errors(apikey.Table()),
	} {
		if err := docs.Check(filepath.Join(root, "internal", "docs", page), text, *update); err != nil {
			t.Error(err)
		}
	}
}

func TestVariablesAreReadFromAStruct(t *testing.T) {
	folder := t.TempDir()
	code := "package p\n\ntype C struct {\n" +
		"\t// UserScopes and MaxKeys are for\n\t// users.\n\tUserScopes string `env:\"USER_SCOPES,required\"`\n" +
		"\tMaxKeys int `env:\"MAX_KEYS\" envDefault:\"20\"`\n\tLocal bool `env:\"-\"`\n}\n"
	if err := os.WriteFile(filepath.Join(folder, "c.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := reference.Variables(folder, "C")
	if err != nil {
		t.Fatal(err)
	}
	comment := "`USER_SCOPES` and `MAX_KEYS` are for users."
	want := []reference.Variable{
		{Name: "USER_SCOPES", Required: true, Comment: comment}, {Name: "MAX_KEYS", Default: "20", Comment: comment},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if _, err := reference.Variables(folder, "D"); err == nil {
		t.Error("a struct that does not exist has variables")
	}
}

// An alarm wakes a person, who needs to know what to do.
func TestEachAlarmHasASectionInOperate(t *testing.T) {
	operate := string(read(t, "internal", "docs", "operate.md"))
	alarms := 0
	for line := range strings.Lines(string(read(t, "template.yaml"))) {
		name, ok := strings.CutSuffix(strings.TrimRight(line, "\n"), "Alarm:")
		if !ok || !strings.HasPrefix(name, "  ") || strings.HasPrefix(name, "   ") {
			continue
		}
		alarms++
		if !strings.Contains(operate, "\n### "+name[2:]+"Alarm\n") {
			t.Errorf("operate.md has no section ### %sAlarm", name[2:])
		}
	}
	if alarms < 5 {
		t.Errorf("only %d alarms were found", alarms)
	}
}

// A person copies the query from the manual where the stack has not saved it.
func TestTheManualShowsTheSavedQuery(t *testing.T) {
	_, text, found := strings.Cut(string(read(t, "template.yaml")), "      QueryString: |\n")
	if !found {
		t.Fatal("the template saves no query")
	}
	query := ""
	for line := range strings.Lines(text) {
		line, inside := strings.CutPrefix(line, "        ")
		if !inside {
			break
		}
		if !strings.HasPrefix(line, "#") {
			query += line
		}
	}
	if !strings.Contains(string(read(t, "internal", "docs", "operate.md")), "```text\n"+query+"```\n") {
		t.Errorf("operate.md does not show the query\n%s", query)
	}
}

// A page that has drifted is named with the command that mends it.
func TestAPageThatHasDriftedIsFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte("# A\n\n"+docs.Mark+"\n\nold\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := docs.Check(file, "new", false); err == nil || !strings.Contains(err.Error(), "make manual") {
		t.Errorf("drifted: %v", err)
	}
	if err := docs.Check(file, "new", true); err != nil {
		t.Errorf("update: %v", err)
	}
	if err := docs.Check(file, "new", false); err != nil {
		t.Errorf("updated: %v", err)
	}
}
