package redact_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declared are the types of the module by package and name, as in "internal/apikey.Token".
type declared map[string]declaration

type declaration struct {
	file *ast.File
	spec *ast.TypeSpec
}

func readModule(t *testing.T) declared {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	all := make(declared)
	for _, dir := range []string{"internal", "functions"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(file string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && strings.HasSuffix(file, "test") {
				return filepath.SkipDir // only tests import it
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			in, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok {
					all[filepath.ToSlash(in)+"."+spec.Name.Name] = declaration{parsed, spec}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// held returns the types of the module inside a value of the named type. Types in funcs and
// interfaces are left out, since a printer cannot reach them.
func (all declared) held(name string) []string {
	d := all[name]
	var names []string
	var visit func(ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field: // a field's name is no type
			ast.Inspect(n.Type, visit)
			return false
		case *ast.FuncType, *ast.InterfaceType:
			return false
		case *ast.SelectorExpr:
			if from, ok := n.X.(*ast.Ident); ok {
				for _, i := range d.file.Imports {
					if at := strings.Trim(i.Path.Value, `"`); path.Base(at) == from.Name && strings.HasPrefix(at, "latchkey/") {
						names = append(names, strings.TrimPrefix(at, "latchkey/")+"."+n.Sel.Name)
					}
				}
			}
			return false
		case *ast.Ident:
			names = append(names, name[:strings.LastIndex(name, ".")]+"."+n.Name)
		}
		return true
	}
	ast.Inspect(d.spec.Type, visit)
	return names
}

// behindAPointer holds secrets behind an atomic.Pointer alone. Every printer shows only its address.
const behindAPointer = "internal/serve.Server"

// TestEveryTypeThatHoldsASecretIsPrinted finds a type that the test of printing leaves out.
func TestEveryTypeThatHoldsASecretIsPrinted(t *testing.T) {
	all := readModule(t)
	holding := map[string]bool{"internal/redact.Secret": true}
	for grown := true; grown; {
		grown = false
		for name := range all {
			if !holding[name] && slices.ContainsFunc(all.held(name), func(n string) bool { return holding[n] }) {
				holding[name], grown = true, true
			}
		}
	}
	tested := make(map[string]bool)
	for _, holder := range holders {
		name, _, _ := strings.Cut(holder.Name(), "[")
		tested[strings.TrimPrefix(holder.PkgPath(), "latchkey/")+"."+name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(holding)) {
		// Unexported types are parts of the tested types.
		if ast.IsExported(name[strings.LastIndex(name, ".")+1:]) && !tested[name] && name != behindAPointer {
			t.Errorf("%s holds a secret: add it to holders", name)
		}
	}
	for name := range tested {
		if !holding[name] {
			t.Errorf("%s holds no secret", name)
		}
	}
}

var (
	secretName = regexp.MustCompile(`(?i)(token|secret|password|pepper|master|apikey|credential|authorization|jwt|bearer)s?$|^key$|keys?$`)
	openType   = regexp.MustCompile(`^(\*|\[[^]]*\]|map\[string\])*(string|byte|json\.RawMessage|any)$`)
)

// openFields are the fields with the name of a secret whose type prints, with the reason for each.
var openFields = map[string]string{
	"internal/registry.Import.PublicKey":        "public",
	"internal/api.Record.PublicKey":             "public",
	"internal/api.ValidateRequest.PublicKey":    "public",
	"internal/apikey.Secret.Pepper":             "the name of a pepper",
	"internal/registry.Reply.Pepper":            "the name of a pepper",
	"internal/dynamo.secret.Pepper":             "the name of a pepper",
	"internal/dynamo.storedReply.Pepper":        "the name of a pepper",
	"internal/dynamo.record.CreatedKey":         "a position in the index of a user's keys",
	"internal/cmd/latchkey.profileText.Key":     "the form of a file, wrapped as soon as it is read",
	"internal/cmd/latchkey.verification.key":    "the id of a key",
	"internal/smoke.echoed.key":                 "the name of a header",
	"internal/pepper.pepper.key":                "reached through Hasher's Secret alone",
	"internal/registry.reply.Token":             "exists to be sealed, between two calls",
	"internal/registry.Idempotency.Key":         "a request's name, which opens nothing without a pepper",
	"internal/migrate.values.key":               "one line of a file, on its way to a Token",
	"internal/admission.Headers.APIKey":         "as a request has it, on its way to a Credential; Format hides it",
	"internal/admission.Headers.Authorization":  "as a request has it, on its way to a Credential; Format hides it",
	"internal/admission.Query.APIKey":           "as a request has it, on its way to a Credential; Format hides it",
	"internal/cmd/latchkey.serveConfig.Key":     "the name of a file",
	"internal/httpapi.OnceInput.IdempotencyKey": "a request's name, which opens nothing without a pepper",
}

// TestSecretsAreHeldByTheTypeThatHidesThem finds a field that has the name of a secret, and whose
// type prints.
func TestSecretsAreHeldByTheTypeThatHidesThem(t *testing.T) {
	found := make(map[string]bool)
	for name, d := range readModule(t) {
		ast.Inspect(d.spec.Type, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok {
				_, isFunc := n.(*ast.FuncType)
				return !isFunc
			}
			written := types.ExprString(field.Type)
			for _, id := range field.Names {
				if !secretName.MatchString(id.Name) || !openType.MatchString(written) {
					continue
				}
				at := name + "." + id.Name
				found[at] = true
				if openFields[at] == "" {
					t.Errorf("%s is a %s: make it a redact.Secret, or say in openFields why it may be printed", at, written)
				}
			}
			return true
		})
	}
	for at := range openFields {
		if !found[at] {
			t.Errorf("%s no longer exists: remove it from openFields", at)
		}
	}
}
