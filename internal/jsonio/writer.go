package jsonio

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Writer is a JSON text that is written value by value. Its methods write a comma before each member
// of an object but the first. Texts have the form that encoding/json gives them when it does not escape
// HTML, so bytes that are not UTF-8 become U+FFFD. The caller must end each object that it begins.
type Writer []byte

// Begin writes the beginning of an object, which is a value or follows a name.
func (w *Writer) Begin() { *w = append(*w, '{') }

// End writes the end of an object.
func (w *Writer) End() { *w = append(*w, '}') }

// Name writes the name of a member. Its value must follow. The name must need no escape, so it must
// not come from a request.
func (w *Writer) Name(name string) {
	w.next()
	*w = append(*w, '"')
	*w = append(*w, name...)
	*w = append(*w, '"', ':')
}

// anyName is Name for every text.
func (w *Writer) anyName(name string) {
	w.next()
	w.Quote(name)
	*w = append(*w, ':')
}

// next writes a comma unless the next member is the first.
func (w *Writer) next() {
	if last := (*w)[len(*w)-1]; last != '{' {
		*w = append(*w, ',')
	}
}

// Quote writes a text as a value.
func (w *Writer) Quote(text string) {
	// The separators of lines U+2028 and U+2029 begin with 0xE2.
	if strings.IndexByte(text, 0xE2) < 0 {
		if quoted, err := jsontext.AppendQuote(*w, text); err == nil {
			*w = quoted
			return
		}
	}
	*w = append(*w, quoted(text)...)
}

// quoted returns any text as a value.
func quoted(text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Raw writes a member whose value is JSON.
func (w *Writer) Raw(name, value string) {
	w.Name(name)
	*w = append(*w, value...)
}

// Text writes a member whose value is a text.
func (w *Writer) Text(name, value string) {
	w.Name(name)
	w.Quote(value)
}

// AnyText is Text for a name that may need escapes.
func (w *Writer) AnyText(name, value string) {
	w.anyName(name)
	w.Quote(value)
}

// OptionalText writes a member whose value is a text, unless it is empty.
func (w *Writer) OptionalText(name, value string) {
	if value != "" {
		w.Text(name, value)
	}
}

// Bool writes a member that is true or false.
func (w *Writer) Bool(name string, value bool) {
	w.Name(name)
	*w = strconv.AppendBool(*w, value)
}

// Integer writes a member whose value is an integer.
func (w *Writer) Integer(name string, value int64) {
	w.Name(name)
	*w = strconv.AppendInt(*w, value, 10)
}

// Texts writes a member whose value is an object of texts, or null if there is no map.
func (w *Writer) Texts(name string, values map[string]string) { object(w, name, values, w.Quote) }

// LastTexts writes a member whose value is an object of the last text of each list, or null if there
// is no map. No list may be empty.
func (w *Writer) LastTexts(name string, values map[string][]string) {
	object(w, name, values, func(all []string) { w.Quote(all[len(all)-1]) })
}

// Lists writes a member whose value is an object of lists of texts, or null if there is no map.
func (w *Writer) Lists(name string, values map[string][]string) {
	object(w, name, values, w.list)
}

// List writes a member whose value is a list of texts, or null if there is no list.
func (w *Writer) List(name string, texts []string) {
	if texts == nil {
		w.Raw(name, "null")
		return
	}
	w.Name(name)
	w.list(texts)
}

func (w *Writer) list(texts []string) {
	*w = append(*w, '[')
	for i, text := range texts {
		if i > 0 {
			*w = append(*w, ',')
		}
		w.Quote(text)
	}
	*w = append(*w, ']')
}

// object writes a member whose value is an object, or null if there is no map. write writes the value of
// one of its members.
func object[V any](w *Writer, name string, values map[string]V, write func(V)) {
	if values == nil {
		w.Raw(name, "null")
		return
	}
	w.Name(name)
	w.Begin()
	for name, value := range values {
		w.anyName(name)
		write(value)
	}
	w.End()
}
