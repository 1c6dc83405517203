package authorizer

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// reader reads a JSON text value by value. After its first error it reads nothing more, and its
// methods change nothing.
//
// A reader may read one JSON text after the other. Lists that it has returned may be used until it
// is reset.
type reader struct {
	text  jsontext.Decoder
	input bytes.Buffer
	err   error
	known []string // texts that were read, because an event has most of them twice
	lists []string // the room of lists, one text each
}

var (
	errType     = errors.New("a value of another JSON type")
	errTrailing = errors.New("text after the JSON value")
)

// room is how many texts and lists of an event usually come. More than these cost allocations.
const room = 8

// newReader returns a reader of no text.
func newReader() *reader {
	return &reader{known: make([]string, 0, room), lists: make([]string, 0, room)}
}

// reset begins to read a JSON text, and forgets the one before. It accepts an object that has a name
// twice, since readEvent reads both values. It accepts text that is not UTF-8, which no token is.
func (r *reader) reset(text []byte) {
	clear(r.known)
	clear(r.lists)
	r.known, r.lists, r.err, r.input = r.known[:0], r.lists[:0], nil, *bytes.NewBuffer(text)
	r.text.Reset(&r.input, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// end returns the first error. Text after the first value is an error, too.
func (r *reader) end() error {
	if r.err == nil {
		if _, err := r.text.ReadToken(); err != io.EOF {
			r.err = errTrailing
		}
	}
	return r.err
}

// object reads an object, and calls member with the name of each member. It takes null for an empty
// object. member must read exactly one value. The name is valid until then.
func (r *reader) object(member func(name []byte)) {
	if !r.begins('{') {
		r.null()
		return
	}
	r.token()
	for r.err == nil && !r.begins('}') {
		if name := r.value(); r.err == nil {
			member(unquoted(name))
		}
	}
	r.token()
}

// strings reads a string or a list of strings, and returns list with them appended. It takes null
// for an empty list, and null within a list for an empty string.
func (r *reader) strings(list []string) []string {
	if n := len(r.lists); list == nil && n < cap(r.lists) {
		r.lists = r.lists[:n+1]
		list = r.lists[n : n : n+1]
	}
	if !r.begins('[') {
		text, ok := r.stringOrNull()
		if ok {
			list = append(list, text)
		}
		return list
	}
	r.token()
	for r.err == nil && !r.begins(']') {
		text, _ := r.stringOrNull()
		list = append(list, text)
	}
	r.token()
	return list
}

// string reads a string into text. If the value is null, text stays as it is.
func (r *reader) string(text *string) {
	if read, ok := r.stringOrNull(); ok {
		*text = read
	}
}

// stringOrNull reads a string or null. It reports whether it read a string.
func (r *reader) stringOrNull() (string, bool) {
	if !r.begins('"') {
		r.null()
		return "", false
	}
	raw := r.value()
	if r.err != nil {
		return "", false
	}
	return r.remember(unquoted(raw)), true
}

// remember returns text as a string. If it is among the first texts that were read, it allocates
// nothing.
func (r *reader) remember(text []byte) string {
	for _, known := range r.known {
		if known == string(text) {
			return known
		}
	}
	remembered := string(text)
	if len(r.known) < cap(r.known) {
		r.known = append(r.known, remembered)
	}
	return remembered
}

// integer reads an integer into n. If the value is null, n stays as it is.
func (r *reader) integer(n *int64) {
	if !r.begins('0') {
		r.null()
		return
	}
	raw := r.value()
	if r.err == nil {
		*n, r.err = strconv.ParseInt(string(raw), 10, 64)
	}
}

// null reads null. Every other value is an error.
func (r *reader) null() {
	if raw := r.value(); r.err == nil && raw.Kind() != 'n' {
		r.err = errType
	}
}

// value reads any value.
func (r *reader) value() jsontext.Value {
	if r.err != nil {
		return nil
	}
	var raw jsontext.Value
	raw, r.err = r.text.ReadValue()
	return raw
}

// begins reports whether the next value or delimiter is of a kind.
func (r *reader) begins(kind jsontext.Kind) bool {
	return r.err == nil && r.text.PeekKind() == kind
}

// token reads the delimiter that comes next.
func (r *reader) token() {
	if r.err == nil {
		_, r.err = r.text.ReadToken()
	}
}

// unquoted returns the text of a valid JSON string. It allocates only if the text has an escape.
func unquoted(raw jsontext.Value) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // its only error is that it replaced invalid UTF-8
	return text
}
