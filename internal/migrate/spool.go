package migrate

import (
	"context"
	"fmt"
	"io"
)

// Spool reads all of in, which cannot be read twice, into memory. It returns an error if in has more
// than most bytes. It stops when ctx ends, even if in never answers.
func Spool(ctx context.Context, in io.Reader, most int64) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(in, most+1))
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
