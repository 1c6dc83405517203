package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

var errNotObject = errors.New("the line is not a JSON object; write one object for each key")

// twice returns an error that names the field, unless the name may be a token in a wrong place.
func twice(name string) error {
	if nameable(name) {
		return fmt.Errorf("the line has a field twice: %s; remove one of them", name)
	}
	return errors.New("the line has a field twice; remove one of them")
}

// object reads a JSON object that has no field twice, and nothing after it.
func object(text []byte) (fields, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotObject
	}
	all := make(fields)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errNotObject
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errNotObject
		}
		if _, ok := all[name.(string)]; ok {
			return nil, twice(name.(string))
		}
		all[name.(string)] = value
	}
	if _, err := d.Token(); err != nil || len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return nil, errNotObject
	}
	return all, nil
}

// unknown returns an error that names the field, unless the name may be a token in a wrong place.
func unknown(name string) error {
	if nameable(name) {
		return fmt.Errorf("the line has a field that is not known: %s; correct its name, or leave it out with --ignore %s",
			name, name)
	}
	return errors.New("the line has a field that is not known; correct its name, or leave it out with --ignore")
}

// nameable reports whether name may stand in an error, because it is certainly no token.
func nameable(name string) bool {
	return len(name) < 16 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == ""
}

// canonical returns one spelling of a JSON value, without spaces and with the names in order.
func canonical(value json.RawMessage) string {
	var v any
	_ = json.Unmarshal(value, &v) // the value was read before
	text, _ := json.Marshal(v)
	return string(text)
}

// window is a limit as JSON Lines have it. It must have both fields and no others.
type window struct{ Requests, Window int64 }

func (w *window) UnmarshalJSON(text []byte) error {
	return unmarshalExactly(text, map[string]any{"requests": &w.Requests, "window": &w.Window})
}

// period is a quota as JSON Lines have it. It must have both fields and no others.
type period struct {
	Requests int64
	Period   string
}

func (p *period) UnmarshalJSON(text []byte) error {
	return unmarshalExactly(text, map[string]any{"requests": &p.Requests, "period": &p.Period})
}

// unmarshalExactly reads an object that has these fields and no others. None may be null.
func unmarshalExactly(text []byte, to map[string]any) error {
	raw, err := object(text)
	if err != nil || len(raw) != len(to) {
		return errors.New("not these fields")
	}
	for name, value := range to {
		if string(raw[name]) == "null" {
			return errors.New("null")
		}
		if err := json.Unmarshal(raw[name], value); err != nil {
			return err
		}
	}
	return nil
}

// texts is an object whose values are texts.
type texts map[string]string

func (t *texts) UnmarshalJSON(text []byte) error {
	raw, err := object(text)
	if err != nil {
		return err
	}
	*t = make(texts)
	for name, value := range raw {
		var s *string // nil for null
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		if s == nil {
			return errors.New("null")
		}
		(*t)[name] = *s
	}
	return nil
}
