// Package routes reads rules that say which scope each route of an API needs, and what a request of
// it costs, and finds the rule for a request. A rule fits on one line. Call [Parse], and then
// [Rules.Scope] for each request. Call [ParseCosts], and then [Costs.Cost], for what it costs.
package routes

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"latchkey/internal/apikey"
)

// A rule for get is also one for head. They are written here because the domain does not import net/http.
const get, head = "GET", "HEAD"

// Rules are the rules of an API. They are immutable. Without any rules, no route needs a scope.
type Rules []rule

type rule struct {
	method string // empty: any
	path   string // without escapes; a segment * stands for any one segment
	prefix bool   // the rule is for every path that begins with path
	folded string // path, for comparing without case
	scope  string // of a rule of Rules
	cost   int64  // of a rule of Costs
}

// Parse reads rules such as "POST /tts/*=tts;GET /v1/*/models=;*=": each has a method, a path and a
// scope, which may be empty. A * at the end of a path stands for everything that follows. Elsewhere
// it stands for one segment. "*=" is a rule for all other routes.
func Parse(text string) (Rules, error) {
	return parse(text, "scope", func(r *rule, scope string) error {
		if r.scope = scope; scope != "" && !apikey.ValidScope(scope) {
			return errors.New("the scope must be at most 128 characters of a-z 0-9 : . _ * -")
		}
		return nil
	})
}

// parse reads rules that have a value after the path. set stores the value in a rule, and what names
// it in errors.
func parse(text, what string, set func(r *rule, value string) error) ([]rule, error) {
	var all []rule
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		pattern, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form METHOD /path=%s", part, what)
		}
		r, err := parsePattern(part, pattern, what)
		if err != nil {
			return nil, err
		}
		if err := set(&r, strings.TrimSpace(value)); err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		if slices.ContainsFunc(all, r.same) {
			return nil, fmt.Errorf("%q is a second rule for the same route", part)
		}
		all = append(all, r)
	}
	return all, nil
}

// parsePattern reads the method and the path of a rule. text is the whole rule, for errors.
func parsePattern(text, pattern, what string) (r rule, err error) {
	fields := strings.Fields(pattern)
	if len(fields) == 2 && fields[0] != "*" {
		// A misspelled method would leave its route to a rule that may need less.
		if r.method = strings.ToUpper(fields[0]); !slices.Contains(methods, r.method) {
			return r, fmt.Errorf("the method of %q must be one of %s, or be left out", text, strings.Join(methods, " "))
		}
	}
	if len(fields) < 1 || len(fields) > 2 {
		return r, fmt.Errorf("%q is not of the form METHOD /path=%s", text, what)
	}
	if !r.setPath(fields[len(fields)-1]) {
		return r, fmt.Errorf("the path of %q %s", text, pathForm)
	}
	return r, nil
}

var methods = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// same reports whether two rules are for the same route.
func (r rule) same(other rule) bool {
	return r.method == other.method && r.path == other.path && r.prefix == other.prefix
}

// ParsePaths reads paths such as "/health,/docs/*". It returns rules that need no scope.
func ParsePaths(text string) (Rules, error) {
	var all Rules
	for path := range strings.SplitSeq(text, ",") {
		path = strings.TrimSpace(path)
		if path == "" {
			continue
		}
		var r rule
		if path == "*" || !r.setPath(path) {
			return nil, fmt.Errorf("%q %s", path, pathForm)
		}
		all = append(all, r)
	}
	return all, nil
}

// setPath sets the path of a rule, and reports whether a request can match it.
func (r *rule) setPath(path string) bool {
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
		return false
	}
	r.path, r.folded, path = plain, fold(plain), r.path
	return path[0] == '/' && !(r.prefix && strings.HasSuffix(path, "*"))
}

// ErrNoRule says that there are rules, and none for the route.
var ErrNoRule = errors.New("no rule for the route")

// Scope returns the scope that a route needs, or [ErrNoRule]. The most specific rule counts: one
// for a whole path comes before one for a prefix, a longer path before a shorter one, and one for
// the method before one for any. A rule for GET is one for HEAD too, unless HEAD has its own.
//
// If a backend could read the path as one with a stricter rule, Scope returns ErrNoRule.
func (rs Rules) Scope(method, path string) (string, error) {
	if len(rs) == 0 {
		return "", nil
	}
	method = strings.ToUpper(method)
	plain, err := url.PathUnescape(path)
	best := mostSpecific(rs, method, plain)
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

// mostSpecific returns the rule that counts for a method and a path without escapes, or nil.
func mostSpecific(rs []rule, method, plain string) (best *rule) {
	for i := range rs {
		if r := &rs[i]; r.matches(method, plain) && (best == nil || r.beats(best)) {
			best = r
		}
	}
	return best
}

// Cover reports whether there is a rule for a route.
func (rs Rules) Cover(method, path string) bool {
	plain, err := url.PathUnescape(path)
	matches := func(r rule) bool { return r.matches(method, plain) }
	return err == nil && slices.ContainsFunc(rs, matches) && !ambiguous(path, plain)
}

// resembles reports whether the rule is for a path that many backends take for the folded path: one
// in another case, with or without a slash at its end, or without a suffix such as .json.
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

// isFor reports whether the rule is for a method. A rule for GET is one for HEAD too.
func (r *rule) isFor(method string) bool {
	return r.method == "" || r.method == method || r.method == get && method == head
}

// matches reports whether the rule is for a method and a path, which has no escapes.
func (r *rule) matches(method, path string) bool {
	if !r.isFor(method) {
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

// beats reports whether the rule is more specific than another one that matches too.
func (r *rule) beats(other *rule) bool {
	switch literal, others := r.literal(), other.literal(); {
	case r.prefix != other.prefix:
		return !r.prefix
	case literal != others:
		return literal > others
	}
	return r.method != other.method && (other.method == "" || r.method == head)
}

// literal returns how many bytes of a path the rule fixes.
func (r *rule) literal() int { return len(r.path) - strings.Count(r.path, "*") }
