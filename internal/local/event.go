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

	"github.com/aws/aws-lambda-go/events"
)

// Parts of an ARN that only AWS could know.
const (
	accountID = "123456789012"
	apiID     = "local"
)

// authorizerEvent is the event of a REQUEST authorizer.
type authorizerEvent struct {
	Type      string `json:"type"`
	MethodArn string `json:"methodArn"`
	events.APIGatewayProxyRequest
}

// newEvent returns the event for a request, without body and without the authorizer's context.
func (g *Gateway) newEvent(x *exchange, resource string, parameters map[string]string) events.APIGatewayProxyRequest {
	r, now := x.r, g.now().UTC()
	peer, port := r.RemoteAddr, ""
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		peer = host
	}
	if address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(address.String()) // fails for a listener without ports
	}
	headers := maps.Clone(r.Header)
	deliver(headers)
	headers["Host"] = []string{r.Host}
	headers["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(r.Header["X-Forwarded-For"]), peer), ", ")}
	headers["X-Forwarded-Port"] = []string{port}
	headers["X-Forwarded-Proto"] = []string{"http"}
	query := queryOf(r.URL.RawQuery)
	return events.APIGatewayProxyRequest{
		Resource:                        resource,
		Path:                            pathOf(r),
		HTTPMethod:                      r.Method,
		Headers:                         lastValues(headers),
		MultiValueHeaders:               headers,
		QueryStringParameters:           lastValues(query),
		MultiValueQueryStringParameters: query,
		PathParameters:                  parameters,
		StageVariables:                  g.template.Variables,
		RequestContext: events.APIGatewayProxyRequestContext{
			AccountID:         accountID,
			APIID:             apiID,
			ResourceID:        "000000",
			DomainName:        r.Host,
			DomainPrefix:      apiID,
			Stage:             g.template.Stage,
			ResourcePath:      resource,
			Path:              r.URL.EscapedPath(),
			HTTPMethod:        r.Method,
			Protocol:          r.Proto,
			RequestID:         x.id,
			ExtendedRequestID: newExtendedID(),
			RequestTime:       now.Format("02/Jan/2006:15:04:05 -0700"),
			RequestTimeEpoch:  now.UnixMilli(),
			Identity:          events.APIGatewayRequestIdentity{SourceIP: peer, UserAgent: r.UserAgent()},
		},
	}
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

func lastValues(values map[string][]string) map[string]string {
	if values == nil {
		return nil
	}
	last := make(map[string]string, len(values))
	for name, all := range values {
		last[name] = all[len(all)-1]
	}
	return last
}
