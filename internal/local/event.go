package local

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"latchkey/internal/jsonio"
)

// Parts of an ARN that only AWS could know.
const (
	accountID = "123456789012"
	apiID     = "local"
)

// event is the event of a request, which its authorizer and its function receive in two forms.
type event struct {
	arn string
	// shared has the members of both forms. requestContext is the last of them and is not closed.
	shared jsonio.Writer
}

// newEvent returns the event for a request.
func (g *Gateway) newEvent(x *exchange, resource string, parameters map[string]string) event {
	r, now, path := x.r, g.now().UTC(), pathOf(x.r)
	peer, port := addresses(r)
	headers := maps.Clone(r.Header)
	deliver(headers)
	headers["Host"] = []string{r.Host}
	headers["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(r.Header["X-Forwarded-For"]), peer), ", ")}
	headers["X-Forwarded-Port"] = []string{port}
	headers["X-Forwarded-Proto"] = []string{"http"}
	query := queryOf(r.URL.RawQuery)

	e := make(jsonio.Writer, 0, eventSize)
	e.Begin()
	e.Text("resource", resource)
	e.Text("path", path)
	e.Text("httpMethod", r.Method)
	e.LastTexts("headers", headers)
	e.Lists("multiValueHeaders", headers)
	e.LastTexts("queryStringParameters", query)
	e.Lists("multiValueQueryStringParameters", query)
	e.Texts("pathParameters", parameters)
	e.Texts("stageVariables", g.template.Variables)
	e.Name("requestContext")
	e.Begin()
	e.Text("accountId", accountID)
	e.Text("resourceId", "000000")
	e.Text("stage", g.template.Stage)
	e.Text("domainName", r.Host)
	e.Text("domainPrefix", apiID)
	e.Text("requestId", x.id)
	e.Text("extendedRequestId", newExtendedID())
	e.Text("protocol", r.Proto)
	e.Name("identity")
	e.Begin()
	e.Text("sourceIp", peer)
	e.Text("userAgent", r.UserAgent())
	e.End()
	e.Text("resourcePath", resource)
	e.Text("path", r.URL.EscapedPath())
	e.Text("httpMethod", r.Method)
	e.Text("requestTime", now.Format("02/Jan/2006:15:04:05 -0700"))
	e.Integer("requestTimeEpoch", now.UnixMilli())
	e.Text("apiId", apiID)
	return event{
		arn:    "arn:aws:execute-api:us-east-1:" + accountID + ":" + apiID + "/" + g.template.Stage + "/" + r.Method + path,
		shared: e,
	}
}

// eventSize is more than most events have, in bytes.
const eventSize = 3 << 10

// forAuthorizer returns the event of a REQUEST authorizer.
func (e event) forAuthorizer() []byte {
	shared := slices.Clone(e.shared)
	shared.Raw("authorizer", "null")
	shared.End()
	shared.Text("type", "REQUEST")
	shared.Text("methodArn", e.arn)
	shared.Text("body", "")
	shared.End()
	return shared
}

// forFunction returns the event of a proxy. context is the authorizer's context, and nil if the route
// has no authorizer. The event must not be used again.
func (e event) forFunction(context map[string]string, body []byte) []byte {
	e.shared.Texts("authorizer", context)
	e.shared.End()
	e.shared.Text("body", string(body))
	e.shared.End()
	return e.shared
}

// addresses returns the address of the client and the port of the server.
func addresses(r *http.Request) (peer, port string) {
	peer = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		peer = host
	}
	if address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(address.String()) // fails for a listener without ports
	}
	return peer, port
}

// newExtendedID returns an ID that a client cannot choose. On AWS a client can choose requestId.
func newExtendedID() string {
	var b [11]byte
	rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:])
}

// pathOf returns the path of a request, which stays escaped. Several slashes at its beginning count
// as one.
func pathOf(r *http.Request) string { return "/" + strings.TrimLeft(r.URL.EscapedPath(), "/") }

// pair is one parameter of a query.
type pair struct{ name, value string }

// pairsOf returns the decoded parameters of a query. A semicolon separates two of them, as an
// ampersand does. Unlike net/url, pairsOf keeps a text with a wrong escape as it is, so that the
// authorizer sees all that a backend gets.
func pairsOf(raw string) []pair {
	plain := func(text string) string {
		if unescaped, err := url.QueryUnescape(text); err == nil {
			return unescaped
		}
		return text
	}
	var pairs []pair
	for _, part := range strings.FieldsFunc(raw, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, pair{plain(name), plain(value)})
	}
	return pairs
}

// queryOf returns the parameters of a query by their names, and nil if there are none.
func queryOf(raw string) map[string][]string {
	var all map[string][]string
	for _, p := range pairsOf(raw) {
		if all == nil {
			all = make(map[string][]string)
		}
		all[p.name] = append(all[p.name], p.value)
	}
	return all
}
