package migrate

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first used, since most commands of
// the command line use none. It is safe for concurrent use, and panics if the expression is wrong.
type pattern struct {
	compiled func() *regexp.Regexp
}

func newPattern(expression string) pattern {
	return pattern{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// MatchString reports whether text has a match.
func (p pattern) MatchString(text string) bool { return p.compiled().MatchString(text) }
