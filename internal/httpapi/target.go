package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"latchkey/internal/admission"
	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

// target is what the backend of a proxy will get.
type target struct{ method, path, query string }

// claim is one of the ways in which a proxy names a target.
type claim struct {
	methodHeader, uriHeader string
	methods, uris           []string
}

// targetOf returns the target of the request that a proxy asks about.
//
// A client can send each of the headers too, so which claim counts is never a choice: if there are
// several, all must be whole and name the same target. Every proxy sets its own, so what a client adds
// can only lead to a refusal. forged is then the code for the log. If no claim is whole, the
// configuration of the proxy is wrong, and the error says what to set.
func targetOf(r *http.Request, tail string) (t target, forged apikey.Code, problem *apiError) {
	claims := claimsOf(r, tail)
	whole := slices.IndexFunc(claims, claim.isWhole)
	if whole < 0 {
		return target{}, "", incomplete(claims)
	}
	uri := claims[whole].uris[0]
	t.method = claims[whole].methods[0]
	t.path, t.query, _ = strings.Cut(uri, "?")
	if !isMethod(t.method) {
		return target{}, apikey.CodeMethodOverride, notOne()
	}
	if !isPath(t.path) {
		return target{}, apikey.CodePathOverride, notOne()
	}
	for _, c := range claims {
		if len(c.methods) != 1 || c.methods[0] != t.method {
			return target{}, apikey.CodeMethodOverride, notOne()
		}
		if len(c.uris) != 1 || c.uris[0] != uri {
			return target{}, apikey.CodePathOverride, notOne()
		}
	}
	return t, "", nil
}

// isWhole reports whether a claim has both a method and a path.
func (c claim) isWhole() bool { return len(c.methods) > 0 && len(c.uris) > 0 }

// incomplete returns the error for a proxy that makes no whole claim.
func incomplete(claims []claim) *apiError {
	if len(claims) == 0 {
		return newError(apikey.CodeInvalidRequest, "X-Original-URI",
			"The proxy does not say which request it asks about. nginx, HAProxy and Apache must set X-Original-Method and "+
				"X-Original-URI. Traefik and Caddy set X-Forwarded-Method and X-Forwarded-Uri. Envoy needs path_prefix "+
				api.AuthorizePath)
	}
	header, what := claims[0].methodHeader, "method"
	if len(claims[0].uris) == 0 {
		header, what = claims[0].uriHeader, "path with the query"
	}
	return newError(apikey.CodeInvalidRequest, header,
		header+" is missing: the proxy must set it to the "+what+" of each request that it asks about")
}

// claimsOf returns all claims of a request. Servers differ in the characters that they take for "-",
// so only letters and digits of a header's name are compared. A header in two spellings has two
// values.
func claimsOf(r *http.Request, tail string) []claim {
	all := [3]claim{
		{methodHeader: "X-Original-Method", uriHeader: "X-Original-URI"},
		{methodHeader: "X-Forwarded-Method", uriHeader: "X-Forwarded-Uri"},
	}
	if tail != "" {
		uri := tail
		if r.URL.RawQuery != "" {
			uri += "?" + r.URL.RawQuery
		}
		all[2].methods, all[2].uris = []string{r.Method}, []string{uri}
	}
	for name, values := range r.Header {
		switch lettersOf(name) {
		case "xoriginalmethod":
			all[0].methods = append(all[0].methods, values...)
		case "xoriginaluri":
			all[0].uris = append(all[0].uris, values...)
		case "xforwardedmethod":
			all[1].methods = append(all[1].methods, values...)
		case "xforwardeduri":
			all[1].uris = append(all[1].uris, values...)
		}
	}
	return slices.DeleteFunc(all[:], func(c claim) bool { return len(c.methods) == 0 && len(c.uris) == 0 })
}

// lettersOf returns the letters and digits of a name, in lower case.
func lettersOf(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, name)
}

// notOne returns the error for a request whose target is not clear. A client may have caused that.
func notOne() *apiError {
	return refusal(apikey.Verdict{Code: apikey.CodePathOverride})
}

// isMethod reports whether text is a method in the form that backends compare it in.
func isMethod(text string) bool {
	return text != "" && len(text) <= 32 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == ""
}

// isPath reports whether text is an absolute path, as a request has it after the method. A URL with a
// host, *, and a text with characters that a path must escape are none.
func isPath(text string) bool {
	unfit := func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }
	return strings.HasPrefix(text, "/") && !strings.ContainsFunc(text, unfit)
}

// parameters returns the parameters of the query that a decision reads. Backends differ in what they
// take for a separator and for an escape, so every reading counts.
func (t target) parameters() (q admission.Query) {
	for part := range strings.FieldsFuncSeq(t.query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		if list := q.Place([]byte(unescaped(name))); list != nil {
			*list = append(*list, unescaped(value))
		}
	}
	return q
}

// unescaped returns text without escapes, or text itself if it has a wrong one.
func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
