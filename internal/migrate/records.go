package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// jsonRecords reads the objects of a JSON document: one after another, in a list, or
// in a list that one of names holds.
func jsonRecords(text []byte, translate func(map[string]json.RawMessage) (fields, error), names ...string) (all []found, err error) {
	lines, counted := 1, 0
	lineAt := func(offset int) int { // offsets only grow
		lines += bytes.Count(text[counted:offset], []byte("\n"))
		counted = offset
		return lines
	}
	add := func(value json.RawMessage, end int) {
		f := found{line: lineAt(end - len(value))}
		var raw map[string]json.RawMessage
		if raw, f.err = object(value); f.err == nil {
			for name, v := range raw {
				if empty(v) {
					delete(raw, name)
				}
			}
			f.fields, f.err = translate(raw)
		}
		all = append(all, f)
	}
	var each func(value json.RawMessage, end int) error
	list := func(value json.RawMessage, end int) error {
		d, start := json.NewDecoder(bytes.NewReader(value)), end-len(value)
		_, _ = d.Token()
		for d.More() {
			var one json.RawMessage
			if err := d.Decode(&one); err != nil {
				return err
			}
			add(one, start+int(d.InputOffset()))
		}
		return nil
	}
	each = func(value json.RawMessage, end int) error {
		if value[0] == '[' {
			return list(value, end)
		}
		d, start := json.NewDecoder(bytes.NewReader(value)), end-len(value)
		if open, err := d.Token(); err != nil || open != json.Delim('{') {
			add(value, end)
			return nil
		}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return err
			}
			var inner json.RawMessage
			if err := d.Decode(&inner); err != nil {
				return err
			}
			if text, ok := name.(string); ok && slices.Contains(names, text) && len(inner) > 0 && inner[0] == '[' {
				return list(inner, start+int(d.InputOffset()))
			}
		}
		add(value, end)
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		err := d.Decode(&value)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil {
			err = each(value, int(d.InputOffset()))
		}
		if err != nil {
			return nil, &NotKeysError{Problem: fmt.Sprintf("it is not JSON from line %d on", lineAt(max(counted, int(d.InputOffset()))))}
		}
	}
}

// empty reports whether a field says nothing.
func empty(value json.RawMessage) bool {
	switch string(bytes.Join(bytes.Fields(value), nil)) {
	case "null", `""`, "{}", "[]":
		return true
	}
	return false
}
