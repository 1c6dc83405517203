package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON reads what encoding/json would read in more than one way only once
// it is sure there is one: no name twice, no null, no second value, no text that
// is not UTF-8. What it says of a body is fixed text.
var strictJSON = format(false)

// patchJSON is that of merge patches, in which null clears.
var patchJSON = format(true)

func format(null bool) huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error {
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false) // it is no HTML, and people read it
			return e.Encode(v)
		},
		Unmarshal: func(data []byte, v any) error {
			if err := unambiguous(data, null); err != nil {
				return err
			}
			if err := json.Unmarshal(data, v); err != nil {
				return errors.New(jsonProblem + "does not have the right form")
			}
			return nil
		},
	}
}

// jsonProblem begins what is said of a body as a whole; see explain.
const jsonProblem = "body "

func unambiguous(data []byte, null bool) error {
	if !utf8.Valid(data) {
		return errors.New(jsonProblem + "is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := walk(d, 0, null); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New(jsonProblem + "has something after its JSON value")
	}
	return nil
}

// deepest is deeper than any honest body.
const deepest = 16

func walk(d *json.Decoder, depth int, null bool) error {
	token, err := d.Token()
	if err != nil {
		return errors.New(jsonProblem + "is not JSON")
	}
	if depth > deepest {
		return errors.New(jsonProblem + "is nested too deeply")
	}
	if token == nil && (depth == 0 || !null) {
		return errors.New(jsonProblem + "must not have null in it; leave the field out instead")
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := make(map[string]bool)
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return errors.New(jsonProblem + "is not JSON")
			}
			// encoding/json would take names that differ in case for the same field.
			folded := strings.ToLower(name.(string))
			if depth > 0 {
				folded = name.(string)
			}
			if seen[folded] {
				return errors.New(jsonProblem + "has a field twice")
			}
			seen[folded] = true
		}
		if err := walk(d, depth+1, null); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New(jsonProblem + "is not JSON")
	}
	return nil
}

// integer is a JSON number without a fraction, however it is written: 5, 5.0,
// 5e0.
type integer int64

// UnmarshalJSON refuses what does not fit.
func (i *integer) UnmarshalJSON(raw []byte) error {
	if len(raw) > 32 {
		return errors.New("number is too long")
	}
	n, ok := new(big.Rat).SetString(string(raw))
	if !ok || !n.IsInt() || !n.Num().IsInt64() {
		return errors.New("not an integer")
	}
	*i = integer(n.Num().Int64())
	return nil
}

// Schema tells huma.
func (integer) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
}
