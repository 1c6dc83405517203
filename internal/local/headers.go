package local

import (
	"net/http"
	"slices"
	"strings"
)

// API Gateway documents a table of the headers that it drops or renames.

// undelivered are the headers of a request that neither a function nor a backend gets. Connection
// is about one connection alone, so no backend gets it either, although the table lets it pass.
func undelivered() []string {
	return []string{
		"Connection", "Content-Md5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Www-Authenticate",
	}
}

// kept are headers of a request that a function gets and a backend does not.
func kept() []string { return []string{"Content-Encoding", "Via"} }

// deliver removes the headers that no integration gets. An Authorization header with an AWS
// signature is one of them.
func deliver(headers http.Header) {
	for _, name := range undelivered() {
		delete(headers, name)
	}
	signed := func(value string) bool { return strings.HasPrefix(value, "AWS4-HMAC-SHA256") }
	if slices.ContainsFunc(headers["Authorization"], signed) {
		delete(headers, "Authorization")
	}
}

// remap adds the headers of an integration to those of a response, as API Gateway passes them on. It
// renames some and drops others, so that tests find out who relies on them.
func remap(to http.Header, headers map[string][]string) {
	for name, values := range headers {
		switch name {
		case "Content-Length", "Expect", "Host", "Proxy-Authenticate", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
			"Via":
			continue
		case "Authorization", "Connection", "Content-Md5", "Date", "Max-Forwards", "Server", "User-Agent",
			"Www-Authenticate":
			name = "X-Amzn-Remapped-" + name
		}
		to[name] = values
	}
}

// remapping renames the headers of responses.
type remapping struct{ http.RoundTripper }

func (t remapping) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	length, kind := response.Header["Content-Length"], response.Header["Content-Type"]
	passed := make(http.Header, len(response.Header))
	remap(passed, response.Header)
	response.Header = passed
	if len(length) > 0 {
		response.Header["Content-Length"] = length // a response to HEAD has its length only here
		response.Header["X-Amzn-Remapped-Content-Length"] = length
	}
	if len(kind) == 0 {
		response.Header["Content-Type"] = []string{"application/json"}
	}
	return response, nil
}
