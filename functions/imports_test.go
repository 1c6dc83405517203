package functions_test

import (
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

// The packages of the domain, each with the packages below it. A package reaches only those, the
// standard library without the network, and domainModules.
var domain = map[string]string{
	"ratelimit": "",
	"redact":    "",
	"audit":     "redact",
	"apikey":    "audit ratelimit redact",
	"pepper":    "apikey audit ratelimit redact",
	"tally":     "apikey audit ratelimit redact",
	"gate":      "apikey audit pepper ratelimit redact tally", // judges keys, and cannot manage them
	"registry":  "apikey audit gate pepper ratelimit redact tally",
	"api":       "redact", // the types of the HTTP API, without a handler
	"routes":    "apikey audit ratelimit redact",
	// It decides about requests, and knows no form in which they come.
	"admission": "apikey assertion audit gate pepper percent ratelimit redact routes tally",
}

// domainModules are the modules of others that the domain uses. None is AWS's.
var domainModules = []string{"github.com/hashicorp/golang-lru/", "golang.org/x/sync/", "golang.org/x/text/"}

const (
	huma     = "github.com/danielgtaylor/huma"
	goldmark = "github.com/yuin/goldmark"
	// sdkLoader contains every source of credentials, also those that Lambda does not have; see
	// [latchkey/internal/amazon.Lambda].
	sdkLoader = "github.com/aws/aws-sdk-go-v2/config"
)

// Packages that must not be reached from another package, through any chain of imports.
var forbidden = map[string][]string{
	"internal/metrics": {"github.com/aws/", "internal/dynamo", "internal/httpapi", "net/http"},
	// Package secret fetches what package config reads.
	"internal/config":     {"github.com/aws/", "net/http", "internal/dynamo", "internal/secret"},
	"internal/routes":     {"github.com/aws/", "internal/dynamo", "internal/gate", "internal/httpapi"},
	"internal/dynamo":     {"internal/authorizer", "internal/httpapi", "go.yaml.in/"},
	"internal/authorizer": {"internal/dynamo", "internal/httpapi", "internal/registry", "internal/oidc"},
	"internal/httpapi":    {"internal/dynamo", "internal/authorizer"},
	"internal/oidc": {
		"github.com/aws/", "github.com/zitadel/", "internal/dynamo", "internal/authorizer", "internal/httpapi",
	},
	"internal/upstream": {"github.com/aws/", "internal/dynamo", "internal/registry"},
	// An instance has no handler, so commands that only open the table have none either.
	"internal/instance": {huma, "internal/authorizer", "internal/httpapi", "internal/oidc"},
	"internal/secret":   {"internal/dynamo", "internal/httpapi"},
	// The local stack knows the functions only by their events.
	"internal/local":     {"internal/authorizer", "internal/instance", "internal/httpapi"},
	"internal/local/sam": {"internal/httpapi", "internal/local/engine", "github.com/aws/aws-lambda-go/"},
	// A client sees the API as any user does, by its types.
	"internal/client": {"github.com/aws/", huma, "internal/httpapi", "internal/apikey"},
	"internal/smoke":  {"github.com/aws/", huma, "internal/httpapi", "internal/gate", "internal/dynamo"},
	// The authorizer runs on every request, so it has no router.
	"functions/authorizer": slices.Concat(notOnAWS, []string{
		huma, "github.com/awslabs/", "github.com/zitadel/", "internal/httpapi", "internal/instance/web",
		"internal/instance/site", "internal/pages", goldmark,
	}),
	"functions/validate": slices.Concat(notOnAWS, []string{
		"internal/oidc", "internal/instance/edge", "internal/instance/site", "internal/pages", goldmark,
	}),
	"functions/keys": slices.Concat(notOnAWS, []string{"internal/oidc", "internal/instance/edge"}),
}

// notOnAWS is used on the machine of a developer or an operator, and never in a function.
var notOnAWS = []string{
	sdkLoader, "go.yaml.in/", "github.com/spf13/", "internal/dynamo/dynamotest",
	"internal/client", "internal/cmd", "internal/docs/picture", "internal/docs/reference", "internal/fronttest",
	"internal/local",
	"internal/migrate", "internal/smoke",
}

func TestTheDomainReachesOnlyThePackagesBelow(t *testing.T) {
	deps := dependencies(t)
	for name, below := range domain {
		for _, dep := range deps["latchkey/internal/"+name] {
			own, isOwn := strings.CutPrefix(dep, "latchkey/internal/")
			switch {
			case isOwn && !slices.Contains(strings.Fields(below), own):
				t.Errorf("%s reaches %s, which is not below it", name, own)
			case dep == "net", dep == "net/http":
				t.Errorf("%s reaches the network by %s", name, dep)
			case !isOwn && isModule(dep) && !isOf(dep, domainModules...):
				t.Errorf("%s reaches %s", name, dep)
			}
		}
	}
}

func TestImportsRunOneWay(t *testing.T) {
	deps := dependencies(t)
	exists := func(name string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(deps)), func(pkg string) bool {
			return isOf(pkg, "latchkey/"+name)
		})
	}
	for name, never := range forbidden {
		for _, pkg := range never {
			if strings.HasPrefix(pkg, "internal/") && !exists(pkg) {
				t.Errorf("there is no package %s, which %s must not reach", pkg, name)
			}
		}
		for _, dep := range deps["latchkey/"+name] {
			if isOf(strings.TrimPrefix(dep, "latchkey/"), never...) {
				t.Errorf("%s reaches %s", name, dep)
			}
		}
	}
}

