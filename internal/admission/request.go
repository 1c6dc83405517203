package admission

import (
	"cmp"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/routes"
)

// Request is what a front door says about one request.
type Request struct {
	// Method and Path are those that the backend will get. Path is as the client sent it, so it is
	// still percent-encoded. It begins with a slash, and has neither the stage nor the query.
	Method, Path string
	// Resource is the route that the front door has matched, such as /api/v1/api-keys/{id}. It may be
	// empty. Own says that the route is one of latchkey's own API. A front door must take neither from
	// what a client sends.
	Resource string
	Own      bool
	Headers  Headers
	Query    Query
	// Peer is the address that connected to the front door, or empty if it is not known.
	Peer string
	// Time is when the request arrived at the front door, or zero if that is not known.
	Time time.Time
	// ID names the request in the log, by the name and value that the front door's own log has. It may be
	// zero.
	ID slog.Attr
}

// forged returns the code for a header or parameter that no client may send, or "".
func (r *Request) forged() apikey.Code { return cmp.Or(r.Headers.Forged, r.Query.Forged) }

// acceptsUsers reports whether the request is for a route of latchkey's own where a user may come
// without a key. Other APIs may stand behind the same front door and define the same resources. The
// front door must therefore say that the route is latchkey's own.
func (r *Request) acceptsUsers() bool {
	return r.managesKeys() || r.Own && r.Resource == "/api/v1/whoami"
}

// managesKeys reports whether the request is for a route that manages keys. These routes check
// scopes themselves.
func (r *Request) managesKeys() bool { return r.Own && routes.Manages(r.Resource) }

// credential returns everything that could be a token, from every place where a token may stand.
func (d *Door) credential(r *Request) apikey.Credential {
	var room [8]string
	found := append(room[:0], r.Headers.APIKey...)
	for _, line := range r.Headers.Authorization {
		found = apikey.AppendAuthorization(found, line)
	}
	if d.QueryAPIKey {
		found = append(found, r.Query.APIKey...)
	}
	return d.Format.Credential(found...)
}

// userToken returns the JSON Web Token in Authorization, or "". Two different tokens are ambiguous,
// so it returns "" for them. It also returns "" if there is anything beside the token.
func (r *Request) userToken() string {
	found := ""
	for _, line := range r.Headers.Authorization {
		for _, token := range apikey.AppendAuthorization(nil, line) {
			if !apikey.IsJWT(token) || found != "" && found != token {
				return ""
			}
			found = token
		}
	}
	return found
}

// source returns the caller's address, or the zero Addr if it is unknown. A front door appends its
// peer's address to X-Forwarded-For. Each of the deployment's own proxies before it has appended one
// more.
func (d *Door) source(r *Request) netip.Addr {
	return apikey.Source(r.Peer, r.Headers.ForwardedFor, d.TrustedProxyHops)
}

// whyMissing returns a sentence for the log that says why a request has no token. It repeats nothing
// of the request.
func (r *Request) whyMissing() string {
	why := "no key was sent"
	for _, value := range r.Headers.APIKey {
		if apikey.IsJWT(strings.Trim(value, " \t")) {
			why = "X-API-Key or Api-Key has a JSON Web Token, which is no key"
		}
	}
	for _, value := range r.Headers.Authorization {
		value = strings.Trim(value, " \t")
		token := apikey.FromAuthorization(value)
		switch {
		case apikey.IsJWT(token):
			why = "Authorization has a JSON Web Token, which is no key, and no user may come with one here"
		case token == "" && strings.EqualFold(value, "Bearer"):
			why = "Authorization has the scheme Bearer and no key"
		case token == "" && value != "":
			why = "Authorization has another scheme than Bearer"
		}
	}
	return why
}
