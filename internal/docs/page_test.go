package docs_test

import (
	"bytes"
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/unit"
	"go.yaml.in/yaml/v3"

	"latchkey/internal/docs"
)

// root is the module's folder.
const root = "../.."

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func pages(t *testing.T) []docs.Page {
	t.Helper()
	all, err := docs.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("there are only %d pages: the test sees nothing", len(all))
	}
	return all
}

// prose is the text of a page without its blocks of code.
func prose(p docs.Page) []string {
	lines := strings.Split(p.Text, "\n")
	for _, b := range p.Blocks {
		for i := range strings.Count(b.Text, "\n") + 2 {
			lines[b.Line-1+i] = ""
		}
	}
	return lines
}

// Programs have the template in them. Its copy is written as the generated pages are.
func TestTheEmbeddedTemplateIsThatOfTheModule(t *testing.T) {
	if !bytes.Equal(read(t, "template.yaml"), read(t, "internal", "local", "sam", "template.yaml")) {
		t.Error("internal/local/sam/template.yaml is not a copy of template.yaml any more: run make manual")
	}
}

func TestLinesHaveAtMost120Columns(t *testing.T) {
	for _, p := range pages(t) {
		for i, line := range prose(p) {
			// A word that is longer than a line has one of its own.
			if n := utf8.RuneCountInString(line); n > 120 && strings.Count(line, " ") > 1 {
				t.Errorf("%s:%d has %d columns", p.File, i+1, n)
			}
		}
		for _, b := range p.Blocks {
			for line := range strings.Lines(b.Text) {
				// A template of a gateway response is one line.
				if n := utf8.RuneCountInString(line); n > 121 && b.Language != "yaml" {
					t.Errorf("%s:%d: the block has a line of %d columns", p.File, b.Line, n)
				}
			}
		}
	}
}

// A list's entry is a paragraph as well.
func TestParagraphsHaveAtMostFiveLines(t *testing.T) {
	begins := regexp.MustCompile(`^ *([-*] |\d+\. |\||#|<|!\[|\[\w+\]: )`)
	for _, p := range pages(t) {
		length := 0
		for i, line := range prose(p) {
			switch {
			case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "|"):
				length = 0
			case begins.MatchString(line):
				length = 1
			default:
				length++
			}
			if length == 6 {
				t.Errorf("%s:%d: the paragraph has more than five lines", p.File, i+1)
			}
		}
	}
}

func TestTheREADMEFitsOnThreeScreens(t *testing.T) {
	p, err := docs.ReadPage(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(p.Text, "\n"); n > 150 {
		t.Errorf("README.md has %d lines; 150 are allowed", n)
	}
}

// The README and the first page of the manual say the same about each guide.
func TestTheREADMEListsTheGuidesOfTheIndex(t *testing.T) {
	rows := func(text []byte) (all []string) {
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| [") {
				all = append(all, strings.Replace(line, "internal/docs/", "", 1))
			}
		}
		return all
	}
	got, want := rows(read(t, "README.md")), rows(read(t, "internal", "docs", "index.md"))
	if len(got) < 10 || len(want) < len(got) || !slices.Equal(got, want[:len(got)]) {
		t.Errorf("README.md lists %q, and index.md %q", got, want)
	}
}

// The README names the targets that make lists.
func TestTheREADMENamesEveryTarget(t *testing.T) {
	_, list, ok := strings.Cut(string(read(t, "README.md")), "`make` lists what there is: ")
	if !ok {
		t.Fatal("the README has no list of targets")
	}
	list, _, _ = strings.Cut(list, ".")
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):.*## `).FindAllStringSubmatch(string(read(t, "Makefile")), -1) {
		if m[1] != "help" {
			want = append(want, m[1])
		}
	}
	if got := strings.Fields(strings.ReplaceAll(list, ",", "")); !slices.Equal(got, want) {
		t.Errorf("the README names %q, and make lists %q", got, want)
	}
}

var (
	link    = regexp.MustCompile(`(?:\]\(|^\[[^]]+\]: )([^)\s]+)\)?`)
	heading = regexp.MustCompile(`^#+ (.*)`)
)

// anchors are the places of a page that a link can name.
func anchors(p docs.Page) map[string]bool {
	all, seen := map[string]bool{"": true}, map[string]int{}
	for _, line := range prose(p) {
		if m := heading.FindStringSubmatch(line); m != nil {
			all[docs.Anchor(m[1], seen)] = true
		}
	}
	return all
}

