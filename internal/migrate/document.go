package migrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// The forms of other services are read as a whole, and each key in them is written as
// the fields of a JSON line. What restricts a key there and cannot be kept here is an
// error of that key, unless Options.Ignore names it. The id of a consumer begins with
// the service's name: its keys are never added to a key of a key file, which may do more.

// Bounds of files that are read as a whole. YAML takes many times its length.
const (
	longestJSON = 256 << 20
	longestYAML = 16 << 20
)

// fields are one key, by the names of JSON Lines.
type fields map[string]json.RawMessage

func (f fields) put(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic("migrate: a field that is no JSON") // texts, numbers and times are
	}
	f[name] = text
}

// found is a key in a foreign file, or the problem with it.
type found struct {
	line   int
	fields fields
	err    error
}

// document reads all keys of a file of another service.
func (r *Reader) document(form Form) source {
	var all []found
	read := false
	return func() (entry, error) {
		if !read {
			var err error
			if all, err = r.readDocument(form); err != nil {
				return entry{}, err
			}
			read = true
			if len(all) == 0 {
				return entry{}, &NotKeysError{Problem: "it holds no keys of the form " + string(form)}
			}
		}
		if len(all) == 0 {
			return entry{}, io.EOF
		}
		next := all[0]
		all[0], all = found{}, all[1:]
		e := entry{number: next.line, err: next.err}
		if e.err == nil {
			e.in, e.said, e.err = r.entry(next.fields)
		}
		return e, nil
	}
}

func (r *Reader) readDocument(form Form) ([]found, error) {
	most := int64(longestJSON)
	if form == Kong || form == APISIX {
		most = longestYAML
	}
	text, err := io.ReadAll(io.LimitReader(r.lines.in, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, &NotKeysError{Problem: fmt.Sprintf("files of this form may have %d MB at most: split it", most>>20)}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	switch form {
	case Kong:
		return r.yamlDocument(text, r.kong)
	case APISIX:
		return r.yamlDocument(text, r.apisix)
	case Unkey:
		return jsonRecords(text, r.unkey, "keys", "data")
	}
	return jsonRecords(text, r.liteLLM, "keys", "data")
}
