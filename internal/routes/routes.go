// Package routes says what the routes of an API ask for, by rules that a person
// can write on one line.
package routes

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"latchkey/internal/apikey"
)

// Rules are immutable. None at all ask for nothing.
type Rules []rule

type rule struct {
	method string // empty: any
	path   string // without escapes; a segment that is * stands for any one
	prefix bool   // path is only how it begins
	folded string // path, for comparing without case
	scope  string
}

// Parse reads "POST /tts/*=tts;GET /v1/*/models=;*=": rules of a method, a path
// and a scope that may be empty. In a path, * at the end stands for all that may
// follow, and elsewhere for one segment. "*=" is a rule for all that is left.
func Parse(text string) (Rules, error) {
	var all Rules
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		pattern, scope, ok := strings.Cut(part, "=")
		r := rule{scope: strings.TrimSpace(scope)}
		if !ok || r.scope != "" && !apikey.ValidScope(r.scope) {
			return nil, fmt.Errorf("%q is not of the form METHOD /path=scope", part)
		}
		fields := strings.Fields(pattern)
		if len(fields) == 2 && fields[0] != "*" {
			// A misspelt one would leave its route to a rule that asks for less.
			if r.method = strings.ToUpper(fields[0]); !slices.Contains(methods, r.method) {
				return nil, fmt.Errorf("the method of %q must be one of %s, or be left out", part, strings.Join(methods, " "))
			}
		}
		if len(fields) < 1 || len(fields) > 2 {
			return nil, fmt.Errorf("%q is not of the form METHOD /path=scope", part)
		}
		if !r.read(fields[len(fields)-1]) {
			return nil, fmt.Errorf("the path of %q %s", part, pathForm)
		}
		if slices.ContainsFunc(all, r.same) {
			return nil, fmt.Errorf("%q is a second rule for the same route", part)
		}
		all = append(all, r)
	}
	return all, nil
}

var methods = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

func (r rule) same(other rule) bool {
	return r.method == other.method && r.path == other.path && r.prefix == other.prefix
}

// ParsePaths reads "/health,/docs/*": rules that ask for nothing.
func ParsePaths(text string) (Rules, error) {
	var all Rules
	for path := range strings.SplitSeq(text, ",") {
		path = strings.TrimSpace(path)
		if path == "" {
			continue
		}
		var r rule
		if path == "*" || !r.read(path) {
			return nil, fmt.Errorf("%q %s", path, pathForm)
		}
		all = append(all, r)
	}
	return all, nil
}

// pathForm describes the path of a rule. No request matches a rule with another path.
const pathForm = `must begin with /, and may have * for a segment and at its end; it must have no "..", "//", ";", "?", "#" or "\\", ` +
	`no escaped / or %, no dot or space at the end of a segment, and beyond ASCII only letters, marks and digits in normal form`

func (r *rule) read(path string) bool {
	r.path, r.prefix = strings.CutSuffix(path, "*")
	if r.path == "" {
		return r.prefix
	}
	for segment := range strings.SplitSeq(r.path[1:], "/") {
		if strings.Contains(segment, "*") && segment != "*" {
			return false
		}
	}
	plain, err := url.PathUnescape(r.path)
	end := ""
	if r.prefix {
		end = "x" // the path continues after it
	}
	if err != nil || ambiguous(r.path+end, plain+end) || strings.Count(plain, "*") != strings.Count(r.path, "*") {
		return false // no request would be matched by it
	}
	r.path, r.folded, path = plain, fold(plain), r.path
	return path[0] == '/' && !(r.prefix && strings.HasSuffix(path, "*"))
}

// ErrNoRule says that there are rules, and none for the route.
var ErrNoRule = errors.New("no rule for the route")

// Scope returns what a route asks for. The most specific rule counts: a whole
// path before a beginning, a long one before a short one, a method before any. A
// rule for GET is one for HEAD too, where that has none of its own.
func (rs Rules) Scope(method, path string) (string, error) {
	if len(rs) == 0 {
		return "", nil
	}
	method = strings.ToUpper(method)
	plain, err := url.PathUnescape(path)
	var best *rule
	for i := range rs {
		if r := &rs[i]; r.matches(method, plain) && (best == nil || r.beats(best)) {
			best = r
		}
	}
	if best == nil || err != nil || ambiguous(path, plain) {
		return "", ErrNoRule
	}
	folded := ""
	for i := range rs {
		if r := &rs[i]; r.scope != best.scope && r.beats(best) {
			if folded == "" {
				folded = fold(plain)
			}
			if r.resembles(method, folded) {
				return "", ErrNoRule
			}
		}
	}
	return best.scope, nil
}

