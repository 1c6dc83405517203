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
	headers := maps.Clone(map[string][]string(r.Header))
	headers["Host"] = []string{r.Host}
	headers["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(r.Header["X-Forwarded-For"]), peer), ", ")}
	headers["X-Forwarded-Port"] = []string{port}
	headers["X-Forwarded-Proto"] = []string{"http"}
	query := queryOf(r.URL.RawQuery)
	return events.APIGatewayProxyRequest{
		Resource:                        resource,
		Path:                            r.URL.EscapedPath(),
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

// queryOf returns all parameters of a query, and nil if there are none. Unlike net/url it keeps a
// parameter that has a semicolon or a wrong escape. A backend receives the query unchanged, and the
// authorizer must see all of it.
func queryOf(raw string) map[string][]string {
	plain := func(text string) string {
		if unescaped, err := url.QueryUnescape(text); err == nil {
			return unescaped
		}
		return text
	}
	var all map[string][]string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		if all == nil {
			all = make(map[string][]string)
		}
		name, value, _ := strings.Cut(part, "=")
		all[plain(name)] = append(all[plain(name)], plain(value))
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
