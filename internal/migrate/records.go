package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonRecords reads the objects of a JSON document, and translates each. They stand one after
// another, in a list, or in a list that is the field keys or data of an object.
func jsonRecords(text []byte, translate func(fields) (fields, error)) ([]record, error) {
	j := jsonDocument{text: text, translate: translate, line: 1}
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		err := d.Decode(&value)
		if errors.Is(err, io.EOF) {
			return j.records, nil
		}
		if err == nil {
			err = j.value(value, int(d.InputOffset()))
		}
		if err != nil {
			line := j.lineAt(max(j.counted, int(d.InputOffset())))
			return nil, &NotKeysError{Problem: fmt.Sprintf("it is not JSON from line %d on", line)}
		}
	}
}

// jsonDocument collects the records of a JSON document.
type jsonDocument struct {
	text          []byte
	translate     func(fields) (fields, error)
	records       []record
	line, counted int // the line of an offset, up to which lines are counted
}

// lineAt returns the line of an offset, which must not be less than that of an earlier call.
func (j *jsonDocument) lineAt(offset int) int {
	j.line += bytes.Count(j.text[j.counted:offset], []byte("\n"))
	j.counted = offset
	return j.line
}

// value adds the records of a value that ends at an offset of the document.
func (j *jsonDocument) value(value json.RawMessage, end int) error {
	list, listEnd, err := listIn(value)
	switch {
	case err != nil:
		return err
	case list == nil:
		j.add(value, end)
		return nil
	}
	d, start := json.NewDecoder(bytes.NewReader(list)), end-len(value)+listEnd-len(list)
	_, _ = d.Token()
	for d.More() {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return err
		}
		j.add(one, start+int(d.InputOffset()))
	}
	return nil
}

// listIn returns the list of records that value is, or that is a field of it, and where the list
// ends in value. The list is nil if there is none.
func listIn(value json.RawMessage) (list json.RawMessage, end int, err error) {
	if value[0] == '[' {
		return value, len(value), nil
	}
	d := json.NewDecoder(bytes.NewReader(value))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, 0, nil
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, 0, err
		}
		var inner json.RawMessage
		if err := d.Decode(&inner); err != nil {
			return nil, 0, err
		}
		if (name == "keys" || name == "data") && inner[0] == '[' {
			return inner, int(d.InputOffset()), nil
		}
	}
	return nil, 0, nil
}

// add translates a value that ends at an offset of the document.
func (j *jsonDocument) add(value json.RawMessage, end int) {
	next := record{line: j.lineAt(end - len(value))}
	var raw fields
	if raw, next.err = object(value); next.err == nil {
		for name, v := range raw {
			if empty(v) {
				delete(raw, name)
			}
		}
		next.fields, next.err = j.translate(raw)
	}
	j.records = append(j.records, next)
}

// empty reports whether a value is null or has no content.
func empty(value json.RawMessage) bool {
	switch string(bytes.Join(bytes.Fields(value), nil)) {
	case "null", `""`, "{}", "[]":
		return true
	}
	return false
}
