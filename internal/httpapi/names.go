package httpapi

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
)

// names are the only words of a location that an error repeats. Any other word is the caller's own,
// and could be a token.
var names = []string{
	"name", "userId", "description", "environment", "scopes", "rateLimit", "requests", "window", "quota", "period",
	"unlimited", "allowedCidrs", "metadata", "enabled", "notBefore", "expiresAt", "expiresInDays",
	"apiKey", "publicKey", "scope", "cost", "sourceIp", "limit", "cursor", "status", "id", "from", "to", "method", "path",
	"at", "gracePeriod", "key", "limits", "amount", "plan", "user", "maxDays", "defaultDays", "idleDays", "suspended",
	"maxKeys", "add", "search", "sort", "expiresBefore", "unusedSince", "neverUsed", "rotating", "include", "action",
	"reason", "If-Match", "Idempotency-Key",
}

// known returns the beginning of a location that consists of names.
func known(location string) string {
	var all []string
	for part := range strings.SplitSeq(location, ".") {
		part, _, _ = strings.Cut(part, "[")
		if !slices.Contains(names, part) {
			break
		}
		all = append(all, part)
	}
	return strings.Join(all, ".")
}

// unknownField returns the error for the first field of an object, in alphabetical order, that its
// schema does not have, or nil. It reads only the names of fields, never their values.
func unknownField(value any, s *huma.Schema, schemas huma.Registry, location string) *apiError {
	for s != nil && s.Ref != "" {
		s = schemas.SchemaFromRef(s.Ref)
	}
	if elements, ok := value.([]any); ok && s != nil {
		for _, element := range elements {
			if problem := unknownField(element, s.Items, schemas, location); problem != nil {
				return problem
			}
		}
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok || s == nil || len(s.Properties) == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		property, ok := s.Properties[name]
		if !ok {
			known := slices.Sorted(maps.Keys(s.Properties))
			param, message := unknownName(location, name, known, "The body", "field")
			return newError(apikey.CodeInvalidRequest, param, message)
		}
		if problem := unknownField(object[name], property, schemas, join(location, name)); problem != nil {
			return problem
		}
	}
	return nil
}

// queryKey is the query parameter that may hold a token.
const queryKey = "api_key"

// unknownParameter returns an error for a query with a parameter that the route of a pattern does
// not have.
func (a *server) unknownParameter(query url.Values, pattern string) *apiError {
	var known []string
	if a.QueryAPIKey {
		known = append(known, queryKey)
	}
	if operation := a.operations[pattern]; operation != nil {
		for _, p := range operation().Parameters {
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
			return newError(apikey.CodeInvalidRequest, name,
				"api_key is not accepted here: send the key as X-API-Key or as Authorization: Bearer")
		default:
			param, message := unknownName("", name, known, "The query", "parameter")
			return newError(apikey.CodeInvalidRequest, param, message)
		}
	}
	return nil
}

// unknownName returns the param and the message of an error about a name that the caller sent in
// parent, and that is not one of the known names there.
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
	// tokenStart matches the beginning of a key of ours or of a JWT, whose rest may have been cut
	// off.
	tokenStart = regexp.MustCompile(`^(eyJ|[a-z]{2,12}[_-](live|test)([_-]|$))`)
)

// shortestToken is the length of the shortest token that a caller may have.
const shortestToken = 16

// tellable reports whether an error may repeat a name of the caller's own. It may if the name is an
// identifier that is too short for a token, or that resembles the known name near. Anything else
// could be a secret in the wrong place.
func tellable(name, near string) bool {
	return identifier.MatchString(name) && !tokenStart.MatchString(name) &&
		(len(name) < shortestToken || near != "" && !strings.ContainsAny(name, "0123456789"))
}

// nearest returns the known name that the caller probably meant, or "". It ignores case,
// underscores and hyphens.
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
		case short >= 4 && short*5 >= long*2 && overlaps(f, folded):
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

// overlaps reports whether the known name begins or ends with the given one, or the given one
// begins with the known one.
func overlaps(known, given string) bool {
	return strings.HasPrefix(known, given) || strings.HasSuffix(known, given) || strings.HasPrefix(given, known)
}

var separators = strings.NewReplacer("_", "", "-", "")

func fold(name string) string { return separators.Replace(strings.ToLower(name)) }

// distance returns how many edits make b of a. An edit inserts, removes or replaces a byte, or
// swaps two neighbours.
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
