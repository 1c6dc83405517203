package manual

import (
	"bytes"

	"github.com/yuin/goldmark/ast"
	table "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// tables makes tables of paragraphs whose lines begin with a bar. Goldmark's package extension has such
// a transformer too. It is not used, because the package compiles regular expressions for half a
// millisecond when a program starts. A test compares the tables of the manual with those of goldmark.
type tables struct{}

// Transform implements parser.ParagraphTransformer.
func (tables) Transform(n *ast.Paragraph, reader text.Reader, _ parser.Context) {
	lines, source := n.Lines(), reader.Source()
	if lines.Len() < 2 {
		return
	}
	if second := lines.At(1); !isDelimiter(second.Value(source)) {
		return
	}
	all := table.NewTable()
	for i := range lines.Len() {
		row := tableRow(lines.At(i), source)
		switch i {
		case 0:
			all.AppendChild(all, table.NewTableHeader(row))
		case 1: // the line between the header and the rows
		default:
			all.AppendChild(all, row)
		}
	}
	n.Parent().ReplaceChild(n.Parent(), n, all)
}

// isDelimiter reports whether a line is one such as |---|---|.
func isDelimiter(line []byte) bool {
	line = bytes.TrimSpace(line)
	return bytes.HasPrefix(line, []byte("|-")) && len(bytes.Trim(line, "|- ")) == 0
}

func tableRow(line text.Segment, source []byte) *table.TableRow {
	row := table.NewTableRow(nil)
	line = line.TrimLeftSpace(source)
	line = line.TrimRightSpace(source)
	value := line.Value(source)
	from := 0
	if bytes.HasPrefix(value, []byte("|")) {
		from = 1
	}
	for at := from; at < len(value); at++ {
		last := at == len(value)-1
		if !last && (value[at] != '|' || value[at-1] == '\\') {
			continue
		}
		end := at
		if value[at] != '|' {
			end++
		}
		cell := text.NewSegment(line.Start+from, line.Start+end)
		cell = cell.TrimLeftSpace(source)
		cell = cell.TrimRightSpace(source)
		node := table.NewTableCell()
		node.Lines().Append(cell)
		row.AppendChild(row, node)
		from = at + 1
	}
	return row
}

func registerTables(r renderer.NodeRendererFuncRegisterer) {
	// A browser scrolls an element with the keyboard only if the element can have the focus.
	const scrolls = `<div class="wide" role="group" aria-label="Table" tabindex="0">`
	r.Register(table.KindTable, element(scrolls+"<table>", "</tbody></table></div>"))
	r.Register(table.KindTableHeader, element("<thead><tr>", "</tr></thead><tbody>"))
	r.Register(table.KindTableRow, element("<tr>", "</tr>"))
	r.Register(table.KindTableCell, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		name := "td"
		if n.Parent().Kind() == table.KindTableHeader {
			name = `th scope="col"`
		}
		if entering {
			_, _ = w.WriteString("<" + name + ">")
		} else {
			_, _ = w.WriteString("</" + name[:2] + ">")
		}
		return ast.WalkContinue, nil
	})
}

// element renders a node as its children between two texts.
func element(begin, end string) renderer.NodeRendererFunc {
	return func(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			_, _ = w.WriteString(begin)
		} else {
			_, _ = w.WriteString(end + "\n")
		}
		return ast.WalkContinue, nil
	}
}
