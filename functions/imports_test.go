package functions_test

import (
	"os/exec"
	"strings"
	"testing"
)

// sdkLoader brings in all that credentials could come from on other machines; see
// [latchkey/internal/amazon.Lambda].
const sdkLoader = "github.com/aws/aws-sdk-go-v2/config"

// The way of one request is transport -> gate -> limiter -> table, and imports
// run along it only.
func TestImportsRunOneWay(t *testing.T) {
	for _, rule := range []struct {
		pkg       string
		forbidden []string
	}{
		{"latchkey/internal/ratelimit", []string{"github.com/aws/", "latchkey/internal/apikey", "latchkey/internal/metrics", "net/http"}},
		{"latchkey/internal/apikey", []string{"github.com/aws/", "latchkey/internal/pepper", "latchkey/internal/gate", "latchkey/internal/dynamo", "latchkey/internal/metrics", "net/http"}},
		{"latchkey/internal/pepper", []string{"github.com/aws/", "latchkey/internal/gate", "latchkey/internal/dynamo", "net/http"}},
		// The gate cannot manage keys.
		{"latchkey/internal/gate", []string{"github.com/aws/", "latchkey/internal/registry", "latchkey/internal/dynamo", "latchkey/internal/metrics", "net/http"}},
		{"latchkey/internal/registry", []string{"github.com/aws/", "latchkey/internal/dynamo", "latchkey/internal/metrics", "net/http"}},
		{"latchkey/internal/metrics", []string{"github.com/aws/", "latchkey/internal/dynamo", "latchkey/internal/authorizer", "latchkey/internal/httpapi", "net/http"}},
		{"latchkey/internal/dynamo", []string{"latchkey/internal/authorizer", "latchkey/internal/httpapi", "go.yaml.in/"}},
		{"latchkey/internal/authorizer", []string{"latchkey/internal/dynamo", "latchkey/internal/httpapi"}},
		{"latchkey/internal/httpapi", []string{"latchkey/internal/dynamo", "latchkey/internal/authorizer"}},
		{"latchkey/internal/oidc", []string{"github.com/aws/", "latchkey/internal/dynamo", "latchkey/internal/authorizer", "latchkey/internal/httpapi", "github.com/zitadel/"}},
		// No router, and nothing of the laptop's, in what runs on every request.
		{"latchkey/functions/authorizer", []string{
			"github.com/danielgtaylor/huma", "github.com/awslabs/", "github.com/spf13/", "go.yaml.in/", "github.com/zitadel/",
			"latchkey/internal/httpapi", "latchkey/internal/local", sdkLoader,
		}},
		{"latchkey/functions/validate", []string{"latchkey/internal/local", "latchkey/internal/oidc", "go.yaml.in/", "github.com/spf13/", sdkLoader}},
		{"latchkey/functions/keys", []string{"latchkey/internal/local", "latchkey/internal/oidc", "go.yaml.in/", "github.com/spf13/", sdkLoader}},
	} {
		out, err := exec.Command("go", "list", "-deps", rule.pkg).Output()
		if err != nil {
			t.Fatalf("go list -deps %s: %v", rule.pkg, err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 10 {
			t.Fatalf("%s has only %d dependencies: the test sees nothing", rule.pkg, len(deps))
		}
		for _, dep := range deps {
			for _, f := range rule.forbidden {
				if strings.HasPrefix(dep, f) {
					t.Errorf("%s depends on %s", rule.pkg, dep)
				}
			}
		}
	}
}

func TestOnlyDynamoSpeaksToDynamoDB(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "latchkey/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(line, ": ")
		if strings.Contains(imports, "aws-sdk-go-v2/service/dynamodb") {
			found = true
			if pkg != "latchkey/internal/dynamo" {
				t.Errorf("%s imports the SDK's dynamodb", pkg)
			}
		}
	}
	if !found {
		t.Error("nobody imports the SDK's dynamodb: the test sees nothing")
	}
}
