package audit_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"latchkey/internal/audit"
)

// The package's documentation has the list of findings.
func TestTheDocumentationListsTheFindings(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	const title = "//	deed                                                   found      gain\n"
	_, listed, _ := strings.Cut(string(text), title)
	listed, _, _ = strings.Cut(listed, "//\n")
	want := ""
	for _, f := range audit.Findings() {
		want += fmt.Sprintf("//	%-54s %-10s %s\n", f.Deed, f.Found, f.Gain)
	}
	if listed != want {
		t.Errorf("doc.go must list, after its title:\n%s", want)
	}
}
