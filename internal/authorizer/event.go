package authorizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/netip"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/routes"
)

// event is what is used of an API Gateway REQUEST authorizer event. The rest of
// it is skipped without being decoded.
type event struct {
	Token             tokenType `json:"type"`
	MethodArn         string    `json:"methodArn"`
	Resource          string    `json:"resource"`
	Headers           headers   `json:"headers"`
	MultiValueHeaders headers   `json:"multiValueHeaders"`
	Query             query     `json:"queryStringParameters"`
	MultiValueQuery   query     `json:"multiValueQueryStringParameters"`
	StageVariables    struct {
		Own string `json:"LATCHKEY_MANAGEMENT"`
	} `json:"stageVariables"`
	RequestContext struct {
		RequestTimeEpoch int64 `json:"requestTimeEpoch"`
		Identity         struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
	} `json:"requestContext"`
}

// headers are the headers that the authorizer reads. Their names are found in any case.
type headers struct {
	APIKey        values // X-API-Key and Api-Key
	Authorization values
	ForwardedFor  values // X-Forwarded-For
	// forged is the log code for a header that no client may send, or empty.
	forged string
}

// UnmarshalJSON reads a JSON object of headers, or null.
func (h *headers) UnmarshalJSON(raw []byte) error {
	return members(raw, func(name, value []byte) error {
		switch lower := lowerCase(name); string(lower.text()) {
		case "x-api-key", "api-key": // clients of Azure send the latter
			return h.APIKey.UnmarshalJSON(value)
		case "authorization":
			return h.Authorization.UnmarshalJSON(value)
		case "x-forwarded-for":
			return h.ForwardedFor.UnmarshalJSON(value)
		}
		if code := forgery(name); code != "" {
			h.forged = code
		}
		return nil
	})
}

// Log codes of requests that could carry a client past the authorizer's judgement.
const (
	codeIdentityHeader = "identity_header"
	codeMethodOverride = "method_override"
	codePathOverride   = "path_override"
)

// forgery returns the log code for a header that no client may send, or "". API Gateway compares header names exactly,
// but many servers take "_" and other characters for "-". Only letters and digits are therefore compared. A name that
// is not ASCII is no valid header name, and servers differ in how they read it.
func forgery(name []byte) string {
	var folded short
	for _, c := range name {
		switch {
		case c >= 0x80:
			return codeIdentityHeader
		case 'A' <= c && c <= 'Z':
			folded.add(c + 'a' - 'A')
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			folded.add(c)
		}
	}
	switch string(folded.text()) {
	case "xuserid", "xkeyid", "xscopes": // the template sets these for a backend
		return codeIdentityHeader
	case "xhttpmethodoverride", "xhttpmethod", "xmethodoverride":
		return codeMethodOverride
	case "xoriginalurl", "xrewriteurl":
		return codePathOverride
	}
	return ""
}

// query holds the parameters of the URL that the authorizer reads.
type query struct {
	APIKey values // api_key
	// forged is the log code for a parameter that no client may send, or empty.
	forged string
}

// UnmarshalJSON reads a JSON object of parameters, or null.
func (q *query) UnmarshalJSON(raw []byte) error {
	return members(raw, func(name, value []byte) error {
		if lower := lowerCase(name); string(lower.text()) == "api_key" {
			return q.APIKey.UnmarshalJSON(value)
		}
		if overridesMethod(name) || forgery(name) == codeMethodOverride { // ASP.NET MVC reads the latter in the query, too
			q.forged = codeMethodOverride
		}
		return nil
	})
}

// overridesMethod reports whether a framework could take the parameter for _method, which some read the method from. PHP
// drops spaces before a name and takes "." and " " for "_"; "[" ends the name.
func overridesMethod(name []byte) bool {
	var folded short
	for _, c := range bytes.TrimLeft(name, " ") {
		if c == '[' || c == 0 {
			break
		}
		if c == '.' || c == ' ' {
			c = '_'
		}
		folded.add(c)
	}
	lower := lowerCase(folded.text())
	return string(lower.text()) == "_method"
}

// short is a text of at most 20 bytes, which needs no allocation. A longer one is cut there: no name that is looked for
// is as long.
type short struct {
	bytes [20]byte
	n     int
}

func (s *short) add(c byte) {
	if s.n < len(s.bytes) {
		s.bytes[s.n] = c
		s.n++
	}
}

