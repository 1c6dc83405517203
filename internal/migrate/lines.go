package migrate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// longestLine is the length in bytes of the longest line. The longest key has a few kilobytes of
// metadata and description.
const longestLine = 64 << 10

var (
	errTooLong = errors.New("the line is longer than 64 KB; write one key a line")
	errNotUTF8 = errors.New("the line is not UTF-8; convert the file")
)

// lines reads a file line by line, and keeps only one in memory.
type lines struct {
	in     *bufio.Reader // of longestLine bytes
	number int           // of the last line that was read, from 1
}

// next returns a line without its end and without space around it. wrong is a problem of the line,
// and err one of the file; after the last line it is [io.EOF]. The text may be used until the next
// call.
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
	// Some editors begin a file with this mark of UTF-8. In joined files it stands on other lines, too.
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, errNotUTF8, nil
	}
	return bytes.TrimSpace(text), nil, nil
}
