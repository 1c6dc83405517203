package scale_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"latchkey/internal/docs/bill"
)

// whole simulates all scenarios and writes the tables of the manual: make scale.
var whole = flag.Bool("whole", false, "simulate all scenarios, and write the tables of the manual")

const page = "../docs/capacity.md"

// part is one table of the page.
type part struct {
	header string
	rows   []row
	cells  func(*row, *result) []string // besides those that name a row
}

func parts(prices bill.Prices) []part {
	common := func(r *row, got *result) []string {
		each := func(n int) string { return digits(float64(n) / float64(got.requests)) }
		return []string{
			percent(got.admitted, got), percent(got.denied, got), percent(got.unknown, got), percent(got.refused, got),
			each(got.table.reads), each(got.table.writes), dollars(prices, got),
		}
	}
	return []part{
		{
			"| limit of the key | instances | load | admitted | 429 | 503 | no instance | reads | writes | $ | busiest item |",
			hotKeys(),
			func(r *row, got *result) []string {
				return append(common(r, got), grouped(got.busiest)+", "+grouped(got.peak))
			},
		},
		{
			"| requests/s | what | admitted | 429 | 503 | no instance | reads | writes | $ | busiest item | instances |",
			deployments(),
			func(r *row, got *result) []string {
				return append(common(r, got), grouped(got.busiest), grouped(got.instances))
			},
		},
	}
}

// The manual's tables have what the model counts. No scenario admits more than a limit.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("nothing runs at the same time")
	}
	prices, err := bill.Read()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tables := parts(prices)
	lines := make([][]string, len(tables))
	for n := range tables {
		lines[n] = make([]string, len(tables[n].rows))
	}
	t.Run("rows", func(t *testing.T) {
		for n := range tables {
			for m := range tables[n].rows {
				if tables[n].rows[m].quick || *whole {
					t.Run(strings.Join(tables[n].rows[m].cells, ", "), func(t *testing.T) {
						t.Parallel()
						lines[n][m] = tables[n].line(t, m, text)
					})
				}
			}
		}
	})
	if !*whole || t.Failed() {
		return
	}
	for n, p := range tables {
		text = p.replace(t, text, lines[n])
	}
	if err := os.WriteFile(page, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// line simulates row m and returns its line in the table. It fails if the page has another one, unless the
// page will be written.
func (p *part) line(t *testing.T, m int, text []byte) string {
	r := &p.rows[m]
	got := r.simulate(t)
	if got.over > 0 {
		t.Errorf("%d more than the limit were admitted", got.over)
	}
	line := "| " + strings.Join(append(r.cells, p.cells(r, &got)...), " | ") + " |\n"
	if *whole {
		fmt.Print(line)
	} else if !bytes.Contains(text, []byte(line)) {
		t.Errorf("capacity.md has another line: run make scale. It is\n%s", line)
	}
	return line
}

// replace writes the lines of the table into the page.
func (p *part) replace(t *testing.T, text []byte, lines []string) []byte {
	rule := "|" + strings.Repeat("---|", strings.Count(p.header, "|")-1) + "\n"
	table := p.header + "\n" + rule + strings.Join(lines, "")
	old := regexp.MustCompile(regexp.QuoteMeta(p.header) + "\n(?:\\|.*\n)*").Find(text)
	if old == nil {
		t.Fatalf("capacity.md has no table with the header\n%s", p.header)
	}
	return bytes.Replace(text, old, []byte(table), 1)
}

// percent writes the share of the requests, in percent.
func percent(n int, r *result) string {
	share := 100 * float64(n) / float64(r.requests)
	switch {
	case n == 0:
		return "0"
	case share < 0.05:
		return "under 0.1"
	case n == r.requests:
		return "100"
	case share >= 99.95:
		return "over 99.9"
	}
	return strconv.FormatFloat(share, 'f', 1, 64)
}

// digits writes a number with two digits or more.
func digits(x float64) string {
	places := 2
	for at := 0.1; x < at && x > 0 && places < 5; at /= 10 {
		places++
	}
	return strconv.FormatFloat(x, 'f', places, 64)
}

// dollars writes what a million requests cost at the table.
func dollars(prices bill.Prices, r *result) string {
	micro := prices.Table(bill.Cost{Reads: int64(r.table.reads), Writes: int64(r.table.writes)}, 1000)
	return digits(float64(micro) / float64(r.requests))
}