func (s *short) text() []byte { return s.bytes[:s.n] }

// lowerCase is a name in ASCII lower case.
func lowerCase(name []byte) (lower short) {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower.add(c)
	}
	return lower
}

// values are all values of one name. They add up: a name that comes twice, in
// different case, must not hide one of its values.
type values []string

// UnmarshalJSON takes a text or a list of texts.
func (v *values) UnmarshalJSON(raw []byte) error {
	if text, ok := plain(raw); ok {
		*v = append(*v, text)
		return nil
	}
	if raw[0] == '[' {
		var list []string
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		*v = append(*v, list...)
		return nil
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	if text != nil {
		*v = append(*v, *text)
	}
	return nil
}

// plain reads what nearly all values are: one text, alone or as a list of one,
// without an escape.
func plain(raw []byte) (string, bool) {
	if raw[0] == '[' {
		raw = bytes.TrimSpace(raw[1 : len(raw)-1])
	}
	if len(raw) < 2 || raw[0] != '"' || bytes.IndexByte(raw, '\\') >= 0 || bytes.IndexByte(raw[1:], '"') != len(raw)-2 {
		return "", false
	}
	return string(raw[1 : len(raw)-1]), true
}

// forged returns the log code for something in the request that could carry it past the authorizer's judgement, or "".
func (e *event) forged() string {
	return cmp.Or(e.MultiValueHeaders.forged, e.Headers.forged, e.MultiValueQuery.forged, e.Query.forged)
}

// userToken is the one JSON Web Token in Authorization. It is empty if there are two different ones, because it is
// ambiguous which was meant. It is also empty if there is anything beside the token.
func (e *event) userToken() string {
	found := ""
	for _, list := range [...]values{e.MultiValueHeaders.Authorization, e.Headers.Authorization} {
		for _, line := range list {
			for _, token := range apikey.AppendAuthorization(nil, line) {
				if !apikey.IsJWT(token) || found != "" && found != token {
					return ""
				}
				found = token
			}
		}
	}
	return found
}

// management reports whether the event is for a route of latchkey's own where a
// user may come in place of a key. Other APIs may name this authorizer and define
// the same resources, so that the stage must say that it is latchkey's. No caller
// has a say in either.
func (e *event) management() bool {
	return e.StageVariables.Own == "true" && (e.Resource == "/api/v1/whoami" || routes.Manages(e.Resource))
}

// target is the API, method and path that a request is for.
type target struct {
	method, path string
	// resource is the name of the target in a policy.
	resource string
}

// maxResource is the length of a Resource that API Gateway takes in a policy.
const maxResource = 512

// target reads methodArn, arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH. It reports false for one that
// names no method, or could stand for more than one API, stage or method.
//
// A policy takes an ARN of at most 512 characters, in which *, ? and $ have a meaning. If the path does not fit,
// resource names all paths of the same API, stage and method. This widens nothing, because the policy is for one
// request.
func (e *event) target() (target, bool) {
	arn := e.MethodArn
	stage := strings.IndexByte(arn, '/') + 1
	method := stage + strings.IndexByte(arn[stage:], '/') + 1
	if stage == 0 || method <= stage+1 {
		return target{}, false
	}
	path := method + strings.IndexByte(arn[method:], '/')
	if path < method {
		path = len(arn)
	}
	if path == method || strings.ContainsAny(arn[:path], "*?") {
		return target{}, false
	}
	t := target{method: arn[method:path], path: "/", resource: arn}
	if path < len(arn) {
		t.path = arn[path:]
	}
	if len(arn) > maxResource || strings.ContainsAny(arn[path:], "*?$") {
		t.resource = arn[:path] + "/*"
	}
	return t, true
}

// managesKeys reports whether the request is for one of those routes, but for
// whoami, which any key may ask.
func (e *event) managesKeys() bool { return e.management() && routes.Manages(e.Resource) }

// source is the caller's address. API Gateway appends the address that connected
// to X-Forwarded-For; each proxy of our own before it has appended one more.
func (e *event) source(hops int) netip.Addr {
	forwarded := e.MultiValueHeaders.ForwardedFor
	if len(forwarded) == 0 {
		forwarded = e.Headers.ForwardedFor
	}
	return apikey.Source(e.RequestContext.Identity.SourceIP, forwarded, hops)
}
