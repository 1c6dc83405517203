package migrate

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Form is how the lines of a file are written.
type Form string

const (
	KeyFile   Form = "keyfile" // key_id:api_key[:requests_per_minute][:expiry]
	JSONLines Form = "jsonl"   // one object a line, its fields named as in the API
)

// Options say what a file leaves open.
type Options struct {
	Format apikey.Format
	Form   Form // empty: by its first line
	// UserID owns all keys; empty: whom each line says.
	UserID string
	// Scopes and Limit are of lines that give none. Nil: a key file's may do
	// everything, 100 times a minute, as they could where they come from; a JSON
	// line's nothing, and as often as any new key.
	Scopes *apikey.Scopes
	Limit  *ratelimit.Limit
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
}

// NewReader reads from r.
func NewReader(r io.Reader, o Options) *Reader {
	return &Reader{o: o, lines: lines{in: bufio.NewReaderSize(r, longest)}, firsts: newFirsts()}
}

// Next returns the next line that is neither empty nor a comment; io.EOF: there
// is none. Any other error is the file's.
func (r *Reader) Next() (Line, error) {
	for {
		text, wrong, err := r.lines.next()
		if err != nil {
			return Line{}, err
		}
		if wrong == nil && (len(text) == 0 || text[0] == '#') {
			continue
		}
		line := Line{Number: r.lines.number, Err: wrong}
		if wrong == nil {
			line.Import, line.Err = r.read(text, line.Number)
		}
		return line, nil
	}
}

func (r *Reader) read(text []byte, number int) (apikey.Import, error) {
	if r.o.Form == "" {
		r.o.Form = KeyFile
		if text[0] == '{' {
			r.o.Form = JSONLines
		}
	}
	parse := r.keyFileLine
	if r.o.Form == JSONLines {
		parse = r.jsonLine
	}
	in, said, err := parse(text)
	if err != nil {
		return apikey.Import{}, err
	}
	if r.o.UserID != "" {
		in.UserID = r.o.UserID
	}
	if in.UserID == "" {
		return apikey.Import{}, wrong("userId", "is missing")
	}
	if err := apikey.CheckUserID(in.UserID); err != nil {
		return apikey.Import{}, err
	}
	if in.Environment == "" {
		in.Environment = apikey.Live
	}
	return in, r.firsts.agree(identity(in), in.ID, said, number)
}

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
	token, err := r.o.Format.Parse(text)
	if errors.Is(err, apikey.ErrMalformed) {
		return apikey.Token{}, wrong("key", "must be 16 to 128 visible ASCII characters without space or comma")
	}
	return token, err
}

func wrong(field, problem string) error {
	return &apikey.FieldError{Field: field, Problem: problem, Kind: apikey.ErrInvalid}
}
