package migrate

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// Form is the way in which a file is written.
type Form string

const (
	KeyFile   Form = "keyfile" // key_id:api_key[:requests_per_minute][:expiry]
	JSONLines Form = "jsonl"   // one object a line, its fields named as in the API
	CSV       Form = "csv"     // a header with the same names, then one key a line
	Kong      Form = "kong"    // declarative YAML or JSON, or the Admin API's JSON
	APISIX    Form = "apisix"  // apisix.yaml, ADC's YAML, or the Admin API's JSON
	LiteLLM   Form = "litellm" // JSON of its table of keys or of /key/list
	Unkey     Form = "unkey"   // JSON of its table of keys or of its API
)

// Forms returns all forms.
func Forms() []Form { return []Form{KeyFile, JSONLines, CSV, Kong, APISIX, LiteLLM, Unkey} }

// Options say what a file leaves open. Only Format is required.
type Options struct {
	// Format tells latchkey's own tokens apart from others.
	Format apikey.Format
	// Form is the form of the file. If empty, the first line decides between a key file and JSON
	// Lines. Other forms must be named.
	Form Form
	// UserID owns all keys. If empty, each line names the owner of its key.
	UserID string
	// Scopes are the scopes of lines that give none. If nil, such a key of a key file has the scope
	// "*", as it had no restriction before. A key of another form has no scopes.
	Scopes *apikey.Scopes
	// Limit is the limit of lines that give none. If nil, it is [KeyFileLimit] in a key file and
	// [apikey.DefaultLimit] in other forms.
	Limit *ratelimit.Limit
	// Ignore names fields, columns and plugins of the file that are left out, with their
	// restrictions.
	Ignore []string
}

// KeyFileLimit returns the limit of a key file's lines that give none: 100 requests a minute.
func KeyFileLimit() ratelimit.Limit { return ratelimit.Limit{Requests: 100, Window: time.Minute} }

// Line is one key of a file. If Err is not nil, the line is wrong and Import must not be used.
type Line struct {
	Number int // from 1; of a key in a document, the line where it begins
	Import registry.Import
	Err    error
}

// Reader reads the keys of a file. It remembers some hundred bytes of each, to find lines that
// contradict each other. A Reader is not safe for concurrent use, except for [Reader.Percent].
type Reader struct {
	o      Options
	form   Form // o.Form, or the form of the first line
	lines  lines
	firsts firsts
	source source // nil before the first line

	next     func() (Line, error)
	total    int // lines of the file; 0: not known
	returned atomic.Int64
}

// entry is one key of a file as the file gives it, or the problem with it.
type entry struct {
	line int
	in   registry.Import
	// stated are the fields that the file gives itself, in one spelling for each value.
	stated map[string]string
	err    error
}

// source returns one entry after another, and [io.EOF] after the last. Any other error is the
// file's.
type source func() (entry, error)

// parser reads the entry of one line. It may not keep text.
type parser func(text []byte) (entry, error)

// NewReader returns a reader of r that judges each line by itself. Use [Open] to judge the whole
// file before the first key is imported.
func NewReader(r io.Reader, o Options) *Reader {
	reader := &Reader{o: o, form: o.Form, lines: lines{in: bufio.NewReaderSize(r, longestLine)}, firsts: newFirsts()}
	reader.next = reader.read
	return reader
}

// Next returns the next line that is neither empty nor a comment, and [io.EOF] after the last one.
// Any other error is the file's.
func (r *Reader) Next() (Line, error) {
	line, err := r.next()
	if err == nil {
		r.returned.Add(1)
	}
	return line, err
}

// Percent returns how much of the file Next has returned, from 0 to 100. It is 0 for a file that
// [Open] has not judged. Percent may be called while Next runs.
func (r *Reader) Percent() int {
	return min(100, int(100*r.returned.Load()/int64(max(r.total, 1))))
}

// read reads and judges a line of the file.
func (r *Reader) read() (Line, error) {
	if r.source == nil {
		r.source = r.newSource()
	}
	e, err := r.source()
	if err != nil {
		return Line{}, err
	}
	line := Line{Number: e.line, Err: e.err}
	if e.err == nil {
		line.Import, line.Err = r.judge(e)
	}
	var field *apikey.FieldError
	if errors.As(line.Err, &field) {
		if name := writtenNames[r.form][field.Field]; name != "" {
			line.Err = wrong(name, field.Problem)
		}
	}
	return line, nil
}

// writtenNames are the names that files of a form have for a field, by its name in JSON Lines.
var writtenNames = map[Form]map[string]string{
	KeyFile: {"id": "key_id", "userId": "key_id", "name": "key_id"},
	Kong:    {"userId": "consumer", "id": "consumer"},
	APISIX:  {"userId": "username", "id": "username"},
	LiteLLM: {
		"sha256": "token", "userId": "user_id", "expiresAt": "expires", "name": "key_alias",
		"rateLimit.requests": "rpm_limit",
	},
	Unkey: {
		"sha256": "hash", "userId": "externalId", "expiresAt": "expires", "metadata": "meta",
		"rateLimit.requests": "ratelimit", "rateLimit.window": "ratelimit",
	},
}

func (r *Reader) newSource() source {
	switch r.form {
	case CSV:
		return r.csvLines()
	case Kong, APISIX, LiteLLM, Unkey:
		return r.document()
	case JSONLines:
		return r.eachLine(r.jsonLine)
	case KeyFile:
		return r.eachLine(r.keyFileLine)
	}
	return r.eachLine(r.firstLine)
}

// firstLine decides by the first line between a key file and JSON Lines.
func (r *Reader) firstLine(text []byte) (entry, error) {
	parse := r.keyFileLine
	if r.form = KeyFile; text[0] == '{' {
		r.form, parse = JSONLines, r.jsonLine
	}
	r.source = r.eachLine(parse)
	return parse(text)
}

// eachLine reads an entry of each line that is neither empty nor a comment.
func (r *Reader) eachLine(parse parser) source {
	return func() (entry, error) {
		for {
			text, wrong, err := r.lines.next()
			if err != nil {
				return entry{}, err
			}
			var e entry
			if wrong == nil {
				if len(text) == 0 || text[0] == '#' {
					continue
				}
				e, wrong = parse(text)
			}
			e.line, e.err = r.lines.number, wrong
			return e, nil
		}
	}
}

func (r *Reader) ignores(name string) bool { return slices.Contains(r.o.Ignore, name) }

func wrong(field, problem string) error {
	return &apikey.FieldError{Field: field, Problem: problem, Kind: apikey.ErrInvalid}
}
