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

	"latchkey/internal/apikey"
)

// Rules are immutable. None at all ask for nothing.
type Rules []rule

type rule struct {
	method string // empty: any
	path   string // without escapes; a segment that is * stands for any one
	prefix bool   // path is only how it begins
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
			return nil, fmt.Errorf("the path of %q must begin with /, and may have * for a segment and at its end", part)
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
			return nil, fmt.Errorf("%q must begin with /, and may have * for a segment and at its end", path)
		}
		all = append(all, r)
	}
	return all, nil
}

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
	if err != nil || ambiguous(r.path, plain) || strings.Count(plain, "*") != strings.Count(r.path, "*") {
		return false // no request would be matched by it
	}
	r.path, path = plain, r.path
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
	for i := range rs {
		if r := &rs[i]; r.scope != best.scope && r.beats(best) && r.resembles(method, plain) {
			return "", ErrNoRule
		}
	}
	return best.scope, nil
}

// Cover reports whether there is a rule for a route.
func (rs Rules) Cover(method, path string) bool {
	plain, err := url.PathUnescape(path)
	return err == nil && slices.ContainsFunc(rs, func(r rule) bool { return r.matches(method, plain) }) && !ambiguous(path, plain)
}

// resembles reports whether the rule is for a path that many a backend takes for
// this one: with another case, or with or without a slash at its end.
func (r *rule) resembles(method, path string) bool {
	other := rule{method: r.method, path: strings.ToLower(r.path), prefix: r.prefix}
	path = strings.ToLower(path)
	if !r.prefix {
		other.path, path = strings.TrimSuffix(other.path, "/"), strings.TrimSuffix(path, "/")
	}
	return other.matches(method, path)
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

// ambiguous reports whether a backend could take a path for another one than it
// looks like, which would carry it past a rule: plain is the path without escapes.
// Some cut what follows a semicolon off each segment before they look for "..".
func ambiguous(path, plain string) bool {
	if plain == "" || strings.ContainsAny(plain, "\\;") || strings.Count(plain, "/") != strings.Count(path, "/") ||
		strings.IndexFunc(plain, unicode.IsControl) >= 0 {
		return true
	}
	for i, segment := range strings.Split(plain[1:], "/") {
		last := i == strings.Count(plain[1:], "/")
		if segment == "." || segment == ".." || segment == "" && !last {
			return true
		}
	}
	return plain != path && strings.Contains(plain, "%")
}