// Cover reports whether there is a rule for a route.
func (rs Rules) Cover(method, path string) bool {
	plain, err := url.PathUnescape(path)
	return err == nil && slices.ContainsFunc(rs, func(r rule) bool { return r.matches(method, plain) }) && !ambiguous(path, plain)
}

// resembles reports whether the rule is for a path that many backends take for this one: with another case, with or
// without a slash at its end, or without a suffix such as .json. The path is folded.
func (r *rule) resembles(method, folded string) bool {
	other := rule{method: r.method, path: r.folded, prefix: r.prefix}
	if r.prefix {
		return other.matches(method, folded)
	}
	other.path, folded = strings.TrimSuffix(other.path, "/"), strings.TrimSuffix(folded, "/")
	last := strings.LastIndexByte(folded, '/') + 1
	for {
		if other.matches(method, folded) {
			return true
		}
		dot := strings.LastIndexByte(folded[min(last, len(folded)):], '.')
		if dot <= 0 {
			return false
		}
		folded = folded[:last+dot]
	}
}

// fold makes one text of all that differ by case alone.
func fold(path string) string {
	if strings.IndexFunc(path, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
		path = strings.ToUpper(path) // brings letters that are no lower case of each other together
	}
	return strings.ToLower(path)
}

func (r *rule) matches(method, path string) bool {
	if r.method != "" && r.method != method && (r.method != http.MethodGet || method != http.MethodHead) {
		return false
	}
	pattern := r.path
	for {
		literal, rest, starred := strings.Cut(pattern, "*")
		if !strings.HasPrefix(path, literal) {
			return false
		}
		path = path[len(literal):]
		if !starred {
			return path == "" || r.prefix
		}
		end := strings.IndexByte(path, '/')
		if end < 0 {
			end = len(path)
		}
		if end == 0 {
			return false
		}
		path, pattern = path[end:], rest
	}
}

func (r *rule) beats(other *rule) bool {
	switch literal, others := r.literal(), other.literal(); {
	case r.prefix != other.prefix:
		return !r.prefix
	case literal != others:
		return literal > others
	}
	return r.method != other.method && (other.method == "" || r.method == http.MethodHead)
}

// literal is how much of a path the rule says.
func (r *rule) literal() int { return len(r.path) - strings.Count(r.path, "*") }

// ambiguous reports whether a backend could take a path for another one, which would bypass a rule. plain is the path
// without escapes. It refuses forms that known servers misread, and characters that no path needs:
//
//   - A segment with a space at one end, or a dot at its end, "." and ".." included. Windows drops them.
//   - A backslash, which many take for a slash. A semicolon: some cut it off with what follows, before they look for "..".
//   - "?" and "#", after which a server that reads the path twice sees no path. "::", which names a stream of a file.
//   - A slash that is escaped, two slashes, and escapes of escapes.
//   - Text that is no UTF-8: it may be a dot or a slash in a longer form than allowed.
//   - Other letters that compatibility normalisation makes of it, such as wide ones or two characters in place of one.
//   - Beyond ASCII, everything but letters, marks and digits that can be seen: symbols are taken for slashes and dots.
func ambiguous(path, plain string) bool {
	if plain == "" || strings.ContainsAny(plain, "\\;?#") || strings.Contains(plain, "::") || strings.Count(plain, "/") != strings.Count(path, "/") ||
		plain != path && strings.Contains(plain, "%") || !utf8.ValidString(plain) || strings.IndexFunc(plain, obscure) >= 0 || !norm.NFKC.IsNormalString(plain) {
		return true
	}
	for rest := plain[1:]; ; {
		segment, more, another := strings.Cut(rest, "/")
		if segment == "" && another || strings.HasPrefix(segment, " ") || strings.HasSuffix(segment, " ") || strings.HasSuffix(segment, ".") {
			return true
		}
		if !another {
			return false
		}
		rest = more
	}
}

// obscure reports whether a character of a path is invisible, or is neither ASCII nor a letter, a mark or a digit.
func obscure(r rune) bool {
	if r < utf8.RuneSelf {
		return unicode.IsControl(r)
	}
	return !unicode.In(r, unicode.L, unicode.M, unicode.N) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
