package authorizer

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"latchkey/internal/apikey"
)

// routes say which scope each route asks for. None at all ask for nothing.
type routes []rule

type rule struct {
	method string // empty: any
	path   string
	prefix bool // path is only how it begins
	scope  string
}

// parseRoutes reads "POST /tts/*=tts;GET /v1/models=;*=": rules of a method, a
// path that may end in *, and a scope that may be empty. "*=" is a rule for all
// that is left.
func parseRoutes(text string) (routes, error) {
	var all routes
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
			r.method = strings.ToUpper(fields[0])
		}
		if len(fields) < 1 || len(fields) > 2 {
			return nil, fmt.Errorf("%q is not of the form METHOD /path=scope", part)
		}
		r.path, r.prefix = strings.CutSuffix(fields[len(fields)-1], "*")
		if r.path != "" && r.path[0] != '/' || r.path == "" && !r.prefix || strings.Contains(r.path, "*") {
			return nil, fmt.Errorf("the path of %q must begin with / and may end in *", part)
		}
		all = append(all, r)
	}
	return all, nil
}

// parsePaths reads "/health,/docs/*".
func parsePaths(text string) (routes, error) {
	var all routes
	for path := range strings.SplitSeq(text, ",") {
		path = strings.TrimSpace(path)
		if path == "" {
			continue
		}
		r := rule{}
		r.path, r.prefix = strings.CutSuffix(path, "*")
		if !strings.HasPrefix(r.path, "/") || strings.Contains(r.path, "*") {
			return nil, fmt.Errorf("%q must begin with / and may end in *", path)
		}
		all = append(all, r)
	}
	return all, nil
}

// cover reports whether one of the rules is for the route behind a method ARN.
func (rs routes) cover(methodArn string) bool {
	method, path, ok := routeOf(methodArn)
	return ok && slices.ContainsFunc(rs, func(r rule) bool { return r.matches(method, path) })
}

var errNoRule = errors.New("no rule for the route")

// scope returns what the route behind a method ARN asks for. The most specific
// rule counts: a whole path before a beginning, a long one before a short one, a
// method before any.
func (rs routes) scope(methodArn string) (string, error) {
	if len(rs) == 0 {
		return "", nil
	}
	method, path, ok := routeOf(methodArn)
	if !ok {
		return "", errNoRule
	}
	var best *rule
	for i := range rs {
		if r := &rs[i]; r.matches(method, path) && (best == nil || r.beats(best)) {
			best = r
		}
	}
	if best == nil {
		return "", errNoRule
	}
	return best.scope, nil
}

// routeOf reads arn:aws:execute-api:region:account:api/stage/METHOD/path. A path
// that is not what it looks like is not read.
func routeOf(methodArn string) (method, path string, ok bool) {
	parts := strings.SplitN(methodArn, "/", 4)
	if len(parts) < 3 {
		return "", "", false
	}
	path = "/"
	if len(parts) == 4 {
		path += parts[3]
	}
	return parts[2], path, !ambiguous(path)
}

func (r *rule) matches(method, path string) bool {
	if r.method != "" && r.method != method {
		return false
	}
	return path == r.path || r.prefix && strings.HasPrefix(path, r.path)
}

func (r *rule) beats(other *rule) bool {
	switch {
	case r.prefix != other.prefix:
		return !r.prefix
	case len(r.path) != len(other.path):
		return len(r.path) > len(other.path)
	}
	return r.method != "" && other.method == ""
}

// ambiguous reports whether a backend could take a path for another one than it
// looks like, which would carry it past a rule.
func ambiguous(path string) bool {
	plain, err := url.PathUnescape(path)
	if err != nil || strings.ContainsAny(plain, "\\\x00") || strings.Count(plain, "/") != strings.Count(path, "/") {
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
