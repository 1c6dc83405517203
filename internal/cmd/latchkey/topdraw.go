package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/text/width"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

// The widths of columns of top, in columns of the terminal.
const (
	longestName = 24 // of the name and the owner, where there is room
	leastName   = 8
	leastMeter  = 10
	mostMeter   = 40
)

// lines returns the keys of an answer as a drawing that fits the terminal's width.
func (t *top) lines(c *cobra.Command, answer client.Answer) []string {
	keys, err := decode[page[api.Record]](answer.Body)
	if err != nil {
		return []string{"latchkey: " + err.Error()}
	}
	if len(keys.Data) == 0 {
		return []string{"No keys. latchkey keys create makes one."}
	}
	return drawTop(keys.Data, canvasOf(c), time.Now())
}

// drawTop draws one line for each key, below a header.
func drawTop(keys []api.Record, on canvas, now time.Time) []string {
	rows := [][]string{{"NAME", "OWNER", "LIMIT", "USED", "SHARE", "", "LAST USED"}}
	const meterAt = 5
	shares := []float64{0}
	for _, k := range keys {
		s := tightest(k)
		limit := s.limit
		if s.shared {
			limit += " shared"
		}
		name := k.Name
		if name == "" {
			name = k.ID
		}
		rows = append(rows, []string{
			oneLine(name), oneLine(k.UserID), limit, strconv.FormatInt(s.used, 10), s.percent(), "", ago(lastUse(k), now),
		})
		shares = append(shares, s.share())
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], columnsOf(cell))
		}
	}
	fitTop(widths, meterAt, on.width)
	lines := make([]string, len(rows))
	for i, row := range rows {
		var line strings.Builder
		for j, cell := range row {
			switch {
			case j == meterAt && i > 0:
				cell = on.meter(shares[i], widths[j])
			case j == 3 || j == 4: // numbers are right-aligned
				cell = strings.Repeat(" ", widths[j]-columnsOf(cell)) + cell
			default:
				cell = on.fit(cell, widths[j])
			}
			if j > 0 {
				line.WriteString("  ")
			}
			line.WriteString(cell)
		}
		lines[i] = strings.TrimRight(line.String(), " ")
	}
	return lines
}

// fitTop shortens the name and the owner until the meter fits, and gives it the rest of the width.
func fitTop(widths []int, meterAt, width int) {
	widths[0], widths[1] = min(widths[0], longestName), min(widths[1], longestName)
	room := func() int {
		left := width - 2*(len(widths)-1)
		for i, w := range widths {
			if i != meterAt {
				left -= w
			}
		}
		return left
	}
	for room() < leastMeter && (widths[0] > leastName || widths[1] > leastName) {
		longer := 0
		if widths[1] > widths[0] {
			longer = 1
		}
		widths[longer]--
	}
	widths[meterAt] = min(mostMeter, max(leastMeter, room()))
}

// fit returns text in exactly n columns. It cuts a longer text.
func (c canvas) fit(text string, n int) string {
	if columnsOf(text) <= n {
		return text + strings.Repeat(" ", n-columnsOf(text))
	}
	var cut strings.Builder
	used := 0
	for _, r := range text {
		w := columnsOf(string(r))
		if used+w > n-1 {
			break
		}
		cut.WriteRune(r)
		used += w
	}
	mark := "…"
	if c.ascii {
		mark = "~"
	}
	return cut.String() + mark + strings.Repeat(" ", n-1-used)
}

// columnsOf returns the number of columns that a terminal needs for a text.
func columnsOf(text string) (n int) {
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// ago returns how long before now a time was, or the text as it is if it is no time.
func ago(at string, now time.Time) string {
	then, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return oneLine(at)
	}
	d := max(0, now.Sub(then))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/day)
}
