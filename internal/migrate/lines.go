package migrate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// longest is longer than any honest line: the largest holds a few kilobytes of
// metadata and description.
const longest = 64 << 10

var (
	errTooLong = errors.New("the line is longer than 64 KB")
	errNotUTF8 = errors.New("the line is not UTF-8")
)

// lines reads a file line by line, with as much memory as one takes.
type lines struct {
	in     *bufio.Reader
	number int
}

// next returns a line without its end and without space around it. wrong says
// what is the matter with the line, err what is the matter with the file. The
// text is good until the next call.
func (l *lines) next() (text []byte, wrong, err error) {
	text, err = l.in.ReadSlice('\n')
	l.number++
	for errors.Is(err, bufio.ErrBufferFull) {
		wrong = errTooLong
		_, err = l.in.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if err != nil && len(text) == 0 {
		return nil, nil, io.EOF
	}
	if wrong != nil {
		return nil, wrong, nil
	}
	// Some editors' mark of UTF-8. Where files were joined it is not on the first line alone.
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, errNotUTF8, nil
	}
	return bytes.TrimSpace(text), nil, nil
}
