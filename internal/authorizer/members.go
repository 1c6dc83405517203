package authorizer

import (
	"bytes"
	"encoding/json"
	"errors"
)

var errNoObject = errors.New("not a JSON object")

// members calls do with the name and the value of each member of a JSON object, or never for null. raw must be valid
// JSON without space around it, as encoding/json hands it to an Unmarshaler. It allocates only for a name with an escape.
func members(raw []byte, do func(name, value []byte) error) error {
	if raw[0] != '{' {
		if raw[0] == 'n' {
			return nil
		}
		return errNoObject
	}
	at := afterSpace(raw, 1)
	for raw[at] != '}' {
		end := at + stringLength(raw[at:])
		name := raw[at+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			var plain string
			if err := json.Unmarshal(raw[at:end], &plain); err != nil {
				return err
			}
			name = []byte(plain)
		}
		at = afterSpace(raw, afterSpace(raw, end)+1) // the colon
		end = at + valueLength(raw[at:])
		if err := do(name, raw[at:end]); err != nil {
			return err
		}
		if at = afterSpace(raw, end); raw[at] == ',' {
			at = afterSpace(raw, at+1)
		}
	}
	return nil
}

func afterSpace(raw []byte, at int) int {
	for raw[at] == ' ' || raw[at] == '\n' || raw[at] == '\t' || raw[at] == '\r' {
		at++
	}
	return at
}

// stringLength is the length of the JSON string that raw begins with, with its quotes.
func stringLength(raw []byte) int {
	for at := 1; ; at++ {
		at += bytes.IndexByte(raw[at:], '"')
		escapes := 0
		for raw[at-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return at + 1
		}
	}
}

// valueLength is the length of the JSON value that raw begins with; something must follow it.
func valueLength(raw []byte) int {
	for at, depth := 0, 0; ; {
		switch raw[at] {
		case '"':
			at += stringLength(raw[at:])
		case '{', '[':
			depth++
			at++
			continue
		case '}', ']':
			depth--
			at++
		case ' ', '\n', '\t', '\r', ',', ':':
			at++
			continue
		default: // a number, true, false or null
			for bytes.IndexByte([]byte(" \n\t\r,]}"), raw[at]) < 0 {
				at++
			}
		}
		if depth == 0 {
			return at
		}
	}
}
