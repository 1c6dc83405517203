package edge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/fronttest"
)

// The manual says what each kind of API can do. Every column has passed the list of requests.
func TestTheManualsTableOfKindsIsThatOfTheTests(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "fronts.md"))
	if err != nil {
		t.Fatal(err)
	}
	if table := manualTable(); !strings.Contains(string(page), table) {
		t.Errorf("fronts.md has another table than:\n%s", table)
	}
}

func manualTable() string {
	head, line := "| ", "|---|"
	for _, s := range shapes() {
		head, line = head+"| "+s.name+" ", line+"---|"
	}
	rows := []string{head + "|", line}
	row := func(name string, cell func(shape) string) {
		text := "| " + name + " |"
		for _, s := range shapes() {
			text += " " + cell(s) + " |"
		}
		rows = append(rows, text)
	}
	for _, a := range []fronttest.Ability{
		fronttest.SeesHeaders, fronttest.SeesQuery, fronttest.KnowsAddress, fronttest.AsksWithoutKey, fronttest.HasRoutes,
	} {
		row(string(a), func(s shape) string {
			if slices.Contains(s.lacks, a) {
				return "no"
			}
			return "yes"
		})
	}
	row("a refused request", func(s shape) string { return fmt.Sprint(s.refused) })
	row("a limit or a quota", func(s shape) string { return fmt.Sprint(s.limited) })
	row("not decided", func(s shape) string { return fmt.Sprint(s.undecided) })
	return strings.Join(rows, "\n") + "\n"
}
