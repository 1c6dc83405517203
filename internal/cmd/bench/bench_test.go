package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// text returns what six rounds print, in which a check of the gate takes so many times the floor.
func text(factors ...float64) string {
	var b strings.Builder
	b.WriteString("goos: linux\npkg: latchkey/internal/authorizer\n")
	for round, factor := range factors {
		floor := 200 + float64(round) // a machine that gets slower
		fmt.Fprintf(&b, "BenchmarkGate/check-2 \t 1000\t %v ns/op\t 32 B/op\t 1 allocs/op\n", factor*floor)
		fmt.Fprintf(&b, "BenchmarkGate/floor-2 \t 1000\t %v ns/op\t 0 B/op\t 0 allocs/op\n", floor)
	}
	b.WriteString("BenchmarkCost/user/rate=10/instances=4 1 5 ns/op 0.1 reads/request 0.2 writes/request\n")
	b.WriteString("BenchmarkColdStart/starts-2 20 9 ns/op 2000000 authorizer-ns 1000000 hello-ns\nPASS\n")
	return b.String()
}

func readText(t *testing.T, text string) samples {
	t.Helper()
	s, err := read(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// line returns the cells of the table's line that begins with a text.
func line(t *testing.T, now samples, before *samples, begin string) string {
	t.Helper()
	var out bytes.Buffer
	if err := printTable(&out, now, before); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, begin) {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	t.Fatalf("no line %q in\n%s", begin, &out)
	return ""
}

func TestFiguresStandBesideTheirFloors(t *testing.T) {
	now := readText(t, text(1.5, 1.5, 1.5, 1.5, 1.5, 1.5))
	for begin, want := range map[string]string{
		"gate: judge":               "304 ns ± 1% HMAC of the token 202 ns 1.50 1 floor + 100 ns",
		"cold start: authorizer":    "2.00 ms a function that says hello 1.00 ms 2.00 - 2.5 x",
		"check, user, rate=10":      "0.1 reads, 0.2 writes $0.1375 a read and a write each $0.7500 0.18 -",
		"local stack: whoami":       "not measured an empty net/http server 0.25 x",
		"cold start: validate":      "not measured a function that says hello 2.5 x",
		"spend from a lease":        "not measured find a counter under a lock 60 ns",
		"Dollars are for a million": "us-east-1 on demand",
	} {
		if got := line(t, now, nil, begin); !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// A change is told only if it could not be chance.
func TestChangesAreRatiosWithSignificance(t *testing.T) {
	before := text(1.5, 1.52, 1.48, 1.51, 1.49, 1.5)
	for _, c := range []struct{ name, now, value, ratio string }{
		{"twice as fast", text(.75, .76, .74, .755, .745, .75), "0.50 (p=0.002 n=6)", "0.50 (p=0.002 n=6)"},
		{"chance", text(1.5, 1.53, 1.47, 1.51, 1.5, 1.48), "1.00 ~", "1.00 ~"},
		{"two rounds", text(.75, .75), "0.49 ~ (p=0.071 n=6+2)", "0.50 ~ (p=0.071 n=6+2)"},
	} {
		earlier := readText(t, before)
		got := line(t, readText(t, c.now), &earlier, "gate: judge")
		_, changes, _ := strings.Cut(got, "100 ns ")
		if !strings.HasPrefix(changes, c.value) || strings.Count(changes, c.ratio) == 0 {
			t.Errorf("%s: %s; want %s and %s", c.name, changes, c.value, c.ratio)
		}
	}
	// Counts are the same in each run, so each change is one.
	earlier := readText(t, before)
	got := line(t, readText(t, strings.ReplaceAll(before, "0.2 writes", "0.4 writes")), &earlier, "check, user")
	if !strings.HasSuffix(got, " 1.91 1.91") {
		t.Errorf("%s; want a change of 1.91", got)
	}
}

// The ratio to the floor changes less than the value if the whole machine is slower.
func TestChangesOfTheMachineAreNoneOfTheRatio(t *testing.T) {
	before := readText(t, text(1.5, 1.52, 1.48, 1.51, 1.49, 1.5))
	slower := readText(t, text(1.5, 1.52, 1.48, 1.51, 1.49, 1.5))
	for _, name := range []string{"Gate/check", "Gate/floor"} {
		for i := range slower.values[name]["ns/op"] {
			slower.values[name]["ns/op"][i] *= 3
		}
	}
	got := line(t, slower, &before, "gate: judge")
	if !strings.Contains(got, " 3.00 (p=0.002 n=6) 1.00 ~ ") {
		t.Errorf("%s; want three times the value and the same ratio", got)
	}
}

func TestSavedSamplesAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "before.txt")
	if err := os.WriteFile(path, []byte(text(1, 1, 1, 1, 1, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, progress bytes.Buffer
	if err := run(context.Background(), []string{"-from", path, "-compare", path}, &out, &progress); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "CHANGE OF RATIO") || !strings.Contains(out.String(), "1.00 ~") {
		t.Errorf("a run beside itself:\n%s", &out)
	}
}

func TestWrongUseMeasuresNothing(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.txt")
	if err := os.WriteFile(empty, []byte("PASS\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-rounds", "0"}, {"-rounds", "101"}, {"-compare", "/no/such/file"}, {"-compare", empty}, {"-from", empty},
		{"-nonsense"}, {"before.txt"},
	} {
		var out, progress bytes.Buffer
		if err := run(context.Background(), args, &out, &progress); err == nil || out.Len() > 0 {
			t.Errorf("%v: %v\n%s", args, err, &out)
		}
	}
}

// A benchmark that is renamed must not leave an empty line in the table.
func TestEveryLineHasABenchmark(t *testing.T) {
	var sources strings.Builder
	for _, s := range suites(true) {
		files, err := filepath.Glob(filepath.Join("../../..", s.folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(text)
		}
	}
	for _, r := range rows(readText(t, text(1))) {
		for _, name := range []string{r.name, r.floor} {
			top, _, _ := strings.Cut(name, "/")
			if name != everyTime && !strings.Contains(sources.String(), "func Benchmark"+top+"(") {
				t.Errorf("%s: no benchmark %s", r.what, name)
			}
		}
	}
}
