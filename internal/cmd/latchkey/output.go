package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
)

// On a terminal, output is aligned in columns. Elsewhere it has tabs between its columns, for
// programs. With --json it is the API's answer as it is.

// printAnswer prints a JSON object: one line for each field, or as it is if asJSON is true.
func printAnswer(out io.Writer, answer json.RawMessage, asJSON bool) error {
	if asJSON {
		return printJSON(out, answer)
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	var rows [][]string
	if err := flatten(d, "", &rows); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return printRows(out, nil, rows)
}

func printJSON(out io.Writer, answer json.RawMessage) error {
	_, err := out.Write(append(bytes.TrimRight(answer, "\n"), '\n'))
	return err
}

// flatten adds a row for each value to rows, in the document's order. A nested field is named
// "outer.inner", and a list is one value. A list of limits has a row for each of them.
func flatten(d *json.Decoder, name string, rows *[][]string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		for d.More() {
			field, err := d.Token()
			if err != nil {
				return err
			}
			if err := flatten(d, strings.TrimPrefix(name+"."+field.(string), "."), rows); err != nil {
				return err
			}
		}
	case json.Delim('['):
		if err := flattenList(d, name, rows); err != nil {
			return err
		}
	case nil:
		*rows = append(*rows, []string{name, "-"})
		return nil
	default:
		*rows = append(*rows, []string{name, fmt.Sprint(token)})
		return nil
	}
	_, err = d.Token() // the closing delimiter
	return err
}

// flattenList adds the rows of a list of which the opening delimiter has been read.
func flattenList(d *json.Decoder, name string, rows *[][]string) error {
	var values []string
	var bounds [][]string
	for d.More() {
		var one [][]string
		if err := flatten(d, "", &one); err != nil {
			return err
		}
		if bound := boundRow(name, one); bound != nil {
			bounds = append(bounds, bound)
			continue
		}
		for _, row := range one {
			values = append(values, row[1])
		}
	}
	if len(bounds) == 0 {
		bounds = [][]string{{name, strings.Join(values, ",")}}
	}
	*rows = append(*rows, bounds...)
	return nil
}

// page is the form that all lists of the API have. The last page has no cursor.
type page[T any] struct {
	Data       []T
	NextCursor string
}

// printPage returns a function that prints one page of a list, one row for each entry. If the page
// is empty, it prints none on standard error.
func printPage[T any](
	none string, header []string, row func(T) []string,
) func(*cobra.Command, json.RawMessage, bool) error {
	return func(c *cobra.Command, answer json.RawMessage, asJSON bool) error {
		if asJSON {
			return printJSON(c.OutOrStdout(), answer)
		}
		page, err := decode[page[T]](answer)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, one := range page.Data {
			rows = append(rows, row(one))
		}
		if err := printRows(c.OutOrStdout(), header, rows); err != nil {
			return err
		}
		if len(rows) == 0 {
			fmt.Fprintln(c.ErrOrStderr(), none)
		}
		if page.NextCursor != "" {
			fmt.Fprintln(c.ErrOrStderr(), "There may be more: --cursor", page.NextCursor)
		}
		return nil
	}
}

// printRows prints rows of columns. It prints the header only on a terminal.
func printRows(out io.Writer, header []string, rows [][]string) error {
	var w io.Writer = out
	if isTerminal(out) {
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		defer t.Flush()
		if w = t; len(header) > 0 && len(rows) > 0 {
			rows = append([][]string{header}, rows...)
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = oneLine(cell)
		}
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return nil
}

// oneLine replaces the characters of foreign text that could move the cursor or the columns.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !apikey.LegibleName("x" + string(r) + "x") {
			return ' '
		}
		return r
	}, text)
}

// formatLimit returns a limit in the form that parseLimit reads. The window is in seconds.
func formatLimit(requests, window int64) string {
	span := fmt.Sprintf("%ds", window)
	for _, unit := range []struct {
		name   string
		length int64
	}{{"m", 60}, {"h", 3600}, {"d", int64(day / time.Second)}} {
		if window > 0 && window%unit.length == 0 {
			span = fmt.Sprintf("%d%s", window/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%d/%s", requests, span)
}
