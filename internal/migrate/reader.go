package migrate

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Form is how the lines of a file are written.
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

// Options say what a file leaves open.
type Options struct {
	Format apikey.Format
	// Form is a key file or JSON Lines, by the first line, if empty. Other forms must
	// be named.
	Form Form
	// UserID owns all keys; empty: whom each line says.
	UserID string
	// Scopes and Limit are of lines that give none. Nil: a key file's may do
	// everything, 100 times a minute, as they could where they come from; a JSON
	// line's nothing, and as often as any new key.
	Scopes *apikey.Scopes
	Limit  *ratelimit.Limit
	// Ignore names fields and plugins of the file that are left out, with what they
	// restrict.
	Ignore []string
}

// KeyFileLimit is the limit of a key file's lines that give none.
func KeyFileLimit() ratelimit.Limit { return ratelimit.Limit{Requests: 100, Window: time.Minute} }

// Line is one entry, or what is wrong with it.
type Line struct {
	Number int
	Import apikey.Import
	Err    error
}

// Reader reads entries. It remembers some hundred bytes of each, so that two
// lines which contradict each other are told apart from two that agree.
type Reader struct {
	o      Options
	lines  lines
	firsts firsts
	source source // nil before the first line
}

// source returns one entry after another, and [io.EOF] after the last.
type source func() (entry, error)

// entry is the key at a line of a file, or the problem with it.
type entry struct {
	number int
	in     apikey.Import
	said   map[string]string
	err    error
}

// NewReader reads from r. It judges each line by itself; [Open] judges the file.
func NewReader(r io.Reader, o Options) *Reader {
	return &Reader{o: o, lines: lines{in: bufio.NewReaderSize(r, longest)}, firsts: newFirsts()}
}

// Next returns the next line that is neither empty nor a comment, and [io.EOF] after
// the last one. Any other error is the file's.
func (r *Reader) Next() (Line, error) {
	if r.source == nil {
		r.source = r.sourceOf(r.o.Form)
	}
	e, err := r.source()
	if err != nil {
		return Line{}, err
	}
	line := Line{Number: e.number, Err: e.err}
	if e.err == nil {
		line.Import, line.Err = r.judge(e)
	}
	var field *apikey.FieldError
	if errors.As(line.Err, &field) {
		if name := theirs[r.o.Form][field.Field]; name != "" {
			line.Err = wrong(name, field.Problem)
		}
	}
	return line, nil
}

func (r *Reader) sourceOf(form Form) source {
	switch form {
	case CSV:
		return r.csvLines()
	case Kong, APISIX, LiteLLM, Unkey:
		return r.document(form)
	case JSONLines:
		return r.eachLine(r.jsonLine)
	case KeyFile:
		return r.eachLine(r.keyFileLine)
	}
	return r.eachLine(func(text []byte) (apikey.Import, map[string]string, error) {
		var parse func([]byte) (apikey.Import, map[string]string, error)
		if r.o.Form, parse = KeyFile, r.keyFileLine; text[0] == '{' {
			r.o.Form, parse = JSONLines, r.jsonLine
		}
		r.source = r.eachLine(parse)
		return parse(text)
	})
}

// eachLine reads an entry of each line that is neither empty nor a comment.
func (r *Reader) eachLine(parse func(text []byte) (apikey.Import, map[string]string, error)) source {
	return func() (entry, error) {
		for {
			text, wrong, err := r.lines.next()
			if err != nil {
				return entry{}, err
			}
			e := entry{number: r.lines.number, err: wrong}
			if wrong == nil {
				if len(text) == 0 || text[0] == '#' {
					continue
				}
				e.in, e.said, e.err = parse(text)
			}
			return e, nil
		}
	}
}

// judge sets the omitted fields of an entry, and returns an error if the entry is wrong.
func (r *Reader) judge(e entry) (apikey.Import, error) {
	in := e.in
	if r.o.UserID != "" {
		in.UserID = r.o.UserID
	}
	if in.UserID == "" {
		return apikey.Import{}, wrong("userId", "is missing; --user gives all keys one owner")
	}
	if problem := nameProblem(in.UserID, r.o.Format); problem != "" {
		return apikey.Import{}, wrong("userId", problem)
	}
	if field := showing(in); field != "" {
		return apikey.Import{}, wrong(field, "holds the key itself; it is shown in lists and logs")
	}
	if field := exchanged(in); field != "" {
		return apikey.Import{}, wrong(field, "looks like a key, and key like a name")
	}
	if in.Environment == "" {
		in.Environment = apikey.Live
	}
	if err := in.Check(); err != nil {
		return apikey.Import{}, err
	}
	return in, r.firsts.agree(identity(in), in.ID, e.said, e.number)
}

// exchanged names a field that looks like a key where the token is made of words, or is "". A key
// file's line is judged before, with more forms of ids.
func exchanged(in apikey.Import) string {
	token := in.Token.Reveal()
	switch {
	case !wordy.MatchString(token):
		return ""
	case apikey.LooksLikeKey(in.UserID):
		return "userId"
	case apikey.LooksLikeKey(in.ID):
		return "id"
	case in.Change.Name != nil && slices.ContainsFunc(strings.Fields(*in.Change.Name), apikey.LooksLikeKey):
		return "name"
	}
	return ""
}

// showing names a field of in that is not secret and has the token in it, or is "".
func showing(in apikey.Import) string {
	token := in.Token.Reveal()
	holds := func(text *string) bool { return token != "" && text != nil && strings.Contains(*text, token) }
	c := in.Change
	switch {
	case holds(&in.ID):
		return "id"
	case holds(&in.UserID):
		return "userId"
	case holds(&in.PublicKey):
		return "publicKey"
	case holds(c.Name):
		return "name"
	case holds(c.Description):
		return "description"
	case c.Metadata != nil:
		for name, value := range *c.Metadata {
			if holds(&name) || holds(&value) {
				return "metadata"
			}
		}
	}
	return ""
}

func (r *Reader) ignores(name string) bool { return slices.Contains(r.o.Ignore, name) }

// identity is the token's, whether it or its hash is given.
func identity(in apikey.Import) string {
	if in.Hash != nil {
		return hex.EncodeToString(in.Hash[:])
	}
	sum := sha256.Sum256([]byte(in.Token.Reveal()))
	return hex.EncodeToString(sum[:])
}

// token reads one, without telling more of it than that it cannot be one.
func (r *Reader) token(text string) (apikey.Token, error) {
	if text == "" {
		return apikey.Token{}, wrong("key", "is missing")
	}
	if apikey.IsJWT(text) {
		return apikey.Token{}, wrong("key", "has the form of a JSON Web Token, which is never taken for a key")
	}
	if strings.ContainsAny(text, bullets) {
		return apikey.Token{}, wrong("key", "is masked; the file needs the whole token")
	}
	token, err := r.o.Format.Parse(text)
	if errors.Is(err, apikey.ErrMalformed) {
		return apikey.Token{}, wrong("key", "must be 16 to 128 visible ASCII characters without space or comma")
	}
	if err == nil && !token.Native() {
		if problem := tokenProblem(text); problem != "" {
			return apikey.Token{}, wrong("key", problem)
		}
	}
	return token, err
}

func wrong(field, problem string) error {
	return &apikey.FieldError{Field: field, Problem: problem, Kind: apikey.ErrInvalid}
}
