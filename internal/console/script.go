package console

import "bytes"

// withoutComments returns a script or a style without the lines that are only a comment, without the types of
// values, and without the blanks before a line. These are a fifth of it on the wire. Each line stays a
// line, so that a browser names the same lines as the file. html drops blanks at the beginning of a
// line, so the elements stay the same; no other text of a script goes over several lines.
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
			out = append(out, withoutTypes(bytes.TrimLeft(line, " "))...)
			continue
		}
		out = append(out, '\n')
	}
	return out
}

// withoutTypes returns a line without the comments that are the type of a value.
func withoutTypes(line []byte) []byte {
	for {
		before, rest, found := bytes.Cut(line, []byte("/** @type "))
		_, after, ended := bytes.Cut(rest, []byte("*/"))
		if !found || !ended {
			return line
		}
		line = append(bytes.Clone(before), bytes.TrimPrefix(after, []byte(" "))...)
	}
}
