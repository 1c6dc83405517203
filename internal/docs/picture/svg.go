package picture

import (
	"fmt"
	"html"
	"strings"
)

// The colours of all pictures. They are readable on white alone, so each picture has a white ground.
const (
	ink    = "#0f172a"
	quiet  = "#475569"
	line   = "#334155"
	ground = "#f1f5f9"
	room   = "#dbeafe"
	works  = "#15803d"
	ends   = "#b42318"
)

// drawing is an SVG that is being drawn. Lengths are in pixels.
type drawing struct{ strings.Builder }

// draw begins a picture. label describes it to people who do not see it.
func draw(width, height int, label string) *drawing {
	d := &drawing{}
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" `+
		`font-family="sans-serif" font-size="13" role="img" aria-label="%[3]s">`+"\n",
		width, height, html.EscapeString(label))
	d.printf("<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#ffffff\"/>\n", width, height)
	return d
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(d, format, args...) }

func (d *drawing) end() []byte { return []byte(d.String() + "</svg>\n") }

// text writes a text that begins at x. more are further attributes.
func (d *drawing) text(x, y int, color, more, text string) {
	if more != "" {
		more = " " + more
	}
	d.printf("<text x=\"%d\" y=\"%d\" fill=\"%s\"%s>%s</text>\n", x, y, color, more, html.EscapeString(text))
}

func (d *drawing) box(x, y, width, height int, fill, stroke string) {
	if stroke != "" {
		stroke = fmt.Sprintf(" stroke=%q", stroke)
	}
	d.printf("<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"%s\"%s/>\n",
		x, y, width, height, fill, stroke)
}

func (d *drawing) path(path, color, more string) {
	if more != "" {
		more = " " + more
	}
	d.printf("<path d=\"%s\" stroke=\"%s\" fill=\"none\"%s/>\n", path, color, more)
}
