package reference

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// columns is the width of the manual's lines.
const columns = 120

// writer collects the lines of a generated part.
type writer struct{ strings.Builder }

func (w *writer) printf(format string, args ...any) { fmt.Fprintf(w, format, args...) }

// heading writes a heading of level n, with a blank line after it.
func (w *writer) heading(n int, text string) {
	w.printf("\n%s %s\n\n", strings.Repeat("#", n), text)
}

// paragraph writes text in lines that fit, each sentence on a line of its own.
func (w *writer) paragraph(text string) { w.wrapped("", "", text) }

// escaped is text of the code, without a meaning that Markdown gives to its characters.
func escaped(text string) string {
	return strings.NewReplacer("*", `\*`, "<", `\<`, "|", `\|`).Replace(text)
}

// entry writes an entry of a list.
func (w *writer) entry(text string) { w.wrapped("- ", "  ", text) }

// wrapped writes first before the first line and rest before all others.
func (w *writer) wrapped(first, rest, text string) {
	line := first
	empty := true
	for word := range strings.FieldsSeq(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			w.printf("%s\n", line)
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	w.printf("%s\n", line)
}

// block writes a fenced block of code. It wraps lines that are too long.
func (w *writer) block(language, text string) {
	w.printf("\n```%s\n", language)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		for utf8.RuneCountInString(line) > columns {
			at := strings.LastIndex(string([]rune(line)[:columns+1]), " ")
			if at <= len(indent) {
				break // it is one word
			}
			w.printf("%s\n", line[:at])
			line = indent + "  " + line[at+1:]
		}
		w.printf("%s\n", line)
	}
	w.printf("```\n")
}
