package admission

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"latchkey/internal/apikey"
)

// Headers are the headers of a request that a decision reads. Their names are matched in any case.
// Values of one name add up: a name that comes twice, in different case, must not hide one of its
// values. The zero Headers are those of a request without any of them.
type Headers struct {
	APIKey        []string // X-API-Key, and Api-Key, which clients of Azure send
	Authorization []string
	ForwardedFor  []string // X-Forwarded-For
	// Forged is the code for a header that no client may send, or empty.
	Forged apikey.Code
}

// Format implements [fmt.Formatter]. It prints no value, because some are tokens.
func (Headers) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[headers]") }

// HeadersOf returns the headers of a request that has them as an http.Header. It must have every
// header that the client sent.
func HeadersOf(all map[string][]string) (h Headers) {
	for name, values := range all {
		if list := h.Place([]byte(name)); list != nil {
			*list = append(*list, values...)
		}
	}
	return h
}

// Place returns the list to which the values of a header must be added, or nil if no decision reads
// them. It must be called for every header of a request, because it also notes a forged one.
func (h *Headers) Place(name []byte) *[]string {
	code := forgedHeader(name)
	switch {
	case code != "":
		h.Forged = code
	case isName(name, "X-API-Key"), isName(name, "Api-Key"):
		return &h.APIKey
	case isName(name, "Authorization"):
		return &h.Authorization
	case isName(name, "X-Forwarded-For"):
		return &h.ForwardedFor
	}
	return nil
}

// With returns the headers of a request that a sender has written twice: h with all values of each,
// and last with the last value alone. A sender may also have written only one of them.
func (h Headers) With(last Headers) Headers {
	h.APIKey = union(h.APIKey, last.APIKey)
	h.Authorization = union(h.Authorization, last.Authorization)
	if len(h.ForwardedFor) == 0 { // an address that came twice would count as two proxies
		h.ForwardedFor = last.ForwardedFor
	}
	if h.Forged == "" {
		h.Forged = last.Forged
	}
	return h
}

// Query holds the parameters of a URL that a decision reads.
type Query struct {
	APIKey []string // api_key
	// Forged is the code for a parameter that no client may send, or empty.
	Forged apikey.Code
}

// Format implements [fmt.Formatter]. It prints no value, because some are tokens.
func (Query) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[query]") }

// QueryOf returns the parameters of a request that has them as url.Values. It must have every
// parameter that a backend may read. The parser of net/url drops parameters that it cannot read, so
// a front must refuse a request for which it returns an error.
func QueryOf(all map[string][]string) (q Query) {
	for name, values := range all {
		if list := q.Place([]byte(name)); list != nil {
			*list = append(*list, values...)
		}
	}
	return q
}

// Place is [Headers.Place] for a parameter.
func (q *Query) Place(name []byte) *[]string {
	// ASP.NET MVC reads the headers that override a method from the query, too.
	if overridesMethod(name) || forgedHeader(name) == apikey.CodeMethodOverride {
		q.Forged = apikey.CodeMethodOverride
	}
	if isName(name, "api_key") {
		return &q.APIKey
	}
	return nil
}

// With is [Headers.With] for parameters.
func (q Query) With(last Query) Query {
	q.APIKey = union(q.APIKey, last.APIKey)
	if q.Forged == "" {
		q.Forged = last.Forged
	}
	return q
}

// union returns all values of both lists. It allocates only if more has a value that list does not
// have.
func union(list, more []string) []string {
	if len(list) == 0 {
		return more
	}
	for _, value := range more {
		if !slices.Contains(list, value) {
			list = append(list[:len(list):len(list)], value)
		}
	}
	return list
}

// isName reports whether a name is want in any case. want must be ASCII. A name with letters beyond
// ASCII never matches, because it has more bytes.
func isName(name []byte, want string) bool {
	return len(name) == len(want) && bytes.EqualFold(name, []byte(want))
}

// forgedHeader returns the code for a header that no client may send, or "". API Gateway
// compares header names exactly, but many servers take "_" and other characters for "-". Only
// letters and digits are therefore compared. A name that is not ASCII is no valid header name, and
// servers differ in how they read it.
func forgedHeader(name []byte) apikey.Code {
	var room [64]byte // longer names cost an allocation
	letters := room[:0]
	for _, c := range name {
		switch {
		case c >= 0x80:
			return apikey.CodeIdentityHeader
		case 'A' <= c && c <= 'Z':
			letters = append(letters, c+'a'-'A')
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			letters = append(letters, c)
		}
	}
	if len(letters) == 0 || letters[0] != 'x' {
		return "" // no name below begins with another letter
	}
	name = letters
	switch {
	case spells(name, "xuserid"), spells(name, "xkeyid"), spells(name, "xscopes"), spells(name, "xlatchkeyassertion"),
		spells(name, "xlatchkeymetadata"),
		spells(name, "xratelimitlimit"), spells(name, "xratelimitremaining"), spells(name, "xratelimitreset"):
		return apikey.CodeIdentityHeader // the template sets these for a backend
	case spells(name, "xhttpmethodoverride"), spells(name, "xhttpmethod"), spells(name, "xmethodoverride"):
		return apikey.CodeMethodOverride
	case spells(name, "xoriginalurl"), spells(name, "xrewriteurl"):
		return apikey.CodePathOverride
	}
	return ""
}

// spells reports whether the letters and digits of a name, in lower case, are want.
func spells(name []byte, want string) bool { return string(name) == want }

// overridesMethod reports whether a framework could take a parameter for _method, from which some
// frameworks read the method. PHP drops spaces before a name, takes "." for "_", and ends the name
// at "[".
func overridesMethod(name []byte) bool {
	name = bytes.TrimLeft(name, " ")
	if end := bytes.IndexAny(name, "[\x00"); end >= 0 {
		name = name[:end]
	}
	return isName(name, "_method") || isName(name, ".method")
}
