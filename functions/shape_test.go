package functions_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Bounds of the code that is not a test.
const (
	mostLines     = 400 // of a file
	mostOfAFunc   = 80  // lines
	mostColumns   = 120
	mostOperands  = 6 // of one chain of || or of &&
	fewestSources = 100
)

// source is a parsed file that is not a test.
type source struct {
	path  string // within the module
	text  string
	file  *ast.File
	files *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, dir := range []string{".", filepath.Join("..", "internal")} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, text, parser.ParseComments)
			all = append(all, source{strings.TrimPrefix(filepath.ToSlash(path), "../"), string(text), file, files})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < fewestSources {
		t.Fatalf("only %d files were found", len(all))
	}
	return all
}

func (s source) line(p token.Pos) int { return s.files.Position(p).Line }

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if n := strings.Count(s.text, "\n"); n > mostLines {
			t.Errorf("%s has %d lines, want at most %d", s.path, n, mostLines)
		}
		number := 0
		for text := range strings.Lines(s.text) {
			number++
			if n := utf8.RuneCountInString(strings.TrimRight(text, "\n")); n > mostColumns && !isTagged(text) {
				t.Errorf("%s:%d has %d columns, want at most %d", s.path, number, n, mostColumns)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncDecl)
			if !ok {
				return true
			}
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > mostOfAFunc {
				t.Errorf("%s: %s has %d lines, want at most %d", s.path, f.Name.Name, n, mostOfAFunc)
			}
			return true
		})
	}
}

// isTagged reports whether a line has the tag of a struct's field, which cannot be split.
func isTagged(line string) bool {
	return slices.ContainsFunc([]string{"json", "query", "header", "path", "doc"}, func(name string) bool {
		return strings.Contains(line, name+`:"`)
	})
}

func TestConditionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if n := operands(n); n > mostOperands {
				t.Errorf("%s has a condition of %d parts, want at most %d", s.path, n, mostOperands)
				return false
			}
			return true
		})
	}
}

// operands returns the number of parts of a chain of one operator, || or &&.
func operands(n ast.Node) int {
	chain, ok := n.(*ast.BinaryExpr)
	if !ok || chain.Op != token.LOR && chain.Op != token.LAND {
		return 1
	}
	of := func(e ast.Expr) int {
		if inner, ok := e.(*ast.BinaryExpr); ok && inner.Op == chain.Op {
			return operands(inner)
		}
		return 1
	}
	return of(chain.X) + of(chain.Y)
}

// comparesOwn are the functions that compare secrets of one side only, such as two texts of one
// request. Their duration reveals no secret to a caller who does not have it.
var comparesOwn = []string{
	"internal/apikey/credential.go: sameToken",
	"internal/apikey/credential.go: Credential",
	"internal/config/config.go: Equal",
	"internal/registry/visible.go: endedTokens",
}

// A comparison that ends at the first difference tells, by its duration, how much of a guess is
// right. A secret or a hash of one is therefore compared by hmac.Equal or subtle.ConstantTimeCompare.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	found := make(map[string]bool)
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := fmt.Sprintf("%s: %s", s.path, f.Name.Name)
			ast.Inspect(f, func(n ast.Node) bool {
				if !leaks(n) {
					return true
				}
				if found[name] = true; !slices.Contains(comparesOwn, name) {
					t.Errorf("%s:%d compares a secret, not in constant time", s.path, s.line(n.Pos()))
				}
				return true
			})
		}
	}
	for _, name := range comparesOwn {
		if !found[name] {
			t.Errorf("%s compares no secret any more", name)
		}
	}
}

// leaks reports whether n compares a revealed secret or a hash with something other than a constant,
// by an operator or a function that may end early.
func leaks(n ast.Node) bool {
	var compared []ast.Expr
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op != token.EQL && n.Op != token.NEQ {
			return false
		}
		compared = []ast.Expr{n.X, n.Y}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.SelectorExpr); !ok || !isOneOf(f, "bytes.Equal", "bytes.Compare", "strings.Compare", "slices.Equal", "strings.EqualFold") {
			return false
		}
		compared = n.Args
	default:
		return false
	}
	constant := func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.BasicLit:
			return true
		case *ast.Ident:
			return e.Name == "nil"
		}
		return false
	}
	return slices.ContainsFunc(compared, isSecret) && !slices.ContainsFunc(compared, constant)
}

func isOneOf(f *ast.SelectorExpr, names ...string) bool {
	x, ok := f.X.(*ast.Ident)
	return ok && slices.Contains(names, x.Name+"."+f.Sel.Name)
}

// isSecret reports whether e is x.Reveal() or x.Hash, or a conversion of one to a string.
func isSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return e.Sel.Name == "Hash"
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok {
			return f.Sel.Name == "Reveal"
		}
		return len(e.Args) == 1 && isSecret(e.Args[0])
	}
	return false
}