func TestAnchorsAreThoseOfForges(t *testing.T) {
	seen := map[string]int{}
	for _, c := range []struct{ heading, want string }{
		{"The first 429", "the-first-429"},
		{"GET /api/v1/api-keys/{id}", "get-apiv1api-keysid"},
		{"`latchkey dev`", "latchkey-dev"},
		{"What is forgotten, and when", "what-is-forgotten-and-when"},
		{"a_b - c", "a_b---c"},
		{"Größe 🔑", "größe-"},
		{"The first 429", "the-first-429-1"},
		{"The first 429", "the-first-429-2"},
	} {
		if got := docs.Anchor(c.heading, seen); got != c.want {
			t.Errorf("%q: %q, want %q", c.heading, got, c.want)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	links := 0
	for _, p := range all {
		folder := filepath.Join(root, "internal", "docs")
		if p.File == "README.md" {
			folder = root
		}
		for i, line := range prose(p) {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				links++
				file, anchor, _ := strings.Cut(m[1], "#")
				if strings.Contains(file, "://") {
					continue
				}
				at := filepath.Join(folder, file)
				if file == "" {
					at = filepath.Join(folder, p.File)
				}
				if _, err := os.Stat(at); err != nil {
					t.Errorf("%s:%d: %v", p.File, i+1, err)
					continue
				}
				if anchor == "" {
					continue
				}
				to := slices.IndexFunc(all, func(p docs.Page) bool { return p.File == filepath.Base(at) })
				if to < 0 || !anchors(all[to])[anchor] {
					t.Errorf("%s:%d: there is no heading #%s in %s", p.File, i+1, anchor, at)
				}
			}
		}
	}
	if links < 30 {
		t.Errorf("only %d links were found", links)
	}
}

// The architecture names code, which moves.
func TestTheArchitectureNamesCodeThatExists(t *testing.T) {
	text := string(read(t, "internal", "docs", "architecture.md"))
	found := 0
	for _, m := range regexp.MustCompile("`([a-z]+)((?:\\.[A-Z][A-Za-z]+)+)`").FindAllStringSubmatch(text, -1) {
		found++
		names := strings.Split(m[2][1:], ".")
		code := packageSource(t, m[1])
		for i, name := range names {
			pattern := `(?m)^(func|type) ` + name + `\b`
			if i > 0 {
				pattern = `(?m)^func \(\w+ \*?` + names[i-1] + `\) ` + name + `\b`
			}
			if !regexp.MustCompile(pattern).MatchString(code) {
				t.Errorf("there is no %s%s", m[1], m[2])
			}
		}
	}
	for _, m := range regexp.MustCompile("`((?:internal|functions)/[a-z/]+)`").FindAllStringSubmatch(text, -1) {
		found++
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("the room %s: %v", m[1], err)
		}
	}
	rooms, err := filepath.Glob(filepath.Join(root, "internal", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range rooms {
		if name := filepath.Base(room); !strings.Contains(text, "`internal/"+name+"`") && name != "cmd" {
			t.Errorf("the room internal/%s is missing", name)
		}
	}
	if found < 30 {
		t.Errorf("only %d names were found", found)
	}
}

// packageSource is the text of a package's Go files, without its tests.
func packageSource(t *testing.T, name string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal", name, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no package %s (%v)", name, err)
	}
	var all strings.Builder
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}

// Each language of a block has a check of its syntax. Blocks of Python and JavaScript are
// recipes, and make proxies runs the configurations.
func TestBlocksAreWellFormed(t *testing.T) {
	seen := map[string]int{}
	for _, p := range pages(t) {
		for _, b := range p.Blocks {
			seen[b.Language]++
			var err error
			switch b.Language {
			case "bash":
				err = bash(t, b.Text)
			case "json":
				err = json.Unmarshal([]byte(b.Text), new(any))
			case "jsonl":
				for line := range strings.Lines(b.Text) {
					err = json.Unmarshal([]byte(line), new(any))
				}
			case "yaml":
				err = yaml.Unmarshal([]byte(b.Text), new(any))
			case "go":
				_, err = format.Source([]byte(b.Text))
			case "text":
			case "ini": // a unit of systemd
				_, err = unit.DeserializeOptions(strings.NewReader(b.Text))
			case "python", "js", "nginx", "lua", "apache":
				if b.Name == "" {
					t.Errorf("%s:%d: a recipe needs <!-- file: NAME --> above it", p.File, b.Line)
				}
			default:
				t.Errorf("%s:%d: a block of %q has no check", p.File, b.Line, b.Language)
			}
			if err != nil {
				t.Errorf("%s:%d: %v", p.File, b.Line, err)
			}
		}
	}
	for _, language := range []string{"bash", "yaml", "go", "python", "js"} {
		if seen[language] == 0 {
			t.Errorf("there is no block of %s: the test sees nothing", language)
		}
	}
}

// bash checks the syntax of a script, and that make has the targets that it names.
func bash(t *testing.T, script string) error {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-n")
	c.Stdin = strings.NewReader(script)
	out, err := c.CombinedOutput()
	if err != nil {
		return &exec.Error{Name: string(out), Err: err}
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S+ )*make ([a-z -]+)`).FindAllStringSubmatch(script, -1) {
		for target := range strings.FieldsSeq(m[1]) {
			if !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("make has no target %s", target)
			}
		}
	}
	return nil
}

// A reason is a sentence, so that nobody marks a block without thinking.
func TestABlockThatIsNotRunHasAReason(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.Blocks {
			if b.NotRun != "" && (len(b.NotRun) < 12 || b.Language != "bash") {
				t.Errorf("%s:%d: %q is no reason for a block of %s", p.File, b.Line, b.NotRun, b.Language)
			}
		}
	}
}

func TestPagesAreReadAsTheyAreWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	text := "# A\n\n<!-- not run: it needs an account -->\n```bash\nmake\n```\n\n<!-- file: app.py -->\n\n" +
		"```python\npass\n```\n- x\n  ```text\n  a\n    b\n  ```\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := docs.ReadPage(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []docs.Block{
		{Language: "bash", Text: "make\n", Line: 4, NotRun: "it needs an account"},
		{Language: "python", Text: "pass\n", Line: 10, Name: "app.py"},
		{Language: "text", Text: "a\n  b\n", Line: 14},
	}
	if !slices.Equal(p.Blocks, want) {
		t.Errorf("%+v", p.Blocks)
	}
	if err := os.WriteFile(file, []byte("```bash\nmake\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := docs.ReadPage(file); err == nil {
		t.Error("a block without an end is read")
	}
	if _, err := docs.Generated(text, "x"); err == nil {
		t.Error("a page without a mark has a generated part")
	}
	got, err := docs.Generated("a\n"+docs.Mark+"\nold\n", "new")
	if err != nil || got != "a\n"+docs.Mark+"\n\nnew\n" {
		t.Errorf("%q, %v", got, err)
	}
}
