package apikey_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
)

func TestEachCodeHasOneRow(t *testing.T) {
	rows := make(map[apikey.Code]int)
	for _, row := range apikey.Table() {
		rows[row.Code]++
		if row.Code.Info() != row {
			t.Errorf("%s: Info is %+v", row.Code, row.Code.Info())
		}
	}
	declared := declaredCodes(t)
	for _, code := range declared {
		if rows[code] != 1 {
			t.Errorf("%s has %d rows", code, rows[code])
		}
	}
	if len(declared) != len(rows) {
		t.Errorf("%d codes are declared, and %d have rows", len(declared), len(rows))
	}
	if none := apikey.Code("none").Info(); none != (apikey.CodeInfo{}) {
		t.Errorf("a code that does not exist has the row %+v", none)
	}
}

// declaredCodes returns the values of all constants of type Code in this package's source.
func declaredCodes(t *testing.T) []apikey.Code {
	t.Helper()
	var codes []apikey.Code
	for _, name := range []string{"codes.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Code" || len(spec.Values) != 1 {
				return true
			}
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, apikey.Code(text))
			return true
		})
	}
	return codes
}

func TestRowsOfTheTableAreComplete(t *testing.T) {
	checks := make(map[string]apikey.Code)
	for _, row := range apikey.Table() {
		if row.Meaning == "" || row.Audience == "" {
			t.Errorf("%s: its meaning is %q, its audience %q", row.Code, row.Meaning, row.Audience)
		}
		if isError := row.Status >= 400; isError && (row.Text == "" || row.Audience != apikey.ForCaller) {
			t.Errorf("%s: an error with the text %q for %s", row.Code, row.Text, row.Audience)
		}
		if row.Status != 0 && row.Status != 200 && (row.Status < 400 || row.Status > 599) {
			t.Errorf("%s: status %d", row.Code, row.Status)
		}
		if refusal := row.Verdict && row.Code != apikey.CodeValid; refusal && (row.Text == "" || row.AtGateway == "") {
			t.Errorf("%s: a refusal with the text %q and the code %q at the gateway", row.Code, row.Text, row.AtGateway)
		}
		if row.AtGateway != "" && row.AtGateway.Info().Status == 0 {
			t.Errorf("%s: its code at the gateway, %s, has no status", row.Code, row.AtGateway)
		}
		if row.Audience == apikey.ForLog && (row.Status != 0 || row.Text != "" || row.Verdict) {
			t.Errorf("%s: only the log has it, but it has status %d, text %q, verdict %t", row.Code, row.Status, row.Text, row.Verdict)
		}
		if row.Check == "" {
			continue
		}
		if first, ok := checks[row.Check]; ok {
			t.Errorf("%s and %s are of the same check %s", first, row.Code, row.Check)
		}
		checks[row.Check] = row.Code
	}
	for _, check := range gate.Checks() {
		if checks[strings.TrimPrefix(check, "user.")] == "" { // keys of one user share bounds
			t.Errorf("no code is of the check %s", check)
		}
	}
}

// others are string literals outside the table that equal a code by chance.
var others = map[string]string{
	"internal/smoke/keys.go valid":                     "the name of a field of a verdict",
	"internal/httpapi/answer.go valid":                 "the name of a field of a verdict",
	"internal/dynamo/dynamotest/faults.go unavailable": "the name of a fault",
}

// Policy: the table is the only place that writes a code. Everything else uses the constants.
func TestCodesAreWrittenInTheTableOnly(t *testing.T) {
	codes := make(map[string]bool)
	for _, row := range apikey.Table() {
		codes[string(row.Code)] = true
	}
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "internal/apikey/codes.go" {
			return nil
		}
		files++
		for _, text := range literals(t, path) {
			if codes[text] && others[name+" "+text] == "" {
				t.Errorf("%s writes %q: use the constant of package apikey", name, text)
			}
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files were read, %v", files, err)
	}
}

// literals returns the strings of a Go file, without the tags of its structs.
func literals(t *testing.T, path string) (texts []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok {
			field.Tag = nil
		}
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
		return true
	})
	return texts
}

// Policy: each code in API Gateway's own responses is an error of the table.
func TestTheTemplateHasCodesOfTheTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`\{"error":\{.*"code":"([a-z_]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(found) < 5 {
		t.Errorf("%d responses of the template have a code", len(found))
	}
	for _, match := range found {
		if row := apikey.Code(match[1]).Info(); row.Status < 400 {
			t.Errorf("%s has the status %d in the table", match[1], row.Status)
		}
	}
}
