package local

import (
	"net/http"
	"slices"
	"strings"

	"latchkey/internal/local/sam"
)

// route is one method of a path.
type route struct {
	sam.Route
	throttle *throttle
}

// resource is one path with its methods.
type resource struct {
	path     string
	segments []string
	methods  map[string]*route
	isFolder bool // all paths below it are a resource too
}

// resources are all paths of a template.
type resources struct {
	literal map[string]*resource // paths without parameters, by the path
	sorted  []*resource          // all; the most specific path is first, so that the first match is the right one
}

func newResources(routes []sam.Route, throttles []sam.Throttle) resources {
	all := resources{literal: make(map[string]*resource)}
	byPath := make(map[string]*resource)
	for _, r := range routes {
		at := byPath[r.Path]
		if at == nil {
			at = &resource{path: r.Path, segments: strings.Split(r.Path, "/"), methods: make(map[string]*route)}
			byPath[r.Path] = at
			all.sorted = append(all.sorted, at)
			if !strings.Contains(r.Path, "{") {
				all.literal[r.Path] = at
			}
		}
		at.methods[r.Method] = &route{r, newThrottle(throttles, r)}
	}
	for path := range byPath {
		above, below, _ := strings.Cut(path, "/{")
		if folder := byPath[above]; folder != nil && strings.HasSuffix(below, "+}") && !strings.Contains(below, "/") {
			folder.isFolder = true
		}
	}
	slices.SortStableFunc(all.sorted, func(a, b *resource) int {
		return slices.CompareFunc(a.segments, b.segments, func(a, b string) int { return vagueness(a) - vagueness(b) })
	})
	return all
}

// vagueness orders the segments of a resource's path: a literal comes before {name}, which comes
// before {name+}.
func vagueness(segment string) int {
	switch {
	case strings.HasSuffix(segment, "+}"):
		return 2
	case strings.HasPrefix(segment, "{"):
		return 1
	}
	return 0
}

// anyMethod reports whether ANY stands for the method.
func anyMethod(method string) bool {
	switch method {
	case http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
		http.MethodPatch, http.MethodPost, http.MethodPut:
		return true
	}
	return false
}

// find returns the resource of an escaped path, and the path's parameters.
func (rs resources) find(path string) (*resource, map[string]string, bool) {
	if r := rs.literal[path]; r != nil {
		return r, nil, true
	}
	for _, r := range rs.sorted {
		if parameters, ok := r.match(path); ok {
			return r, parameters, true
		}
	}
	return nil, nil, false
}

// match returns the path's parameters, which stay escaped as on AWS. As on AWS, a slash at the end of
// the path changes nothing, and is no part of a parameter.
func (r *resource) match(path string) (map[string]string, bool) {
	segments := strings.Split(path, "/")
	if last := len(r.segments); len(segments) == last+1 && segments[last] == "" && vagueness(r.segments[last-1]) < 2 {
		segments = segments[:last]
	}
	var parameters map[string]string
	for i, want := range r.segments {
		if i >= len(segments) {
			return nil, false
		}
		kind := vagueness(want)
		value := segments[i]
		if kind == 2 {
			value = strings.TrimSuffix(strings.Join(segments[i:], "/"), "/")
			segments = segments[:i+1]
		}
		switch {
		case kind == 0 && value != want, kind != 0 && value == "":
			return nil, false
		case kind != 0:
			if parameters == nil {
				parameters = make(map[string]string)
			}
			parameters[strings.Trim(want, "{+}")] = value
		}
	}
	return parameters, len(segments) == len(r.segments)
}
