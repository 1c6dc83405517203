package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/client"
)

// The forms of output.
const (
	formTable = "table" // aligned columns on a terminal; tabs between the columns elsewhere
	formJSON  = "json"  // the API's answer as it is
	formCSV   = "csv"   // as table, with a header
)

// output prints the data of one run of a command in the form that its flags name. Only data goes to
// standard output.
type output struct {
	form string
	json bool
	jq   filter

	page   *pageOf // the flags of a list with pages; nil for other commands
	headed bool    // a header is printed
	rows   int     // rows or, with --all, entries that are printed
}

// printer prints an answer. It is a function such as printAnswer.
type printer func(c *cobra.Command, answer client.Answer, out *output) error

// outputFlags returns an output with the flags that addFlags adds.
func outputFlags(c *cobra.Command) *output {
	out := &output{}
	out.addFlags(c)
	return out
}

// addFlags adds the flags -o, --json and --jq.
func (o *output) addFlags(c *cobra.Command) {
	choiceFlagP(c, &o.form, "output", "o", formTable, "`FORM`: table, json or csv", formTable, formJSON, formCSV)
	c.Flags().BoolVar(&o.json, "json", false, "the same as -o json: the API's answer as it is")
	filterFlag(c, o)
}

func filterFlag(c *cobra.Command, out *output) {
	c.Flags().Var(&out.jq, "jq", "`EXPR` of jq that selects from the JSON; prints texts without quotes")
}

// checkOutput returns an error if the flags of outputFlags contradict each other.
func checkOutput(c *cobra.Command) error {
	flags := c.Flags()
	if !flags.Changed("output") || flags.Lookup("output").Value.String() == formJSON {
		return nil
	}
	for _, other := range []string{"json", "jq"} {
		if flags.Changed(other) {
			return usageError{fmt.Errorf("--%s prints JSON: leave out --output, or make it json", other)}
		}
	}
	return nil
}

// asJSON reports whether the output is JSON.
func (o *output) asJSON() bool { return o.json || o.form == formJSON || o.jq.code != nil }

// printJSON prints an answer as JSON, or what --jq selects from it. With --all, the pages become one
// answer, and --jq is applied to each page.
func (o *output) printJSON(c *cobra.Command, body json.RawMessage) error {
	switch {
	case o.jq.code != nil:
		return o.jq.print(c.Context(), c.OutOrStdout(), body)
	case o.page != nil && o.page.all:
		return o.printPart(c.OutOrStdout(), body)
	}
	return printJSON(c.OutOrStdout(), body)
}

// printPart prints the entries of a page. With the first page it begins the answer that has all
// entries, and with the last one it ends it.
func (o *output) printPart(out io.Writer, body json.RawMessage) error {
	part, err := decode[page[json.RawMessage]](body)
	if err != nil {
		return err
	}
	var b strings.Builder
	if !o.headed {
		b.WriteString(`{"data":[`)
		o.headed = true
	}
	for _, one := range part.Data {
		if o.rows > 0 {
			b.WriteString(",\n")
		}
		o.rows++
		b.Write(one)
	}
	if part.NextCursor == "" {
		b.WriteString("]}\n")
	}
	_, err = io.WriteString(out, b.String())
	return err
}

func printJSON(out io.Writer, answer json.RawMessage) error {
	_, err := io.WriteString(out, strings.TrimRight(string(answer), "\n")+"\n")
	return err
}

// printAnswer prints a JSON object with one line for each field. In CSV, the fields are columns.
func printAnswer(c *cobra.Command, answer client.Answer, out *output) error {
	if out.asJSON() {
		return out.printJSON(c, answer.Body)
	}
	rows, err := fieldRows(answer.Body)
	if err != nil {
		return err
	}
	if revision := revisionOf(answer); revision != "" {
		rows = append(rows, []string{"rev", revision})
	}
	if out.form != formCSV {
		return out.printRows(c, nil, rows)
	}
	header, values := columns(rows)
	return out.printRows(c, header, [][]string{values})
}

// revisionOf returns the revision of the record in an answer, as --if-match takes it, or "".
func revisionOf(answer client.Answer) string {
	revision, err := strconv.Unquote(answer.Header.Get("ETag"))
	if err != nil {
		return ""
	}
	return revision
}

// columns turns rows that begin with their names into a header and one row. The values of rows with
// the same name become one.
func columns(rows [][]string) (header, values []string) {
	at := make(map[string]int)
	for _, row := range rows {
		value := strings.Join(row[1:], " ")
		if i, ok := at[row[0]]; ok {
			values[i] += "; " + value
			continue
		}
		at[row[0]] = len(header)
		header, values = append(header, row[0]), append(values, value)
	}
	return header, values
}

// page is the form that all lists of the API have. The last page has no cursor.
type page[T any] struct {
	Data       []T
	NextCursor string
}

// printPage returns a printer of one page of a list, with one row for each entry. If the list is
// empty, it prints none on standard error.
func printPage[T any](none string, header []string, row func(T) []string) printer {
	return func(c *cobra.Command, answer client.Answer, out *output) error {
		if out.asJSON() {
			return out.printJSON(c, answer.Body)
		}
		page, err := decode[page[T]](answer.Body)
		if err != nil {
			return err
		}
		rows := make([][]string, 0, len(page.Data))
		for _, one := range page.Data {
			rows = append(rows, row(one))
		}
		if err := out.printRows(c, header, rows); err != nil {
			return err
		}
		all := out.page != nil && out.page.all
		if out.rows == 0 && (page.NextCursor == "" || !all) {
			fmt.Fprintln(c.ErrOrStderr(), none)
		}
		if page.NextCursor != "" && !all {
			fmt.Fprintln(c.ErrOrStderr(), "There may be more: --all, or --cursor", page.NextCursor)
		}
		return nil
	}
}

// printRows prints rows of columns, as CSV or as a table. A table has the header only on a terminal.
func (o *output) printRows(c *cobra.Command, header []string, rows [][]string) error {
	o.rows += len(rows)
	if o.headed || o.form != formCSV && len(rows) == 0 {
		header = nil
	}
	o.headed = o.headed || len(header) > 0
	if o.form == formCSV {
		return printCSV(c.OutOrStdout(), header, rows)
	}
	return printTable(c.OutOrStdout(), header, rows)
}

// printTable prints rows of columns: aligned, with the header, on a terminal, and elsewhere with tabs
// and without the header.
func printTable(out io.Writer, header []string, rows [][]string) error {
	var w io.Writer = out
	if isTerminal(out) {
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		defer t.Flush()
		if w = t; len(header) > 0 {
			rows = append([][]string{header}, rows...)
		}
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = oneLine(cell)
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return nil
}

// printCSV prints a header, if there is one, and rows as CSV. "-", which stands for nothing in a
// table, is an empty cell.
func printCSV(out io.Writer, header []string, rows [][]string) error {
	w := csv.NewWriter(out)
	if len(header) > 0 {
		if err := w.Write(header); err != nil {
			return err
		}
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cell != "-" {
				cells[i] = noFormula(oneLine(cell))
			}
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// noFormula puts ' before a cell that a spreadsheet would run as a formula. A number is none.
func noFormula(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@", rune(cell[0])) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
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

// errRepeats is the error about a service that would never end a list.
var errRepeats = errors.New("the service names the same page again: the list has no end")
