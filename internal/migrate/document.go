package migrate

import (
	"bytes"
	"fmt"
	"io"
)

// A file of another service is read as a whole. Each key in it is translated to the fields of a
// JSON line. A restriction of a key that cannot be kept here is an error of that key, unless
// Options.Ignore names it. The id of a consumer begins with the service's name, so its tokens are
// never added to a key of a key file, which may do more.

// The longest documents, in bytes. YAML takes many times its length in memory.
const (
	longestJSON = 256 << 20
	longestYAML = 16 << 20
)

// record is a key in a document, or the problem with it.
type record struct {
	line   int
	fields fields
	err    error
}

// document reads all keys of a document, and then returns one after another.
func (r *Reader) document() source {
	var records []record
	read := false
	return func() (entry, error) {
		if !read {
			var err error
			if records, err = r.readDocument(); err != nil {
				return entry{}, err
			}
			read = true
		}
		if len(records) == 0 {
			return entry{}, io.EOF
		}
		next := records[0]
		records[0], records = record{}, records[1:]
		if next.err != nil {
			return entry{line: next.line, err: next.err}, nil
		}
		e, err := r.entry(next.fields)
		e.line, e.err = next.line, err
		return e, nil
	}
}

// readDocument returns at least one record.
func (r *Reader) readDocument() ([]record, error) {
	longest, read := int64(longestJSON), r.liteLLMFile
	switch r.form {
	case Kong:
		longest, read = longestYAML, r.kongFile
	case APISIX:
		longest, read = longestYAML, r.apisixFile
	case Unkey:
		read = r.unkeyFile
	}
	text, err := io.ReadAll(io.LimitReader(r.lines.in, longest+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > longest {
		problem := fmt.Sprintf("files of this form may have %d MB at most: split it", longest>>20)
		return nil, &NotKeysError{Problem: problem}
	}
	records, err := read(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if err == nil && len(records) == 0 {
		err = &NotKeysError{Problem: "it holds no keys of the form " + string(r.form)}
	}
	return records, err
}
