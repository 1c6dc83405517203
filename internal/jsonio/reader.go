// Package jsonio reads and writes the JSON of events and their answers, value by value. It knows
// nothing of their types, so it does without reflection, which takes several times as long.
package jsonio

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Reader reads a JSON text value by value. After its first error it reads nothing more, and its
// methods change nothing. Make one with [NewReader]. It is not safe for concurrent use.
//
// A Reader may read one JSON text after the other. Lists that it has returned may be used until it
// is reset.
type Reader struct {
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

// NewReader returns a reader of no text. room is how many different texts, and how many lists, usually
// come. More than these cost allocations.
func NewReader(room int) *Reader {
	return &Reader{known: make([]string, 0, room), lists: make([]string, 0, room)}
}

// Reset begins to read a JSON text, and forgets the one before. It accepts an object that has a name
// twice, and reads both values. It accepts text that is not UTF-8. U+FFFD replaces such
// bytes of strings, but not of names.
func (r *Reader) Reset(text []byte) {
	clear(r.known)
	clear(r.lists)
	r.known, r.lists, r.err, r.input = r.known[:0], r.lists[:0], nil, *bytes.NewBuffer(text)
	r.text.Reset(&r.input, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// End returns the first error. Text after the first value is an error, too.
func (r *Reader) End() error {
	if r.err == nil {
		if _, err := r.text.ReadToken(); err != io.EOF {
			r.err = errTrailing
		}
	}
	return r.err
}

// Object reads an object, and calls member with the name of each member. It takes null for an empty
// object. member must read exactly one value. The name is valid until then.
func (r *Reader) Object(member func(name []byte)) {
	if !r.begins('{') {
		r.Null()
		return
	}
	r.token()
	for r.err == nil && !r.begins('}') {
		if name := r.Value(); r.err == nil {
			member(unescaped(name))
		}
	}
	r.token()
}

// Strings reads a string or a list of strings, and returns list with them appended. It takes null
// for an empty list, and null within a list for an empty string.
func (r *Reader) Strings(list []string) []string {
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
	r.List(func() {
		text, _ := r.stringOrNull()
		list = append(list, text)
	})
	return list
}

// String reads a string into text. If the value is null, text stays as it is.
func (r *Reader) String(text *string) {
	if read, ok := r.stringOrNull(); ok {
		*text = read
	}
}

// Bool reads true or false into is. If the value is null, is stays as it is.
func (r *Reader) Bool(is *bool) {
	raw := r.Value()
	if kind := raw.Kind(); r.err != nil || kind != 't' && kind != 'f' {
		r.mustBeNull(raw)
		return
	}
	*is = raw.Kind() == 't'
}

// Texts reads an object of strings, and returns nil for null. Null in the object is an empty string.
func (r *Reader) Texts() map[string]string {
	if !r.begins('{') {
		r.Null()
		return nil
	}
	texts := make(map[string]string)
	r.Object(func(name []byte) {
		key := r.remember(name)
		texts[key], _ = r.stringOrNull()
	})
	return texts
}

// Lists reads an object whose values are as for [Reader.Strings], and returns nil for null.
func (r *Reader) Lists() map[string][]string {
	if !r.begins('{') {
		r.Null()
		return nil
	}
	lists := make(map[string][]string)
	r.Object(func(name []byte) {
		key := r.remember(name)
		lists[key] = r.Strings(nil)
	})
	return lists
}

// contextSize is how many members the context of an authorizer usually has. It is what most objects
// of scalars and of any values are.
const contextSize = 20

// Scalars reads an object of strings, numbers and booleans as texts. It leaves out members that are
// null, and takes null for an empty object.
func (r *Reader) Scalars() map[string]string {
	texts := make(map[string]string, contextSize)
	r.Object(func(name []byte) {
		key := r.remember(name)
		if r.begins('"') {
			texts[key], _ = r.stringOrNull()
			return
		}
		switch raw := r.Value(); {
		case r.err != nil, raw.Kind() == 'n':
		case raw.Kind() == '{', raw.Kind() == '[':
			r.err = errType
		default:
			texts[key] = string(raw)
		}
	})
	return texts
}

// List reads a list, and calls element for each element. It takes null for an empty list. element
// must read exactly one value.
func (r *Reader) List(element func()) {
	if !r.begins('[') {
		r.Null()
		return
	}
	r.token()
	for r.err == nil && !r.begins(']') {
		element()
	}
	r.token()
}

// Values reads an object of any values, as [json.Unmarshal] does, and returns nil for null.
func (r *Reader) Values() map[string]any {
	if !r.begins('{') {
		r.Null()
		return nil
	}
	values := make(map[string]any, contextSize)
	r.Object(func(name []byte) {
		key := r.remember(name)
		if r.begins('"') {
			values[key], _ = r.stringOrNull()
			return
		}
		var value any
		if raw := r.Value(); r.err == nil {
			r.err = json.Unmarshal(raw, &value)
		}
		values[key] = value
	})
	return values
}

// stringOrNull reads a string or null. It reports whether it read a string.
func (r *Reader) stringOrNull() (string, bool) {
	raw := r.Value()
	if r.err != nil || raw.Kind() != '"' {
		r.mustBeNull(raw)
		return "", false
	}
	text := unescaped(raw)
	if !utf8.Valid(text) {
		text = []byte(string([]rune(string(text)))) // as encoding/json replaces it
	}
	return r.remember(text), true
}

// remember returns text as a string. If it is among the first texts that were read, it allocates
// nothing.
func (r *Reader) remember(text []byte) string {
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

// Integer reads an integer into n. If the value is null, n stays as it is.
func (r *Reader) Integer(n *int64) {
	raw := r.Value()
	if r.err != nil || raw.Kind() != '0' {
		r.mustBeNull(raw)
		return
	}
	*n, r.err = strconv.ParseInt(string(raw), 10, 64)
}

// Null reads null. Every other value is an error.
func (r *Reader) Null() { r.mustBeNull(r.Value()) }

// mustBeNull makes a value that was read an error, unless it is null.
func (r *Reader) mustBeNull(raw jsontext.Value) {
	if r.err == nil && raw.Kind() != 'n' {
		r.err = errType
	}
}

// Value reads any value.
func (r *Reader) Value() jsontext.Value {
	if r.err != nil {
		return nil
	}
	var raw jsontext.Value
	raw, r.err = r.text.ReadValue()
	return raw
}

// begins reports whether the next value or delimiter is of a kind.
func (r *Reader) begins(kind jsontext.Kind) bool {
	return r.err == nil && r.text.PeekKind() == kind
}

// token reads the delimiter that comes next.
func (r *Reader) token() {
	if r.err == nil {
		_, r.err = r.text.ReadToken()
	}
}

// unescaped returns the text of a valid JSON string. It allocates only if the text has an escape.
func unescaped(raw jsontext.Value) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // its only error is that it replaced invalid UTF-8
	return text
}