// Beside the tests' own package, only package dynamo speaks to DynamoDB.
func TestOnlyDynamoImportsTheSDKOfDynamoDB(t *testing.T) {
	var importers []string
	for line := range strings.Lines(list(t, `{{.ImportPath}}: {{join .Imports " "}}`)) {
		pkg, imports, _ := strings.Cut(line, ": ")
		if strings.Contains(imports, "aws-sdk-go-v2/service/dynamodb") {
			importers = append(importers, pkg)
		}
	}
	if !slices.Equal(importers, []string{"latchkey/internal/dynamo", "latchkey/internal/dynamo/dynamotest"}) {
		t.Errorf("the SDK of DynamoDB is imported by %v", importers)
	}
}

// The console and the manual add one module to the keys function. Goldmark's package extension compiles
// regular expressions whenever a program starts, so the function must not have it.
func TestThePagesAddGoldmarkAlone(t *testing.T) {
	deps := dependencies(t)
	own := append([]string{"latchkey/internal/instance/web"}, deps["latchkey/internal/instance/web"]...)
	found := false
	for _, dep := range deps["latchkey/internal/instance/site"] {
		switch {
		case slices.Contains(own, dep) || !isModule(dep) && !strings.HasPrefix(dep, "latchkey/"):
		case dep == goldmark+"/extension":
			t.Errorf("the pages reach %s", dep)
		case isOf(dep, goldmark):
			found = true
		case !isOf(strings.TrimPrefix(dep, "latchkey/internal/"), "console", "docs", "manual", "pages"):
			t.Errorf("the pages reach %s", dep)
		}
	}
	if !found {
		t.Error("the pages do not reach goldmark: the test sees nothing")
	}
}

// latchkey dev runs the handlers of the functions in its own process, so the program contains them
// and huma. One file wires them, by packages edge and web. The other commands know the HTTP API only
// by the types of package api.
func TestOneFileOfTheCommandLineWiresTheHandlers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(dynamotest.Root(), "internal", "cmd", "latchkey", "*.go"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		never := []string{huma, "latchkey/internal/httpapi", "latchkey/internal/authorizer"}
		if filepath.Base(file) != "functions.go" {
			never = append(never, "latchkey/internal/instance/edge", "latchkey/internal/instance/site", "latchkey/internal/instance/web")
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range syntax.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if isOf(imported, never...) {
				t.Errorf("%s imports %s", filepath.Base(file), imported)
			}
		}
	}
}

// dependencies returns all packages that each package of the module reaches, without itself.
func dependencies(t *testing.T) map[string][]string {
	t.Helper()
	deps := make(map[string][]string)
	for line := range strings.Lines(list(t, `{{.ImportPath}} {{join .Deps " "}}`)) {
		fields := strings.Fields(line)
		deps[fields[0]] = fields[1:]
	}
	for _, name := range slices.Concat(prefixed("latchkey/internal/", domain), prefixed("latchkey/", forbidden)) {
		if len(deps[name]) < 10 {
			t.Fatalf("%s has %d dependencies: the test sees nothing", name, len(deps[name]))
		}
	}
	return deps
}

func prefixed[T any](prefix string, names map[string]T) []string {
	var all []string
	for name := range names {
		all = append(all, prefix+name)
	}
	return all
}

func list(t *testing.T, format string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", format, "latchkey/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return string(out)
}

// isOf reports whether a package is one of those named, or below one that ends in a slash or has
// packages of its own.
func isOf(pkg string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return pkg == name || strings.HasPrefix(pkg, strings.TrimSuffix(name, "/")+"/")
	})
}

// isModule reports whether a package belongs to a module of others: its first element has a dot.
func isModule(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return path.Ext(first) != ""
}
