package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// fieldRows returns a row for each value of a JSON object, in the document's order. A nested field is
// named "outer.inner", and a list is one value. A list of limits has a row for each of them.
func fieldRows(document json.RawMessage) (rows [][]string, err error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	if err := flatten(d, "", &rows); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return rows, nil
}

// flatten adds a row for each value to rows.
func flatten(d *json.Decoder, name string, rows *[][]string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		for d.More() {
			field, err := d.Token()
			if err != nil {
				return err
			}
			if err := flatten(d, strings.TrimPrefix(name+"."+field.(string), "."), rows); err != nil {
				return err
			}
		}
	case json.Delim('['):
		if err := flattenList(d, name, rows); err != nil {
			return err
		}
	case nil:
		*rows = append(*rows, []string{name, "-"})
		return nil
	default:
		*rows = append(*rows, []string{name, fmt.Sprint(token)})
		return nil
	}
	_, err = d.Token() // the closing delimiter
	return err
}

// flattenList adds the rows of a list whose opening delimiter has been read.
func flattenList(d *json.Decoder, name string, rows *[][]string) error {
	var values []string
	var bounds [][]string
	for d.More() {
		var one [][]string
		if err := flatten(d, "", &one); err != nil {
			return err
		}
		if bound := boundRow(name, one); bound != nil {
			bounds = append(bounds, bound)
			continue
		}
		for _, row := range one {
			values = append(values, row[1])
		}
	}
	if len(bounds) == 0 {
		bounds = [][]string{{name, strings.Join(values, ",")}}
	}
	*rows = append(*rows, bounds...)
	return nil
}
