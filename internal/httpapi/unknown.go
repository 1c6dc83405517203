package httpapi

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// queryKey is the parameter that a key may stand in.
const queryKey = "api_key"

// unknownParameter refuses a query with a parameter that its operation does not have. o is nil for a route without any.
func (a *server) unknownParameter(query url.Values, o *huma.Operation) *apiError {
	var known []string
	if a.QueryAPIKey {
		known = append(known, queryKey)
	}
	if o != nil {
		for _, p := range o.Parameters {
			if p.In == "query" {
				known = append(known, p.Name)
			}
		}
	}
	slices.Sort(known)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case slices.Contains(known, name):
		case name == queryKey:
			return newError(http.StatusBadRequest, name, "api_key is not accepted here: send the key as X-API-Key or as Authorization: Bearer")
		default:
			param, message := unknownName("", name, known, "The query", "parameter")
			return newError(http.StatusBadRequest, param, message)
		}
	}
	return nil
}

// unknownName returns the param and the sentence of an error about name, which the caller has sent under parent, and
// which is none of the known names there.
func unknownName(parent, name string, known []string, whole, noun string) (param, message string) {
	near := nearest(name, known)
	if !tellable(name, near) {
		return parent, cmp.Or(parent, whole) + " has a " + noun + " that is unknown: " + choice(known)
	}
	param = join(parent, name)
	message = param + " is unknown: "
	if slices.Contains(names, name) {
		message = param + " is not a " + noun + " of this request: "
	}
	if near != "" {
		return param, message + "did you mean " + join(parent, near) + "?"
	}
	return param, message + choice(known)
}

// choice lists the known names, except api_key.
func choice(known []string) string {
	known = slices.DeleteFunc(slices.Clone(known), func(name string) bool { return name == queryKey })
	last := len(known) - 1
	switch {
	case last < 0:
		return "none is known here"
	case last == 0:
		return "use " + known[0]
	}
	return "use " + strings.Join(known[:last], ", ") + " or " + known[last]
}

func join(parent, name string) string { return strings.TrimPrefix(parent+"."+name, ".") }

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,31}$`)
	// tokenStart matches the beginning of a key of ours or of a JWT, whose rest may have been cut off.
	tokenStart = regexp.MustCompile(`^(eyJ|[a-z]{2,12}[_-](live|test)([_-]|$))`)
)

// shortestToken is the length of the shortest token that a caller may have.
const shortestToken = 16

// tellable reports whether an error may repeat a name that the caller made up: a short identifier that is too short
// for a token, or that is like the known name near. Anything else could be a secret in the wrong place.
func tellable(name, near string) bool {
	return identifier.MatchString(name) && !tokenStart.MatchString(name) &&
		(len(name) < shortestToken || near != "" && !strings.ContainsAny(name, "0123456789"))
}

// nearest returns the known name that was probably meant, or "". Case, underscores and hyphens do not count.
func nearest(name string, known []string) string {
	best, least := "", 1000
	folded := fold(name)
	for _, k := range known {
		f := fold(k)
		short, long := min(len(f), len(folded)), max(len(f), len(folded))
		d := 1000
		switch {
		case f == folded:
			d = 0
		case short >= 4 && short*5 >= long*2 && (strings.HasPrefix(f, folded) || strings.HasSuffix(f, folded) || strings.HasPrefix(folded, f)):
			d = 100 + long - short
		}
		if long < 40 { // a longer name is no slip of any
			if slips := distance(folded, f); slips <= min(2, short/3) {
				d = min(d, slips)
			}
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

var separators = strings.NewReplacer("_", "", "-", "")

func fold(name string) string { return separators.Replace(strings.ToLower(name)) }

// distance is how many bytes must be inserted, removed, replaced or swapped with the next to make b of a.
func distance(a, b string) int {
	var before, prior []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, prior, row = prior, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prior[j+1]+1, row[j]+1, prior[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// fieldsAt returns the names that a request of an operation may have in its body at parent, in alphabetical order.
func fieldsAt(schemas huma.Registry, o *huma.Operation, parent string) []string {
	if o == nil || o.RequestBody == nil {
		return nil
	}
	var at *huma.Schema
	for _, content := range o.RequestBody.Content { // each media type has the same
		at = content.Schema
	}
	for name := range strings.SplitSeq(parent, ".") {
		for at != nil && at.Ref != "" {
			at = schemas.SchemaFromRef(at.Ref)
		}
		if at == nil || name == "" {
			break
		}
		at = at.Properties[name]
	}
	for at != nil && at.Ref != "" {
		at = schemas.SchemaFromRef(at.Ref)
	}
	if at == nil {
		return nil
	}
	var fields []string
	for name := range at.Properties {
		fields = append(fields, name)
	}
	slices.Sort(fields)
	return fields
}
