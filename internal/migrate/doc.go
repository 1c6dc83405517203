// Package migrate brings the keys of other services in, from files of any size:
// a [Reader] makes entries of lines, and a [Job] stores them, many at once. What
// either says of a line names the line and the field, and never repeats what
// stands there.
package migrate
