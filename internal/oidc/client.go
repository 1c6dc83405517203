package oidc

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxDocument is the number of bytes that are read of an issuer's document.
const maxDocument = 1 << 20

// newClient returns a client for asking issuers. It keeps no connections: an issuer is asked so
// seldom that a kept connection would be stale.
func newClient() *http.Client {
	return &http.Client{Transport: bounded{&http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
	}}}
}

// bounded is a transport that sends requests only to secure URLs, also after a redirect. It passes on
// at most maxDocument bytes of an answer. It passes on nothing of an answer with an error status,
// because the library would repeat the text in its error.
type bounded struct{ http.RoundTripper }

// RoundTrip see [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !secure(r.URL) {
		return nil, errors.New("not over TLS")
	}
	response, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxDocument), response.Body}
	if response.StatusCode >= http.StatusBadRequest {
		body.Reader = http.NoBody
	}
	response.Body = body
	return response, nil
}

// secure reports whether keys from a URL can be trusted. It accepts plain http for this machine only,
// since others could replace the keys on their way.
func secure(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && local
}
