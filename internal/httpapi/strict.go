package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON reads what encoding/json would read in more than one way only once
// it is sure there is one: no name twice, no null, no second value, no text that
// is not Unicode. What it says of a body is fixed text and names of fields.
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
				return problem("", "does not have the right form")
			}
			return nil
		},
	}
}

// jsonProblem begins what is said of a body by this file; see explain.
const jsonProblem = "body "

// problem is about the field at a location, or about what is around it where that
// is none of ours.
func problem(location, text string) error {
	return errors.New(jsonProblem + known(location) + ": " + text)
}

func unambiguous(data []byte, null bool) error {
	// API Gateway and the local gateway put U+FFFD in the place of bytes that are not UTF-8.
	if !utf8.Valid(data) || bytes.ContainsRune(data, utf8.RuneError) {
		return problem("", "must be UTF-8, without U+FFFD, which replaces invalid bytes")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := walk(d, 0, "", null); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return problem("", "has something after its JSON value")
	}
	if halved(data) {
		return problem("", "has half of a character in it: a surrogate that stands alone")
	}
	return nil
}

// halved reports whether a JSON value has half of a character in it. encoding/json
// would put the same sign in place of each, and make one user of two.
func halved(data []byte) bool {
	half := func(at int) rune {
		if at+6 > len(data) || data[at] != '\\' || data[at+1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(data[at+2:at+6]), 16, 16) // not of its digits: no half
		return rune(n)
	}
	for at := 0; at < len(data); at++ {
		if data[at] != '\\' {
			continue
		}
		first := half(at)
		at++ // what is escaped is no escape
		if !utf16.IsSurrogate(first) {
			continue
		}
		if utf16.DecodeRune(first, half(at+5)) == utf8.RuneError {
			return true
		}
		at += 10
	}
	return false
}

// deepest is deeper than any honest body.
const deepest = 16

func walk(d *json.Decoder, depth int, location string, null bool) error {
	token, err := d.Token()
	if err != nil {
		return problem("", "is not JSON")
	}
	if depth > deepest {
		return problem(location, "is nested too deeply")
	}
	if token == nil && (depth == 0 || !null && (known(location) == location || strings.HasPrefix(location, "metadata."))) {
		// An unknown field has an error of its own.
		return problem(location, "must not be null, or have null in it; leave it out instead")
	}
	if n, ok := token.(json.Number); ok {
		if _, err := n.Float64(); err != nil {
			return problem(location, "is not valid: the number is too large")
		}
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := make(map[string]bool)
	for d.More() {
		inside := location
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return problem("", "is not JSON")
			}
			// encoding/json would take names that differ in case for the same field, but one
			// of those is unknown, and refused.
			field := name.(string)
			if inside = join(location, field); seen[field] {
				return twice(location, field)
			}
			seen[field] = true
		}
		if err := walk(d, depth+1, inside, null); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return problem("", "is not JSON")
	}
	return nil
}

// twice is about a field that is there a second time. The names inside of metadata are the caller's own.
func twice(location, field string) error {
	if own, _, _ := strings.Cut(location, "."); own == "metadata" || !tellable(field, "") && !slices.Contains(names, field) {
		return problem(location, "has a field twice")
	}
	return errors.New(jsonProblem + join(known(location), field) + ": must be given once")
}
