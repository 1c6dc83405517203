package authorizer

import (
	"bytes"
	"cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/jsonio"
)

// headers are the headers that the authorizer reads. Their names are matched in any case. Values of
// one name add up: a name that comes twice, in different case, must not hide one of its values.
type headers struct {
	apiKey        []string // X-API-Key, and Api-Key, which clients of Azure send
	authorization []string
	forwardedFor  []string // X-Forwarded-For
	// forged is the log code for a header that no client may send, or empty.
	forged apikey.Code
}

func (h *headers) read(r *jsonio.Reader) {
	r.Object(func(name []byte) {
		code := forgedHeader(name)
		switch {
		case code != "":
			h.forged = code
			r.Value()
		case isName(name, "X-API-Key"), isName(name, "Api-Key"):
			h.apiKey = r.Strings(h.apiKey)
		case isName(name, "Authorization"):
			h.authorization = r.Strings(h.authorization)
		case isName(name, "X-Forwarded-For"):
			h.forwardedFor = r.Strings(h.forwardedFor)
		default:
			r.Value()
		}
	})
}

// query holds the parameters of the URL that the authorizer reads.
type query struct {
	apiKey []string // api_key
	// forged is the log code for a parameter that no client may send, or empty.
	forged apikey.Code
}

func (q *query) read(r *jsonio.Reader) {
	r.Object(func(name []byte) {
		// ASP.NET MVC reads the headers that override a method from the query, too.
		if overridesMethod(name) || forgedHeader(name) == apikey.CodeMethodOverride {
			q.forged = apikey.CodeMethodOverride
		}
		if isName(name, "api_key") {
			q.apiKey = r.Strings(q.apiKey)
		} else {
			r.Value()
		}
	})
}

// isName reports whether a name is want in any case. want must be ASCII. A name with letters beyond
// ASCII never matches, because it has more bytes.
func isName(name []byte, want string) bool {
	return len(name) == len(want) && bytes.EqualFold(name, []byte(want))
}

// forgedHeader returns the log code for a header that no client may send, or "". API Gateway
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

// forged returns the log code for a header or parameter that no client may send, or "".
func (e *event) forged() apikey.Code {
	return cmp.Or(e.multiValueHeaders.forged, e.headers.forged, e.multiValueQuery.forged, e.query.forged)
}
