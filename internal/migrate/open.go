package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// reportedLines is the number of wrong lines that are reported of a file that is refused as a
	// whole.
	reportedLines = 10

	// keptSize is the size in bytes up to which the lines of a file are kept after they are judged.
	// A longer file is read and judged a second time.
	keptSize = 4 << 20
)

// Open reads the whole of in, judges it, and returns a reader of it from its beginning. It writes
// nothing and needs no table.
//
// Open refuses the file with a [NotKeysError] if its first lines have the form of something else, or
// if more than half of its lines are wrong. Before the latter, it calls report with the first wrong
// lines. If o.Form is empty, it also refuses a key file in which most tokens are plain words. An
// error of ctx ends it.
//
// The reader may go on reading in. Open keeps the tokens of a file of up to 4 MB in memory.
func Open(ctx context.Context, in io.ReadSeeker, o Options, report func(line int, err error)) (*Reader, error) {
	h, size, err := readHead(in)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	looks := lookOf(h)
	if looks != nil && (o.Form == "" || o.Form == KeyFile && looks.name != yamlLook) {
		return nil, &NotKeysError{"this is not a key file", looks.name, looks.advice}
	}

	r := NewReader(in, o)
	found, err := r.judgeAll(ctx, size <= keptSize)
	if err == nil {
		err = found.refusal(report)
	}
	var refused *NotKeysError
	switch {
	case errors.As(err, &refused):
		return nil, refused.named(looks, o.Form)
	case err != nil:
		return nil, err
	case found.kept != nil:
		return &Reader{next: replay(found.kept), total: found.lines}, nil
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the file again: %w", err)
	}
	again := NewReader(in, o)
	again.total = found.lines
	return again, nil
}

// readHead returns the beginning of a file and its size in bytes, and goes back to the beginning.
func readHead(in io.ReadSeeker) (head, int64, error) {
	raw := make([]byte, headSize)
	n, err := io.ReadFull(in, raw)
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !whole {
		return head{}, 0, err
	}
	size, err := in.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = in.Seek(0, io.SeekStart)
	}
	return newHead(raw[:n], whole), size, err
}

// judgement is the result of reading a whole file.
type judgement struct {
	lines  int    // lines that are neither empty nor comments
	wrong  int    // lines that are wrong
	worded int    // lines of a key file whose token is made of words, if its form was not named
	first  []Line // the first wrong lines
	kept   []Line // all lines; nil if they are not kept
}

// judgeAll reads all lines, and keeps them if keep is true.
func (r *Reader) judgeAll(ctx context.Context, keep bool) (j judgement, err error) {
	if keep {
		j.kept = []Line{}
	}
	for {
		if ctx.Err() != nil {
			return j, context.Cause(ctx)
		}
		line, err := r.read()
		if errors.Is(err, io.EOF) {
			return j, nil
		}
		if err != nil {
			return j, fmt.Errorf("read the file: %w", err)
		}
		j.lines++
		if keep {
			j.kept = append(j.kept, line)
		}
		switch {
		case line.Err != nil:
			j.wrong++
			if len(j.first) < reportedLines {
				j.first = append(j.first, line)
			}
		case r.o.Form == "" && r.form == KeyFile && isOnlyWords(line.Import.Token.Reveal()):
			j.worded++
		}
	}
}

// refusal returns a [NotKeysError] if the file is refused for its lines. It reports the first wrong
// lines if there are too many.
func (j judgement) refusal(report func(line int, err error)) error {
	switch {
	case 2*j.wrong > j.lines:
		for _, line := range j.first {
			report(line.Number, line.Err)
		}
		if j.wrong == j.lines {
			return &NotKeysError{Problem: "every line is wrong"}
		}
		return &NotKeysError{Problem: fmt.Sprintf("%d of %d lines are wrong", j.wrong, j.lines)}
	case 2*j.worded > j.lines:
		return &NotKeysError{"this is not a key file", "pairs of names", "say --format keyfile if words are keys there"}
	}
	return nil
}

// replay returns one line after another, and [io.EOF] after the last.
func replay(kept []Line) func() (Line, error) {
	return func() (Line, error) {
		if len(kept) == 0 {
			return Line{}, io.EOF
		}
		line := kept[0]
		kept[0], kept = Line{}, kept[1:]
		return line, nil
	}
}

// NotKeysError says that a whole file is not of the expected form. None of it was imported.
type NotKeysError struct {
	Problem string // a sentence without its full stop
	Looks   string // the form that the file seems to have, or ""
	Advice  string // the next step for the operator, or ""
}

func (e *NotKeysError) Error() string {
	text := "nothing was written: " + e.Problem
	if e.Looks != "" {
		text += ": it looks like " + e.Looks
	}
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// named adds the form that the file seems to have, unless the file is read as that form. A file
// that is read as the form of another service is only compared with the forms of others.
func (e *NotKeysError) named(looks *look, form Form) *NotKeysError {
	if looks == nil || e.Looks != "" || looks.advice == useFormat(form) {
		return e
	}
	own := form == "" || form == KeyFile || form == JSONLines
	if own || strings.HasPrefix(looks.advice, useFormat("")) {
		e.Looks = looks.name
		if e.Advice == "" {
			e.Advice = looks.advice
		}
	}
	return e
}
