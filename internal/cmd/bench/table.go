package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
)

// printTable prints the table of a run. If there are samples of an earlier run, the table shows the change
// of each figure, and the change of its ratio to the floor.
func printTable(out io.Writer, now samples, before *samples) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := []string{"FIGURE", "VALUE", "", "FLOOR IN THE SAME RUN", "VALUE", "RATIO", "ALLOCS", "GOAL"}
	if before != nil {
		head = append(head, "CHANGE", "CHANGE OF RATIO")
	}
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, r := range rows(now) {
		cells := r.cells(now)
		if before != nil {
			cells = append(cells, change(r.values(*before), r.values(now)), change(r.ratios(*before), r.ratios(now)))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	fmt.Fprintln(w, "\nValues are medians; ± is their interval of 95 %.")
	fmt.Fprintf(w, "Dollars are for a million admitted requests: %s.\n", prices)
	return w.Flush()
}

// cells returns the cells of a line, without changes.
func (r row) cells(s samples) []string {
	values, floors := r.values(s), r.floors(s)
	if len(values) == 0 || len(floors) == 0 {
		return []string{r.what, "not measured", "", r.beside, "", "", "", r.goal}
	}
	allocs := "-"
	if counts := s.of(r.name, "allocs/op"); len(counts) > 0 {
		allocs = fmt.Sprintf("%.0f", center(counts))
	}
	return []string{
		r.what, show(center(values), r.unit), spread(values), r.beside, show(center(floors), r.unit),
		fmt.Sprintf("%.2f", center(r.ratios(s))), allocs, cmp.Or(r.goal, "-"),
	}
}

func (r row) values(s samples) []float64 { return s.of(r.name, r.unit) }
func (r row) floors(s samples) []float64 { return s.of(r.floor, cmp.Or(r.floorUnit, r.unit)) }

// ratios returns the figure by its floor, for each round. If the rounds differ in number, it returns
// the ratio of the medians alone.
func (r row) ratios(s samples) []float64 {
	values, floors := r.values(s), r.floors(s)
	if len(values) == 0 || len(floors) == 0 {
		return nil
	}
	if len(values) != len(floors) {
		return []float64{center(values) / center(floors)}
	}
	ratios := make([]float64, len(values))
	for i := range values {
		ratios[i] = values[i] / floors[i]
	}
	return ratios
}

// change returns the ratio of the medians after and before a change. Behind it stands "~" if the
// samples could as well come from one distribution, by the U-test of Mann and Whitney at 5 %.
func change(before, after []float64) string {
	if len(before) == 0 || len(after) == 0 {
		return "-"
	}
	ratio := fmt.Sprintf("%.2f", center(after)/center(before))
	if len(before) == 1 && len(after) == 1 {
		return ratio // of counts, which do not vary
	}
	c := benchmath.AssumeNothing.Compare(sample(before), sample(after))
	if len(c.Warnings) > 0 {
		return fmt.Sprintf("%s (%v)", ratio, c.Warnings[0])
	}
	if c.P >= c.Alpha {
		ratio += " ~"
	}
	return fmt.Sprintf("%s (%v)", ratio, c)
}

func sample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}

// center returns the median.
func center(values []float64) float64 {
	return benchmath.AssumeNothing.Summary(sample(values), 0.95).Center
}

// spread returns the interval of the median in percent. It is empty for one value.
func spread(values []float64) string {
	if len(values) == 1 {
		return ""
	}
	return "± " + benchmath.AssumeNothing.Summary(sample(values), 0.95).PctRangeString()
}

// show prints a value in its unit.
func show(value float64, unit string) string {
	switch {
	case unit == perSec:
		return fmt.Sprintf("%.0f/s", value)
	case unit == dollars:
		return fmt.Sprintf("$%.4f", value)
	case value < 1e3:
		return fmt.Sprintf("%.0f ns", value)
	case value < 1e6:
		return fmt.Sprintf("%.1f us", value/1e3)
	}
	return fmt.Sprintf("%.2f ms", value/1e6)
}
