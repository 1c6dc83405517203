package authorizer

import (
	"net/netip"
	"strings"

	"latchkey/internal/apikey"
)

// credential returns everything that could be a token, from every place where a token may stand. The
// single-valued headers and parameters repeat values of the others, which does no harm.
func (a *Authorizer) credential(e *event) apikey.Credential {
	var room [8]string
	found := room[:0]
	for _, h := range [...]*headers{&e.multiValueHeaders, &e.headers} {
		found = append(found, h.apiKey...)
		for _, line := range h.authorization {
			found = apikey.AppendAuthorization(found, line)
		}
	}
	if a.QueryAPIKey {
		found = append(found, e.multiValueQuery.apiKey...)
		found = append(found, e.query.apiKey...)
	}
	return a.Format.Credential(found...)
}

// userToken returns the JSON Web Token in Authorization, or "". Two different tokens are ambiguous,
// so it returns "" for them. It also returns "" if there is anything beside the token.
func (e *event) userToken() string {
	found := ""
	for _, h := range [...]*headers{&e.multiValueHeaders, &e.headers} {
		for _, line := range h.authorization {
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

// source returns the caller's address, or the zero Addr if it is unknown. API Gateway appends its
// peer's address to X-Forwarded-For. Each of the hops proxies before API Gateway has appended one
// more.
func (e *event) source(hops int) netip.Addr {
	forwarded := e.multiValueHeaders.forwardedFor
	if len(forwarded) == 0 {
		forwarded = e.headers.forwardedFor
	}
	return apikey.Source(e.peer, forwarded, hops)
}

// whyMissing returns a sentence for the log that says why an event has no token. It repeats nothing
// of the event.
func (e *event) whyMissing() string {
	why := "no key was sent"
	for _, h := range [...]*headers{&e.multiValueHeaders, &e.headers} {
		for _, value := range h.apiKey {
			if apikey.IsJWT(strings.Trim(value, " \t")) {
				why = "X-API-Key or Api-Key has a JSON Web Token, which is no key"
			}
		}
		for _, value := range h.authorization {
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
	}
	return why
}
