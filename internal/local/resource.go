package local

import (
	"net/http"
	"slices"
	"strings"

	"latchkey/internal/local/sam"
)

// resource is one path with its methods.
type resource struct {
	path     string
	segments []string
	methods  map[string]sam.Route
}

// newResources sorts the paths of routes. The most specific path is first, so that the first match
// is the right one.
func newResources(routes []sam.Route) []resource {
	methods := make(map[string]map[string]sam.Route)
	for _, route := range routes {
		if methods[route.Path] == nil {
			methods[route.Path] = make(map[string]sam.Route)
		}
		methods[route.Path][route.Method] = route
	}
	var resources []resource
	for path := range methods {
		resources = append(resources, resource{path, strings.Split(path, "/"), methods[path]})
	}
	slices.SortFunc(resources, func(a, b resource) int {
		return slices.CompareFunc(a.segments, b.segments, func(a, b string) int { return vagueness(a) - vagueness(b) })
	})
	return resources
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
func (g *Gateway) find(path string) (resource, map[string]string, bool) {
	for _, r := range g.resources {
		if parameters, ok := r.match(path); ok {
			return r, parameters, true
		}
	}
	return resource{}, nil, false
}

// match returns the path's parameters, which stay escaped as on AWS. As on AWS, a slash at the end of
// the path changes nothing, and is no part of a parameter.
func (r resource) match(path string) (map[string]string, bool) {
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
