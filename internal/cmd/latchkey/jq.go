package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// filter is the value of --jq. Without a value it has no code.
type filter struct {
	text string
	code *gojq.Code
}

func (f *filter) String() string { return f.text }
func (*filter) Type() string     { return "string" }

// Set reads an expression. The error names the place in it.
func (f *filter) Set(text string) error {
	const example = ", such as .data[].id"
	if strings.TrimSpace(text) == "" {
		return usageError{errors.New("must be an expression of jq" + example)}
	}
	query, err := gojq.Parse(text)
	var wrong *gojq.ParseError
	switch {
	case errors.As(err, &wrong):
		where := place(text, wrong.Offset)
		return usageError{fmt.Errorf("must be an expression of jq%s: it cannot be read %s", example, where)}
	case err != nil:
		return usageError{errors.New("must be an expression of jq" + example)}
	}
	code, err := gojq.Compile(query)
	if err != nil {
		// The text is such as "function not defined: foo/1".
		problem, name, _ := strings.Cut(err.Error(), ": ")
		name, _, _ = strings.Cut(name, "/")
		where := ""
		if at := strings.Index(text, name); at >= 0 && name != "" {
			where = " " + place(text, at+1)
		}
		return usageError{fmt.Errorf("must be an expression of jq%s: %s%s", example, problem, where)}
	}
	f.text, f.code = text, code
	return nil
}

// place names a place in an expression. offset is the number of its bytes up to there.
func place(text string, offset int) string {
	if offset > len(text) {
		return "at its end"
	}
	return fmt.Sprintf("at character %d", utf8.RuneCountInString(text[:max(offset, 1)]))
}

// print prints each value that the expression selects from a document: a text without quotes, and any
// other value as JSON.
func (f *filter) print(ctx context.Context, out io.Writer, document json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	for values := f.code.RunWithContext(ctx, value); ; {
		selected, ok := values.Next()
		if !ok {
			return nil
		}
		if err, failed := selected.(error); failed {
			return filterError(ctx, err)
		}
		text, isText := selected.(string)
		switch {
		case !isText:
			encoded, err := gojq.Marshal(selected)
			if err != nil {
				return fmt.Errorf("encode what --jq selects: %w", err)
			}
			text = string(encoded)
		case isTerminal(out):
			text = strings.Join(eachOf(strings.Split(text, "\n"), oneLine), "\n")
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
}

// eachOf returns what change makes of each text.
func eachOf(texts []string, change func(string) string) []string {
	changed := make([]string, len(texts))
	for i, text := range texts {
		changed[i] = change(text)
	}
	return changed
}

// filterError returns the error for a failure of an expression. gojq's own text repeats values, which
// may be tokens, so that only the kinds of the values are left of it.
func filterError(ctx context.Context, err error) error {
	var thrown gojq.ValueError
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case errors.As(err, &thrown):
		if halted, ok := thrown.(*gojq.HaltError); ok && halted.Value() == nil {
			return nil
		}
		return usageError{errors.New("--jq ended with an error of its own")}
	}
	text := err.Error()
	if at := strings.IndexAny(text, `("[{`); at >= 0 {
		text = strings.TrimSpace(text[:at])
	}
	return usageError{fmt.Errorf("--jq does not fit the answer: %s", text)}
}
