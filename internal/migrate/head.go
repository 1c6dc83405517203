package migrate

import (
	"slices"
	"strings"
)

// headSize, in bytes, and headLines bound the beginning of a file by which its form is judged.
const (
	headSize  = 64 << 10
	headLines = 50
)

// head is the beginning of a file.
type head struct {
	raw   []byte
	all   string   // raw as text, without the mark of UTF-8
	lines []string // the first lines that are neither empty nor comments, without space at their ends
}

// newHead reads the beginning of a file. whole is true if raw is the whole file.
func newHead(raw []byte, whole bool) head {
	h := head{raw: raw, all: strings.TrimPrefix(string(raw), "\ufeff")}
	lines := strings.Split(h.all, "\n")
	if !whole && len(lines) > 1 {
		lines = lines[:len(lines)-1] // the last one may be cut off
	}
	for _, line := range lines {
		line = strings.TrimRight(strings.TrimPrefix(line, "\ufeff"), " \t\r")
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' && len(h.lines) < headLines {
			h.lines = append(h.lines, line)
		}
	}
	return h
}

// first returns the first of the lines, or "".
func (h head) first() string {
	if len(h.lines) == 0 {
		return ""
	}
	return strings.TrimSpace(h.lines[0])
}

// most reports whether more than half of the lines match.
func (h head) most(match func(string) bool) bool {
	count := 0
	for _, line := range h.lines {
		if match(line) {
			count++
		}
	}
	return 2*count > len(h.lines)
}

// has reports whether all parts stand in the lines. It does not search comments.
func (h head) has(parts ...string) bool {
	all := strings.Join(h.lines, "\n")
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(all, part) })
}

// hasAny reports whether one of the parts stands in the lines.
func (h head) hasAny(parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return h.has(part) })
}
