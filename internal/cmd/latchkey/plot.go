package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"latchkey/internal/api"
)

// bar is one line of a plot.
type bar struct {
	label string
	value int64
	note  string // beside the bar; may be empty
}

// canvas is the place for a plot.
type canvas struct {
	width int  // in columns, at least 1
	ascii bool // it may show ASCII only
}

// pipeWidth is the width of a plot that does not go to a terminal, in columns.
const pipeWidth = 80

// canvasOf returns the place for a plot on the standard output of c. A pipe, and a terminal with
// TERM=dumb, get ASCII only.
func canvasOf(c *cobra.Command) canvas {
	file, ok := c.OutOrStdout().(*os.File)
	if !ok || !isTerminal(file) {
		return canvas{width: pipeWidth, ascii: true}
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 { // a terminal need not know its size
		width = pipeWidth
	}
	return canvas{width: width, ascii: os.Getenv("TERM") == "dumb"}
}

// leastBar is the least width of the longest bar, in columns. If it does not fit into the width,
// lines are longer than the width.
const leastBar = 8

// lines returns one line for each bar: its label, its value, and a bar whose length is its share of
// the largest value. A value above 0 always shows, and only the largest fills the bar.
func (c canvas) lines(bars []bar) []string {
	var labels, values, notes int
	var most int64
	for _, b := range bars {
		labels = max(labels, utf8.RuneCountInString(b.label))
		values = max(values, len(strconv.FormatInt(b.value, 10)))
		notes = max(notes, columnsOf(b.note))
		most = max(most, b.value)
	}
	notes = min(notes, max(c.width/2, leastBar)) // a longer note is cut
	room := c.width - labels - values - 4
	if notes > 0 {
		room -= notes + 2
	}
	room = max(room, leastBar)
	lines := make([]string, len(bars))
	for i, b := range bars {
		drawn := c.draw(b.value, most, room)
		if b.note != "" {
			drawn += strings.Repeat(" ", room-utf8.RuneCountInString(drawn)+2) + c.fit(b.note, notes)
		}
		line := fmt.Sprintf("%-*s  %*d  %s", labels, b.label, values, b.value, drawn)
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}

// draw returns a bar for value of most, of at most width columns. Its steps are eighths of a column,
// or whole columns of ASCII.
func (c canvas) draw(value, most int64, width int) string {
	if value <= 0 || most <= 0 {
		return ""
	}
	share := float64(min(value, most)) / float64(most)
	if c.ascii {
		return strings.Repeat("#", max(1, int(share*float64(width))))
	}
	eighths := max(1, int(share*float64(8*width)))
	return strings.Repeat("█", eighths/8) + [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}[eighths%8]
}

// meter returns a bar for a share from 0 to 1 that is always width columns long.
func (c canvas) meter(share float64, width int) string {
	drawn := c.draw(int64(share*1000), 1000, width)
	rest := "·"
	if c.ascii {
		rest = "."
	}
	return drawn + strings.Repeat(rest, width-utf8.RuneCountInString(drawn))
}

// refusedOf returns how many requests were refused on a day, by their codes, or "".
func refusedOf(day api.DayUsage) string {
	var all []string
	for _, code := range slices.Sorted(maps.Keys(day.Refused)) {
		all = append(all, fmt.Sprintf("%d %s", day.Refused[code], oneLine(code)))
	}
	return strings.Join(all, ", ")
}

// printPlot prints the days of a usage answer as bars.
func printPlot(c *cobra.Command, answer json.RawMessage) error {
	days, err := decode[page[api.DayUsage]](answer)
	if err != nil {
		return err
	}
	bars := make([]bar, len(days.Data))
	for i, day := range days.Data {
		bars[i] = bar{label: oneLine(day.Date), value: day.Requests, note: refusedOf(day)}
	}
	for _, line := range canvasOf(c).lines(bars) {
		if _, err := fmt.Fprintln(c.OutOrStdout(), line); err != nil {
			return err
		}
	}
	return nil
}
