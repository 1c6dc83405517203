package docs

import (
	"strconv"
	"strings"
	"unicode"
)

// Anchor returns the name by which a link leads to a heading, as forges make it. seen holds how often
// each name was used in the page: a name that was used gets a number. Anchor counts it.
func Anchor(heading string, seen map[string]int) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
	n := seen[name]
	seen[name]++
	if n > 0 {
		name += "-" + strconv.Itoa(n)
	}
	return name
}
