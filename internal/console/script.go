package console

import (
	"bytes"
)

// withoutComments returns a script without the lines that are only a comment, which are a fifth of it
// on the wire. Each becomes an empty line, so that a browser names the same lines as the file.
func withoutComments(script []byte) []byte {
	var out []byte
	inside := false
	for line := range bytes.Lines(script) {
		text := bytes.TrimSpace(line)
		ends := bytes.HasSuffix(text, []byte("*/"))
		switch {
		case inside:
			inside = !ends
		case bytes.HasPrefix(text, []byte("//")), bytes.HasPrefix(text, []byte("/*")) && ends:
		case bytes.HasPrefix(text, []byte("/*")) && !bytes.Contains(text, []byte("*/")):
			inside = true
		default:
			out = append(out, line...)
			continue
		}
		out = append(out, '\n')
	}
	return out
}
