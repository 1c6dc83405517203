package local

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// encoder writes a JSON object member by member. Its methods write a comma before each member but
// the first. Bytes that are not UTF-8 become U+FFFD, as in encoding/json.
//
// The events are written by it and not by reflection, because that took a tenth of the whole time of
// a request.
type encoder []byte

// begin writes the beginning of an object, which is a value or follows a name.
func (e *encoder) begin() { *e = append(*e, '{') }

// end writes the end of an object.
func (e *encoder) end() { *e = append(*e, '}') }

// name writes the name of a member. Its value must follow.
func (e *encoder) name(name string) {
	if last := (*e)[len(*e)-1]; last != '{' {
		*e = append(*e, ',')
	}
	e.quote(name)
	*e = append(*e, ':')
}

func (e *encoder) quote(text string) {
	*e, _ = jsontext.AppendQuote(*e, text) // its only error is that it replaced invalid UTF-8
}

// raw writes a member whose value is JSON.
func (e *encoder) raw(name, value string) {
	e.name(name)
	*e = append(*e, value...)
}

func (e *encoder) text(name, value string) {
	e.name(name)
	e.quote(value)
}

func (e *encoder) integer(name string, value int64) {
	e.name(name)
	*e = strconv.AppendInt(*e, value, 10)
}

// texts writes a member whose value is an object of texts, or null if there is no map.
func (e *encoder) texts(name string, values map[string]string) {
	if values == nil {
		e.raw(name, "null")
		return
	}
	e.name(name)
	e.begin()
	for name, value := range values {
		e.text(name, value)
	}
	e.end()
}

// lastTexts and lists write the two forms that an event has of headers and of parameters: the last
// value of each, and all of them.
func (e *encoder) lastTexts(name string, values map[string][]string) {
	if values == nil {
		e.raw(name, "null")
		return
	}
	e.name(name)
	e.begin()
	for name, all := range values {
		e.text(name, all[len(all)-1])
	}
	e.end()
}

func (e *encoder) lists(name string, values map[string][]string) {
	if values == nil {
		e.raw(name, "null")
		return
	}
	e.name(name)
	e.begin()
	for name, all := range values {
		e.name(name)
		*e = append(*e, '[')
		for i, value := range all {
			if i > 0 {
				*e = append(*e, ',')
			}
			e.quote(value)
		}
		*e = append(*e, ']')
	}
	e.end()
}
