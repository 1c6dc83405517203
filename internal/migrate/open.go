package migrate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// reportedLines is how many wrong lines are reported of a file that is refused as a
// whole.
const reportedLines = 10

// Open reads the whole of in, judges it, and returns a reader of it from its
// beginning. It refuses the file with a [NotKeysError] if its first lines have the
// form of something else, or if more than half of its lines are wrong. Before the
// latter, report is called with the first wrong lines. A file that is not said to be a
// key file is also refused if most of its keys are plain words. Open keeps no token.
func Open(ctx context.Context, in io.ReadSeeker, o Options, report func(line int, err error)) (*Reader, error) {
	raw := make([]byte, headSize)
	n, err := io.ReadFull(in, raw)
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !whole {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	h := newHead(raw[:n], whole)
	looks := lookOf(h)
	if looks != nil && (o.Form == "" || o.Form == KeyFile && looks.name != yamlLook) {
		return nil, &NotKeysError{"this is not a key file", looks.name, looks.advice}
	}
	again := func() (*Reader, error) {
		if _, err := in.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read the file again: %w", err)
		}
		return NewReader(in, o), nil
	}
	r, err := again()
	if err != nil {
		return nil, err
	}
	lines, wrong := 0, make([]Line, 0, reportedLines)
	count, worded := 0, 0
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		var refused *NotKeysError
		if errors.As(err, &refused) {
			return nil, refused.named(looks, o.Form)
		}
		if err != nil {
			return nil, fmt.Errorf("read the file: %w", err)
		}
		lines++
		if line.Err == nil {
			if o.Form == "" && r.o.Form == KeyFile && onlyWords.MatchString(line.Import.Token.Reveal()) {
				worded++
			}
			continue
		}
		if count++; len(wrong) < cap(wrong) {
			wrong = append(wrong, line)
		}
	}
	if 2*count > lines {
		for _, line := range wrong {
			report(line.Number, line.Err)
		}
		refused := &NotKeysError{Problem: "every line is wrong"}
		if count < lines {
			refused.Problem = fmt.Sprintf("%d of %d lines are wrong", count, lines)
		}
		return nil, refused.named(looks, o.Form)
	}
	if 2*worded > lines {
		return nil, &NotKeysError{"this is not a key file", "pairs of names", "say --format keyfile if words are keys there"}
	}
	return again()
}

// named adds the form that the file seems to have, unless the file is read as that form. A file
// that is read as the form of another service is only compared with the forms of others.
func (e *NotKeysError) named(looks *look, form Form) *NotKeysError {
	own := form == "" || form == KeyFile || form == JSONLines
	if looks != nil && (own || strings.HasPrefix(looks.advice, useFormat(""))) && looks.advice != useFormat(form) {
		e.Looks = looks.name
		if e.Advice == "" {
			e.Advice = looks.advice
		}
	}
	return e
}

// Spool reads all of in, which cannot be read twice, into memory. It stops when ctx
// ends, even if in never answers.
func Spool(ctx context.Context, in io.Reader, most int64) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(bufio.NewReader(in), most+1))
		done <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		if r.err == nil && int64(len(r.text)) > most {
			r.err = fmt.Errorf("is longer than %d MB: save it to a file and import that", most>>20)
		}
		return r.text, r.err
	}
}
